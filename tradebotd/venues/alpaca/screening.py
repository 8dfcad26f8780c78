"""Shares of Alpaca's exchanges and their last completed day, for a watchlist."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog

from tradebotd.config.zone_database import zone
from tradebotd.domain.errors import FeedError, VenueError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.public_market import DayFigures
from tradebotd.net.answers import Value
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.clock import HostClock
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.answers import NEW_YORK
from tradebotd.venues.alpaca.assets import status_of
from tradebotd.venues.alpaca.parts import Parts
from tradebotd.venues.alpaca.payload import amount_if_any, instant_of

BATCH: Final = 100  # symbols of one question
BACK: Final = timedelta(days=10)  # the last session is not longer ago
MOST_PAGES: Final = 10  # of one question; all its bars fit on one
ROWS: Final = 10_000

_SYMBOL: Final = re.compile(r"[A-Za-z0-9./-]{1,32}", re.ASCII)  # many stand in one question
_log = structlog.get_logger(__name__)


class AlpacaScreening:
    """Implements `ports.public_market.ScreenedAssets`. *feed*: of the bars, `iex` or `sip`."""

    def __init__(self, parts: Parts, exchanges: Sequence[str], feed: str, host: HostClock) -> None:
        self.name = parts.venue
        self._parts, self._exchanges, self._feed, self._host = parts, exchanges, feed, host

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._parts.close()

    async def candidates(self) -> Sequence[str]:
        """Return the shares of the exchanges that may be traded. Raises FeedError."""
        found: list[str] = []
        with _as_feed_error():
            for exchange in self._exchanges:
                query = {"asset_class": "us_equity", "status": "active", "exchange": exchange}
                told = await self._parts.rest.ask(paths.ASSETS, query)
                found += [name for asset in told.items() if (name := traded_symbol(asset))]
        return found

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        """Return the last day that is over, by New York's clock. Raises FeedError."""
        today = self._host.now().astimezone(zone(NEW_YORK)).date()
        figures: dict[str, DayFigures] = {}
        with _as_feed_error():
            for start in range(0, len(names), BATCH):
                figures.update(await self._days(names[start : start + BATCH], today))
        return figures

    async def _days(self, names: Sequence[str], today: date) -> dict[str, DayFigures]:
        """Ask for daily bars, page by page. Raises FeedError, VenueError, MisshapenError."""
        query = {
            "symbols": ",".join(names),
            "timeframe": "1Day",
            "start": (today - BACK).isoformat(),
            "end": f"{_midnight(today):%Y-%m-%dT%H:%M:%SZ}",
            "limit": str(ROWS),
            "adjustment": "raw",
            "feed": self._feed,
        }
        found: dict[str, DayFigures] = {}
        for _ in range(MOST_PAGES):
            told = await self._parts.rest.ask(paths.STOCK_BARS, query)
            for name, bars in told["bars"].members():
                for bar in bars.items():  # ascending: the last one stays
                    if (day := day_of(name, bar, today)) is not None:
                        found[name] = day
            token = told.get("next_page_token")
            if token is None:
                return found
            query["page_token"] = token.text()
        raise FeedError(f"{self.name}: more than {MOST_PAGES} pages of daily bars")


def traded_symbol(asset: Value) -> str | None:
    """Return the symbol of an asset that may be traded; None of any other."""
    try:
        if status_of(asset) is not SymbolStatus.TRADING:
            return None
        symbol = asset["symbol"].text()
        if not _SYMBOL.fullmatch(symbol):
            raise asset.wrong("has a symbol that is none")
    except MisshapenError as error:
        _log.warning("asset left out", reason=str(error))
        return None
    return symbol


def day_of(name: str, bar: Value, today: date) -> DayFigures | None:
    """Read a daily bar; None of one that is not over, or makes no sense."""
    try:
        if instant_of(bar["t"]).astimezone(zone(NEW_YORK)).date() >= today:
            return None
        price, volume = bar["c"].decimal(), bar["v"].decimal()
        average = amount_if_any(bar, "vw") or price
        day = DayFigures(
            price=price,
            high=bar["h"].decimal(),
            low=bar["l"].decimal(),
            turnover=volume * average,
        )
    except MisshapenError as error:
        _log.warning("day of a share left out", symbol=name, reason=str(error))
        return None
    makes_sense = 0 < day.low <= day.price <= day.high and volume >= 0
    return day if makes_sense else None


def _midnight(day: date) -> datetime:
    """Return when *day* begins in New York."""
    return datetime.combine(day, time(), zone(NEW_YORK)).astimezone(UTC)


@contextmanager
def _as_feed_error() -> Iterator[None]:
    try:
        yield
    except (VenueError, MisshapenError) as error:
        raise FeedError(str(error)) from error
