"""Calls about the market, which need no key."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from tests.simulators.binance.limits import Rule
from tests.simulators.binance.usdm.amounts import plain, shown
from tests.simulators.binance.usdm.calls import Call, Endpoint, Security, fixed, one_or_all
from tests.simulators.binance.usdm.market import Market, SymbolMarket
from tests.simulators.binance.usdm.market_state import MarketState
from tests.simulators.binance.usdm.refusals import RefusalError

HOUR_MS = 60 * 60 * 1000
DEPTHS = (5, 10, 20, 50, 100, 500, 1000)


def klines_weight(params: Mapping[str, str]) -> int:
    """1 below 100, 2 below 500, 5 up to 1,000, then 10."""
    limit = int(params.get("limit") or 500)
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10


def depth_weight(params: Mapping[str, str]) -> int:
    limit = int(params.get("limit") or 500)
    if limit <= 50:
        return 2
    return {100: 5, 500: 10}.get(limit, 20)


class MarketCalls:
    """The market endpoints of one simulator.

    Args:
        rules: what exchangeInfo says of limits.
        state: candles and aggregate trades.
    """

    def __init__(self, market: Market, rules: Sequence[Rule], state: MarketState) -> None:
        self.market, self.rules, self.state = market, rules, state

    def endpoints(self) -> dict[tuple[str, str], Endpoint]:
        free = Security.NONE
        return {
            ("GET", "/fapi/v1/ping"): Endpoint(lambda _: {}, fixed(1), free),
            ("GET", "/fapi/v1/time"): Endpoint(self.time, fixed(1), free),
            ("GET", "/fapi/v1/exchangeInfo"): Endpoint(self.exchange_info, fixed(1), free),
            ("GET", "/fapi/v1/klines"): Endpoint(self.klines, klines_weight, free),
            ("GET", "/fapi/v1/markPriceKlines"): Endpoint(self.klines, klines_weight, free),
            ("GET", "/fapi/v1/continuousKlines"): Endpoint(self.continuous_klines, klines_weight, free),
            ("GET", "/fapi/v1/depth"): Endpoint(self.depth, depth_weight, free),
            ("GET", "/fapi/v1/trades"): Endpoint(self.trades, fixed(5), free),
            ("GET", "/fapi/v1/aggTrades"): Endpoint(self.agg_trades, fixed(20), free),
            ("GET", "/fapi/v1/ticker/price"): Endpoint(self.prices, one_or_all(1, 2), free),
            ("GET", "/fapi/v2/ticker/price"): Endpoint(self.prices, one_or_all(1, 2), free, headers_lie=True),
            ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(self.books, one_or_all(2, 5), free, headers_lie=True),
            ("GET", "/fapi/v1/ticker/24hr"): Endpoint(self.day_tickers, one_or_all(1, 40), free),
            ("GET", "/fapi/v1/premiumIndex"): Endpoint(self.premium_index, one_or_all(1, 10), free),
            ("GET", "/fapi/v1/fundingRate"): Endpoint(self.funding_rates, fixed(0), free, operation="funding"),
            ("GET", "/fapi/v1/fundingInfo"): Endpoint(self.funding_info, fixed(0), free, operation="funding"),
            ("GET", "/fapi/v1/tradingSchedule"): Endpoint(self.trading_schedule, fixed(5), free),
        }  # fmt: skip

    def time(self, call: Call) -> object:
        return {"serverTime": call.venue.now_ms()}

    def exchange_info(self, call: Call) -> object:
        return {
            "timezone": "UTC",
            "serverTime": call.venue.now_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": [rule.row() for rule in self.rules if rule.kind != "RAW_REQUESTS"],
            "exchangeFilters": [],
            "assets": [
                {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
                for asset in ("USDT", "USDC", "BNB", "BTC")
            ],
            "symbols": [instrument.row() for instrument in call.venue.instruments.values()],
        }

    def klines(self, call: Call) -> object:
        market = self._one(call)
        start, end = call.number("startTime"), call.number("endTime")
        return self.state.candles.rows(market.symbol, call.text("interval"), start, end, call.limit(500, 1500))  # fmt: skip

    def continuous_klines(self, call: Call) -> object:
        """Candles by pair and contract type; of perpetuals they are the symbol's own."""
        if call.text("contractType") != "PERPETUAL":
            raise RefusalError(-1130, name="contractType")
        named = dict(call.params) | {"symbol": call.text("pair")}
        return self.klines(Call(call.venue, named))

    def depth(self, call: Call) -> object:
        limit = call.number("limit") or 500
        if limit not in DEPTHS:
            raise RefusalError(-4021, f"{limit} is not valid depth limit")
        market, now = self._one(call), call.venue.now_ms()
        return {
            "lastUpdateId": market.update_id + 1,  # F19: within the next event, as it is there
            "E": now,
            "T": now,
            "bids": [level_row(market, level.price, level.quantity) for level in market.bids[:limit]],
            "asks": [level_row(market, level.price, level.quantity) for level in market.asks[:limit]],
        }  # fmt: skip

    def trades(self, call: Call) -> object:
        market = self._one(call)
        return [
            {
                "id": trade.trade_id,
                "price": plain(trade.price),
                "qty": plain(trade.quantity),
                "quoteQty": plain(trade.price * trade.quantity),
                "time": trade.time_ms,
                "isBuyerMaker": trade.is_buyer_maker,
                "isRPITrade": False,
            }
            for trade in market.trades[-call.limit(500, 1000) :]
        ]

    def agg_trades(self, call: Call) -> object:
        """F16: less than an hour between both times, and nothing older than 48 hours."""
        market, now = self._one(call), call.venue.now_ms()
        first = call.number("fromId")
        start, end = call.number("startTime"), call.number("endTime")
        if start is not None and end is not None and end - start >= HOUR_MS:
            raise RefusalError(-1127, "More than 1 hours between startTime and endTime.")
        rows = [
            row
            for row in self.state.agg_rows(market.symbol)
            if int(str(row["T"])) >= max(start or 0, now - 48 * HOUR_MS)
            and (end is None or int(str(row["T"])) <= end)
            and (first is None or int(str(row["a"])) >= first)
        ]
        limit = call.limit(500, 1000)
        return rows[:limit] if first is not None or start is not None else rows[-limit:]

    def prices(self, call: Call) -> object:
        return self._each(call, lambda m: {"symbol": m.symbol, "price": m.instrument.shown_price(m.last), "time": call.venue.now_ms()})  # fmt: skip

    def books(self, call: Call) -> object:
        return self._each(call, lambda market: book_row(market, call.venue.now_ms()))

    def day_tickers(self, call: Call) -> object:
        return self._each(call, self.state.day_row)

    def premium_index(self, call: Call) -> object:
        return self._each(call, lambda market: premium_row(market, call.venue.now_ms()))

    def funding_rates(self, call: Call) -> object:
        symbol, start, end = call.symbol(), call.number("startTime"), call.number("endTime")
        rows = [
            {
                "symbol": name,
                "fundingTime": at,
                "fundingRate": shown(rate),
                "markPrice": shown(mark),
                "rateType": "Regular",
            }
            for name, at, rate, mark in call.venue.cash.rates
            if symbol in {None, name} and at >= (start or 0) and (end is None or at <= end)
        ]
        limit = call.limit(100, 1000)
        return rows[:limit] if start is not None else rows[-limit:]

    def funding_info(self, call: Call) -> object:
        return [
            {
                "symbol": symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": 8,
                "disclaimer": False,
            }
            for symbol in call.venue.instruments
        ]

    def trading_schedule(self, call: Call) -> object:
        """F14: the sessions of what TradFi perpetuals follow."""
        return {
            "updateTime": call.venue.now_ms(),
            "marketSchedules": {market: {"sessions": rows} for market, rows in self.state.sessions.items()},
        }  # fmt: skip

    def _one(self, call: Call) -> SymbolMarket:
        """The market of a mandatory symbol; coin-margined ones are taken too (F12)."""
        symbol = call.text("symbol")
        known = self.market.symbols.get(symbol) or self.state.coin_m.get(symbol)
        if known is None:
            raise RefusalError(-1121)
        return known

    def _each(self, call: Call, row: Callable[[SymbolMarket], dict[str, object]]) -> object:
        if call.params.get("symbol"):
            return row(self._one(call))
        return [row(market) for market in self.market.symbols.values()]


def level_row(market: SymbolMarket, price: Decimal, quantity: Decimal) -> list[str]:
    return [market.instrument.shown_price(price), market.instrument.shown_quantity(quantity)]  # fmt: skip


def book_row(market: SymbolMarket, now_ms: int) -> dict[str, object]:
    instrument = market.instrument
    bid, ask = (market.bids[0] if market.bids else None), (market.asks[0] if market.asks else None)
    return {
        "symbol": market.symbol,
        "bidPrice": instrument.shown_price(bid.price) if bid else "0",
        "bidQty": instrument.shown_quantity(bid.quantity) if bid else "0",
        "askPrice": instrument.shown_price(ask.price) if ask else "0",
        "askQty": instrument.shown_quantity(ask.quantity) if ask else "0",
        "time": now_ms,
        "lastUpdateId": market.update_id,
    }


def premium_row(market: SymbolMarket, now_ms: int) -> dict[str, object]:
    return {
        "symbol": market.symbol,
        "markPrice": shown(market.mark),
        "indexPrice": shown(market.index),
        "estimatedSettlePrice": shown(market.index),
        "lastFundingRate": shown(market.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": market.next_funding_ms,
        "time": now_ms,
    }
