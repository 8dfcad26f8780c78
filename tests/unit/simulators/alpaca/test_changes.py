"""Cancels and replacements at the simulator of Alpaca: requests, not facts."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulators.alpaca import changes
from tests.simulators.alpaca.orders import Status
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.unit.simulators.alpaca.scenes import Scene

LIMIT = {"type": "limit", "limit_price": "150", "time_in_force": "gtc"}
LATER = timedelta(seconds=5)


def refused(scene: Scene, order: dict[str, Any], body: dict[str, Any]) -> str:
    with pytest.raises(RequestRefusedError) as caught:
        scene.exchange.replace(order["id"], body)
    assert caught.value.status == 422
    return str(caught.value.body["message"])


def test_a_cancel_is_asked_and_then_told() -> None:
    scene = Scene()
    buy = scene.place(**LIMIT)

    scene.exchange.cancel(buy["id"])

    assert scene.events(buy)[-2:] == ["pending_cancel", "canceled"]


def test_what_is_over_cannot_be_cancelled() -> None:
    scene = Scene()
    buy = scene.place()

    with pytest.raises(RequestRefusedError) as caught:
        scene.exchange.cancel(buy["id"])

    assert caught.value.status == 422
    assert caught.value.body["message"] == 'order is already in "filled" state'


def test_a_fill_may_win_against_a_cancel() -> None:
    """A5: the event `order_cancel_rejected`."""
    scene = Scene(cancel_delay=LATER)
    buy = scene.place(**LIMIT)
    scene.exchange.cancel(buy["id"])

    scene.exchange.quote("AAPL", "149", "149")
    scene.wait(seconds=6)

    assert scene.status(buy) == "filled"
    assert scene.events(buy)[-2:] == ["fill", "order_cancel_rejected"]


def test_a_second_cancel_is_refused() -> None:
    scene = Scene(cancel_delay=LATER)
    buy = scene.place(**LIMIT)
    scene.exchange.cancel(buy["id"])

    with pytest.raises(RequestRefusedError, match="pending cancel"):
        scene.exchange.cancel(buy["id"])


def test_all_orders_are_cancelled_with_an_answer_each() -> None:
    scene = Scene()
    free, stuck = scene.place(**LIMIT), scene.place(**LIMIT)
    scene.exchange.mark(stuck["id"], Status.PENDING_REPLACE)

    answers = changes.cancel_all(scene.desk)

    assert [(each["id"], each["status"]) for each in answers] == [
        (free["id"], 200),
        (stuck["id"], 500),
    ]


def test_a_replacement_has_an_id_of_its_own() -> None:
    """A8: the answer is the new order; the old one ends as `replaced`."""
    scene = Scene()
    old = scene.place(**LIMIT)

    new = scene.exchange.replace(old["id"], {"limit_price": "151", "qty": "12"})

    assert new["replaces"] == old["id"] != new["id"]
    assert new["client_order_id"] != old["client_order_id"]
    assert [scene.status(old), scene.status(new)] == ["replaced", "new"]
    assert scene.exchange.order(old["id"]).replaced_by == new["id"]
    assert scene.events(old)[-2:] == ["pending_replace", "replaced"]
    scene.exchange.quote("AAPL", "151", "151")
    assert scene.exchange.order(new["id"]).filled == 12


def test_a_replacement_is_a_promise() -> None:
    """A8: 200, and later `order_replace_rejected`, when the old order was filled meanwhile."""
    scene = Scene(replace_delay=LATER)
    old = scene.place(**LIMIT)
    new = scene.exchange.replace(old["id"], {"limit_price": "151"})
    assert scene.status(old) == "pending_replace"
    with pytest.raises(RequestRefusedError, match="pending replace"):
        scene.exchange.cancel(old["id"])

    scene.exchange.quote("AAPL", "149", "149")
    scene.wait(seconds=6)

    assert [scene.status(old), scene.status(new)] == ["filled", "rejected"]
    assert scene.events(old)[-1] == "order_replace_rejected"
    assert scene.events(new)[-1] == "rejected"
    assert scene.desk.ledger.quantity("AAPL") == 10


def test_a_replacement_never_sells_more_than_is_left() -> None:
    scene = Scene(replace_delay=LATER)
    scene.place()
    old = scene.place("sell", type="limit", limit_price="210", time_in_force="gtc")
    new = scene.exchange.replace(old["id"], {"limit_price": "211", "qty": "10"})

    scene.exchange.quote("AAPL", "210", "210", bid_size="4")
    scene.wait(seconds=6)

    assert scene.status(new) == "rejected"
    assert scene.status(old) == "new"
    assert scene.desk.ledger.quantity("AAPL") == 6


def test_what_cannot_be_replaced() -> None:
    """A8: whole shares only; notional and fractional orders not at all."""
    scene = Scene("2026-11-18 17:00")
    waiting = scene.place(**LIMIT)
    assert "accepted" in refused(scene, waiting, {"qty": "1"})

    scene = Scene()
    fraction = scene.place(qty="1.5", type="limit", limit_price="150")
    assert "fractional" in refused(scene, fraction, {"limit_price": "151"})
    whole = scene.place(**LIMIT)
    assert "integer" in refused(scene, whole, {"qty": "1.5"})
    assert "sub-penny" in refused(scene, whole, {"limit_price": "151.005"})
    assert "require no stop" in refused(scene, whole, {"stop_price": "140"})
    scene.exchange.halt("AAPL")
    notional = scene.place(qty=None, notional="100")
    assert "notional" in refused(scene, notional, {"qty": "1"})


def test_a_leg_is_replaced_within_its_group() -> None:
    scene = Scene()
    _, target, stop = scene.bracket()

    moved = scene.exchange.replace(stop["id"], {"stop_price": "195"})

    assert scene.status(moved) == "held"
    scene.exchange.quote("AAPL", "194", "194.10")
    assert [scene.status(target), scene.status(moved)] == ["canceled", "filled"]


def test_a_trail_is_replaced() -> None:
    scene = Scene()
    scene.place()
    old = scene.place("sell", type="trailing_stop", trail_price="5")

    new = scene.exchange.replace(old["id"], {"trail": "3"})

    assert (new["trail_price"], new["trail_percent"]) == ("3", None)


def test_closing_a_position_is_a_market_order() -> None:
    scene = Scene()
    scene.place()

    half = changes.close_position(scene.desk, "AAPL", {"percentage": "50"})
    assert (half["side"], half["qty"]) == ("sell", "5")
    answers = changes.close_all(scene.desk, cancel_orders=True)
    assert [(each["symbol"], each["status"]) for each in answers] == [("AAPL", 200)]
    assert scene.desk.ledger.holdings == {}
    with pytest.raises(RequestRefusedError, match="position does not exist"):
        changes.close_position(scene.desk, "AAPL", {})
