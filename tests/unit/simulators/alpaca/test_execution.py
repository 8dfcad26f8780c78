"""Execution at the simulator of Alpaca: orders meet the quotes that a test gives."""

from decimal import Decimal

import pytest

from tests.unit.simulators.alpaca.scenes import Scene


def test_a_market_order_takes_the_far_side() -> None:
    scene = Scene()

    buy = scene.place()

    assert scene.status(buy) == "filled"
    assert scene.events(buy) == ["pending_new", "new", "fill"]
    assert buy["status"] == "pending_new"  # the answer is older than the fill
    told = scene.desk.updates.told[-1]
    assert (told["price"], told["qty"], told["position_qty"]) == ("200", "10", "10")
    assert scene.desk.ledger.cash == 98_000


def test_an_order_takes_no_more_than_there_is() -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "199.98", "200", ask_size="4")

    buy = scene.place()
    other = scene.place(qty="1")

    assert scene.status(buy) == "partially_filled"
    assert scene.status(other) == "new"  # the first one took it all
    scene.exchange.quote("AAPL", "199.98", "201", ask_size="100")
    assert scene.status(buy) == "filled"
    assert scene.exchange.order(buy["id"]).paid == 4 * 200 + 6 * 201
    assert scene.events(buy) == ["pending_new", "new", "partial_fill", "fill"]


def test_a_limit_order_waits_for_its_price() -> None:
    scene = Scene()
    buy = scene.place(type="limit", limit_price="199.50")

    assert scene.status(buy) == "new"
    scene.exchange.quote("AAPL", "199.30", "199.40")
    assert scene.exchange.order(buy["id"]).paid == 10 * Decimal("199.40")


def test_no_quote_is_no_fill() -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "0", "0")

    assert scene.status(scene.place()) == "new"


@pytest.mark.parametrize(
    ("time_in_force", "filled", "status"),
    [("ioc", 4, "canceled"), ("fok", 0, "canceled")],
)
def test_what_cannot_be_executed_at_once_is_cancelled(
    time_in_force: str, filled: int, status: str
) -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "199.98", "200", ask_size="4")

    order = scene.exchange.order(scene.place(time_in_force=time_in_force)["id"])

    assert order.filled == filled
    assert order.status == status


def test_a_sell_stop_becomes_a_market_order() -> None:
    scene = Scene()
    scene.place()
    stop = scene.place("sell", type="stop", stop_price="195", time_in_force="gtc")

    scene.exchange.quote("AAPL", "195.10", "195.20")
    assert scene.status(stop) == "new"
    scene.exchange.quote("AAPL", "190", "190.20")
    assert scene.exchange.order(stop["id"]).paid == 1900


def test_a_trade_of_others_triggers_a_stop() -> None:
    scene = Scene()
    scene.place()
    stop = scene.place("sell", type="stop", stop_price="195", time_in_force="gtc")

    scene.exchange.trade("AAPL", "194.99")

    assert scene.exchange.order(stop["id"]).paid == 10 * Decimal("199.98")


@pytest.mark.parametrize(("stop_price", "cap"), [("210", "215.25"), ("40", "41.60")])
def test_a_buy_stop_becomes_a_stop_limit(stop_price: str, cap: str) -> None:
    """4 % above a stop below 50 USD, 2.5 % above others: a gap leaves it unfilled."""
    scene = Scene()
    scene.exchange.quote("AAPL", "30", "30")
    stop = scene.place(type="stop", stop_price=stop_price)

    scene.exchange.quote("AAPL", cap, str(Decimal(cap) + Decimal("0.01")))
    assert scene.status(stop) == "new"
    scene.exchange.quote("AAPL", cap, cap)
    assert scene.status(stop) == "filled"


def test_a_stop_limit_waits_behind_a_gap() -> None:
    scene = Scene()
    scene.place()
    stop = scene.place("sell", type="stop_limit", stop_price="195", limit_price="194")

    scene.exchange.quote("AAPL", "190", "190.10")
    assert scene.status(stop) == "new"
    scene.exchange.quote("AAPL", "194.50", "194.60")  # triggered before: a limit order now
    assert scene.status(stop) == "filled"


def test_a_trailing_stop_follows_the_price() -> None:
    scene = Scene()
    scene.place()
    stop = scene.place("sell", type="trailing_stop", trail_percent="5")

    scene.exchange.quote("AAPL", "220", "220")
    order = scene.exchange.order(stop["id"])
    assert order.high_water == 220
    assert order.stop_price == 209
    scene.exchange.quote("AAPL", "208", "208")
    assert order.paid == 2080


def test_a_notional_order_buys_a_part_of_a_share() -> None:
    scene = Scene()
    buy = scene.exchange.submit(
        {
            "symbol": "AAPL",
            "notional": "500.01",
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
        }
    )

    order = scene.exchange.order(buy["id"])
    assert order.filled == Decimal("2.50005")
    assert order.status == "filled"
    assert (buy["qty"], buy["notional"]) == (None, "500.01")


def test_a_halt_stops_trading() -> None:
    scene = Scene()
    scene.exchange.halt("AAPL")
    buy = scene.place()

    assert scene.status(buy) == "new"
    scene.exchange.halt("AAPL", halted=False)
    assert scene.status(buy) == "filled"


def test_crypto_pays_its_fee_in_what_it_gets() -> None:
    """A buy is paid in the coin, a sale in USD; the rows come on the next day (UTC)."""
    scene = Scene()
    scene.place(symbol="BTC/USD", qty="0.1", time_in_force="gtc")

    assert scene.desk.ledger.quantity("BTCUSD") == Decimal("0.09975")
    assert scene.desk.updates.told[-1]["position_qty"] == "0.09975"
    scene.place("sell", "0.05", symbol="BTC/USD", time_in_force="gtc")
    assert scene.desk.ledger.cash == 100_000 - 6000 + 3000 - Decimal("7.5")

    kinds = [each.body["activity_type"] for each in scene.desk.activities.all]
    assert kinds == ["FILL", "FILL"]
    scene.wait(days=1)
    coins, dollars = (each.body for each in scene.desk.activities.all[2:])
    assert (coins["activity_type"], coins["qty"], coins["net_amount"]) == ("CFEE", "-0.00025", "0")
    assert (dollars["activity_type"], dollars["net_amount"]) == ("FEE", "-7.5")


def test_sales_of_stock_may_pay_a_fee_on_the_next_day() -> None:
    scene = Scene(sell_fee_per_share=Decimal("0.000195"))
    scene.place()
    scene.place("sell")
    before = scene.desk.ledger.cash

    scene.wait(days=1)

    assert scene.desk.ledger.cash == before - Decimal("0.01")
    assert scene.desk.activities.all[-1].body["activity_type"] == "FEE"
