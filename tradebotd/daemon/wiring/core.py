"""Dependencies of nearly every part of the order flow; for wiring functions, never stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.venue_state.hedge_mode import HedgeMode
from tradebotd.trading.venue_state.order_streams import OrderStreams
from tradebotd.trading.venue_state.venue_holds import VenueHolds


class LiveInstruments(Mapping[str, Instrument]):
    """Instruments in force of *symbols*, whose filters may change while the daemon runs."""

    def __init__(self, symbols: Mapping[str, MarketSymbol]) -> None:
        self._symbols = symbols

    def __getitem__(self, symbol: str) -> Instrument:
        return self._symbols[symbol].instrument

    def __iter__(self) -> Iterator[str]:
        return iter(self._symbols)

    def __len__(self) -> int:
        return len(self._symbols)


@dataclass(frozen=True, kw_only=True)
class TradingCore:
    """*sequential*: exits one after the other, by position, where effects must repeat (speed 0).

    *specs*, by bot name, are shared with whoever reloads the configuration; *currency* is the
    account's. *host* None: the machine's clock. *bans*: those that the *venues* keep. *symbols*:
    filters and status in force, which `trading.instruments.refresh` alone changes; all others read.
    """

    database: Database
    clock: Clock
    host: HostClock | None = None
    venues: Mapping[VenueName, Venue]
    symbols: dict[str, MarketSymbol]
    calendars: Mapping[str, Calendar]
    prices: PriceCache
    specs: dict[BotName, BotSpec]
    lease: Lease
    nonce: bytes
    currency: str
    sequential: bool
    bans: VenueBans = field(default_factory=VenueBans)

    @cached_property
    def holds(self) -> VenueHolds:
        """Return what keeps entries out at single venues."""
        return VenueHolds(self.bans, self.host or SystemHost())

    @cached_property
    def streams(self) -> OrderStreams:
        return OrderStreams(
            database=self.database,
            clock=self.clock,
            host=self.host or SystemHost(),
            holds=self.holds,
            venues=self.venues.values(),
        )

    @cached_property
    def hedge(self) -> HedgeMode:
        return HedgeMode(self.database, self.clock, self.holds)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return LiveInstruments(self.symbols)
