"""Facts about Alpaca's market data that the feed relies on; each has one function here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, Literal, NamedTuple

from tradebotd.config.alpaca_feeds import NAMES_AT_ONCE
from tradebotd.config.zone_database import zone
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.stream_watch import PRICES_ARE_POLLED

DataFeed = Literal["iex", "sip", "otc"]
Adjustment = Literal["raw", "split", "all"]

KEY_ID: Final = "APCA-API-KEY-ID"
SECRET: Final = "APCA-API-SECRET-KEY"  # noqa: S105 - the header's name
STOCK_BARS: Final = "/v2/stocks/bars"
STOCK_TRADES: Final = "/v2/stocks/trades/latest"
CRYPTO_BARS: Final = "/v1beta3/crypto/us/bars"
CRYPTO_TRADES: Final = "/v1beta3/crypto/us/latest/trades"
CRYPTO_STREAM: Final = "/v1beta3/crypto/us"
INTERVALS: Final[Mapping[Timeframe, str]] = {
    Timeframe.M1: "1Min",
    Timeframe.M5: "5Min",
    Timeframe.M15: "15Min",
    Timeframe.H1: "1Hour",
    Timeframe.D1: "1Day",
}
NEW_YORK: Final = "America/New_York"
MOST_ROWS: Final = 10_000
MOST_NAMES: Final = NAMES_AT_ONCE
OLDEST_PRICE: Final = timedelta(minutes=5)

# Codes of errors on a stream.
NOT_ACCEPTED: Final = 402
TOO_MANY_SYMBOLS: Final = 405
TOO_MANY_CONNECTIONS: Final = 406
NOT_IN_PLAN: Final = 409

# A trade with one of these does not make the last price: it was agreed on earlier, at an average,
# as part of another, for another day, or outside the session. Sources, compared in November 2026:
# alpaca.markets/learn/stock-minute-bars (a close leaves out what CTS, page 64, and UTP, page 43,
# do), forum.alpaca.markets/t/13850 (that page's list: CGHIMNPQRTUVWZ47) and /t/18440 (Alpaca's
# own words: 9, a corrected close, is none of now either). Two differ here: `L`, sold last, is told
# late, so it is no price of now; `I` counts (`makes_last_price`).
_NO_LAST_PRICE: Final = frozenset("479CGHLMNPQRTUVWZ")
_AVERAGE_PRICE: Final = "B"  # of tapes A and B; on tape C it is a bunched trade, and W an average
_BUNCHED_ON: Final = "C"
_WITHDRAWN: Final = frozenset({"canceled", "incorrect"})
# Words of halts: by sign of the one tape and of the other.
_HALTED: Final = frozenset({"2", "H", "P"})
_RESUMED: Final = frozenset({"3", "T"})


class Channels(NamedTuple):
    """Names of symbols by what is told of them."""

    bars: Sequence[str]
    trades: Sequence[str]


def meanwhile(stream: str) -> str:
    """Return what stands in for *stream* (`AAPL.trades`, `AAPL.bars`) while it is silent."""
    return "candles are asked for meanwhile" if stream.endswith(".bars") else PRICES_ARE_POLLED


def is_crypto(name: str) -> bool:
    """Return whether *name* is of a coin: a pair with a slash, traded around the clock."""
    return "/" in name


def timeframes_of(name: str) -> tuple[Timeframe, ...]:
    """Return the timeframes whose bars lie on our grid; the others are rolled up.

    Where bars of four hours begin is not told, nor in which zone a day of coins does.
    """
    whole = tuple(INTERVALS)
    return whole[:-1] if is_crypto(name) else whole


def bar_time(timeframe: Timeframe, told: datetime) -> datetime:
    """Return the open time of a bar; a day, which is told as its midnight in New York, is kept as
    the exchange's date at midnight in UTC.
    """
    if timeframe is not Timeframe.D1:
        return told
    return datetime.combine(told.astimezone(zone(NEW_YORK)).date(), time(), UTC)


def asked_time(timeframe: Timeframe, ts: datetime) -> datetime:
    """Return the time at which the bar of *ts* is told."""
    if timeframe is not Timeframe.D1:
        return ts
    return datetime.combine(ts.date(), time(), zone(NEW_YORK)).astimezone(UTC)


def last_day(now: datetime) -> datetime:
    """Return the last date that is over in New York, as the open time of its candle."""
    today = now.astimezone(zone(NEW_YORK)).date()
    return datetime.combine(today, time(), UTC) - Timeframe.D1.duration


def range_words(timeframe: Timeframe, start: datetime, end: datetime) -> dict[str, str]:
    """Return words for the bars from *start* to before *end*: both ends belong to a range there.

    The size is always said: it is of all symbols together, and its default is small.
    """
    last = asked_time(timeframe, timeframe.floor(end - timedelta(microseconds=1)))
    return {
        "timeframe": INTERVALS[timeframe],
        "start": _stamp(asked_time(timeframe, start)),
        "end": _stamp(last),
        "limit": str(MOST_ROWS),
        "sort": "asc",
    }


def stock_words(feed: DataFeed, adjustment: Adjustment) -> dict[str, str]:
    """Return words that only shares have, always said: the default feed is not in every plan, and
    bars as they were traded (`raw`) are the only ones that a split does not change.
    """
    return {"feed": feed, "adjustment": adjustment}


def changes_after_splits(adjustment: Adjustment) -> bool:
    """Return whether bars that are stored already are told anew in other numbers after a split."""
    return adjustment != "raw"


def stream_path(name: str, feed: DataFeed) -> str | None:
    """A11: the path of the connection that tells *name*: one a feed; None where there is none."""
    if is_crypto(name):
        return CRYPTO_STREAM
    return None if feed == "otc" else f"/v2/{feed}"


def subscription(channels: Channels, *, crypto: bool) -> dict[str, object]:
    """Return the words that subscribe. Corrections and cancels of trades come with the trades."""
    told: dict[str, object] = {
        "action": "subscribe",
        "bars": list(channels.bars),
        "updatedBars": list(channels.bars),
        "trades": list(channels.trades),
    }
    return told if crypto else told | {"statuses": list(channels.bars)}


def makes_last_price(
    conditions: Iterable[str], update: str | None = None, tape: str | None = None
) -> bool:
    """Return whether a trade with *conditions* is one that the last price is told by; *update*:
    what has become of it since; *tape*: A, B, C, or None where it is not told.

    The tables of CTA and UTP name the conditions that update the consolidated last price. An odd
    lot (`I`) updates none there, and counts here all the same: it is a trade of now at a price
    within the market, and on IEX, where few shares change hands, most trades of a dear share are
    odd lots: without them its last price would be minutes old, and exits by it late.
    """
    told = frozenset(conditions)
    if _AVERAGE_PRICE in told and tape != _BUNCHED_ON:
        return False
    return update not in _WITHDRAWN and _NO_LAST_PRICE.isdisjoint(told)


def is_late(age: timedelta) -> bool:
    """Return whether a trade is no price of now: a stalled stream tells all at once."""
    return age > timedelta(seconds=5)


def is_stale(age: timedelta) -> bool:
    """Return whether the latest trade is too old to be a price: what is asked for is the last one
    that there was, be it of yesterday.
    """
    return age > OLDEST_PRICE


def halts(code: str) -> bool | None:
    """Return whether a trading status halts its symbol, or ends a halt; None: neither."""
    if code in _HALTED:
        return True
    return False if code in _RESUMED else None


def waits_after(code: int) -> float:
    """A11: seconds for which a refused stream is not opened again: a second connection keeps the
    account's place, and storms are refused as a whole; a key or a plan changes slower still.
    """
    if code in {NOT_ACCEPTED, NOT_IN_PLAN}:
        return 300.0
    return 60.0 if code in {TOO_MANY_CONNECTIONS, 429} else 0.0


def _stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
