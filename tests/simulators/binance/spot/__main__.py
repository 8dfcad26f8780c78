"""`python -m tests.simulators.binance.spot [--port N]`: the simulator by itself, with a demo account."""

from aiohttp import web

from tests.simulators.binance.spot.demo import describe, furnish
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.server import run_alone


def build(scene: Scene) -> web.Application:
    simulator = SpotSimulator()
    app = simulator.build(scene)
    furnish(simulator.venue)
    return app


if __name__ == "__main__":
    run_alone(build, describe)
