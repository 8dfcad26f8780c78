"""Stops that end each evening: the daemon guards over night, and places them again."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    guard,
    listen,
    one,
    resting,
    sweep,
    traits,
    unpromised,
)
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType
from tradebotd.domain.order_type import CONDITIONAL, TimeInForce
from tradebotd.market.calendars import ExchangeCalendar
from tradebotd.market.sessions import Break, Session
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms

DAY = TimeInForce.DAY
CLOSE, HALF_DAY = datetime(2022, 3, 1, 16, tzinfo=UTC), datetime(2022, 3, 2, 13, tzinfo=UTC)
NEXT_OPEN, LAST_OPEN = datetime(2022, 3, 2, 8, tzinfo=UTC), datetime(2022, 3, 3, 8, tzinfo=UTC)
SESSIONS = [
    Session(
        date(2022, 3, 1),
        datetime(2022, 3, 1, 8, tzinfo=UTC),
        CLOSE,
        (Break(CLOSE - timedelta(hours=2), CLOSE - timedelta(hours=1)),),
    ),
    Session(date(2022, 3, 2), NEXT_OPEN, HALF_DAY),
    Session(date(2022, 3, 3), LAST_OPEN, datetime(2022, 3, 3, 16, tzinfo=UTC)),
    Session(
        date(2022, 3, 4), datetime(2022, 3, 4, 8, tzinfo=UTC), datetime(2022, 3, 4, 16, tzinfo=UTC)
    ),
]
SECOND = timedelta(seconds=1)


def calendar() -> ExchangeCalendar:
    return ExchangeCalendar("XTST", SESSIONS)


async def held_by_day(
    database: Database, replacement: Replacement = Replacement.REPLACE, *, linked: bool = False
) -> TradingHarness:
    """A position at noon of the first session, and a stop of it that lasts for the day."""
    by_day = replace(
        traits(replacement, linked=linked), times_in_force=dict.fromkeys(CONDITIONAL, (DAY,))
    )
    harness = await open_harness(database, one(replacement), calendar=calendar(), traits=by_day)
    harness.venue.closes = [session.close for session in SESSIONS]
    listen(harness)
    await harness.enter()
    await sweep(harness, 2)
    return harness


async def at(harness: TradingHarness, instant: datetime, *, told: bool = True) -> None:
    """The clock is there; *told*: the venue says what has ended since."""
    harness.clock.set(instant)
    if told:
        await harness.venue.open_orders()
    if harness.protection.hours[SYMBOL].is_open(instant):
        harness.tick("100")
    await harness.protection.sweep(harness.clock.now())


async def reopened(harness: TradingHarness, instant: datetime) -> list[OrderRequest]:
    await at(harness, instant)
    await sweep(harness, 3)
    return list(resting(harness).values())


@unpromised
@pytest.mark.parametrize("linked", [False, True])
async def test_a_stop_that_ends_with_its_session_is_placed_again_in_the_next(
    database: Database, replacement: Replacement, *, linked: bool
) -> None:
    """M5.7: no alarm; the daemon guards over night, and says so; half days count."""
    harness = await held_by_day(database, replacement, linked=linked)
    placed = list(resting(harness).values())
    assert {each.time_in_force for each in placed} == {DAY}
    assert guard(harness) == "both"
    for close, opens in ((CLOSE, NEXT_OPEN), (HALF_DAY, LAST_OPEN)):
        await at(harness, close - SECOND)
        assert guard(harness) == "both"
        await at(harness, close)
        assert resting(harness) == {}
        assert guard(harness) == "daemon"
        await at(harness, opens - SECOND)
        assert resting(harness) == {}
        assert await reopened(harness, opens) == placed
        assert guard(harness) == "both"
        assert await harness.open_alerts() == []
    await assert_one_truth(harness)


async def test_a_lunch_ends_no_day(database: Database) -> None:
    """M5.7."""
    harness = await held_by_day(database)
    await at(harness, CLOSE - timedelta(minutes=90))
    assert guard(harness) == "both"
    sent = len(harness.venue.submitted)
    await reopened(harness, CLOSE - timedelta(minutes=30))
    assert len(harness.venue.submitted) == sent


@unpromised
async def test_an_end_that_nobody_has_told_is_found_out_at_the_open(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: over night it counts as ended; then the venue is asked before another is placed."""
    harness = await held_by_day(database, replacement)
    harness.venue.listener = None
    await at(harness, CLOSE, told=False)
    assert guard(harness) == "daemon"

    assert len(await reopened(harness, NEXT_OPEN)) == 1
    assert guard(harness) == "both"
    states = [row["status"] for row in await harness.orders()]
    assert states == ["filled", "expired", "new"]
    assert await harness.open_alerts() == []
    await assert_one_truth(harness)


async def test_a_stop_that_expires_within_its_session_is_lost(database: Database) -> None:
    """M5.7: alarmed, and placed again at once."""
    harness = await held_by_day(database)
    (order,) = resting(harness)
    report = harness.venue._end(order, OrderStatus.EXPIRED)
    await harness.recorder.record(report)
    harness.clock.advance(SECOND)
    await harness.protection.sweep(harness.clock.now())

    assert await harness.open_alerts() == ["resting_stop_lost"]
    assert len(resting(harness)) == 1
    await sweep(harness, 2)
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("types", [None, frozenset({OrderType.STOP_LIMIT, OrderType.LIMIT})])
async def test_the_paper_venue_rehearses_it(
    database: Database, types: frozenset[OrderType] | None
) -> None:
    """M6.1."""
    paper = PaperTerms(
        starting_cash={"USDT": Decimal(1_000_000)}, order_types=types, stop_time_in_force=DAY
    )
    harness = await open_harness(
        database, one(Replacement.REPLACE), calendar=calendar(), paper=paper
    )
    await harness.enter()
    await sweep(harness, 2)
    for close, opens in ((CLOSE, NEXT_OPEN), (HALF_DAY, LAST_OPEN)):
        assert len(await harness.paper.open_orders()) == 2
        harness.clock.set(close)
        assert await harness.paper.open_orders() == []
        await harness.protection.sweep(harness.clock.now())
        assert guard(harness) == "daemon"
        harness.clock.set(opens)
        harness.tick("100")
        await sweep(harness, 3)
        assert guard(harness) == "both"
    assert await harness.open_alerts() == []
    assert await harness.broken_books() == []
