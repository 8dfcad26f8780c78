"""Stop-limits from their placing to their end: of shorts, with another offset, with another price."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    at_venue,
    listen,
    move,
    one,
    restart,
    settle,
    sweep,
    traits,
    unpromised,
)
from tests.fakes.trading import TradingHarness, open_harness
from tests.fakes.venue import SCRIPTED, Behaviour
from tests.integration.test_resting_types import LIMITS_ONLY, at_venue_with, gap, rests
from tests.integration.test_trigger_prices import MARK, all_kinds, bot, only
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderType
from tradebotd.domain.quote import TriggerPrice
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database


async def short(database: Database, replacement: Replacement, **taken: Any) -> TradingHarness:
    """A short of 1 at 100, and its stop at 105."""
    of_venue = replace(traits(replacement), **taken)
    spec = one(replacement, position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, spec, traits=of_venue)
    listen(harness)
    await harness.enter(side=PositionSide.SHORT)
    await sweep(harness, 2)
    return harness


@unpromised
async def test_the_stop_limit_of_a_short_fills_at_the_venue(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: a buy above, its limit beyond that, rounded up to the tick."""
    harness = await short(database, replacement, **LIMITS_ONLY)
    (stop,) = rests(harness)
    assert (stop.type, stop.side, stop.stop_price, stop.limit_price) == (
        OrderType.STOP_LIMIT,
        "buy",
        Decimal("105.00"),
        Decimal("105.53"),
    )
    await move(harness, "105.2")
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", Decimal(105))
    await settle(harness)
    assert at_venue(harness) == 0
    assert await harness.open_alerts() == []


@unpromised
async def test_a_price_that_runs_through_the_stop_limit_of_a_short(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: bought back at the market, once; also beside a part that was filled and told late."""
    harness = await short(database, replacement, **LIMITS_ONLY)
    (order,) = harness.venue.resting
    listener, harness.venue.listener = harness.venue.listener, None
    harness.venue._fill(order, Decimal("0.4"), Decimal("105.5"))
    harness.venue.listener = listener
    for price in ("110", "111", "112"):
        await gap(harness, price)
        await sweep(harness)
    await settle(harness)
    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    assert at_venue(harness) == 0
    assert harness.venue.resting == {}
    assert "stop_limit_unfilled" in await harness.open_alerts()
    assert await harness.broken_books() == []


@pytest.mark.parametrize("replacement", [Replacement.REPLACE, Replacement.CANCEL_FIRST])
async def test_another_offset_is_for_the_stops_that_are_placed_from_then_on(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: what rests keeps its limit, across the restart that the key needs."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    before = rests(harness)
    after = await restart(harness)
    after.protection._resting._capability._limit_offsets = {SCRIPTED: Decimal("0.02")}
    await after.protection.load(after.clock.now())
    await sweep(after, 3)
    assert rests(after) == before

    await after.execute("UPDATE positions SET stop_loss = 96, version = version + 1")
    await sweep(after, 4)
    assert [(each.stop_price, each.limit_price) for each in rests(after)] == [
        (Decimal(96), Decimal("94.08"))
    ]
    await settle(after)
    await assert_one_truth(after)


@pytest.mark.parametrize("lost", [Behaviour.DROP_AFTER, Behaviour.DROP_BEFORE])
@pytest.mark.parametrize("position_type", list(PositionType))
async def test_a_price_that_is_changed_while_an_exit_is_in_doubt_sells_nothing_twice(
    database: Database, lost: Behaviour, position_type: PositionType
) -> None:
    """M4.7, M5.4: the other price meets the stop, too, beside an order of unknown outcome."""
    spec = bot(position_type=position_type, allow_short=False)
    harness = await open_harness(database, spec, traits=all_kinds())
    harness.tick("100", kind=MARK)
    listen(harness)
    await harness.enter()
    harness.venue._add("BTC", Decimal(5))  # of somebody else
    foreign = at_venue(harness) - 1
    harness.venue.script.append(lost)
    await harness.stream("95", kind=MARK)
    assert [order["status"] for order in await harness.orders()] == ["filled", "unknown"]

    await harness.exit_changes.set(only(harness).id, trigger_price=TriggerPrice.LAST)
    for price in ("94", "93"):
        await harness.stream(price)
        await sweep(harness)
    await settle(harness, 6)
    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    assert at_venue(harness) == foreign
    assert "fill_exceeds_position" not in await harness.open_alerts()
    assert await harness.broken_books() == []
