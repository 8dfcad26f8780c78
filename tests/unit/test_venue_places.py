"""Where bots trade, and with which money: of the file, and on the screen."""

from typing import Any

import pytest

from tradebotd.cli.formatting import where
from tradebotd.cli.status import StatusText
from tradebotd.config.sections import VenueSection
from tradebotd.config.venue_places import place_of_venue
from tradebotd.control.messages.status import Status


def venue(kind: str, **keys: Any) -> VenueSection:
    return VenueSection.model_validate({"kind": kind, **keys})


@pytest.mark.parametrize(
    ("section", "place"),
    [
        (venue("paper"), "paper"),
        (venue("alpaca"), "paper"),
        (venue("alpaca", live=True), "live"),
        (venue("binance_spot"), "demo"),
        (venue("binance_usdm"), "demo"),
        (venue("binance_spot", base_url="https://testnet.binance.vision"), "testnet"),
        (venue("binance_usdm", base_url="https://testnet.binancefuture.com"), "testnet"),
        (venue("binance_spot", live=True), "live"),
        (venue("binance_spot", base_url="http://127.0.0.1:8080"), "simulator"),
        (venue("binance_spot", base_url="https://proxy.example"), "not live"),
    ],
)
def test_the_file_says_whose_money_it_is(section: VenueSection, place: str) -> None:
    """Interface 3.1: live, or one of the kinds of play money."""
    assert place_of_venue(section) == place


def shown(*venues: tuple[str, str]) -> str:
    told = Status.model_validate(
        {
            "version": "1",
            "pid": 1,
            "started_at": "2026-01-01T00:00:00Z",
            "uptime_s": 1,
            "clock": {"kind": "wall", "now": "2026-01-01T00:00:00Z", "speed": 1, "source": "live"},
            "time_zones": {"version": "1", "source": "package", "place": "/"},
            "state": "running",
            "verification": "verified",
            "health": "ok",
            "problems": [],
            "leader": None,
            "database": {"ok": True, "pool_size": 1, "pool_in_use": 0},
            "venues": [{"name": n, "kind": "binance_spot", "place": p} for n, p in venues],
            "jobs": {"total": 1, "ok": 1, "failing": 0, "late": 0, "disabled": 0},
            "bots": [],
            "positions": 0,
            "unknown_orders": 0,
            "equity": None,
            "equity_at": None,
            "currency": "USDT",
            "realized_pnl_today": None,
            "pnl_verified": True,
            "halt": None,
            "entries_stopped": [],
        }
    )
    return str(StatusText(told.model_dump(mode="json"), [], colour=False))


def test_real_money_stands_first_and_is_named() -> None:
    """Interface 3.1: before problems and bots, at each look."""
    assert "\nmoney     play money at a (demo), paper\n" in shown(("a", "demo"), ("paper", "paper"))
    both = shown(("a", "demo"), ("b", "live"))
    assert "\nmoney     REAL MONEY at b; play money at a (demo)\n" in both
    assert "money" not in shown()


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"venue": "spot", "place": "demo"}, "spot (demo)"),
        ({"venue": "spot", "place": "live"}, "spot (LIVE)"),
        ({"venue": "paper", "place": "paper"}, "paper"),
        ({"venue": None, "place": None}, "-"),
        ({}, "-"),
    ],
)
def test_a_bot_says_where_it_trades(row: dict[str, Any], text: str) -> None:
    """Interface 3.1: one that is in no file any more does not."""
    assert where(row) == text
