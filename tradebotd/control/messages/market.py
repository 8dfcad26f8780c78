"""JSON shapes of symbols, candles, levels, the watchlist and the credits of feeds."""

from datetime import date

from tradebotd.control.wire import Instant, Message, Money


class Symbol(Message):
    id: int
    symbol: str
    venue: str
    base_asset: str
    quote_asset: str
    tick_size: Money
    lot_size: Money
    min_notional: Money
    calendar: str
    feeds: list[str]
    timeframes: list[str]
    active: bool
    last_price: Money | None
    last_price_age_s: float | None


class FeedCredits(Message):
    """Credits of one feed; those of the day are null where its plan has no limit of a day."""

    feed: str
    per_minute: int
    left_minute: int
    minute_resets_at: Instant
    per_day: int | None
    left_day: int | None
    day_resets_at: Instant


class WatchlistEntry(Message):
    """One symbol of the latest watchlist; `sample_seed` is a text, as long as it is."""

    screened_at: Instant
    symbol: str
    rank: int
    reasons: dict[str, str]
    sample_seed: str


class SymbolResumed(Message):
    symbol: str


class Candle(Message):
    symbol: str
    timeframe: str
    ts: Instant
    open: Money
    high: Money
    low: Money
    close: Money
    volume: Money
    feed: str


class Levels(Message):
    symbol: str
    trade_date: date
    y_high: Money
    y_low: Money
    y_close: Money
    pp: Money | None
    r1: Money | None
    r2: Money | None
    s1: Money | None
    s2: Money | None
