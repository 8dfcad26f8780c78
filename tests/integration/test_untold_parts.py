"""Exits beside a resting one that has filled in part, which the venue has not told yet."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import CAPABILITIES, assert_one_truth, at_venue, jump, one, resting, settle
from tests.fakes.trading import SYMBOL, TradingHarness
from tests.integration.test_resting_types import LIMITS_ONLY, at_venue_with
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

LIMITS: dict[str, Any] = {
    "linked": True,
    "order_types": frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT}),
}
FOREIGN = Decimal(5)
everywhere = pytest.mark.parametrize("replacement", CAPABILITIES)
of_each_type = pytest.mark.parametrize(
    "taken", [LIMITS_ONLY, LIMITS, {}], ids=["stop-limits alone", "stop-limits", "all types"]
)


async def partly_sold(
    database: Database, replacement: Replacement, taken: dict[str, Any]
) -> TradingHarness:
    """A spot position of 1, of which the resting stop has sold 0.4 untold; 5 more are foreign."""
    spot = one(replacement, position_type=PositionType.SPOT)
    harness = await at_venue_with(database, replacement, spot, **taken)
    harness.venue._add(SYMBOL.removesuffix("USDT"), FOREIGN)
    order = next(each for each, request in resting(harness).items() if request.stop_price)
    listener, harness.venue.listener = harness.venue.listener, None
    harness.venue._fill(order, Decimal("0.4"), Decimal("94.6"))
    harness.venue.listener = listener
    return harness


@everywhere
@of_each_type
async def test_a_market_exit_sells_no_more_than_an_untold_part_has_left(
    database: Database, replacement: Replacement, taken: dict[str, Any]
) -> None:
    """M5.7: the venue would sell what is foreign; it is asked first what the stop has sold."""
    harness = await partly_sold(database, replacement, taken)
    for price in ("90", "90", "89"):
        await jump(harness, price, seconds=3)
    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    sold = sum(fill.quantity for fill in harness.venue.fills if fill.side == "sell")
    assert sold == 1
    assert at_venue(harness) == FOREIGN
    assert "fill_exceeds_position" not in await harness.open_alerts()
    await settle(harness)
    harness.venue._add(SYMBOL.removesuffix("USDT"), -FOREIGN)
    await assert_one_truth(harness)


@everywhere
@of_each_type
async def test_a_close_by_hand_sells_no_more_than_an_untold_part_has_left(
    database: Database, replacement: Replacement, taken: dict[str, Any]
) -> None:
    """M5.7: whoever wants the exit, and without a price that has met anything."""
    harness = await partly_sold(database, replacement, taken)
    (position,) = harness.protection.held.values()
    await harness.protection.close_now(position, CloseReason.MANUAL)
    assert (await harness.position())["quantity"] == 0
    assert at_venue(harness) == FOREIGN
    await settle(harness)
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("replacement", [Replacement.REPLACE, Replacement.CANCEL_FIRST])
async def test_a_stop_that_is_moved_covers_what_an_untold_part_has_left(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: the answer to the move tells of the part; the next look corrects the new stop."""
    harness = await partly_sold(database, replacement, LIMITS_ONLY)
    await harness.stream("100")
    await harness.execute("UPDATE positions SET stop_loss = 96, version = version + 1")
    for _ in range(4):
        harness.clock.advance(timedelta(seconds=5))
        await harness.protection.sweep(harness.clock.now())
    (stop,) = resting(harness).values()
    assert (stop.stop_price, stop.quantity) == (Decimal(96), Decimal("0.6"))
    assert (await harness.position())["quantity"] == Decimal("0.6")
    assert await harness.open_alerts() == []
