"""Answers of Alpaca, made up in its shapes."""

from typing import Any

import orjson

from tests.alpaca_venue.scene import APPLE, BTC, PENNY, VENUE
from tradebotd.net.answers import Source, Value
from tradebotd.venues.alpaca.orders import OrderReader
from tradebotd.venues.alpaca.symbols import Symbols

SYMBOLS = Symbols(VENUE, [APPLE, PENNY, BTC])
READER = OrderReader(VENUE, SYMBOLS)
ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": "tb5",
    "created_at": "2026-11-18T15:00:00.5Z",
    "updated_at": "2026-11-18T15:00:02.123456789Z",
    "submitted_at": "2026-11-18T15:00:01Z",
    "filled_at": None,
    "replaced_by": None,
    "replaces": None,
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "notional": None,
    "qty": "10",
    "filled_qty": "4",
    "filled_avg_price": "199.5",
    "order_class": "",
    "type": "stop_limit",
    "side": "sell",
    "time_in_force": "gtc",
    "limit_price": "189.5",
    "stop_price": "190",
    "status": "partially_filled",
    "extended_hours": False,
    "legs": None,
}
LEG: dict[str, Any] = {
    **ORDER,
    "id": "b0b6dd9d-8b9b-4c3b-9d43-1cf0e7b9c001",
    "client_order_id": "b0b6dd9d-8b9b-4c3b-9d43-1cf0e7b9c001",
    "order_class": "oco",
    "status": "held",
    "filled_qty": "0",
}
PAIR: dict[str, Any] = {
    **ORDER,
    "client_order_id": "oco.tb6.tb5",
    "order_class": "oco",
    "type": "limit",
    "limit_price": "210",
    "stop_price": None,
    "filled_qty": "0",
    "status": "new",
    "legs": [LEG],
}
FILL: dict[str, Any] = {
    "id": "20261118150002000::045b3b8d-c566-4bef-b741-2bf598dd6ae7",
    "activity_type": "FILL",
    "transaction_time": "2026-11-18T15:00:02.123456789Z",
    "type": "partial_fill",
    "price": "199.5",
    "qty": "4",
    "side": "sell",
    "symbol": "AAPL",
    "leaves_qty": "6",
    "order_id": ORDER["id"],
    "cum_qty": "4",
    "order_status": "partially_filled",
}
EVENT: dict[str, Any] = {
    "event": "partial_fill",
    "event_id": "01KB",
    "execution_id": "2f63ea93-423d-4169-b3f6-3fdafc10c418",
    "at": "2026-11-18T15:00:02.123456Z",
    "timestamp": "2026-11-18T15:00:02.123456789Z",
    "price": "199.5",
    "qty": "4",
    "position_qty": "6",
    "order": ORDER,
}
ACCOUNT: dict[str, Any] = {
    "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
    "account_number": "PA3MADEUP",
    "status": "ACTIVE",
    "currency": "USD",
    "cash": "1000.25",
    "buying_power": "2000.5",
    "non_marginable_buying_power": "900",
    "account_blocked": False,
    "trading_blocked": False,
    "trade_suspended_by_user": False,
    "shorting_enabled": True,
}
POSITIONS: list[dict[str, Any]] = [
    {
        "symbol": "AAPL",
        "qty": "10",
        "qty_available": "4",
        "side": "long",
        "avg_entry_price": "199.5",
    },
    {"symbol": "BTCUSD", "qty": "0.5", "qty_available": "0.5", "side": "long"},
    {"symbol": "PENY", "qty": "-3", "side": "short", "avg_entry_price": "0.4"},
]
CLOCK = {
    "timestamp": "2026-11-18T10:00:00.123456789-05:00",
    "is_open": True,
    "next_open": "2026-11-19T09:30:00-05:00",
    "next_close": "2026-11-18T16:00:00-05:00",
}
SHARE: dict[str, Any] = {
    "id": "x",
    "class": "us_equity",
    "symbol": "AAPL",
    "status": "active",
    "tradable": True,
    "shortable": True,
    "borrow_status": "easy_to_borrow",
    "fractionable": True,
    "attributes": ["overnight_tradable", "fractional_eh_enabled"],
}
COIN: dict[str, Any] = {
    "class": "crypto",
    "symbol": "BTC/USD",
    "status": "active",
    "tradable": True,
    "shortable": False,
    "fractionable": True,
    "min_order_size": "0.000026873",
    "min_trade_increment": "0.000000001",
    "price_increment": "0.01",
}
TRANSFERS: list[dict[str, Any]] = [
    {
        "id": "20261118000000000::a",
        "activity_type": "CSD",
        "date": "2026-11-18",
        "net_amount": "500",
        "status": "executed",
        "currency": "USD",
        "created_at": "2026-11-18T15:00:00Z",
    },
    {
        "id": "20261118000000000::b",
        "activity_type": "CSW",
        "date": "2026-11-18",
        "net_amount": "-5",
    },
    {
        "id": "20261118000000000::c",
        "activity_type": "JNLS",
        "date": "2026-11-18",
        "symbol": "AAPL",
        "qty": "2",
        "status": "executed",
    },
    {
        "id": "20261118000000000::d",
        "activity_type": "JNLC",
        "date": "2026-11-18",
        "net_amount": "7",
        "status": "canceled",
    },
]


def value(told: Any) -> Value:
    return source(orjson.dumps(told)).json()


def source(body: bytes) -> Source:
    return Source("alpaca: GET /x", body, 200)
