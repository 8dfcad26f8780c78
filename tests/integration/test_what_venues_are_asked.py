"""Venues are asked about symbols of ours, and once for what an open order has filled."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.ids import ClientOrderId
from tradebotd.storage.postgres.database import Database

RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"))


async def looks(harness: TradingHarness, times: int) -> list[int]:
    """How often the order itself was asked for, in each of so many reconciliations."""
    asked = []
    for _ in range(times):
        harness.clock.advance(MINUTE)
        harness.venue.asked_for.clear()
        assert not (await harness.reconciler.run()).failed
        asked.append(harness.venue.asked_for.count("find_order"))
    return asked


async def at_rest(database: Database, *, tells_fills: bool) -> tuple[TradingHarness, ClientOrderId]:
    harness = await open_harness(database, spec(entry=RESTS))
    harness.venue.traits = replace(harness.venue.traits, open_orders_tell_fills=tells_fills)
    await harness.reconciler.run()
    await harness.enter()
    (order,) = harness.venue.resting
    return harness, order


@pytest.mark.parametrize("tells_fills", [True, False])
async def test_what_an_open_order_has_filled_is_asked_for_once_a_change(
    database: Database, *, tells_fills: bool
) -> None:
    """M5.6: not each minute, where open orders say only how much; and it is booked."""
    harness, order = await at_rest(database, tells_fills=tells_fills)
    assert await looks(harness, 2) == [0, 0]
    for filled in ("0.25", "0.75"):
        harness.venue.fill(order, Decimal(filled) - harness.venue.orders[order].filled_quantity)
        assert await looks(harness, 3) == [1, 0, 0]
        (row,) = await harness.orders()
        assert (row["status"], row["filled_quantity"]) == ("partially_filled", Decimal(filled))
    assert await harness.broken_books() == []


async def test_fills_that_the_venue_does_not_tell_yet_are_asked_for_until_it_does(
    database: Database,
) -> None:
    """M5.4: money that is missing is no change that has been asked for."""
    harness, order = await at_rest(database, tells_fills=False)
    harness.venue.fill(order, Decimal("0.25"))
    told = harness.venue.orders[order]
    harness.venue.orders[order] = replace(told, fills=())
    for _ in range(2):
        harness.clock.advance(MINUTE)
        harness.venue.asked_for.clear()
        await harness.reconciler.run()
        assert "find_order" in harness.venue.asked_for
    harness.venue.orders[order] = told
    assert await looks(harness, 2) == [1, 0]
    assert (await harness.orders())[0]["filled_quantity"] == Decimal("0.25")


async def test_a_venue_is_asked_about_what_is_configured_held_or_unsettled(
    database: Database,
) -> None:
    """M5.6: and about nothing else, however many symbols it has."""
    harness = await open_harness(database, spec(), spec("two", "ETHUSDT"), watched=["XRPUSDT"])
    await harness.reconciler.run()
    await harness.enter()
    await harness.enter("two")
    del harness.symbols["ETHUSDT"]
    del harness.symbols["XRPUSDT"]
    harness.venue.balances["BTC"] -= Decimal("0.5")
    harness.venue.fills_asked.clear()
    harness.clock.advance(MINUTE)
    await harness.reconciler.run()
    assert harness.venue.fills_asked
    assert all(asked == {SYMBOL, "ETHUSDT"} for asked in harness.venue.fills_asked)
