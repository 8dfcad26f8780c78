"""Alpaca: shares, in a session of New York."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.simulation.vendors.alpaca import name_of
from tests.simulators.alpaca.orders import Order
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock, to_ms
from tests.simulators.shared.server import Server, served
from tests.venue_core.places.place import Entered


class AlpacaPlace:
    kind = name = "alpaca"
    symbol, currency = "AAPL", "USD"
    quantity = Decimal(10)
    symbol_lines = 'calendar = "XNYS"\nbase_asset = "AAPL"\nquote_asset = "USD"'
    bot_lines = ""

    def __init__(self, server: Server, simulator: Simulator) -> None:
        self.server, self.simulator = server, simulator
        self.secrets = {"key": simulator.terms.key, "secret": simulator.terms.secret}
        self.section = f"""
kind = "alpaca"
base_url = "{server.http}"
ws_url = "{server.ws}/stream"
api_key = {{ file = "key" }}
api_secret = {{ file = "secret" }}
"""
        self.price = Decimal(200)
        self.move(self.price)

    def move(self, price: Decimal) -> None:
        self.price = price
        exchange = self.simulator.exchange
        exchange.quote(self.symbol, price, price)
        exchange.trade(self.symbol, price)

    def orders(self) -> list[Entered]:
        return [_entered(each) for each in self.simulator.exchange.desk.book.all]

    def held(self) -> Decimal:
        return self.simulator.exchange.desk.ledger.quantity(self.symbol)

    def cash(self) -> Decimal:
        return self.simulator.exchange.desk.ledger.cash - self.simulator.terms.cash


def _entered(order: Order) -> Entered:
    return Entered(
        client_order_id=name_of(order),
        side=order.side,
        type=order.type,
        quantity=order.quantity or Decimal(0),
        executed=order.filled,
        spent=order.paid,
        fees={},
        is_open=order.is_open,
        created_ms=to_ms(order.created_at),
    )


@asynccontextmanager
async def alpaca(clock: SimulatorClock) -> AsyncIterator[AlpacaPlace]:
    simulator = Simulator(Terms(storm=10_000))
    async with served(simulator.build, clock=clock) as server:
        yield AlpacaPlace(server, simulator)
