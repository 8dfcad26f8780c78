"""Stops that an operator or a filter has put where their venue takes no stop-limit."""

from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import assert_one_truth, guard, settle, sweep, unpromised
from tests.fakes.trading import TradingHarness
from tests.integration.test_resting_types import (
    LIMITS_ONLY,
    at_venue_with,
    gap,
    rests,
)
from tradebotd.domain.filters import PercentPrice
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import parse_level

OUTSIDE = "no stop can rest as it should"
TO_90 = PercentPrice(
    buy_below=Decimal("0.5"),
    buy_above=Decimal(2),
    sell_below=Decimal("0.9"),
    sell_above=Decimal(2),
)
LIMITED: dict[str, Any] = {"filters": {"percent_price": TO_90}, **LIMITS_ONLY}


async def set_exits(harness: TradingHarness, **levels: str) -> None:
    (position_id,) = harness.protection.held
    stop_loss, take_profit = levels.get("stop_loss"), levels.get("take_profit")
    await harness.exit_changes.set(
        position_id,
        stop_loss=None if stop_loss is None else parse_level(stop_loss),
        take_profit=None if take_profit is None else parse_level(take_profit),
    )


async def alert(harness: TradingHarness) -> str:
    row = await harness.row("SELECT code, message FROM alerts WHERE cleared_at IS NULL")
    assert row["code"] == "resting_stop_lost"
    message: str = row["message"]
    return message


@unpromised
async def test_a_stop_set_outside_the_filters_takes_the_tighter_one_along(
    database: Database, replacement: Replacement
) -> None:
    """M4.6, M5.7: else the venue would end the position where the operator has said it shall not."""
    harness = await at_venue_with(database, replacement, **LIMITED)
    assert [each.stop_price for each in rests(harness)] == [Decimal(95)]
    await set_exits(harness, stop_loss="80")
    await sweep(harness, 4)

    assert rests(harness) == []
    assert guard(harness) == "daemon"
    assert OUTSIDE in await alert(harness)
    await gap(harness, "94")
    assert (await harness.position())["closed_at"] is None
    await set_exits(harness, stop_loss="93")
    for _ in range(10):
        harness.tick("100")
        await sweep(harness)
    assert [each.stop_price for each in rests(harness)] == [Decimal(93)]
    assert guard(harness) == "both"
    assert await harness.open_alerts() == []
    await settle(harness)
    await assert_one_truth(harness)


@unpromised
@pytest.mark.parametrize("wish", [{"take_profit": "120"}, {"stop_loss": "96"}])
async def test_what_rests_stays_while_no_other_can_and_it_ends_nothing_too_early(
    database: Database, replacement: Replacement, wish: dict[str, str]
) -> None:
    """M5.7: a looser stop is one; a target that was moved away is none, and goes with its stop."""
    harness = await at_venue_with(database, replacement, linked="take_profit" in wish, **LIMITED)
    before = rests(harness)
    nothing = PercentPrice(
        buy_below=Decimal("0.5"),
        buy_above=Decimal(2),
        sell_below=Decimal("0.999"),
        sell_above=Decimal(2),
    )
    harness.set_filters(percent_price=nothing)
    await set_exits(harness, **wish)
    await sweep(harness, 6)

    stays = "stop_loss" in wish
    assert rests(harness) == (before if stays else [])
    assert guard(harness) == ("both" if stays else "daemon")
    assert OUTSIDE in await alert(harness)
    if stays:
        assert len(harness.venue.submitted) == 2  # the entry, and the stop that rests
