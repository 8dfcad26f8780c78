"""S9, S10, S11: filters, each by an order that passes and one that does not."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.binance.spot.venue import Venue
from tests.unit.simulators.binance.spot.desk import ByHand, Desk

LIMIT = {"side": "BUY", "kind": "LIMIT", "quantity": "0.1", "price": "59000"}
MARKET = {"side": "BUY", "kind": "MARKET", "quantity": "0.1"}


@pytest.mark.parametrize(
    ("row", "good", "bad"),
    [
        ({"filterType": "PRICE_FILTER", "minPrice": "50000", "maxPrice": "70000", "tickSize": "0.01"},
         {}, {"price": "59000.001"}),
        ({"filterType": "PRICE_FILTER", "minPrice": "50000", "maxPrice": "70000", "tickSize": "0"},
         {"price": "59000.001"}, {"price": "49999"}),
        ({"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "1", "stepSize": "0.01"},
         {"quantity": "0.01"}, {"quantity": "0.015"}),
        ({"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "1", "stepSize": "0.01"},
         {"quantity": "1"}, {"quantity": "1.01"}),
        ({"filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7", "avgPriceMins": 5},
         {"price": "42000"}, {"price": "41999"}),
        ({"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.2", "bidMultiplierDown": "0.9",
          "askMultiplierUp": "5", "askMultiplierDown": "0.8", "avgPriceMins": 1},
         {"price": "54000"}, {"price": "53999"}),
        ({"filterType": "MIN_NOTIONAL", "minNotional": "100", "applyToMarket": True, "avgPriceMins": 5},
         {"quantity": "0.0017"}, {"quantity": "0.0016"}),
        ({"filterType": "NOTIONAL", "minNotional": "10", "applyMinToMarket": True, "maxNotional": "6000",
          "applyMaxToMarket": False, "avgPriceMins": 5}, {"quantity": "0.1"}, {"quantity": "0.11"}),
        ({"filterType": "MAX_POSITION", "maxPosition": "2.5"}, {"quantity": "0.5"}, {"quantity": "0.51"}),
        ({"filterType": "ICEBERG_PARTS", "limit": 10},
         {"icebergQty": "0.01"}, {"icebergQty": "0.009"}),
    ],
)  # fmt: skip
def test_a_limit_order_passes_or_fails_in_the_filter_s_name(
    row: dict[str, Any], good: dict[str, str], bad: dict[str, str]
) -> None:
    desk = Desk()
    desk.venue.set_filter("BTCUSDT", **row)

    assert desk.try_place(**(LIMIT | good)).status == 200
    refused = desk.try_place(**(LIMIT | bad))
    assert refused.body == {"code": -1013, "msg": f"Filter failure: {row['filterType']}"}
    assert refused.status == 400


def test_a_market_order_has_a_lot_size_of_its_own() -> None:
    desk = Desk()
    row = {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "0.5", "stepSize": "0"}
    desk.venue.set_filter("BTCUSDT", **row)

    assert desk.try_place("BUY", "MARKET", "0.6").body["msg"] == "Filter failure: MARKET_LOT_SIZE"
    assert desk.try_place("BUY", "LIMIT", "0.6", price="59000").status == 200


@pytest.mark.parametrize("name", ["MIN_NOTIONAL", "NOTIONAL", "PERCENT_PRICE"])
def test_the_reference_price_serves_every_filter_that_needs_a_price(name: str) -> None:
    """S10: since May 2026 MIN_NOTIONAL and NOTIONAL use it, too; without one, the average."""
    desk = Desk()
    rows = {
        "MIN_NOTIONAL": {"minNotional": "5500", "applyToMarket": True, "avgPriceMins": 5},
        "NOTIONAL": {
            "minNotional": "5500", "applyMinToMarket": True, "maxNotional": "9000000",
            "applyMaxToMarket": False, "avgPriceMins": 5,
        },
        "PERCENT_PRICE": {"multiplierUp": "2", "multiplierDown": "0.9", "avgPriceMins": 5},
    }  # fmt: skip
    desk.venue.set_filter("BTCUSDT", filterType=name, **rows[name])
    order = LIMIT | {"price": "54000"} if name == "PERCENT_PRICE" else MARKET
    assert desk.try_place(**order).status == 200

    desk.venue.set_reference("BTCUSDT", "61000" if name == "PERCENT_PRICE" else "54000")

    assert desk.try_place(**order).body["msg"] == f"Filter failure: {name}"


def test_five_stops_a_symbol_are_all_that_an_account_may_have() -> None:
    """S9: MAX_NUM_ALGO_ORDERS counts all of an account's stops on the symbol, whoever placed them."""
    desk = Desk()
    for number in range(5):
        desk.place("SELL", "STOP_LOSS", "0.01", stopPrice=str(50000 + number))

    refused = desk.try_place("SELL", "STOP_LOSS", "0.01", stopPrice="51000")

    assert refused.body == {"code": -1013, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}
    assert desk.try_place("BUY", "LIMIT", price="50000").status == 200


