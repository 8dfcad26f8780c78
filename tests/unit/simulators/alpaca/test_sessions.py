"""Orders that wait for their session, and end with their day, at the simulator of Alpaca."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.simulators.alpaca.scenes import Scene, moment

EXTENDED: dict[str, Any] = {"type": "limit", "limit_price": "201", "extended_hours": True}


def test_a_day_order_behind_the_close_waits_for_the_next_day() -> None:
    """A5: told as `accepted`."""
    scene = Scene("2026-11-20 16:30")  # Friday

    buy = scene.place()

    assert (buy["status"], scene.events(buy)) == ("accepted", ["accepted"])
    scene.go("2026-11-23 09:29")
    assert scene.status(buy) == "accepted"
    scene.go("2026-11-23 09:30")
    assert scene.status(buy) == "filled"


def test_a_day_order_ends_at_the_close() -> None:
    scene = Scene()
    buy = scene.place(type="limit", limit_price="150")

    scene.go("2026-11-18 15:59")
    assert scene.status(buy) == "new"
    scene.go("2026-11-18 16:00")

    order = scene.exchange.order(buy["id"])
    assert (order.status, order.expired_at) == ("expired", moment("2026-11-18 16:00"))


def test_an_extended_day_order_ends_in_the_evening() -> None:
    scene = Scene()
    buy = scene.place(**(EXTENDED | {"limit_price": "150"}))

    scene.go("2026-11-18 19:59")
    assert scene.status(buy) == "new"
    scene.go("2026-11-18 20:00")
    assert scene.status(buy) == "expired"


@pytest.mark.parametrize("local", ["2026-11-18 05:00", "2026-11-18 17:00", "2026-11-18 22:00"])
@pytest.mark.parametrize("time_in_force", ["day", "gtc"])
def test_extended_hours_covers_all_sessions(local: str, time_in_force: str) -> None:
    """A2: pre, after and overnight."""
    scene = Scene(local)

    assert scene.status(scene.place(**EXTENDED, time_in_force=time_in_force)) == "filled"


@pytest.mark.parametrize("symbol", ["PENY", "HALT"])
def test_what_does_not_trade_overnight_waits_for_the_morning(symbol: str) -> None:
    """A2: overnight_tradable, and not overnight_halted."""
    scene = Scene("2026-11-18 22:00")
    scene.exchange.quote(symbol, "200", "200")

    buy = scene.place(symbol=symbol, **EXTENDED)

    assert scene.status(buy) == "accepted"
    scene.go("2026-11-19 04:00")
    assert scene.status(buy) == "filled"


def test_an_overnight_order_lives_through_the_next_trading_day() -> None:
    scene = Scene("2026-11-15 21:00")  # Sunday
    buy = scene.place(**(EXTENDED | {"limit_price": "150"}))

    scene.go("2026-11-16 19:59")
    assert scene.status(buy) == "new"
    scene.go("2026-11-16 20:00")
    assert scene.status(buy) == "expired"


def test_an_order_for_now_is_cancelled_when_nothing_trades() -> None:
    scene = Scene("2026-11-21 12:00")

    assert scene.status(scene.place(time_in_force="ioc")) == "canceled"


@pytest.mark.parametrize(
    ("time_in_force", "local", "at"),
    [
        ("opg", "2026-11-18 09:00", "2026-11-18 09:30"),
        ("opg", "2026-11-18 19:30", "2026-11-19 09:30"),
        ("cls", "2026-11-18 10:00", "2026-11-18 16:00"),
        ("cls", "2026-11-18 19:30", "2026-11-19 16:00"),
    ],
)
def test_auction_orders_run_in_their_auction(time_in_force: str, local: str, at: str) -> None:
    scene = Scene(local)
    market = scene.place(time_in_force=time_in_force)
    limit = scene.place(time_in_force=time_in_force, type="limit", limit_price="150")

    scene.go(at)

    assert [scene.status(market), scene.status(limit)] == ["filled", "canceled"]
    assert scene.exchange.order(market["id"]).filled_at == moment(at)


def test_a_gtc_order_is_cancelled_after_ninety_days() -> None:
    scene = Scene()
    buy = scene.place(type="limit", limit_price="150", time_in_force="gtc")

    scene.go("2027-02-16 16:00")
    assert scene.status(buy) == "new"
    scene.go("2027-02-18 16:00")
    assert scene.status(buy) == "canceled"


def test_crypto_knows_no_session() -> None:
    scene = Scene("2026-11-21 03:00")  # Saturday

    assert scene.status(scene.place(symbol="BTC/USD", qty="0.1", time_in_force="gtc")) == "filled"


def test_an_order_may_be_reviewed_first() -> None:
    """A5: `pending_review`."""
    scene = Scene(reviews_orders=True)
    buy = scene.place()

    assert scene.status(buy) == "pending_review"
    scene.exchange.review_passed(buy["id"])
    assert scene.status(buy) == "filled"


def test_submitted_is_later_than_created() -> None:
    """A6: submitted_at and created_at are not equal."""
    buy = Scene().place()

    assert buy["submitted_at"] > buy["created_at"]


def test_a_slow_venue_fills_later() -> None:
    scene = Scene(routing_delay=timedelta(seconds=2))
    buy = scene.place()

    scene.wait(seconds=1)
    assert scene.status(buy) == "pending_new"
    scene.wait(seconds=1)
    assert scene.status(buy) == "filled"
