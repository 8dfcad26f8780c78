"""Alpaca: a stop and its target as an OCO of shares, in the regular session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tests.protection.daemon import VenueTime
from tests.protection.places import SYMBOLS, VENUE, Guarded, Place, symbol_of
from tests.protection.slow_line import slow_line
from tests.simulators.alpaca import groups
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Fault, Kind, answered
from tests.simulators.shared.server import served
from tests.unit.simulators.alpaca.scenes import OPEN, moment
from tradebotd.domain.instrument import PositionType
from tradebotd.market.calendars import load_calendar
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import Venue
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

CALENDAR: Final = load_calendar("XNYS")  # from files: not within a loop
NAMES: Final = ("AAPL", "MSFT", "SPY", "TSLA")[:SYMBOLS]


@asynccontextmanager
async def alpaca(one_way: float) -> AsyncIterator[Place]:
    clock, calendar = SimulatorClock(moment(OPEN)), CALENDAR
    simulator = Simulator(
        Terms(storm=10_000, requests_per_minute=100_000, cash=Decimal(10_000_000))
    )
    symbols = {name: symbol_of(name, name, "USD", calendar, "0.01", "0.001") for name in NAMES}
    async with (
        served(simulator.build, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        exchange, host = simulator.exchange, VenueTime(clock)
        desk, address = exchange.desk, f"127.0.0.1:{line.port}"

        def build() -> Venue:
            traits = traits_of(crypto=False, stocks=True, feed="iex")
            settings = Settings(
                venue=VENUE,
                base_url=f"http://{address}",
                data_url=f"http://{address}",
                ws_url=f"ws://{address}/stream",
                key_id=simulator.terms.key,
                secret=simulator.terms.secret,
                feed="iex",
                price_kinds=traits.price_kinds,
                gates={each: Gate(each, host) for each in Host},
                host=host,
            )
            parts = Parts(settings, list(symbols.values()))
            return AlpacaVenue(parts, traits, live=False, key_id=settings.key_id)

        def stops(name: str) -> list[Order]:
            return [
                order
                for order in desk.book.open(name)
                if order.is_open and order.type in {"stop", "stop_limit"} and not order.triggered
            ]

        def look(name: str) -> Guarded:
            total = sum((each.left for each in stops(name)), Decimal(0))
            return Guarded(desk.ledger.quantity(name), total)

        prices = dict.fromkeys(NAMES, Decimal(200))

        def move(name: str, price: Decimal) -> None:
            prices[name] = price
            exchange.quote(name, price, price)
            exchange.trade(name, price)

        async def cancelled(name: str) -> None:
            for order in stops(name):
                if order.is_open:
                    exchange.cancel(order.id)

        async def expired(name: str) -> None:
            """As a stop that lasts for the day is, in the evening."""
            for order in stops(name):
                if order.is_open:
                    groups.end(desk, order, Status.EXPIRED)

        async def rejected(name: str) -> None:
            """The execution venue rejects it, and the next one is refused once."""
            body = {"code": 40310000, "message": "insufficient qty available for order"}
            server.faults.set(answered(403, body, method="POST", path="/v2/orders"))
            for order in stops(name):
                if order.is_open:
                    exchange.reject(order.id)

        async def replaced(name: str) -> None:
            """A8: somebody moves it in the vendor's own app, without a name of ours."""
            for order in stops(name):
                if order.status in {Status.NEW, Status.HELD} and order.stop_price is not None:
                    level = order.stop_price - Decimal("0.50")
                    exchange.replace(order.id, {"stop_price": str(level)})

        async def unheard(name: str) -> None:
            server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
            await server.met()
            await cancelled(name)

        clock.advance(timedelta(seconds=1))
        for name in NAMES:
            move(name, Decimal(200))
        yield Place(
            name="alpaca",
            server=server,
            clock=clock,
            symbols=symbols,
            calendar=calendar,
            position_type=PositionType.SPOT,
            quantity=Decimal(10),
            start_price=Decimal(200),
            build=build,
            look=look,
            price=lambda name: prices[name],
            move=move,
            mishaps={
                "cancelled by hand": cancelled,
                "expired": expired,
                "rejected": rejected,
                "replaced by hand": replaced,
                "unheard": unheard,
            },
        )