def test_a_list_beyond_a_count_is_refused_by_the_engine() -> None:
    """S9: since August 2025 the engine refuses lists that would exceed a count: -2010."""
    desk = Desk()
    for number in range(5):
        desk.place("SELL", "STOP_LOSS", "0.01", stopPrice=str(50000 + number))

    refused = desk.ask(
        "POST", "/api/v3/orderList/oco", symbol="BTCUSDT", side="SELL", quantity="0.1",
        aboveType="LIMIT_MAKER", abovePrice="65000", belowType="STOP_LOSS", belowStopPrice="55000",
    )  # fmt: skip

    assert refused.body == {"code": -2010, "msg": "Filter failure: MAX_NUM_ALGO_ORDERS"}
    assert len(desk.venue.open_orders(desk.name)) == 5


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders"),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders"),
    ],
)
def test_the_exchange_counts_over_all_symbols(name: str, field: str) -> None:
    desk = Desk()
    desk.venue.exchange_filters = ({"filterType": name, field: 1},)
    desk.venue.move("ETHUSDT", "3000")
    desk.place("SELL", "STOP_LOSS", "0.1", stopPrice="50000")

    refused = desk.try_place("SELL", "STOP_LOSS", "0.1", symbol="ETHUSDT", stopPrice="2000")

    assert refused.body["msg"] == f"Filter failure: {name}"


def test_max_asset_is_seen_by_my_filters_alone() -> None:
    """S9: MAX_ASSET bounds one order in an asset, as base or as quote."""
    desk = Desk()
    desk.venue.accounts[desk.name].max_asset = {"USDT": Decimal(5000), "BTC": Decimal(1)}

    assert desk.try_place("BUY", "LIMIT", "0.1", price="59000").body["msg"] == (
        "Filter failure: MAX_ASSET"
    )
    assert desk.try_place("BUY", "LIMIT", "0.08", price="59000").status == 200
    rows = desk.get("/api/v3/myFilters", symbol="BTCUSDT")["assetFilters"]
    assert [row["asset"] for row in rows] == ["BTC", "USDT"]
    shown = desk.public("/api/v3/exchangeInfo", symbol="BTCUSDT")["symbols"][0]["filters"]
    assert not any(row["filterType"] == "MAX_ASSET" for row in shown)


def test_numbers_are_read_strictly() -> None:
    desk = Desk()

    assert desk.code(desk.try_place("BUY", "MARKET", "1e-5")) == -1100
    assert desk.code(desk.try_place("BUY", "MARKET", "0.000000001")) == -1111
    assert desk.code(desk.try_place("BUY", "MARKET", "-1")) == -1100
    assert desk.code(desk.try_place("BUY", "MARKET", "0.1", stopprice="1")) == -1104
    assert desk.code(desk.try_place("BUY", "MARKET", "0.1", price="1")) == -1106
    assert desk.code(desk.try_place("BUY", "STOP", "0.1")) == -1116
    assert desk.code(desk.try_place("HOLD", "MARKET", "0.1")) == -1117
    assert desk.code(desk.try_place("BUY", "LIMIT", price="59000", timeInForce="DAY")) == -1115


@pytest.mark.parametrize(
    ("status", "placing", "cancelling"),
    [("TRADING", 200, 200), ("CANCEL_ONLY", 400, 200), ("HALT", 400, 200), ("BREAK", 400, 200)],
)
def test_only_a_trading_symbol_takes_orders(status: str, placing: int, cancelling: int) -> None:
    """S11: CANCEL_ONLY may appear since July 2026: orders can be cancelled, and not placed."""
    desk = Desk()
    number = desk.place("BUY", "LIMIT", price="50000")["orderId"]
    desk.venue.change("BTCUSDT", status=status)

    placed = desk.try_place("BUY", "MARKET")
    gone = desk.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=number)

    assert (placed.status, gone.status) == (placing, cancelling)


def test_exchange_information_has_every_field_of_a_symbol() -> None:
    """S2, S11: limits as they are now, and what a symbol allows; wrong status -1220."""
    desk = Desk()
    info = desk.public("/api/v3/exchangeInfo", symbols='["BTCUSDT","ETHBTC"]')

    raw = next(r for r in info["rateLimits"] if r["rateLimitType"] == "RAW_REQUESTS")
    assert (raw["limit"], raw["intervalNum"], raw["interval"]) == (300_000, 5, "MINUTE")
    symbol = info["symbols"][0]
    assert symbol["opoAllowed"] is True
    assert symbol["allowedSelfTradePreventionModes"][-1] == "TRANSFER"
    assert {
        "pegInstructionsAllowed", "allowTrailingStop", "defaultSelfTradePreventionMode", "amendAllowed",
        "otoAllowed", "ocoAllowed", "cancelReplaceAllowed", "permissionSets",
    } <= set(symbol)  # fmt: skip
    wrong = desk.ask(
        "GET", "/api/v3/ticker/price", signed=False, symbol="BTCUSDT", symbolStatus="HALT"
    )
    assert desk.code(wrong) == -1220
    assert Venue(ByHand()).markets.keys() >= {"BTCUSDT"}
