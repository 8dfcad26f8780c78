"""Market data as it is told: bars in pages, newest quotes and trades."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.market import (
    Bar,
    Market,
    Quote,
    Trade,
    TradingStatus,
    Withdrawal,
    adjusted,
    joined,
)
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.simulators.alpaca.wording import moment_of, stamp, whole_stamp

ZERO: Final = Decimal(0)
TIMEFRAME: Final = re.compile(
    r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)", re.IGNORECASE
)  # ccxt writes 1min
SHARE: Final = re.compile(r"[A-Z0-9]{1,12}(\.[A-Z]{1,3})?")
CRYPTO: Final = re.compile(r"[A-Z0-9]{1,12}/?[A-Z0-9]{2,12}")
DEFAULT_LIMIT: Final = 1000
LARGEST_LIMIT: Final = 10_000
RECENT: Final = timedelta(minutes=15)
HISTORY_FEEDS: Final = frozenset({"iex", "otc", "sip", "boats"})
LATEST_FEEDS: Final = HISTORY_FEEDS | {"delayed_sip", "overnight"}


def bars_answer(
    market: Market, query: dict[str, str], now: datetime, *, crypto: bool, plan: str = "paid"
) -> dict[str, Any]:
    """One page of bars: by symbol first, then by time; the limit is of all symbols together."""
    symbols = symbols_of(query, crypto=crypto)
    feed = "crypto" if crypto else _history_feed(query, plan, now)
    start, end = _span(query, now)
    first, last = (frame_start(query, start), end)
    if query.get("sort", "asc") not in {"asc", "desc"}:
        raise bad("invalid sort")
    wanted: list[tuple[str, Bar]] = []
    for symbol in sorted(set(symbols)):
        bars = [each for each in framed(market, symbol, feed, query) if first <= each.at <= last]
        if query.get("sort", "asc") == "desc":
            bars.reverse()
        wanted += [(symbol, each) for each in bars]
    limit, skip = _limit(query), _token(query, wanted)
    page = wanted[skip : skip + limit]
    told: dict[str, list[dict[str, Any]]] = {}
    for symbol, bar in page:
        told.setdefault(symbol, []).append(bar_json(bar, crypto=crypto))
    more = skip + limit < len(wanted)
    token = token_of(*page[-1]) if more and page else None
    return {"bars": told, "next_page_token": token}


def framed(market: Market, symbol: str, feed: str, query: dict[str, str]) -> list[Bar]:
    """The bars of *symbol* in the asked frame, adjusted as asked (`raw`, `split`, `all`)."""
    bars = market.minutes(symbol, feed)
    words = set(query.get("adjustment", "raw").split(","))
    if words - {"raw", "split", "dividend", "spin-off", "all"}:
        raise bad("invalid adjustment")
    if words & {"split", "all"}:
        splits = [each for each in market.splits if each.symbol == symbol]
        bars = [adjusted(each, splits) for each in bars]
    start_of = frame_of(query.get("timeframe", ""))
    frames: dict[datetime, list[Bar]] = {}
    for bar in bars:
        frames.setdefault(start_of(bar.at), []).append(bar)
    return [joined(each, at) for at, each in sorted(frames.items())]


def frame_of(told: str) -> Callable[[datetime], datetime]:
    """The function from a moment to the start of its bar. Days are New York's."""
    found = TIMEFRAME.fullmatch(told)
    if found is None:
        raise bad(f"invalid timeframe: {told}")
    number, unit = int(found[1]), found[2]
    unit = "Month" if unit == "M" else unit.capitalize()
    seconds = {"Min": 60, "T": 60, "Hour": 3600, "H": 3600}.get(unit)
    if seconds is not None:
        if not 1 <= number <= (59 if seconds == 60 else 23):
            raise bad(f"invalid timeframe: {told}")
        step = number * seconds
        return lambda at: datetime.fromtimestamp(int(at.timestamp()) // step * step, UTC)
    if unit in {"Day", "D", "Week", "W"} and number != 1:
        raise bad(f"invalid timeframe: {told}")
    return lambda at: _day_start(at, unit, number)


def frame_start(query: dict[str, str], start: datetime) -> datetime:
    """Bars whose start is within the span are told; a day's bar belongs to its date."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", query.get("start", "")):
        return datetime.combine(date.fromisoformat(query["start"]), time(), UTC)
    return start


def latest_quotes(market: Market, query: dict[str, str], *, crypto: bool) -> dict[str, Any]:
    symbols = symbols_of(query, crypto=crypto)
    if not crypto:
        _latest_feed(query)
    return {
        "quotes": {
            symbol: quote_json(market.quotes[symbol], crypto=crypto)
            for symbol in symbols
            if symbol in market.quotes
        }
    }


def latest_trades(market: Market, query: dict[str, str], *, crypto: bool) -> dict[str, Any]:
    symbols = symbols_of(query, crypto=crypto)
    if not crypto:
        _latest_feed(query)
    return {
        "trades": {
            symbol: trade_json(market.trades[symbol], crypto=crypto)
            for symbol in symbols
            if symbol in market.trades
        }
    }


def latest_bars(market: Market, query: dict[str, str], *, crypto: bool) -> dict[str, Any]:
    feed = "crypto" if crypto else query.get("feed", "iex")
    found = {symbol: market.minutes(symbol, feed) for symbol in symbols_of(query, crypto=crypto)}
    return {
        "bars": {
            symbol: bar_json(bars[-1], crypto=crypto) for symbol, bars in found.items() if bars
        }
    }


def order_books(market: Market, query: dict[str, str]) -> dict[str, Any]:
    """One level of each side: the quote."""
    told = {}
    for symbol in symbols_of(query, crypto=True):
        quote = market.quotes.get(symbol)
        if quote is not None:
            told[symbol] = {
                "t": stamp(quote.at),
                "a": [{"p": number(quote.ask), "s": number(_size(quote.ask_size))}],
                "b": [{"p": number(quote.bid), "s": number(_size(quote.bid_size))}],
            }
    return {"orderbooks": told}


def quote_json(quote: Quote, *, crypto: bool) -> dict[str, Any]:
    """A price of 0 means that there is no quote on that side."""
    told: dict[str, Any] = {
        "t": stamp(quote.at),
        "ap": number(quote.ask),
        "as": number(_size(quote.ask_size, quote.ask)),
        "bp": number(quote.bid),
        "bs": number(_size(quote.bid_size, quote.bid)),
    }
    if not crypto:
        told |= {"as": int(told["as"]), "bs": int(told["bs"])}
        told |= {"ax": "V" if quote.ask else " ", "bx": "V" if quote.bid else " "}
        told |= {"c": ["R"], "z": "C"}
    return told


def trade_json(trade: Trade, *, crypto: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"t": stamp(trade.at), "p": number(trade.price), "i": trade.number}
    if trade.update is not None:
        told["u"] = trade.update
    if crypto:
        return told | {"s": number(trade.size), "tks": "B"}
    return told | {"s": int(trade.size), "x": "V", "c": list(trade.conditions), "z": "C"}


def withdrawal_json(told: Withdrawal) -> dict[str, Any]:
    """A cancel (x) of a trade, or its correction (c)."""
    trade, new = told.trade, told.instead
    common = {"x": "V", "z": "C", "t": stamp(told.at)}
    if new is None:
        return {
            **common, "i": trade.number, "p": number(trade.price), "s": int(trade.size), "a": "C"
        }  # fmt: skip
    return {
        **common,
        "oi": trade.number,
        "op": number(trade.price),
        "os": int(trade.size),
        "oc": ["@"],
        "ci": new.number,
        "cp": number(new.price),
        "cs": int(new.size),
        "cc": ["@"],
    }


def status_json(told: TradingStatus) -> dict[str, Any]:
    return {
        "sc": told.code,
        "sm": told.message,
        "rc": told.reason_code,
        "rm": told.reason,
        "t": stamp(told.at),
        "z": "C",
    }


def bar_json(bar: Bar, *, crypto: bool) -> dict[str, Any]:
    return {
        "t": whole_stamp(bar.at),
        "o": number(bar.open),
        "h": number(bar.high),
        "l": number(bar.low),
        "c": number(bar.close),
        "v": number(bar.volume) if crypto else int(bar.volume),
        "n": bar.trades,
        "vw": number(bar.close if bar.vwap is None else bar.vwap),
    }


def number(value: Decimal) -> int | float:
    """Market data tells JSON numbers."""
    return int(value) if value == int(value) else float(value)


def symbols_of(query: dict[str, str], *, crypto: bool) -> list[str]:
    """One name that cannot be one of its kind has the whole refused; an unknown one is left out."""
    symbols = [each for each in query.get("symbols", "").split(",") if each]
    if not symbols:
        raise bad("symbols is required")
    for each in symbols:
        if not (CRYPTO if crypto else SHARE).fullmatch(each):
            raise bad(f"code=400, message=invalid symbol: {each}")
    return symbols


def bad(message: str) -> RequestRefusedError:
    return RequestRefusedError(400, None, message)


def token_of(symbol: str, bar: Bar) -> str:
    return base64.b64encode(f"{symbol}|M|{whole_stamp(bar.at)}".encode()).decode()


def _token(query: dict[str, str], wanted: list[tuple[str, Bar]]) -> int:
    """Where the page begins: behind the bar that the token names."""
    told = query.get("page_token")
    if not told:
        return 0
    try:
        symbol, _, at = base64.b64decode(told, validate=True).decode().split("|")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise bad("invalid page_token") from error
    for place, (of, bar) in enumerate(wanted):
        if (of, whole_stamp(bar.at)) == (symbol, at):
            return place + 1
    raise bad("invalid page_token")


def _limit(query: dict[str, str]) -> int:
    told = query.get("limit", str(DEFAULT_LIMIT))
    if not told.isdecimal() or not 1 <= int(told) <= LARGEST_LIMIT:
        raise bad("invalid limit")
    return int(told)


def _span(query: dict[str, str], now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of the day up to now, unless told otherwise; both ends belong to it."""
    try:
        start = moment_of(query["start"]) if "start" in query else None
        end = moment_of(query["end"]) if "end" in query else now
    except ValueError as error:
        raise bad(f"Invalid format for parameter start or end: {error}") from error
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", query.get("end", "")):
        end += timedelta(days=1) - timedelta(microseconds=1)
    if start is None:
        start = datetime.combine(now.date(), time(), UTC)
    if start > end:
        raise bad("end should not be before start")
    return start, end


def _history_feed(query: dict[str, str], plan: str, now: datetime) -> str:
    """A13, A2: `overnight` has no history of its own; the free plan has SIP after 15 minutes."""
    feed = query.get("feed", "sip")
    if feed not in HISTORY_FEEDS:
        raise bad(f"invalid feed: {feed}")
    if plan == "free" and feed in {"sip", "boats"} and "end" in query:
        _, end = _span(query, now)
        if end > now - RECENT:
            raise RequestRefusedError(
                403, None, "subscription does not permit querying recent SIP data"
            )
    return feed


def _latest_feed(query: dict[str, str]) -> str:
    feed = query.get("feed", "iex")
    if feed not in LATEST_FEEDS:
        raise bad(f"invalid feed: {feed}")
    return feed


def _size(size: Decimal | None, price: Decimal = Decimal(1)) -> Decimal:
    return (Decimal(100) if size is None else size) if price else ZERO


def _day_start(at: datetime, unit: str, number: int) -> datetime:
    day = at.astimezone(NEW_YORK).date()
    if unit in {"Week", "W"}:
        day -= timedelta(days=day.weekday())
    elif unit == "Month":
        day = day.replace(day=1, month=(day.month - 1) // number * number + 1)
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)
