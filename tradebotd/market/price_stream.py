"""Prices that a provider tells by itself, on their way to whoever acts on them.

A price is acted on at once. While that lasts, what comes for its symbol is folded into three prices
at most, the lowest, the highest and the last, in their order: nothing grows, no stop is passed
over, and no symbol waits for another. Minutes that have closed, or were missed, are pulled; those
that a provider tells anew correct the stored ones.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.errors import TradebotError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_poll import OnTick
from tradebotd.market.sessions import Calendar
from tradebotd.market.silence_alarms import SilenceAlarms
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.feed import StreamedFeed, StreamNews

GATHER: Final = timedelta(milliseconds=200)  # minutes of many symbols close at once
FIRST_PAUSE: Final = 1.0  # seconds before a stream that failed is begun again; doubled each time
LONGEST_PAUSE: Final = 60.0
MOST_CORRECTED: Final = 60  # minutes of a symbol that wait to be corrected

_Key = tuple[str, PriceKind]  # of a symbol's price: each kind goes its own way
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Prices that came while their symbol's last one was being acted on, with their numbers."""

    low: "_Told"
    high: "_Told"
    last: "_Told"

    def fold(self, told: "_Told") -> None:
        self.last = told
        self.low = min(self.low, told, key=lambda each: each.price)
        self.high = max(self.high, told, key=lambda each: each.price)

    def prices(self) -> list["_Told"]:
        return sorted({self.low, self.high, self.last}, key=lambda each: each.number)


@dataclass(frozen=True, slots=True)
class _Told:
    """Price, when it was received, and its number among all."""

    price: Decimal
    at: datetime
    number: int


