"""The way into the venue: weights, counts, keys, times, parameters."""

from typing import Any

import pytest

from tests.simulators.binance.limits import ORDERS, WEIGHT, Rule
from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.gateway import BY_PATH
from tests.unit.simulators.binance.spot.desk import Desk

USED = "X-MBX-USED-WEIGHT-1M"


def used(desk: Desk) -> int:
    return int(desk.venue.limits.weight_headers("127.0.0.1")[USED])


def test_placing_and_cancelling_cost_nothing_unless_they_fail() -> None:
    """S1: since April 2026 successes weigh 0; failures keep the documented weight."""
    desk = Desk()
    order = desk.place("BUY", "LIMIT", price="50000")
    desk.cancel(orderId=order["orderId"])
    desk.place("BUY", "MARKET")
    assert used(desk) == 0

    desk.try_place("BUY", "MARKET", "9")
    assert used(desk) == 1
    desk.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=99)
    assert used(desk) == 2


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("/api/v3/order", {"symbol": "BTCUSDT", "orderId": 1}, 4),
        ("/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("/api/v3/openOrders", {}, 80),
        ("/api/v3/account", {}, 20),
        ("/api/v3/allOrders", {"symbol": "BTCUSDT"}, 20),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
        ("/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("/api/v3/rateLimit/order", {}, 40),
        ("/api/v3/myFilters", {"symbol": "BTCUSDT"}, 40),
    ],
)
def test_signed_queries_have_their_weights(path: str, params: dict[str, Any], weight: int) -> None:
    answer = Desk().ask("GET", path, **params)

    assert int(answer.headers[USED]) == weight


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("exchangeInfo", {}, 20),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m"}, 2),
        ("depth", {"symbol": "BTCUSDT"}, 5),
        ("depth", {"symbol": "BTCUSDT", "limit": 500}, 25),
        ("depth", {"symbol": "BTCUSDT", "limit": 1000}, 50),
        ("depth", {"symbol": "BTCUSDT", "limit": 5000}, 250),
        ("ticker/price", {"symbol": "BTCUSDT"}, 2),
        ("ticker/price", {}, 4),
        ("ticker/bookTicker", {"symbols": '["BTCUSDT"]'}, 4),
        ("aggTrades", {"symbol": "BTCUSDT"}, 4),
        ("ping", {}, 1),
    ],
)
def test_public_queries_have_their_weights(path: str, params: dict[str, Any], weight: int) -> None:
    answer = Desk().ask("GET", f"/api/v3/{path}", signed=False, **params)

    assert int(answer.headers[USED]) == weight


def test_orders_are_counted_and_fills_give_them_back() -> None:
    """S20: a taker's first fill gives one back, a maker's five; a cancel gives nothing."""
    desk = Desk()

    def count() -> str:
        return desk.venue.limits.order_headers(desk.name)["X-MBX-ORDER-COUNT-10S"]

    answer = desk.try_place("BUY", "LIMIT", price="50000")
    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert answer.headers["X-MBX-ORDER-COUNT-1D"] == "1"
    desk.place("BUY", "MARKET")
    assert count() == "1"
    for _ in range(5):
        desk.place("BUY", "LIMIT", price="51000")
    desk.cancel(orderId=1)
    assert count() == "6"
    desk.venue.quote("BTCUSDT", [("50900", "1")], [("51000", "0.05")])
    assert count() == "1"


def test_a_pair_counts_two() -> None:
    desk = Desk()
    answer = desk.ask(
        "POST", "/api/v3/orderList/oco", symbol="BTCUSDT", side="SELL", quantity="0.5",
        aboveType="LIMIT_MAKER", abovePrice="65000", belowType="STOP_LOSS", belowStopPrice="55000",
    )  # fmt: skip

    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "2"


def test_too_many_orders_are_429_and_not_placed() -> None:
    desk = Desk()
    desk.venue.limits.rules = [Rule(ORDERS, "SECOND", 10, 1), Rule(WEIGHT, "MINUTE", 1, 6000)]
    desk.place("BUY", "LIMIT", price="50000")

    refused = desk.try_place("BUY", "LIMIT", price="50000")

    assert (refused.status, refused.body["code"]) == (429, -1015)
    assert refused.headers["Retry-After"] == "10"
    assert len(desk.venue.open_orders(desk.name)) == 1


@pytest.mark.parametrize(
    ("to_gateway", "to_engine", "age", "count"),
    [(0, 0, 5001, "0"), (5001, 0, 0, "1"), (0, 5001, 0, "1"), (3000, 2001, 0, "1")],
)
def test_a_request_that_is_late_on_its_way_is_refused_and_counts(
    to_gateway: int, to_engine: int, age: int, count: str
) -> None:
    """S18: late at arrival it does not count; late before the engine, or at it, it does."""
    desk = Desk()
    desk.venue.slowness.to_gateway_ms = to_gateway
    desk.venue.slowness.to_engine_ms = to_engine

    refused = desk.try_place("BUY", "MARKET", timestamp=desk.clock.ms - age)

    assert desk.code(refused) == -1021
    assert desk.venue.limits.order_headers(desk.name)["X-MBX-ORDER-COUNT-10S"] == count
    assert desk.venue.markets["BTCUSDT"].orders == []


def test_keys_are_judged_by_what_they_may() -> None:
    desk = Desk()
    desk.venue.add_key(
        ApiKey("keytrader", "trader", secret="trader").allowing(enableSpotAndMarginTrading=False)  # noqa: S106
    )

    assert desk.code(desk.try_place("BUY", "MARKET")) == -2015
    assert desk.get("/api/v3/account")["uid"]
    allowed = desk.get("/sapi/v1/account/apiRestrictions")
    assert len(allowed) == 13
    assert allowed["enableSpotAndMarginTrading"] is False
    desk.venue.keys.revoke("keytrader")
    refused = desk.ask("GET", "/api/v3/account")
    assert (refused.status, refused.body["code"]) == (401, -2015)


def test_a_wrong_signature_is_refused_and_weighs() -> None:
    desk = Desk()
    desk.open("other")

    refused = desk.ask("GET", "/api/v3/account", headers={"X-MBX-APIKEY": "keyother"})

    assert refused.body["code"] == -1022
    assert used(desk) == 20


def test_times_come_in_microseconds_for_who_asks() -> None:
    desk = Desk()
    fine = {"X-MBX-TIME-UNIT": "MICROSECOND"}

    order = desk.ask(
        "POST",
        "/api/v3/order",
        headers=fine,
        symbol="BTCUSDT",
        side="BUY",
        type="MARKET",
        quantity="0.1",
    )
    rows = desk.ask(
        "GET", "/api/v3/klines", signed=False, headers=fine, symbol="BTCUSDT", interval="1m"
    )

    assert order.body["transactTime"] == desk.clock.ms * 1000
    assert rows.body[-1][0] == desk.clock.ms * 1000
    assert rows.body[-1][6] == (desk.clock.ms + 59_999) * 1000


@pytest.mark.parametrize("path", ["/api/v3/userDataStream", "/api/v1/order", "/api/v3/ticker/arr"])
def test_what_was_retired_is_not_there(path: str) -> None:
    """S14: listen keys and /api/v1 are gone."""
    assert not any((method, path) in BY_PATH for method in ("GET", "POST", "PUT", "DELETE"))
