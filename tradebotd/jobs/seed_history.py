"""Import of up to a year of candles of one symbol and interval, started manually."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.refusal import RefusalCode
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.ingest import Ingest
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("seed_history")
MAX_DAYS: Final = 365
_CHUNK: Final = timedelta(days=1)  # asked for at once: a day of minutes, 25 days of hours
_CHUNK_CANDLES: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeedRequest:
    symbol: MarketSymbol
    interval: Timeframe
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedHistory:
    database: Database
    ingest: Ingest
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        """Import. Parameters: `symbol`, `interval` (1h), `days` (7, at most 365).

        Raises RefusedError.
        """
        request = self._understand(context.params)
        summary = Summary()
        start = context.now - timedelta(days=request.days)
        cursor = start = request.interval.floor(start)
        end = request.interval.floor(context.now)
        step = max(_CHUNK, _CHUNK_CANDLES * self._fetched_timeframe(request).duration)
        rolled_up = 0
        while cursor < end:
            until = min(end, cursor + step)
            pulled = await self.ingest.pull_range(
                request.symbol, cursor, until, timeframe=request.interval
            )
            summary.attempted += pulled.counts.attempted
            summary.inserted += pulled.counts.inserted
            summary.updated += pulled.counts.updated
            summary.skipped += pulled.counts.skipped
            rolled_up += pulled.rolled_up
            for symbol, count in pulled.rejected.items():
                summary.items[symbol] = {"error": pulled.quarantined(symbol)}
                summary.failed += count
                summary.attempted += count + 1
            cursor = until
            context.progress(
                {
                    "done": (cursor - start) / (end - start),
                    "at": cursor,
                    "candles": summary.attempted,
                    "inserted": summary.inserted,
                }
            )
        summary.acted = 1
        summary.counts["rolled_up"] = rolled_up
        return summary

    async def outcome(self) -> Outcome:
        """Check that every symbol has candles."""
        empty = []
        for symbol in self.ingest.symbols:
            async with self.database.connection() as connection:
                bounds = await ohlc.bounds(
                    connection, self.ingest.symbol_id(symbol), self.ingest.base(symbol)
                )
            if bounds is None:
                empty.append(symbol.symbol)
        if empty:
            return Outcome(ok=False, message="no candles of " + ", ".join(empty))
        return Outcome(ok=True, message="every symbol has candles")

    def _fetched_timeframe(self, request: _SeedRequest) -> Timeframe:
        fetchable = self.ingest.fetchable(request.symbol)
        return (
            request.interval if request.interval in fetchable else self.ingest.base(request.symbol)
        )

    def check(self, params: Mapping[str, str]) -> None:
        self._understand(params)

    def _understand(self, params: Mapping[str, str]) -> _SeedRequest:
        unknown = sorted(set(params) - {"symbol", "interval", "days"})
        if unknown:
            raise RefusedError(
                RefusalCode.USAGE, f"unknown parameter {', '.join(unknown)}",
                "seed_history takes symbol, interval, days", ("symbol", "interval", "days"),
            )  # fmt: skip
        symbols = {symbol.symbol: symbol for symbol in self.ingest.symbols}
        symbol = symbols.get(params.get("symbol", ""))
        if symbol is None:
            known = tuple(sorted(symbols))
            hint = f"known: {', '.join(known)}"
            if "symbol" not in params:
                raise RefusedError(
                    RefusalCode.USAGE, "no symbol is named: --param symbol=NAME", hint
                )
            message = f"there is no symbol {params['symbol']}"
            raise RefusedError(RefusalCode.UNKNOWN_SYMBOL, message, hint, known)
        interval = params.get("interval", Timeframe.H1.value)
        if interval not in tuple(Timeframe):
            known = tuple(Timeframe)
            hint = f"known: {', '.join(known)}"
            raise RefusedError(
                RefusalCode.UNKNOWN_TIMEFRAME, f"there is no interval {interval}", hint, known
            )
        days = params.get("days", "7")
        if not days.isdecimal() or not 1 <= int(days) <= MAX_DAYS:
            raise RefusedError(RefusalCode.USAGE, f"days is 1 to {MAX_DAYS}, was {days}")
        return _SeedRequest(symbol=symbol, interval=Timeframe(interval), days=int(days))
