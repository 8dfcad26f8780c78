"""The account at the simulator of Alpaca: its power, and how it is told."""

from decimal import Decimal

import pytest

from tests.simulators.alpaca.account_answers import (
    account_json,
    configurations_json,
    position_of,
    positions_json,
)
from tests.simulators.alpaca.assets import Assets, asset_json
from tests.unit.simulators.alpaca.scenes import Scene

LIMIT = {"type": "limit", "limit_price": "150", "time_in_force": "gtc"}
PDT = {"daytrade_count", "daytrading_buying_power", "pattern_day_trader", "bod_dtbp"}


def test_the_account_has_no_field_of_the_day_trader_rule() -> None:
    """A1: removed since 2026-07-06, in the configuration, too."""
    scene = Scene()

    assert not PDT & set(account_json(scene.desk))
    assert not {"pdt_check", "dtbp_check"} & set(configurations_json(scene.desk))


def test_assets_tell_their_borrow_status() -> None:
    """A4: and easy_to_borrow only as long as that is wished."""
    assets = Assets()
    stock, coin = assets.get("HARD"), assets.get("BTCUSD")
    assert stock is not None
    assert coin is not None

    assert asset_json(stock, easy_to_borrow=False)["borrow_status"] == "hard_to_borrow"
    assert "easy_to_borrow" not in asset_json(stock, easy_to_borrow=False)
    assert "borrow_status" not in asset_json(coin, easy_to_borrow=True)


def test_assets_are_filtered_by_their_attributes() -> None:
    """A2: overnight_tradable, overnight_halted, fractional_eh_enabled."""
    found = Assets().matching({"attributes": "overnight_halted"})

    assert [each.symbol for each in found] == ["HALT"]


def test_open_orders_hold_buying_power() -> None:
    scene = Scene()
    assert account_json(scene.desk)["buying_power"] == "200000"

    scene.place(qty="1000", **LIMIT)

    assert account_json(scene.desk)["buying_power"] == "50000"
    refusal = scene.refused(qty="1000", **LIMIT)
    assert refusal.status == 403
    assert refusal.body == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "50000",
        "cost_basis": "150000",
    }


def test_crypto_is_bought_with_cash() -> None:
    scene = Scene()

    refusal = scene.refused(symbol="BTC/USD", qty="2", time_in_force="gtc")

    assert refusal.body["message"] == (
        "insufficient balance for USD (requested: 120000, available: 100000)"
    )
    assert (refusal.status, refusal.body["code"]) == (403, 40310000)


def test_shares_are_held_by_orders() -> None:
    scene = Scene()
    scene.place()
    held = scene.place("sell", "6", type="limit", limit_price="210", time_in_force="gtc")

    refusal = scene.refused("sell", "5")

    assert refusal.status == 403
    assert refusal.body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 5, available: 4)",
        "available": "4",
        "existing_qty": "10",
        "held_for_orders": "6",
        "related_orders": [held["id"]],
        "symbol": "AAPL",
    }
    (position,) = positions_json(scene.desk)
    assert (position["qty"], position["qty_available"]) == ("10", "4")


def test_a_sale_never_turns_a_position() -> None:
    scene = Scene()
    scene.place()

    assert scene.refused("sell", "11").body["available"] == "10"


@pytest.mark.parametrize(
    ("symbol", "qty", "words"),
    [
        ("HARD", "1", "hard to borrow"),
        ("LONG", "1", "cannot be sold short"),
        ("AAPL", "1.5", "fractional orders cannot be sold short"),
        ("BTC/USD", "1", "insufficient balance for BTC"),
    ],
)
def test_what_cannot_be_sold_short(symbol: str, qty: str, words: str) -> None:
    """A4: what is hard to borrow needs a locate, which costs."""
    scene = Scene()
    time_in_force = "gtc" if "/" in symbol else "day"
    scene.exchange.quote(symbol, "100", "100")

    refusal = scene.refused("sell", qty, symbol=symbol, time_in_force=time_in_force)

    assert words in refusal.body["message"]


def test_a_short_position_is_told_below_zero() -> None:
    scene = Scene()
    scene.place("sell")

    position = position_of(scene.desk, "AAPL")

    assert (position["qty"], position["side"]) == ("-10", "short")
    assert Decimal(position["market_value"]) < 0
    scene.place("buy")
    assert positions_json(scene.desk) == []


def test_an_intent_that_does_not_fit_is_refused() -> None:
    refusal = Scene().refused("sell", position_intent="sell_to_close")

    assert refusal.body["message"] == (
        "position intent mismatch, inferred: sell_to_open, specified: sell_to_close"
    )


def test_orders_that_would_trade_with_each_other_are_refused() -> None:
    scene = Scene()
    scene.place()
    resting = scene.place("sell", "1", type="limit", limit_price="210", time_in_force="gtc")

    crossing = scene.refused("buy", "1", type="limit", limit_price="211")
    market = scene.refused("buy", "1")

    assert crossing.body["reject_reason"] == "opposite side limit order exists"
    assert market.body["reject_reason"] == "opposite side market/stop order exists"
    assert market.body["existing_order_id"] == resting["id"]
    scene.place("buy", "1", type="limit", limit_price="150")


def test_a_blocked_account_places_nothing() -> None:
    assert Scene(trading_blocked=True).refused().status == 403
    suspended = Scene(trade_suspended_by_user=True).refused()
    assert suspended.body["message"] == "new orders are rejected by user request"
