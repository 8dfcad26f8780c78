"""Orders that the simulator of Alpaca refuses without a look at the account."""

from typing import Any

import pytest

from tests.unit.simulators.alpaca.scenes import BRACKET, Scene

LIMIT = {"type": "limit", "limit_price": "150"}
STOP = {"type": "stop", "stop_price": "150"}
CRYPTO = {"symbol": "BTC/USD", "time_in_force": "gtc"}


@pytest.mark.parametrize(
    ("code", "words", "body"),
    [
        (40010001, "symbol is required", {"symbol": None}),
        (42210000, "not found", {"symbol": "NONE"}),
        (42210000, "not active", {"symbol": "GONE"}),
        (40010001, "side", {"side": "hold"}),
        (40010001, "type is required", {"type": None}),
        (40010001, "qty or notional", {"qty": None}),
        (40010001, "only one of", {"notional": "10"}),
        (40010001, "qty must be > 0", {"qty": "-1"}),
        (40010001, "invalid qty", {"qty": "many"}),
        (40010001, "9 decimals", {"qty": "0.0000000001"}),
        (40010001, "128 characters", {"client_order_id": "x" * 129}),
        (40010001, "no stop or limit", {"limit_price": "150"}),
        (40010001, "require limit price", {"type": "limit"}),
        (40010001, "only stop price", {"type": "stop"}),
        (40010001, "both stop and limit", STOP | {"type": "stop_limit"}),
        (40010001, "trail", {"type": "trailing_stop"}),
        (42210000, "sub-penny", {"type": "limit", "limit_price": "150.005"}),
        (42210000, "sub-penny", {"type": "limit", "limit_price": "0.99995"}),
        (42210000, "sub-penny", {"type": "stop", "stop_price": "150.005"}),
        (42210000, "DAY or GTC limit", {"extended_hours": True}),
        (42210000, "DAY or GTC limit", LIMIT | {"extended_hours": True, "time_in_force": "ioc"}),
        (40010001, "complex orders", {"stop_loss": {"stop_price": "1"}}),
        (40010001, "take_profit.limit_price", {**BRACKET, "take_profit": None}),
        (40010001, "stop_loss.stop_price", {**BRACKET, "stop_loss": None}),
        (40010001, "only one of take_profit", {**BRACKET, "order_class": "oto"}),
        (42210000, "must be limit orders", {**BRACKET, "order_class": "oco"}),
        (40010001, "day or gtc", {**BRACKET, "time_in_force": "ioc"}),
        (42210000, "simple orders", {**BRACKET, **LIMIT, "extended_hours": True}),
        (42210000, "base_price", {**BRACKET, "stop_loss": {"stop_price": "200"}}),
        (42210000, "base_price", {**BRACKET, "take_profit": {"limit_price": "199"}}),
        (40010001, "for options", {"order_class": "mleg"}),
    ],
)
def test_a_bad_order_is_refused(code: int, words: str, body: dict[str, Any]) -> None:
    refusal = Scene().refused(**body)

    assert (refusal.status, refusal.body["code"]) == (422, code)
    assert words in refusal.body["message"]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("fractionable", {"symbol": "BRK.A", "qty": "0.5"}),
        ("DAY", {"qty": "1.5", "time_in_force": "gtc"}),
        ("simple orders", {**BRACKET, "qty": "1.5"}),
        ("market or limit", STOP | {"qty": "1.5"}),
        ("extended hours", LIMIT | {"symbol": "TSLA", "qty": "1.5", "extended_hours": True}),
        ("market and DAY", LIMIT | {"qty": None, "notional": "10"}),
    ],
)
def test_fractions_are_orders_of_the_day(words: str, body: dict[str, Any]) -> None:
    """A8: notional is market and day; fractions are day orders, and have no stops."""
    assert words in Scene().refused(**body).body["message"]


def test_fractions_in_extended_hours_are_for_assets_that_allow_it() -> None:
    """A2: fractional_eh_enabled."""
    scene = Scene("2026-11-18 18:00")

    assert scene.place(qty="1.5", extended_hours=True, **LIMIT)["status"] == "pending_new"


def test_fractional_stops_are_a_setting() -> None:
    scene = Scene(fractional_stops=True)
    scene.place(qty="1.5")

    assert scene.place("sell", "1.5", **STOP)["status"] == "pending_new"


@pytest.mark.parametrize(
    ("code", "words", "body"),
    [
        (40010001, "order type", {"type": "stop", "stop_price": "70000"}),
        (42210000, "time_in_force", {"time_in_force": "day"}),
        (42210000, "advanced order_class", BRACKET),
        (42210000, "minimal qty", {"qty": "0.00001"}),
        (42210000, "multiple", {"type": "limit", "limit_price": "60000.001"}),
    ],
)
def test_crypto_is_simple(code: int, words: str, body: dict[str, Any]) -> None:
    refusal = Scene().refused(**({"qty": "1"} | CRYPTO | body))

    assert (refusal.status, refusal.body["code"]) == (422, code)
    assert words in refusal.body["message"]


def test_small_crypto_buys_are_refused() -> None:
    refusal = Scene().refused(qty="0.0001", **CRYPTO)

    assert (refusal.status, refusal.body["code"]) == (403, 40310000)
    assert refusal.body["message"] == "cost basis must be >= minimal amount of order 10"


@pytest.mark.parametrize(
    ("local", "time_in_force", "taken"),
    [
        ("2026-11-18 09:27", "opg", True),
        ("2026-11-18 09:29", "opg", False),
        ("2026-11-18 19:30", "opg", True),
        ("2026-11-18 15:49", "cls", True),
        ("2026-11-18 15:51", "cls", False),
    ],
)
def test_auction_orders_come_in_time(local: str, time_in_force: str, taken: bool) -> None:  # noqa: FBT001
    scene = Scene(local)

    if taken:
        assert scene.place(time_in_force=time_in_force)["status"] == "accepted"
    else:
        assert "not accepted" in scene.refused(time_in_force=time_in_force).body["message"]


def test_a_client_order_id_is_taken_for_ever() -> None:
    """422 with code 40010001, even when the first order was cancelled."""
    scene = Scene()
    first = scene.place(client_order_id="mine", **LIMIT)
    scene.exchange.cancel(first["id"])

    refusal = scene.refused(client_order_id="mine")

    assert (refusal.status, refusal.body["code"]) == (422, 40010001)
    assert refusal.body["message"] == "client_order_id must be unique"