class PriceStream:
    """Stream of the symbols that have *name* as the first of their feeds.

    *kinds*: of price that are wanted of a symbol beside the last one.
    """

    def __init__(
        self,
        name: FeedName,
        feed: StreamedFeed,
        *,
        symbols: Sequence[MarketSymbol],
        calendars: Mapping[str, Calendar],
        ingest: Ingest,
        clock: Clock,
        host: HostClock,
        on_tick: OnTick,
        alarms: SilenceAlarms,
        kinds: Mapping[str, frozenset[PriceKind]] = MappingProxyType({}),
    ) -> None:
        self._kinds = kinds
        self._alarms = alarms
        self._name, self._feed = name, feed
        self._symbols = {each.symbol: each for each in symbols if each.feeds[:1] == (name,)}
        self._calendars, self._ingest = calendars, ingest
        self._clock, self._host, self._on_tick = clock, host, on_tick
        self._waiting: dict[_Key, _Waiting] = {}
        self._busy: set[_Key] = set()
        self._count = 0
        self._to_pull: set[str] = set()
        self._corrected: dict[str, dict[datetime, Candle]] = {}
        self._left_out: dict[str, int] = {}  # corrections that there was no room for
        self._news = anyio.Event()

    async def run(self) -> None:
        """Stream until cancelled; again, after a pause, when the adapter fails."""
        if not self._symbols:
            return
        pause = FIRST_PAUSE
        while True:
            began = self._host.monotonic()
            try:
                await self._run()
            except Exception:
                if self._host.monotonic() - began >= LONGEST_PAUSE:
                    pause = FIRST_PAUSE  # it had been well for a while
                log.exception("price stream failed", feed=self._name, again_in_s=pause)
            await self._host.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self) -> None:
        self._busy.clear()
        self._waiting.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pull)

            def price(symbol: str, told: Decimal, age: timedelta) -> None:
                self._tell(tasks, (symbol, PriceKind.LAST), told, age)

            def other_price(symbol: str, kind: PriceKind, told: Decimal) -> None:
                self._tell(tasks, (symbol, kind), told, timedelta())

            news = StreamNews(
                price=price,
                candles=self._candles,
                corrected=self._correct,
                is_open=self._is_open,
                silent=self._silent,
                kinds=lambda symbol: self._kinds.get(symbol, frozenset()),
                other_price=other_price,
            )
            await self._feed.stream(list(self._symbols.values()), news)
            tasks.cancel_scope.cancel()

    def _tell(self, tasks: TaskGroup, key: _Key, price: Decimal, age: timedelta) -> None:
        if not self._is_open(key[0]):
            return
        self._count += 1
        told = _Told(price, self._clock.now() - max(age, timedelta()), self._count)
        if key in self._busy:
            self._waiting.setdefault(key, _Waiting(told, told, told)).fold(told)
            return
        acting = self._act(key, told)
        if acting is not None:
            self._busy.add(key)
            tasks.start_soon(self._finish, key, acting)

    def _is_open(self, symbol: str) -> bool:
        return self._calendars[self._symbols[symbol].calendar].is_open(self._clock.now())

    def _silent(self, streams: Mapping[str, str]) -> None:
        self._alarms.report(self._name, streams)

    def _act(self, key: _Key, told: _Told) -> Awaitable[None] | None:
        """Have a price acted on; the path between two trades is unknown."""
        symbol, kind = key
        try:
            return self._on_tick(Tick(told.at, symbol, told.price, after_gap=True, kind=kind))
        except TradebotError as error:  # the sweep looks again; the next price goes on
            log.exception("price not acted on", symbol=symbol, error=str(error))
            return None

    async def _finish(self, key: _Key, acting: Awaitable[None]) -> None:
        """Wait until a price was acted on, and then act on those that came meanwhile."""
        await self._settle(key[0], acting)
        while (waiting := self._waiting.pop(key, None)) is not None:
            for told in waiting.prices():
                if (further := self._act(key, told)) is not None:
                    await self._settle(key[0], further)
        self._busy.discard(key)

    async def _settle(self, symbol: str, acting: Awaitable[None]) -> None:
        try:
            await acting
        except TradebotError as error:
            log.exception("price not acted on", symbol=symbol, error=str(error))

    def _candles(self, symbols: Sequence[str]) -> None:
        self._to_pull.update(symbols)
        self._news.set()

    def _correct(self, symbol: str, candle: Candle) -> None:
        waiting = self._corrected.setdefault(symbol, {})
        if len(waiting) < MOST_CORRECTED or candle.ts in waiting:
            waiting[candle.ts] = candle
        else:
            self._left_out[symbol] = self._left_out.get(symbol, 0) + 1
        self._news.set()

    async def _pull(self) -> None:
        """Store what has closed, and what was missed: each pull begins behind what is stored."""
        while True:
            await self._news.wait()
            await self._host.sleep(GATHER.total_seconds())
            self._news = anyio.Event()
            await self._store_closed()
            await self._store_corrections()

    async def _store_closed(self) -> None:
        wanted = [self._symbols[each] for each in sorted(self._to_pull)]
        self._to_pull.clear()
        if not wanted:
            return
        try:
            pulled = await self._ingest.pull(self._clock.now(), wanted)
        except TradebotError as error:  # `realtime_pull` comes each minute
            log.warning("streamed minutes not stored", feed=self._name, error=str(error))
            return
        for symbol, error_text in pulled.errors.items():
            log.warning("streamed minutes not stored", symbol=symbol, error=error_text)

    async def _store_corrections(self) -> None:
        """Correct what is stored; what fails is tried again with the next news.

        What there was no room for is counted: the stored minutes stay as they were told first.
        """
        for symbol, count in sorted(self._left_out.items()):
            log.warning("corrections left out", feed=self._name, symbol=symbol, count=count)
        self._left_out.clear()
        for symbol in sorted(self._corrected):
            told = self._corrected[symbol]
            candles = [told[ts] for ts in sorted(told)]
            try:
                result = await self._ingest.correct(self._symbols[symbol], candles, self._name)
            except TradebotError as error:
                log.warning("streamed minutes not corrected", symbol=symbol, error=str(error))
                continue
            if result.counts.updated or result.counts.inserted:
                log.info("candles corrected", symbol=symbol, updated=result.counts.updated)
            for each in candles:
                if told.get(each.ts) == each:
                    del told[each.ts]
            if not told:
                del self._corrected[symbol]
