"""Binance spot: a stop and its target as an OCO, which makes way before another one rests."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from tests.protection.daemon import VenueTime
from tests.protection.places import SYMBOLS, VENUE, Guarded, Place, symbol_of
from tests.protection.slow_line import slow_line
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Symbol, usual_filters
from tests.simulators.binance.spot.venue import Venue as SpotVenue
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Fault, Kind, answered
from tests.simulators.shared.server import Server, served
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.net.gate import Gate
from tradebotd.ports.venue import Venue
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.spot.parts import Parts, Settings
from tradebotd.venues.binance.spot.venue import RECEIVE_WINDOW, BinanceSpotVenue, traits_of

ACCOUNT, KEY, SECRET = "protected", "protectedKey", "protectedSecret"
BASES: Final = tuple(f"T{number}" for number in range(SYMBOLS))
STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT"})
RULE: Final = {
    "bidLimitMultUp": "1.2",
    "bidLimitMultDown": "0.8",
    "askLimitMultUp": "1.2",
    "askLimitMultDown": "0.99",
}


LISTED: Final = tuple(
    Symbol(f"{base}USDT", base, "USDT", usual_filters("0.01", "0.00001")) for base in BASES
)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What is done there; *port*: of the slow line."""

    server: Server
    venue: SpotVenue
    host: VenueTime
    port: int
    symbols: Mapping[str, MarketSymbol]

    def build(self) -> Venue:
        settings = Settings(
            venue=VENUE,
            base_url=f"http://127.0.0.1:{self.port}",
            ws_url=f"ws://127.0.0.1:{self.port}/ws-api/v3",
            key=Key(name=KEY, signer=signer_of(SECRET, "venues.there.api_secret")),
            secrets=(KEY, SECRET),
            receive_window=RECEIVE_WINDOW,
            gate=Gate(VENUE, self.host),
            host=self.host,
        )
        return BinanceSpotVenue(
            Parts(settings, list(self.symbols.values())),
            traits_of(live=False),
            live=False,
            allow_unrestricted_key=True,
        )

    def look(self, name: str) -> Guarded:
        market = self.venue.markets[name]
        held = self.venue.accounts[ACCOUNT].balances.get(market.symbol.base)
        stops = (order for order in market.open.values() if order.type in STOPS and order.waits)
        stopped = sum((order.left for order in stops), Decimal(0))
        return Guarded(held.total if held else Decimal(0), stopped)

    def price(self, name: str) -> Decimal:
        return self.venue.markets[name].last

    def move(self, name: str, price: Decimal) -> None:
        self.venue.set_reference(name, str(price))
        self.venue.move(name, str(price), "1000")

    async def cancelled(self, name: str) -> None:
        for order in self.venue.open_orders(ACCOUNT, name):
            if order.is_open:
                self.venue.engine.cancel(order, "web_by_hand")

    async def expired(self, name: str) -> None:
        self.venue.cancel_by_exchange(name)

    async def rejected(self, name: str) -> None:
        """It is gone, and the next one is refused once."""
        body = {"code": -2010, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}
        self.server.faults.set(answered(400, body, operation="place.oco"))
        await self.cancelled(name)

    async def unheard(self, name: str) -> None:
        """The stream is cut, and the stop is gone meanwhile."""
        self.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await self.server.met()
        await self.cancelled(name)

    async def out_of_range(self, name: str) -> None:
        """S3: the stop is met where nothing may trade: EXPIRED; then the range is lifted."""
        self.venue.change(name, execution_rule=RULE)
        gone = self.venue.markets[name].last * Decimal("0.95")
        self.venue.move(name, str(gone.quantize(Decimal("0.01"))), "1000")
        self.venue.change(name, execution_rule=None)


@asynccontextmanager
async def spot(clock: SimulatorClock, one_way: float) -> AsyncIterator[Place]:
    calendar = AlwaysOpen()
    simulator = SpotSimulator(LISTED)
    symbols = {
        each.name: symbol_of(each.name, each.base, "USDT", calendar, "0.01", "0.00001")
        for each in LISTED
    }
    async with (
        served(simulator.build, clock=clock) as server,
        slow_line(server.port, one_way) as line,
    ):
        venue = simulator.venue
        venue.open_account(ACCOUNT, {"USDT": "1000000"})
        venue.add_key(ApiKey(KEY, ACCOUNT, secret=SECRET))
        here = Spot(
            server=server, venue=venue, host=VenueTime(clock), port=line.port, symbols=symbols
        )
        for name in symbols:
            here.move(name, Decimal(100))
        yield Place(
            name="spot",
            server=server,
            clock=clock,
            symbols=symbols,
            calendar=calendar,
            position_type=PositionType.SPOT,
            quantity=Decimal(10),
            start_price=Decimal(100),
            build=here.build,
            look=here.look,
            price=here.price,
            move=here.move,
            mishaps={
                "cancelled by hand": here.cancelled,
                "expired": here.expired,
                "rejected": here.rejected,
                "unheard": here.unheard,
            },
            endings={"expired by price range": here.out_of_range},
        )
