"""Exits by the order types that a venue takes: stop-limits, limit targets, none at all."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    at_venue,
    guard,
    jump,
    listen,
    one,
    restart,
    resting,
    settle,
    sweep,
    traits,
    unpromised,
)
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.filters import PercentPrice
from tradebotd.domain.order import OrderRequest, OrderType
from tradebotd.domain.order_type import TimeInForce
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
STOP_LIMIT, TARGET_LIMIT = OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT
LIMITS_ONLY: dict[str, Any] = {"order_types": frozenset({MARKET, LIMIT, STOP_LIMIT})}


async def at_venue_with(
    database: Database,
    replacement: Replacement,
    *specs: BotSpec,
    linked: bool = False,
    filters: dict[str, Any] | None = None,
    speed: float = 0.0,
    **taken: Any,
) -> TradingHarness:
    """A desk at a venue that takes these order types only, and a position at 100."""
    wanted = specs or (one(replacement),)
    of_venue = replace(traits(replacement, linked=linked), **taken)
    harness = await open_harness(database, *wanted, traits=of_venue, speed=speed)
    if filters:
        harness.set_filters(**filters)
    listen(harness)
    await harness.enter()
    await sweep(harness, 2)
    return harness


def rests(harness: TradingHarness) -> list[OrderRequest]:
    return sorted(
        resting(harness).values(), key=lambda each: each.stop_price or each.limit_price or 0
    )


async def gap(harness: TradingHarness, price: str) -> None:
    """The price jumps there, past whatever lies between: the exits see it first."""
    await jump(harness, price, seconds=1)
    await harness.venue.match(SYMBOL)


@unpromised
async def test_a_stop_rests_as_a_stop_limit_where_no_other_is_taken(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: its limit half a per cent beyond, on a tick; the daemon and the venue guard."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    (stop,) = rests(harness)
    assert (stop.type, stop.stop_price, stop.limit_price) == (
        STOP_LIMIT,
        Decimal("95.00"),
        Decimal("94.52"),
    )
    assert guard(harness) == "both"
    sent = len(harness.venue.submitted)
    await sweep(harness, 3)
    assert len(harness.venue.submitted) == sent


@unpromised
async def test_a_stop_limit_is_known_again_after_a_restart(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: nothing is placed twice, and what rests counts as the guard that it is."""
    harness = await at_venue_with(database, replacement, linked=True, **LIMITS_ONLY)
    before = rests(harness)
    assert [each.type for each in before] == [STOP_LIMIT, LIMIT]
    sent = len(harness.venue.submitted)

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await sweep(after, 3)
    assert rests(after) == before
    assert len(after.venue.submitted) == sent
    assert guard(after) == "both"
    assert await after.open_alerts() == []


@unpromised
@pytest.mark.parametrize("types", [{LIMIT}, {TARGET_LIMIT}, {LIMIT, TARGET_LIMIT}])
async def test_a_target_rests_by_the_type_that_is_taken(
    database: Database, replacement: Replacement, types: set[OrderType]
) -> None:
    """M5.7: beside the stop, at its own price; it fills there, and the stop is gone."""
    harness = await at_venue_with(
        database,
        replacement,
        linked=True,
        order_types=frozenset({MARKET, OrderType.STOP_MARKET, *types}),
    )
    stop, target = rests(harness)
    assert (stop.type, stop.limit_price) == (OrderType.STOP_MARKET, None)
    wanted = TARGET_LIMIT if TARGET_LIMIT in types else LIMIT
    assert (target.type, target.limit_price) == (wanted, Decimal("110.00"))

    harness.tick("111")
    await harness.venue.match(SYMBOL)
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("take_profit", Decimal(110))
    await settle(harness)
    await assert_one_truth(harness)


