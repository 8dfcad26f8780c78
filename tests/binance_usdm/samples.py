"""Small answers and events in the shapes of USDT-M, invented; the vendor's own where at hand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

ORDER: dict[str, Any] = {
    "orderId": 7,
    "symbol": "BTCUSDT",
    "status": "PARTIALLY_FILLED",
    "clientOrderId": "tb7",
    "price": "60000.0",
    "origQty": "0.010",
    "executedQty": "0.004",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "reduceOnly": True,
    "closePosition": False,
    "side": "SELL",
    "positionSide": "BOTH",
    "stopPrice": "0",
    "workingType": "CONTRACT_PRICE",
    "origType": "LIMIT",
    "updateTime": 1_700_000_000_000,
}
ALGO: dict[str, Any] = {
    "algoId": 9,
    "clientAlgoId": "tb9",
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "algoStatus": "TRIGGERED",
    "triggerPrice": "59000.0",
    "price": "0",
    "workingType": "MARK_PRICE",
    "closePosition": False,
    "reduceOnly": True,
    "actualOrderId": "7",
    "updateTime": 1_700_000_000_000,
}
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "id": 3,
    "orderId": 7,
    "side": "SELL",
    "price": "60000.0",
    "qty": "0.004",
    "commission": "0.096",
    "commissionAsset": "USDT",
    "time": 1_700_000_000_000,
}
ORDER_EVENT: dict[str, Any] = {
    "e": "ORDER_TRADE_UPDATE",
    "E": 1_700_000_000_001,
    "T": 1_700_000_000_000,
    "o": {
        "s": "BTCUSDT",
        "c": "tb7",
        "S": "SELL",
        "o": "MARKET",
        "f": "GTC",
        "q": "0.010",
        "p": "0",
        "sp": "59000.0",
        "x": "TRADE",
        "X": "EXPIRED",
        "i": 7,
        "l": "0.004",
        "z": "0.004",
        "L": "58990.0",
        "N": "USDT",
        "n": "0.09",
        "T": 1_700_000_000_000,
        "t": 3,
        "R": True,
        "wt": "MARK_PRICE",
        "ot": "STOP_MARKET",
        "cp": False,
        "er": "9",
    },
}
ALGO_EVENT: dict[str, Any] = {
    "e": "ALGO_UPDATE",
    "E": 1_700_000_000_001,
    "T": 1_700_000_000_000,
    "o": {
        "caid": "tb9",
        "aid": 9,
        "at": "CONDITIONAL",
        "o": "STOP_MARKET",
        "s": "BTCUSDT",
        "S": "SELL",
        "f": "GTC",
        "q": "0.010",
        "X": "REJECTED",
        "ai": "",
        "tp": "59000.0",
        "p": "0",
        "wt": "MARK_PRICE",
        "cp": False,
        "R": True,
        "rm": "no margin",
        "ia": False,
    },
}
ACCOUNT: dict[str, Any] = {
    "assets": [
        {
            "asset": "USDT",
            "walletBalance": "1000.0",
            "availableBalance": "900.5",
            "initialMargin": "99.5",
        }
    ]
}
POSITIONS: list[dict[str, Any]] = [
    {"symbol": "BTCUSDT", "positionAmt": "-0.010", "entryPrice": "60000.0", "positionSide": "BOTH"}
]
MODES: dict[str, Any] = {
    "canTrade": True,
    "dualSidePosition": False,
    "multiAssetsMargin": False,
}
INCOME: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "incomeType": "FUNDING_FEE",
    "income": "-0.375",
    "asset": "USDT",
    "time": 1_700_000_000_000,
    "tranId": 5,
}
MARKET: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "contractType": "PERPETUAL",
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "9000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "12", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.05",
            "multiplierDown": "0.95",
            "multiplierDecimal": "4",
        },
    ],
}


def vendors() -> Iterator[Any]:
    """Answers and events of the vendor's own client, each row of a list by itself, too."""
    folder = Path(os.environ.get("TRADEBOTD_TEST_DATA", "/nowhere")) / "venue_examples"
    file = folder / "binance_usdm_sdk_examples.json"
    if not file.exists():
        return
    for each in orjson.loads(file.read_bytes()).values():
        response = each.get("response")
        yield response
        if isinstance(response, list):
            yield from response
