"""Public endpoints: rules, prices, the book, candles, trades."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.simulators.binance.errors import VenueError, refusal
from tests.simulators.binance.spot.calls import Call, Endpoint, flag_of, limit_of, names
from tests.simulators.binance.spot.candles import SPANS, closing, opening, selected, zone_of
from tests.simulators.binance.spot.figures import ZERO, integer_of, shown, time_of, truncated
from tests.simulators.binance.spot.market import Market, Trade

DAY_MS = 86_400_000
STATUSES = ("TRADING", "HALT", "BREAK")


def ping(call: Call) -> Any:
    return {}


def time(call: Call) -> Any:
    return {"serverTime": call.venue.now_ms()}


def exchange_info(call: Call) -> Any:
    """S2, S11: limits as they are now, and every field of each symbol."""
    sets = flag_of(call.params, "showPermissionSets", default=True)
    there = chosen(call)
    if there is None:
        wanted = call.params.get("symbolStatus")
        there = [m for m in call.venue.markets.values() if wanted in {None, m.symbol.status}]
    elif "permissions" in call.params or "symbolStatus" in call.params:
        raise refusal(-1128)
    return {
        "timezone": "UTC",
        "serverTime": call.venue.now_ms(),
        "rateLimits": [rule.row() for rule in call.venue.limits.rules],
        "exchangeFilters": [dict(row) for row in call.venue.exchange_filters],
        "symbols": [market.symbol.row(permission_sets=sets) for market in there],
    }


def execution_rules(call: Call) -> Any:
    """S3: the price ranges; a symbol without one has no rules."""
    there = chosen(call) or list(call.venue.markets.values())
    rows = []
    for market in there:
        rule = market.symbol.execution_rule
        rules = [] if rule is None else [{"ruleType": "PRICE_RANGE"} | dict(rule)]
        rows.append({"symbol": market.symbol.name, "rules": rules})
    return {"symbolRules": rows}


def reference_price(call: Call) -> Any:
    """S3: the reference price, or null; -2043 for a symbol that never had one."""
    market = call.market()
    reference = market.reference
    if not reference.ever:
        raise refusal(-2043)
    return {
        "symbol": market.symbol.name,
        "referencePrice": None if reference.price is None else shown(reference.price),
        "timestamp": reference.at_ms,
    }


def reference_calculation(call: Call) -> Any:
    market = call.market()
    if not market.reference.ever:
        raise refusal(-2043)
    return {
        "symbol": market.symbol.name,
        "calculationType": "EXTERNAL",
        "externalCalculationId": 0,
    }


def depth(call: Call) -> Any:
    return of_status(call, call.market()).depth(limit_of(call.params, 100, 5000))


def klines(call: Call) -> Any:
    market = call.market()
    interval = call.params.get("interval", "")
    if not interval:
        raise refusal(-1102, "interval")
    zone, now = zone_of(call.params.get("timeZone", "0")), call.venue.now_ms()
    opening(interval, now, zone)
    start, end = time_of(call.params, "startTime"), time_of(call.params, "endTime")
    limit = limit_of(call.params)
    last = min(now, end if end is not None else now)
    since = start if start is not None else last - (limit + 1) * (SPANS[interval] or 31 * DAY_MS)
    there = call.venue.candles[market.symbol.name].list(interval, last, zone, max(0, since))
    rows = selected(there, start, end, limit)
    return [candle.row(closing(interval, candle.opened_ms, zone)) for candle in rows]


def trades(call: Call) -> Any:
    market = call.market()
    first = integer_of(call.params, "fromId")
    limit = limit_of(call.params)
    there = market.recent(limit)
    if first is not None:
        there = [each for each in market.trades if each.id >= first][:limit]
    return [
        {
            "id": each.id,
            "price": shown(each.price),
            "qty": shown(each.quantity),
            "quoteQty": shown(each.quote),
            "time": each.time_ms,
            "isBuyerMaker": each.buyer_maker,
            "isBestMatch": True,
        }
        for each in there
    ]


def agg_trades(call: Call) -> Any:
    """List trades; each stands for itself here: what one taker did at one price is not joined."""
    market = call.market()
    start, end = time_of(call.params, "startTime"), time_of(call.params, "endTime")
    first, limit = integer_of(call.params, "fromId"), limit_of(call.params)
    if first is not None and (start is not None or end is not None):
        raise refusal(-1128)
    there = [
        each
        for each in market.trades
        if (first is None or each.id >= first)
        and (start is None or each.time_ms >= start)
        and (end is None or each.time_ms <= end)
    ]
    oldest = first is not None or start is not None
    rows = there[:limit] if oldest else there[max(0, len(there) - limit) :]
    return [agg_row(each) for each in rows]


def agg_row(trade: Trade) -> dict[str, Any]:
    return {
        "a": trade.id,
        "p": shown(trade.price),
        "q": shown(trade.quantity),
        "f": trade.id,
        "l": trade.id,
        "T": trade.time_ms,
        "m": trade.buyer_maker,
        "M": True,
    }


def average(call: Call) -> Any:
    market = call.market()
    last = market.trades[-1].time_ms if market.trades else 0
    price = market.average(5, call.venue.now_ms())
    return {"mins": 5, "price": shown(price), "closeTime": last}


def prices(call: Call) -> Any:
    return many(
        call, lambda m: {"symbol": m.symbol.name, "price": shown(m.last)} if m.last else None
    )


def book_tickers(call: Call) -> Any:
    return many(call, lambda market: market.book_ticker())


def day_tickers(call: Call) -> Any:
    return many(call, lambda market: day_ticker(market, call.venue.now_ms()))


def many(call: Call, row: Callable[[Market], dict[str, Any] | None]) -> Any:
    """Answer for one symbol as an object, for several, or all, as a list."""
    if "symbol" in call.params and "symbols" in call.params:
        raise refusal(-1128)
    if "symbol" in call.params:
        return row(of_status(call, call.market()))
    wanted = status_of(call)
    there = chosen(call) or list(call.venue.markets.values())
    rows = [row(market) for market in there if wanted in {None, market.symbol.status}]
    return [each for each in rows if each is not None]


def day_ticker(market: Market, now_ms: int) -> dict[str, Any]:
    """Fold the trades of 24 hours."""
    day = [each for each in market.trades if each.time_ms > now_ms - DAY_MS]
    first = day[0].price if day else market.last
    volume = sum((each.quantity for each in day), ZERO)
    quote = sum((each.quote for each in day), ZERO)
    (bid, bid_quantity), (ask, ask_quantity) = market.best()
    change = market.last - first
    return {
        "symbol": market.symbol.name,
        "priceChange": shown(change),
        "priceChangePercent": f"{change / first * 100 if first else Decimal(0):.3f}",
        "weightedAvgPrice": shown(truncated(quote / volume) if volume else ZERO),
        "prevClosePrice": shown(first),
        "lastPrice": shown(market.last),
        "lastQty": shown(day[-1].quantity if day else ZERO),
        "bidPrice": shown(bid),
        "bidQty": shown(bid_quantity),
        "askPrice": shown(ask),
        "askQty": shown(ask_quantity),
        "openPrice": shown(first),
        "highPrice": shown(max((each.price for each in day), default=market.last)),
        "lowPrice": shown(min((each.price for each in day), default=market.last)),
        "volume": shown(volume),
        "quoteVolume": shown(quote),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": day[0].id if day else -1,
        "lastId": day[-1].id if day else -1,
        "count": len(day),
    }


def chosen(call: Call) -> list[Market] | None:
    """Read `symbol` or `symbols` (a JSON list); None where neither is sent."""
    if "symbol" in call.params:
        return [call.market()]
    if "symbols" not in call.params:
        return None
    try:
        wanted = json.loads(call.params["symbols"])
    except ValueError:
        raise refusal(-1100, "symbols", "list") from None
    if not isinstance(wanted, list) or not wanted:
        raise refusal(-1130, "symbols")
    if len(set(wanted)) < len(wanted):
        raise refusal(-1151)
    if any(each not in call.venue.markets for each in wanted):
        raise refusal(-1121)
    return [call.venue.markets[each] for each in wanted]


def status_of(call: Call) -> str | None:
    wanted = call.params.get("symbolStatus")
    if wanted is not None and wanted not in STATUSES:
        raise refusal(-1122)
    return wanted


def of_status(call: Call, market: Market) -> Market:
    """S11: a single symbol of another status than asked for is -1220."""
    if status_of(call) not in {None, market.symbol.status}:
        raise refusal(-1220)
    return market


def no_sor(call: Call) -> Any:
    raise VenueError(-1020, "This operation is not supported.")


def _depth_weight(params: Mapping[str, str]) -> int:
    text = params.get("limit", "100")
    limit = int(text) if text.isdecimal() else 100
    return next((w for most, w in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)


def _rules_weight(params: Mapping[str, str]) -> int:
    """S3: 2 a symbol, at most 40."""
    if "symbol" in params:
        return 2
    return min(40, 2 * (params["symbols"].count(",") + 1)) if "symbols" in params else 40


def _day_weight(params: Mapping[str, str]) -> int:
    if "symbol" in params:
        return 2
    count = params["symbols"].count(",") + 1 if "symbols" in params else 1000
    return 2 if count <= 20 else 40 if count <= 100 else 80


def _public(path: str, handler: Any, weight: Any, known: str, method: str) -> Endpoint:
    return Endpoint("GET", f"/api/v3/{path}", handler, weight, names(known), method_name=method)


TICKERS = "symbol symbols symbolStatus"
CANDLES = "symbol interval startTime endTime timeZone limit"
ENDPOINTS = (
    _public("ping", ping, 1, "", "ping"),
    _public("time", time, 1, "", "time"),
    _public(
        "exchangeInfo", exchange_info, 20,
        "symbol symbols permissions showPermissionSets symbolStatus", "exchangeInfo",
    ),
    _public("executionRules", execution_rules, _rules_weight, TICKERS, "executionRules"),
    _public("referencePrice", reference_price, 2, "symbol", "referencePrice"),
    _public(
        "referencePrice/calculation", reference_calculation, 2, "symbol symbolStatus",
        "referencePrice.calculation",
    ),
    _public("depth", depth, _depth_weight, "symbol limit symbolStatus", "depth"),
    _public("klines", klines, 2, CANDLES, "klines"),
    _public("uiKlines", klines, 2, CANDLES, "uiKlines"),
    _public("trades", trades, 25, "symbol limit", "trades.recent"),
    _public("historicalTrades", trades, 25, "symbol limit fromId", "trades.historical"),
    _public("aggTrades", agg_trades, 4, "symbol fromId startTime endTime limit", "trades.aggregate"),
    _public("avgPrice", average, 2, "symbol", "avgPrice"),
    _public(
        "ticker/price", prices, lambda p: 2 if "symbol" in p else 4, TICKERS, "ticker.price"
    ),
    _public(
        "ticker/bookTicker", book_tickers, lambda p: 2 if "symbol" in p else 4, TICKERS,
        "ticker.book",
    ),
    _public("ticker/24hr", day_tickers, _day_weight, f"{TICKERS} type", "ticker.24hr"),
    Endpoint("POST", "/api/v3/sor/order", no_sor, 1, names(""), method_name="sor.order.place"),
)  # fmt: skip
