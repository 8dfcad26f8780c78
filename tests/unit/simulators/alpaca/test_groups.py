"""Brackets, OCO and OTO at the simulator of Alpaca."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.alpaca.account_answers import positions_json
from tests.unit.simulators.alpaca.scenes import BRACKET, Scene

OCO: dict[str, Any] = {
    "type": "limit",
    "order_class": "oco",
    "time_in_force": "gtc",
    "take_profit": {"limit_price": "210"},
    "stop_loss": {"stop_price": "190"},
}


def test_legs_wait_for_the_complete_fill() -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "199.98", "200", ask_size="4")

    entry, target, stop = scene.bracket()

    assert scene.status(entry) == "partially_filled"
    assert [scene.status(target), scene.status(stop)] == ["held", "held"]
    scene.exchange.quote("AAPL", "189", "189", ask_size="1")  # beyond the stop, which sleeps
    assert scene.exchange.order(stop["id"]).filled == 0
    scene.exchange.quote("AAPL", "189", "189")
    assert [scene.status(entry), scene.status(stop)] == ["filled", "filled"]


@pytest.mark.parametrize("told", ["held", "new"])
def test_legs_are_live_behind_the_fill(told: str) -> None:
    """The stop of a live pair says `held`, as is reported, or `new`: a client must bear both."""
    scene = Scene(stop_leg_status=told)

    _, target, stop = scene.bracket()

    assert [scene.status(target), scene.status(stop)] == ["new", told]
    scene.exchange.quote("AAPL", "189", "189.10")
    assert [scene.status(target), scene.status(stop)] == ["canceled", "filled"]
    assert scene.desk.ledger.holdings == {}


def test_a_take_profit_ends_the_stop() -> None:
    scene = Scene()
    _, target, stop = scene.bracket()

    scene.exchange.quote("AAPL", "210", "210.02")

    assert [scene.status(target), scene.status(stop)] == ["filled", "canceled"]


def test_a_partial_take_profit_shrinks_the_stop() -> None:
    """A5: told as `restated`."""
    scene = Scene()
    _, target, stop = scene.bracket()

    scene.exchange.quote("AAPL", "210", "210.02", bid_size="3")

    assert scene.status(target) == "partially_filled"
    assert scene.exchange.order(stop["id"]).quantity == 7
    assert scene.events(stop)[-1] == "restated"
    scene.exchange.quote("AAPL", "189", "189.02")
    assert scene.exchange.order(stop["id"]).filled == 7
    assert scene.desk.ledger.holdings == {}


@pytest.mark.parametrize("time_in_force", ["day", "gtc"])
def test_legs_carry_the_time_in_force_of_their_parent(time_in_force: str) -> None:
    """A12: whatever take_profit and stop_loss say; a `day` parent leaves the position bare overnight."""
    scene = Scene()
    body: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "210", "time_in_force": "gtc"},
        "stop_loss": {"stop_price": "190", "time_in_force": "gtc"},
    }

    _, target, stop = scene.bracket(**body, time_in_force=time_in_force)

    assert {target["time_in_force"], stop["time_in_force"]} == {time_in_force}
    scene.go("2026-11-19 09:31")
    expected = "expired" if time_in_force == "day" else "new"
    assert scene.status(target) == expected
    assert scene.desk.ledger.quantity("AAPL") == 10


def test_stops_and_legs_do_not_run_outside_the_regular_session() -> None:
    """A2: protection in extended hours and overnight is not the venue's."""
    scene = Scene()
    _, target, stop = scene.bracket()
    scene.go("2026-11-18 17:00")

    scene.exchange.quote("AAPL", "180", "180.10")
    scene.exchange.quote("AAPL", "215", "215.10")
    scene.go("2026-11-18 23:00")
    scene.exchange.quote("AAPL", "180", "180.10")

    assert [scene.status(target), scene.status(stop)] == ["new", "held"]
    scene.go("2026-11-19 09:30")
    assert scene.exchange.order(stop["id"]).paid == 1800


def test_cancelling_one_leg_ends_the_group() -> None:
    scene = Scene()
    _, target, stop = scene.bracket()

    scene.exchange.cancel(stop["id"])

    assert [scene.status(target), scene.status(stop)] == ["canceled", "canceled"]
    assert scene.desk.ledger.quantity("AAPL") == 10


def test_a_partly_filled_entry_that_is_cancelled_leaves_a_bare_position() -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "199.98", "200", ask_size="4")
    entry, target, stop = scene.bracket()

    scene.exchange.cancel(entry["id"])

    assert {scene.status(each) for each in (entry, target, stop)} == {"canceled"}
    assert scene.desk.ledger.quantity("AAPL") == 4


def test_legs_that_sleep_hold_nothing() -> None:
    scene = Scene()
    scene.exchange.quote("AAPL", "199.98", "200", ask_size="4")
    scene.bracket()

    (position,) = positions_json(scene.desk)

    assert (position["qty"], position["qty_available"]) == ("4", "4")


def test_an_oco_holds_its_shares_once() -> None:
    scene = Scene()
    scene.place()

    target = scene.place("sell", **OCO)
    (stop,) = target["legs"]

    assert [scene.status(target), scene.status(stop)] == ["new", "held"]
    assert scene.refused("sell").body["held_for_orders"] == "10"
    scene.exchange.quote("AAPL", "189", "189.10")
    assert [scene.status(target), scene.status(stop)] == ["canceled", "filled"]


def test_an_oco_is_an_exit_and_a_bracket_an_entry() -> None:
    scene = Scene()
    assert "must be exit orders" in scene.refused("sell", **OCO).body["message"]

    scene.place()
    body: dict[str, Any] = {
        **BRACKET,
        "take_profit": {"limit_price": "190"},
        "stop_loss": {"stop_price": "210"},
    }
    assert "must be entry orders" in scene.refused("sell", **body).body["message"]


def test_an_oto_has_one_exit() -> None:
    scene = Scene()
    entry = scene.place(order_class="oto", stop_loss={"stop_price": "190", "limit_price": "189"})
    (stop,) = entry["legs"]

    assert stop["type"] == "stop_limit"
    scene.exchange.quote("AAPL", "189.50", "189.60")
    assert scene.status(stop) == "filled"


def test_a_short_bracket_stands_on_its_head() -> None:
    scene = Scene()
    body: dict[str, Any] = {
        **BRACKET,
        "take_profit": {"limit_price": "190"},
        "stop_loss": {"stop_price": "210"},
    }
    entry = scene.place("sell", **body)

    scene.exchange.quote("AAPL", "211", "211.10")

    assert [leg["side"] for leg in entry["legs"]] == ["buy", "buy"]
    assert scene.desk.ledger.holdings == {}
    assert scene.desk.ledger.cash == 100_000 + Decimal("1999.8") - 2111
