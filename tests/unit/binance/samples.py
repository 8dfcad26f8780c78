"""Small answers in Binance's shapes, invented; and the vendor's own examples where they are at hand."""

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.venues.binance.payload import Node, Source, read

VENUE = VenueName("spot")
BTC = MarketSymbol(
    instrument=Instrument(
        symbol="BTC",
        venue=VENUE,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=Decimal("0.5"),
        lot_size=Decimal("0.25"),
    ),
    feeds=(),
    timeframes=(),
    names={VENUE: "BTCUSDT"},
)
FILTERS: list[dict[str, Any]] = [
    {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    },
    {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    },
    {"filterType": "ICEBERG_PARTS", "limit": 100},
    {
        "filterType": "MARKET_LOT_SIZE",
        "minQty": "0.00000000",
        "maxQty": "120.50000000",
        "stepSize": "0.00000000",
    },
    {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "5",
        "bidMultiplierDown": "0.2",
        "askMultiplierUp": "4",
        "askMultiplierDown": "0.3",
        "avgPriceMins": 5,
    },
    {
        "filterType": "NOTIONAL",
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    },
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    {"filterType": "SOMETHING_OF_TOMORROW", "value": [1]},
]
MARKET: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "orderTypes": [
        *("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"),
        *("TAKE_PROFIT", "TAKE_PROFIT_LIMIT"),
    ],
    "isSpotTradingAllowed": True,
    "filters": FILTERS,
}
PLACED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 31,
    "orderListId": -1,
    "clientOrderId": "tb1",
    "transactTime": 1_750_000_000_123,
    "price": "0.00000000",
    "origQty": "2.00000000",
    "executedQty": "2.00000000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "201.00000000",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "MARKET",
    "side": "BUY",
    "workingTime": 1_750_000_000_123,
    "fills": [
        {
            "price": "100.00000000",
            "qty": "1.00000000",
            "commission": "0.00100000",
            "commissionAsset": "BTC",
            "tradeId": 7,
        },
        {
            "price": "101.00000000",
            "qty": "1.00000000",
            "commission": "0.00100000",
            "commissionAsset": "BTC",
            "tradeId": 8,
        },
    ],
    "selfTradePreventionMode": "EXPIRE_MAKER",
}
QUERIED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 32,
    "orderListId": -1,
    "clientOrderId": "tb2",
    "price": "0.00000000",
    "origQty": "2.00000000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "STOP_LOSS",
    "side": "SELL",
    "stopPrice": "95.00000000",
    "icebergQty": "0.00000000",
    "time": 1_750_000_000_000,
    "updateTime": 1_750_000_001_000,
    "isWorking": False,
    "workingTime": -1,
    "origQuoteOrderQty": "0.00000000",
    "selfTradePreventionMode": "EXPIRE_MAKER",
}
CANCELLED: dict[str, Any] = {
    **{name: value for name, value in QUERIED.items() if name not in {"time", "updateTime"}},
    "origClientOrderId": "tb2",
    "clientOrderId": "aCancelOfTheirs",
    "transactTime": 1_750_000_002_000,
    "status": "CANCELED",
}
LEGS: list[dict[str, Any]] = [
    {**CANCELLED, "orderId": 41, "orderListId": 5, "origClientOrderId": "tb5"},
    {**CANCELLED, "orderId": 42, "orderListId": 5, "origClientOrderId": "tb6"},
]
LIST: dict[str, Any] = {
    "orderListId": 5,
    "contingencyType": "OCO",
    "listStatusType": "ALL_DONE",
    "listOrderStatus": "ALL_DONE",
    "listClientOrderId": "ofTheirs",
    "transactionTime": 1_750_000_002_000,
    "symbol": "BTCUSDT",
    "orders": [
        {"symbol": "BTCUSDT", "orderId": 41, "clientOrderId": "tb5"},
        {"symbol": "BTCUSDT", "orderId": 42, "clientOrderId": "tb6"},
    ],
}
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "id": 7,
    "orderId": 31,
    "orderListId": -1,
    "price": "100.00000000",
    "qty": "1.00000000",
    "quoteQty": "100.00000000",
    "commission": "0.00100000",
    "commissionAsset": "BTC",
    "time": 1_750_000_000_123,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}
EVENT: dict[str, Any] = orjson.loads("""{
    "e": "executionReport", "E": 1750000003001, "s": "BTCUSDT", "c": "tb2", "S": "SELL",
    "o": "STOP_LOSS", "f": "GTC", "q": "2.00000000", "p": "0.00000000", "P": "95.00000000",
    "F": "0.00000000", "g": -1, "C": "", "x": "TRADE", "X": "FILLED", "r": "NONE", "i": 32,
    "l": "2.00000000", "z": "2.00000000", "L": "94.90000000", "n": "0.18980000", "N": "USDT",
    "T": 1750000003000, "t": 9, "I": 77, "w": false, "m": false, "M": false,
    "O": 1750000000000, "Z": "189.80000000", "Y": "189.80000000", "Q": "0.00000000",
    "W": 1750000003000, "V": "EXPIRE_MAKER"
}""")


def node(value: object, path: str = "/api/v3/order") -> Node:
    return read(source(orjson.dumps(value), path))


def source(body: bytes, path: str = "/api/v3/order", secrets: tuple[str, ...] = ()) -> Source:
    return Source(VENUE, path, 200, body, secrets)


def vendor_examples(name: str) -> list[Mapping[str, Any]]:
    """Those of one document: each with its `heading`, and its `doc` where that is JSON."""
    folder = os.environ.get("TRADEBOTD_TEST_DATA")
    file = Path(folder or "/nowhere") / "venue_examples" / f"binance_spot_{name}.json"
    if not file.exists():
        return []
    examples: list[Mapping[str, Any]] = orjson.loads(file.read_bytes())["examples"]
    return examples
