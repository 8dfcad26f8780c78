"""`python -m tests.simulators.binance.usdm [--port N]`: one simulator by itself, for trials by hand."""

from tests.simulators.binance.usdm.app import build
from tests.simulators.binance.usdm.simulator import KEY
from tests.simulators.shared.server import Server, run_alone


def described(server: Server) -> str:
    return f'{{"key":"{KEY.name}","secret":"{KEY.secret}"}}'


if __name__ == "__main__":
    run_alone(build, described)
