"""Alpaca: a stop and its target as an OCO of shares, in the regular session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tests.protection.places import SYMBOLS, Guarded, Place
from tests.protection.slow_line import slow_line
from tests.simulators.alpaca import groups
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import PositionType

NAMES: Final = ("AAPL", "MSFT", "SPY", "TSLA")[:SYMBOLS]


PRICE: Final = Decimal(200)


@dataclass(frozen=True, kw_only=True)
class Alpaca:
    """What is done there."""

    server: Server
    exchange: Exchange
    prices: dict[str, Decimal] = field(default_factory=dict)

    def stops(self, name: str) -> list[Order]:
        return [
            order
            for order in self.exchange.desk.book.open(name)
            if order.is_open and order.type in {"stop", "stop_limit"} and not order.triggered
        ]

    def look(self, name: str) -> Guarded:
        total = sum((each.left for each in self.stops(name)), Decimal(0))
        return Guarded(self.exchange.desk.ledger.quantity(name), total)

    def price(self, name: str) -> Decimal:
        return self.prices[name]

    def move(self, name: str, price: Decimal) -> None:
        self.prices[name] = price
        self.exchange.quote(name, price, price)
        self.exchange.trade(name, price)

    async def cancelled(self, name: str) -> None:
        for order in self.stops(name):
            self.exchange.cancel(order.id)

    async def expired(self, name: str) -> None:
        """As a stop that lasts for the day is, in the evening."""
        for order in self.stops(name):
            groups.end(self.exchange.desk, order, Status.EXPIRED)

    async def rejected(self, name: str) -> None:
        """The execution venue rejects it."""
        for order in self.stops(name):
            self.exchange.reject(order.id)

    async def replaced(self, name: str) -> None:
        """A8: somebody moves it in the vendor's own app, without a name of ours."""
        for order in self.stops(name):
            if order.status in {Status.NEW, Status.HELD} and order.stop_price is not None:
                level = order.stop_price - Decimal("0.50")
                self.exchange.replace(order.id, {"stop_price": str(level)})

    def offer(self, name: str, quantity: Decimal) -> None:
        self.exchange.quote(name, "0", self.prices[name], ask_size=quantity)


@asynccontextmanager
async def alpaca(clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    terms = Terms(storm=10_000, requests_per_minute=100_000, cash=Decimal(10_000_000))
    simulator = Simulator(terms)
    async with (
        served(simulator.build, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        here = Alpaca(server=server, exchange=simulator.exchange)
        for name in NAMES:
            here.move(name, PRICE)
        yield Place(
            kind="alpaca",
            server=server,
            clock=clock,
            symbols=NAMES,
            currency="USD",
            secrets={"key": terms.key, "secret": terms.secret},
            section=f"""
base_url = "http://127.0.0.1:{line.port}"
ws_url = "ws://127.0.0.1:{line.port}/stream"
""",
            position_type=PositionType.SPOT,
            quantity=Decimal(10),
            start_price=PRICE,
            symbol_lines='calendar = "XNYS"\nquote_asset = "USD"',
            look=here.look,
            price=here.price,
            move=here.move,
            offer=here.offer,
            cancel=here.cancelled,
            stop_call={"operation": "place.limit.oco"},
            refusal=(
                403,
                {"code": 40310000, "message": "insufficient qty available for order"},
            ),
            mishaps={
                "expired": here.expired,
                "rejected": here.rejected,
                "replaced by hand": here.replaced,
            },
        )
