"""Facts about Binance's market data that the feed relies on; each has one function here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from tradebotd.config.binance_weights import MINUTE_LIMITS
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import EPOCH, Timeframe
from tradebotd.feeds.stream_watch import PRICES_ARE_POLLED

MarketName = Literal["spot", "usdm"]

UNKNOWN_SYMBOL: Final = -1121
INTERVALS: Final[Mapping[Timeframe, str]] = {each: each.value for each in Timeframe}
LIFE_SECONDS: Final = 23 * 3600.0  # of a connection: the venue cuts it after 24 hours
LATE: Final = timedelta(seconds=5)
MOST_STREAMS: Final = 1_024  # of a connection
PARAMS_AT_ONCE: Final = 100  # streams of one SUBSCRIBE
FIRST_TRADE: Final = datetime(2017, 7, 1, tzinfo=UTC)
WEIGHT: Final = "REQUEST_WEIGHT_1M"
RAW: Final = "RAW_REQUESTS_5M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Paths and limits of one market. *rows*: of one answer of klines."""

    market: MarketName
    time: str
    klines: str
    prices: str
    symbols: str
    days: str
    trades: str
    book: str
    rows: int
    limits: Mapping[str, tuple[int, float]]


# S2: 300,000 raw requests in five minutes; the documents still print an older number.
SPOT: Final = Interface(
    market="spot",
    time="/api/v3/time",
    klines="/api/v3/klines",
    prices="/api/v3/ticker/price",
    symbols="/api/v3/exchangeInfo",
    days="/api/v3/ticker/24hr",
    trades="/api/v3/aggTrades",
    book="/api/v3/depth",
    rows=1_000,
    limits={WEIGHT: (MINUTE_LIMITS["spot"], 60.0), RAW: (300_000, 300.0)},
)
# F16: v1 of ticker/price is deprecated.
USDM: Final = Interface(
    market="usdm",
    time="/fapi/v1/time",
    klines="/fapi/v1/klines",
    prices="/fapi/v2/ticker/price",
    symbols="/fapi/v1/exchangeInfo",
    days="/fapi/v1/ticker/24hr",
    trades="/fapi/v1/aggTrades",
    book="/fapi/v1/depth",
    rows=499,  # the most for one weight
    limits={WEIGHT: (MINUTE_LIMITS["usdm"], 60.0)},
)
INTERFACES: Final[Mapping[MarketName, Interface]] = {"spot": SPOT, "usdm": USDM}


def klines_weight(market: MarketName, limit: int) -> int:
    """Weight of one call of klines; that of USDT-M depends on how many rows are asked for."""
    if market == "spot":
        return 2
    return next((weight for most, weight in ((99, 1), (499, 2), (1_000, 5)) if limit <= most), 10)


def prices_weight(market: MarketName, *, one: bool) -> int:
    """Weight of one call of ticker/price, for one symbol or for several."""
    if market == "spot":
        return 2 if one else 4
    return 1 if one else 2


def symbols_weight(market: MarketName) -> int:
    """Weight of the list of all symbols."""
    return 20 if market == "spot" else 1


def symbols_query(market: MarketName) -> dict[str, str]:
    """S11: what is not traded, and what accounts may trade it, is a large part of the answer."""
    if market == "usdm":
        return {}
    return {"symbolStatus": "TRADING", "showPermissionSets": "false"}


def days_weight(market: MarketName) -> int:
    """Weight of the last 24 hours of all symbols."""
    return 80 if market == "spot" else 40


def tells_weight(path: str) -> bool:
    """F16: the used-weight header is wrong on USDT-M's ticker/price v2."""
    return path != USDM.prices


def is_closed(close_ms: int, venue_now: datetime) -> bool:
    """Whether a candle is over by the venue's clock: the unfinished one is the last row told."""
    return EPOCH + timedelta(milliseconds=close_ms) < venue_now


def close_ms(open_ms: int, timeframe: Timeframe) -> int:
    """The last millisecond of a candle, as each row tells it."""
    return open_ms + timeframe.seconds * 1_000 - 1


def trade_stream(name: str) -> str:
    return f"{name.lower()}@aggTrade"


def kline_stream(name: str) -> str:
    return f"{name.lower()}@kline_1m"


def book_stream(name: str) -> str:
    """Return the stream of the best bid and ask, told with each change."""
    return f"{name.lower()}@bookTicker"


def mark_stream(name: str) -> str:
    """Return the stream of the mark, told each second; only USDT-M has one."""
    return f"{name.lower()}@markPrice@1s"


def is_of_book(stream: object) -> bool:
    """Return whether *stream* tells best bids and asks: those of spot do not say what they are."""
    return isinstance(stream, str) and stream.endswith("@bookTicker")


def is_of_other_prices(stream: str) -> bool:
    """Return whether *stream* tells bids and asks or marks, which are not asked for elsewhere."""
    return is_of_book(stream) or stream.endswith("@markPrice@1s")


def meanwhile(stream: str) -> str:
    """Return what becomes of the prices or candles of *stream* while it is silent, in words."""
    if is_of_other_prices(stream):
        kind = "bids and asks" if is_of_book(stream) else "marks"
        return f"{kind} are not asked for, and exits by them wait; its connection is opened anew"
    return "candles are asked for meanwhile" if "@kline_" in stream else PRICES_ARE_POLLED


def streams_of(market: MarketName, name: str, kinds: frozenset[PriceKind]) -> tuple[str, ...]:
    """Return the streams of a symbol of which *kinds* are wanted beside the last price."""
    streams = [trade_stream(name), kline_stream(name)]
    if kinds & {PriceKind.BID, PriceKind.ASK}:
        streams.append(book_stream(name))
    if PriceKind.MARK in kinds and market == "usdm":
        streams.append(mark_stream(name))
    return tuple(streams)


def route_of(market: MarketName, stream: str) -> str:
    """F11: the path of the connection that carries *stream*.

    USDT-M accepts every subscription on every path, and stays silent where it is the wrong one.
    """
    if market == "spot":
        return "/stream"
    topic = stream.partition("@")[2]
    public = topic.startswith(("bookTicker", "depth", "rpiDepth")) or stream == "!bookTicker"
    return "/public/stream" if public else "/market/stream"


def is_coin_margined(st: object) -> bool:
    """F12: since both futures venues were merged, `st` is 2 for what is not USDT-M."""
    return st == 2


def is_shutdown(stream: object, event: object) -> bool:
    """S7: the server says that it will go, raw or combined; no lead time is promised."""
    return stream == "!serverShutdown" or event == "serverShutdown"


def is_late(age: timedelta) -> bool:
    """Whether an event is too old to be a price of now: a stalled stream tells all at once."""
    return age > LATE


def is_time_of_trade(at: datetime, venue_now: datetime) -> bool:
    """Whether something can have been traded then: since there is the venue, and not in future."""
    return FIRST_TRADE <= at <= venue_now + timedelta(minutes=1)


def is_price(price: Decimal) -> bool:
    return price > 0