@unpromised
async def test_a_price_that_runs_through_a_stop_limit_is_alarmed_and_ended_at_the_market(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: once, and after the grace that the venue has; no second order is left."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    await gap(harness, "90")
    assert (await harness.position())["closed_at"] is None
    assert len(rests(harness)) == 1
    assert await harness.open_alerts() == []

    await gap(harness, "89")
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", Decimal(89))
    assert rests(harness) == []
    assert await harness.open_alerts() == ["stop_limit_unfilled"]
    await settle(harness)
    assert at_venue(harness) == 0
    await assert_one_truth(harness)


@unpromised
async def test_a_stop_limit_that_filled_unheard_is_no_alarm(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: late news of a fill does not say that there was none."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    harness.venue.listener = None
    for _ in range(3):
        await gap(harness, "94.6")
    assert at_venue(harness) == 0
    await settle(harness)
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", Decimal("94.6"))
    assert await harness.open_alerts() == []
    await assert_one_truth(harness)


@unpromised
async def test_a_stop_limit_that_fills_in_part_before_the_price_runs_through_it(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: what it left is ended at the market, and no more than that."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    (order,) = resting(harness)
    await harness.venue.fill_and_tell(order, Decimal("0.4"), Decimal("94.6"))
    for price in ("90", "89", "88"):
        await gap(harness, price)
        await sweep(harness)
    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    await settle(harness)
    assert at_venue(harness) == 0
    await assert_one_truth(harness)


async def test_nothing_rests_where_no_stop_is_taken_and_it_is_said(database: Database) -> None:
    """M5.7: the daemon guards alone; no order is tried, no alarm raised."""
    harness = await at_venue_with(
        database,
        Replacement.REPLACE,
        linked=True,
        order_types=frozenset({MARKET, LIMIT, OrderType.TAKE_PROFIT_MARKET}),
    )
    assert guard(harness) == "daemon"
    assert len(harness.venue.submitted) == 1
    assert await harness.open_alerts() == []
    await gap(harness, "94")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_stop_that_rests_stays_when_its_type_is_taken_no_more(database: Database) -> None:
    """M5.7: no other could take its place."""
    harness = await at_venue_with(database, Replacement.REPLACE)
    (stop,) = rests(harness)
    harness.set_filters(order_types=frozenset({MARKET, LIMIT}))
    (position_id,) = harness.protection.held
    harness.protection.release(position_id)
    await sweep(harness, 3)
    assert rests(harness) == [stop]
    after = await restart(harness)
    after.set_filters(order_types=frozenset({MARKET, LIMIT}))
    await after.protection.load(after.clock.now())
    await sweep(after, 3)
    assert rests(after) == [stop]
    assert after.protection.protected_by(position_id) == "both"


@pytest.mark.parametrize(
    ("low", "limit", "alarms"),
    [("0.90", "94.52", []), ("0.948", "94.80", []), ("0.96", None, ["resting_stop_lost"])],
)
async def test_the_limit_stays_within_what_the_venue_takes(
    database: Database, low: str, limit: str | None, alarms: list[str]
) -> None:
    """M5.7: nearer to its stop where need be; where even that is too far, the daemon says so."""
    percent = PercentPrice(
        buy_below=Decimal("0.5"),
        buy_above=Decimal(2),
        sell_below=Decimal(low),
        sell_above=Decimal(2),
    )
    harness = await at_venue_with(
        database, Replacement.REPLACE, filters={"percent_price": percent}, **LIMITS_ONLY
    )
    assert [each.limit_price for each in rests(harness)] == (
        [] if limit is None else [Decimal(limit)]
    )
    assert await harness.open_alerts() == alarms
    assert len(harness.venue.submitted) == (1 if limit is None else 2)


@pytest.mark.parametrize("replacement", [Replacement.REPLACE])
async def test_orders_at_the_market_last_as_the_venue_takes_them(
    database: Database, replacement: Replacement
) -> None:
    """M5.4: DAY where IOC is not taken; entries and exits."""
    day = (TimeInForce.DAY,)
    harness = await at_venue_with(
        database, replacement, times_in_force={MARKET: day}, order_types=frozenset({MARKET})
    )
    await gap(harness, "94")
    assert [request.time_in_force for _, request in harness.venue.submitted] == [*day, *day]
    assert (await harness.position())["close_reason"] == "stop_loss"
