"""`python -m tests.simulators.alpaca [--port N]`: the simulator by itself, with a first market."""

import json

from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.shared.server import Server, run_alone

PRICES = {
    "AAPL": ("200.00", "200.02"),
    "MSFT": ("400.00", "400.04"),
    "SPY": ("500.00", "500.01"),
    "BTC/USD": ("60000.00", "60010.00"),
    "ETH/USD": ("3000.000", "3001.000"),
}


def main() -> None:
    simulator = Simulator()

    def describe(_: Server) -> str:
        for symbol, (bid, ask) in PRICES.items():
            simulator.exchange.quote(symbol, bid, ask)
        return json.dumps({"key": simulator.terms.key, "secret": simulator.terms.secret})

    run_alone(simulator.build, describe)


if __name__ == "__main__":
    main()
