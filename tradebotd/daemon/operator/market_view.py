"""The symbols, their candles, levels and feeds, as an operator reads them."""

from collections.abc import Mapping
from typing import Any

from tradebotd.control.messages.market import (
    Candle,
    FeedCredits,
    Levels,
    Symbol,
    WatchlistEntry,
)
from tradebotd.daemon.operator.refusals import unknown
from tradebotd.domain.decimals import from_float
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.refusal import RefusalCode
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import PolledFeed
from tradebotd.storage import reports, universe
from tradebotd.storage.postgres.database import Database


class MarketView:
    """Raises RefusedError for a symbol that is not configured."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        prices: PriceCache,
        feeds: Mapping[FeedName, PolledFeed] | None = None,
    ) -> None:
        self._feeds = feeds or {}
        self._database = database
        self._clock = clock
        self._prices = prices

    async def symbols(self) -> list[Symbol]:
        async with self._database.connection() as connection:
            rows = await reports.symbols(connection)
        return [Symbol(**row, **self.last_price(row["symbol"])) for row in rows]

    def budget(self) -> list[FeedCredits]:
        """The credits of each feed that has any, by name."""
        told = [(name, feed.budget()) for name, feed in sorted(self._feeds.items())]
        return [
            FeedCredits(feed=name, **budget._asdict())
            for name, budget in told
            if budget is not None
        ]

    def last_price(self, symbol: str) -> dict[str, Any]:
        """The last price and its age, in the columns of a symbol and of a position."""
        age = self._prices.age(symbol, self._clock.now())
        return {
            "last_price": self._prices.price(symbol),
            "last_price_age_s": None if age is None else age.total_seconds(),
        }

    def price_of(self, symbol: str, kind: PriceKind) -> dict[str, Any]:
        """The price that ends a position and its age, in the columns of the position."""
        age = self._prices.age(symbol, self._clock.now(), kind)
        return {
            "trigger_kind": kind.value,
            "trigger_kind_price": self._prices.price(symbol, kind),
            "trigger_kind_price_age_s": None if age is None else age.total_seconds(),
        }

    async def candles(self, symbol: str, timeframe: str, limit: int) -> list[Candle]:
        if timeframe not in set(Timeframe):
            known = [str(timeframe) for timeframe in Timeframe]
            raise unknown(RefusalCode.UNKNOWN_TIMEFRAME, "timeframe", timeframe, known)
        await self.check_symbol(symbol)
        async with self._database.connection() as connection:
            rows = await reports.candles(connection, symbol, timeframe, limit)
        return [Candle(**_exact(row)) for row in rows]

    async def levels(self, symbol: str) -> Levels:
        await self.check_symbol(symbol)
        async with self._database.connection() as connection:
            row = await reports.levels(connection, symbol)
        if row is None:
            raise RefusedError(
                RefusalCode.UNKNOWN_LEVELS,
                f"{symbol} has no levels yet",
                "they come with its first completed session",
            )
        return Levels(**_exact(row))

    async def universe(self) -> list[WatchlistEntry]:
        async with self._database.connection() as connection:
            rows = await universe.latest(connection)
        return [
            WatchlistEntry(
                screened_at=row.screened_at,
                symbol=row.symbol,
                rank=row.rank,
                reasons={key: str(value) for key, value in row.reasons.items()},
                sample_seed=str(row.sample_seed),
            )
            for row in rows
        ]

    async def check_symbol(self, symbol: str) -> None:
        async with self._database.connection() as connection:
            known = sorted(row["symbol"] for row in await reports.symbols(connection))
        if symbol not in known:
            raise unknown(RefusalCode.UNKNOWN_SYMBOL, "symbol", symbol, known)


def _exact(row: reports.Row) -> reports.Row:
    """Convert the database's floats of candles to decimals with the digits as written."""
    return {
        key: from_float(value) if isinstance(value, float) else value for key, value in row.items()
    }
