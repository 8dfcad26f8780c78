"""Alpaca: a stop and its target as an OCO of shares, in the regular session."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tests.protection.daemon import VenueTime
from tests.protection.places import SYMBOLS, VENUE, Guarded, Place, symbol_of
from tests.protection.slow_line import slow_line
from tests.simulators.alpaca import groups
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Fault, Kind, answered
from tests.simulators.shared.server import Server, served
from tests.unit.simulators.alpaca.scenes import OPEN, moment
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.market.calendars import load_calendar
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import Venue
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

CALENDAR: Final = load_calendar("XNYS")  # from files: not within a loop
NAMES: Final = ("AAPL", "MSFT", "SPY", "TSLA")[:SYMBOLS]


PRICE: Final = Decimal(200)


@dataclass(frozen=True, kw_only=True)
class Alpaca:
    """What is done there; *port*: of the slow line."""

    server: Server
    exchange: Exchange
    host: VenueTime
    port: int
    symbols: Mapping[str, MarketSymbol]
    prices: dict[str, Decimal] = field(default_factory=dict)

    def build(self) -> Venue:
        traits = traits_of(crypto=False, stocks=True, feed="iex")
        address, terms = f"127.0.0.1:{self.port}", self.exchange.terms
        settings = Settings(
            venue=VENUE,
            base_url=f"http://{address}",
            data_url=f"http://{address}",
            ws_url=f"ws://{address}/stream",
            key_id=terms.key,
            secret=terms.secret,
            feed="iex",
            price_kinds=traits.price_kinds,
            gates={each: Gate(each, self.host) for each in Host},
            host=self.host,
        )
        parts = Parts(settings, list(self.symbols.values()))
        return AlpacaVenue(parts, traits, live=False, key_id=terms.key)

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
        """The execution venue rejects it, and the next one is refused once."""
        body = {"code": 40310000, "message": "insufficient qty available for order"}
        self.server.faults.set(answered(403, body, method="POST", path="/v2/orders"))
        for order in self.stops(name):
            self.exchange.reject(order.id)

    async def replaced(self, name: str) -> None:
        """A8: somebody moves it in the vendor's own app, without a name of ours."""
        for order in self.stops(name):
            if order.status in {Status.NEW, Status.HELD} and order.stop_price is not None:
                level = order.stop_price - Decimal("0.50")
                self.exchange.replace(order.id, {"stop_price": str(level)})

    async def unheard(self, name: str) -> None:
        self.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await self.server.met()
        await self.cancelled(name)


@asynccontextmanager
async def alpaca(clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    simulator = Simulator(
        Terms(storm=10_000, requests_per_minute=100_000, cash=Decimal(10_000_000))
    )
    symbols = {name: symbol_of(name, name, "USD", CALENDAR, "0.01", "0.001") for name in NAMES}
    async with (
        served(simulator.build, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        here = Alpaca(
            server=server,
            exchange=simulator.exchange,
            host=VenueTime(clock),
            port=line.port,
            symbols=symbols,
        )
        for name in NAMES:
            here.move(name, PRICE)
        yield Place(
            name="alpaca",
            server=server,
            clock=clock,
            symbols=symbols,
            calendar=CALENDAR,
            position_type=PositionType.SPOT,
            quantity=Decimal(10),
            start_price=PRICE,
            build=here.build,
            look=here.look,
            price=here.price,
            move=here.move,
            mishaps={
                "cancelled by hand": here.cancelled,
                "expired": here.expired,
                "rejected": here.rejected,
                "replaced by hand": here.replaced,
                "unheard": here.unheard,
            },
        )
