"""Seconds without guard: counted from the first fill, over lost stops and restarts, and stored."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.resting import (
    CAPABILITIES,
    guard,
    move,
    one,
    open_resting_harness,
    restart,
    resting,
    stops,
    sweep,
)
from tests.fakes.trading import NOON, SYMBOL, TradingHarness, market_symbol, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import PositionId
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import ExchangeCalendar, Session
from tradebotd.ports.venue import Replacement
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.exits.missing_stops import MissingStops
from tradebotd.trading.exits.resting_rounds import LOOKED_AT
from tradebotd.trading.exits.unprotected_times import UnprotectedTimes

SECOND = timedelta(seconds=1)


def seconds(harness: TradingHarness) -> float | None:
    (position_id,) = harness.protection.held
    return harness.protection.unprotected_seconds(position_id)


async def stored(harness: TradingHarness) -> tuple[float, datetime | None]:
    row = await harness.position()
    return row["unprotected_seconds"], row["unprotected_since"]


async def swept(harness: TradingHarness, at: datetime) -> None:
    """A daemon was there until *at*, as its job has it."""
    await harness.execute("SELECT ensure_month('job_runs', $1)", at)
    await harness.execute(
        "INSERT INTO job_runs (job, slot_at, started_at, finished_at, status)"
        " VALUES ('stop_loss_check', $1, $1, $1, 'ok')",
        at,
    )


async def guarded(harness: TradingHarness, after: int) -> None:
    """A position is opened, and *after* seconds its stop rests."""
    await harness.enter()
    harness.clock.advance(after * SECOND)
    await harness.protection.run_once()
    await sweep(harness)
    assert guard(harness) == "both"


@pytest.mark.parametrize("replacement", CAPABILITIES)
async def test_they_are_counted_from_the_first_fill_to_the_stop_that_rests(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: and shown while it lasts."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    harness.clock.advance(SECOND)
    assert seconds(harness) == 1.0

    await harness.protection.run_once()
    await sweep(harness, 2)

    assert seconds(harness) == 1.0
    assert await stored(harness) == (1.0, None)


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELED])
async def test_a_stop_that_ends_leaves_none_from_the_instant_that_the_venue_says(
    database: Database, status: OrderStatus
) -> None:
    """M5.7: however late we hear of it; it is alerted, and the next one is placed."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await guarded(harness, after=1)
    (order,) = resting(harness)
    report = await harness.venue.cancel(SYMBOL, order)
    ended = harness.clock.now()
    harness.clock.advance(3 * SECOND)

    await harness.recorder.record(replace(report, status=status, at=ended))
    await harness.protection.run_once()
    await sweep(harness)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert seconds(harness) == 4.0
    rows = await harness.rows("SELECT code FROM alerts")
    assert rows == [{"code": "resting_stop_lost"}]


async def test_a_stop_that_is_refused_leaves_none_until_another_rests(database: Database) -> None:
    """M5.7: the daemon's own check goes on, and is no acknowledged stop."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)
    await harness.protection.run_once()
    harness.clock.advance(2 * SECOND)
    assert seconds(harness) == 2.0

    await harness.protection.sweep(harness.clock.now())

    harness.clock.advance(2 * SECOND)
    assert (guard(harness), seconds(harness)) == ("both", 2.0)


@pytest.mark.parametrize("replacement", CAPABILITIES)
async def test_a_stop_that_is_moved_leaves_none_where_the_old_one_goes_first(
    database: Database, replacement: Replacement
) -> None:
    """M5.5: no time passes here, so nothing is counted; and nothing is left to count on."""
    trail = ExitPlan(trailing_stop=Decimal("0.05"))
    harness = await open_resting_harness(database, replacement, one(replacement, exits=trail))
    await guarded(harness, after=1)
    harness.clock.advance(10 * SECOND)
    await move(harness, "110")
    await sweep(harness, 4)

    harness.clock.advance(10 * SECOND)
    assert stops(harness) == [(Decimal("104.50"), Decimal(1))]
    assert seconds(harness) == 1.0


async def test_a_restart_that_finds_the_stop_counts_nothing(database: Database) -> None:
    """M5.7: it has guarded meanwhile, whoever was there to see it."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await guarded(harness, after=1)
    harness.clock.advance(timedelta(hours=1))

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await sweep(after, 2)

    assert (guard(after), seconds(after)) == ("both", 1.0)


async def test_a_restart_that_finds_none_counts_since_a_daemon_was_last_seen(
    database: Database,
) -> None:
    """M5.7: nobody knows more than that; a fill that came later is later."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    await swept(harness, NOON + SECOND)
    harness.clock.advance(61 * SECOND)

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await after.protection.run_once()

    assert (guard(after), seconds(after)) == ("both", 60.0)


async def test_the_daemons_own_exits_guard_from_the_fill_on_and_not_while_it_is_away(
    database: Database,
) -> None:
    """M5.7: where no stop is to rest."""
    harness = await open_harness(database, spec())
    await harness.enter()
    harness.clock.advance(10 * SECOND)
    await sweep(harness)
    assert seconds(harness) == 0.0
    await swept(harness, harness.clock.now())
    harness.clock.advance(timedelta(minutes=2))

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await sweep(after)

    assert seconds(after) == 125.0


async def test_a_position_that_is_to_have_no_stop_counts_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.7: that is a wish, and `no_stop` says it; neither does one that was read late, or reloaded."""
    target = spec(exits=ExitPlan(take_profit=Decimal("0.1")))
    harness = await open_harness(database, target)
    watch = ExitManager.watch

    def late(self: ExitManager, position: Position) -> None:
        harness.clock.advance(SECOND)
        watch(self, position)

    monkeypatch.setattr(ExitManager, "watch", late)
    await harness.enter()
    harness.clock.advance(10 * SECOND)
    await sweep(harness)

    assert seconds(harness) is None
    assert await stored(harness) == (0.0, None)

    await swept(harness, harness.clock.now())
    harness.clock.advance(timedelta(minutes=2))
    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await sweep(after)
    assert await stored(after) == (0.0, None)


async def test_a_sweep_leaves_storing_to_the_task_that_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction stores what has changed, not two at once."""
    harness = await open_harness(database, spec())
    store, stores = UnprotectedTimes.store, 0

    async def counted(self: UnprotectedTimes) -> None:
        nonlocal stores
        stores += 1
        await store(self)

    monkeypatch.setattr(UnprotectedTimes, "store", counted)
    await sweep(harness)
    assert stores == 1, "without a task, the sweep does"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.protection.run)
        await anyio.wait_all_tasks_blocked()
        await sweep(harness)
        assert stores == 1
        tasks.cancel_scope.cancel()


async def test_they_stay_with_a_trade(database: Database) -> None:
    """Interface 3.4: with what is over, too."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await guarded(harness, after=2)
    await move(harness, "94")
    await sweep(harness, 2)

    (trade,) = await harness.rows("SELECT unprotected_seconds FROM trades")
    assert trade == {"unprotected_seconds": 2.0}


async def test_only_time_in_which_the_market_is_open_counts(database: Database) -> None:
    """M5.7: a stop that lasts for the day is none at night, and nothing could be sold there."""
    opens = datetime(2022, 3, 1, 14, 30, tzinfo=UTC)
    days = [
        Session(date(2022, 3, 1), opens, opens + timedelta(hours=6)),
        Session(date(2022, 3, 2), opens + timedelta(days=1), opens + timedelta(days=1, hours=6)),
    ]
    clock = FakeClock(opens + timedelta(hours=5))
    calendar = ExchangeCalendar("XTST", days)
    times = UnprotectedTimes(
        database, clock, {SYMBOL: market_symbol(SYMBOL, "XTST")}, {"XTST": calendar}
    )
    harness = await open_harness(database, spec())
    await harness.enter()
    (held,) = harness.protection.held.values()
    times.opened(replace(held, opened_at=clock.now()))
    times.guarded(held.id)
    clock.set(opens + timedelta(hours=6, seconds=3))
    times.lost(held.id, opens + timedelta(hours=6))  # with the session's end

    clock.set(opens + timedelta(days=1, seconds=2))

    assert times.seconds(held.id) == 2.0


async def test_a_sweep_that_a_kill_has_cut_is_dated_by_no_later_daemon(database: Database) -> None:
    """M5.7: the next start closes its row as of now, which says nothing of who was there."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    await swept(harness, NOON + SECOND)
    await harness.execute(
        "INSERT INTO job_runs (job, slot_at, started_at, status)"
        " VALUES ('stop_loss_check', $1, $1, 'running')",
        NOON + 5 * SECOND,
    )
    harness.clock.advance(timedelta(hours=1))

    after = await restart(harness)
    await RunLedger(database, deferred=False).recover(after.clock.now())
    await after.protection.load(after.clock.now())
    await after.protection.run_once()

    assert (guard(after), seconds(after)) == ("both", 3599.0)


async def test_a_position_that_was_closed_before_a_kill_is_settled_by_the_next_daemon(
    database: Database,
) -> None:
    """M5.7: by the hours of its market until it was closed."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    await harness.protection.store_seconds()
    harness.clock.advance(20 * SECOND)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.MANUAL)
    assert await stored(harness) == (0.0, NOON)
    harness.clock.advance(timedelta(hours=1))

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await after.protection.store_seconds()

    assert await stored(after) == (20.0, None)


async def test_what_was_closed_last_is_stored_before_the_end(database: Database) -> None:
    """M5.7: no sweep comes after it."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    harness.clock.advance(20 * SECOND)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.MANUAL)

    await harness.protection.store_seconds()

    (trade,) = await harness.rows("SELECT unprotected_seconds FROM trades")
    assert trade == {"unprotected_seconds": 20.0}


async def opened_times(database: Database) -> tuple[UnprotectedTimes, PositionId, FakeClock]:
    """A position whose stop rests."""
    clock = FakeClock(NOON)
    harness = await open_harness(database, spec())
    await harness.enter()
    (held,) = harness.protection.held.values()
    times = UnprotectedTimes(database, clock, {}, {})
    times.opened(replace(held, opened_at=NOON))
    times.begin(held.id)
    times.rests(held.id)
    return times, held.id, clock


async def test_a_stop_for_the_day_that_is_gone_before_its_end_is_counted_at_once(
    database: Database,
) -> None:
    """M5.7: the end that it would have had is still to come."""
    times, position_id, clock = await opened_times(database)
    times.lost(position_id, NOON + timedelta(hours=3))

    clock.advance(10 * SECOND)

    assert times.seconds(position_id) == 10.0


async def test_a_check_that_has_read_before_its_stop_ended_does_not_hide_when(
    database: Database,
) -> None:
    """M5.7: it says that the stop rests, and the next one that it does not."""
    times, position_id, clock = await opened_times(database)
    times.begin(position_id)
    times.order_ended(position_id, NOON)
    times.rests(position_id)
    clock.advance(10 * SECOND)
    times.begin(position_id)
    times.lost(position_id)
    assert times.seconds(position_id) == 10.0

    times.order_ended(position_id, clock.now())  # what makes way for the next stop
    times.rests(position_id)
    times.begin(position_id)
    times.rests(position_id)
    clock.advance(timedelta(hours=1))
    times.lost(position_id, clock.now())
    assert times.seconds(position_id) == 10.0, "that end was of another stop"


async def test_a_position_that_a_sweep_has_read_first_is_counted_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.7: between the commit of its fill and the word of it; and its stop does not wait."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    watch = ExitManager.watch

    def late(self: ExitManager, position: Position) -> None:
        self.as_moved(position)
        watch(self, position)

    monkeypatch.setattr(ExitManager, "watch", late)
    await harness.enter()
    harness.clock.advance(SECOND)
    assert seconds(harness) == 1.0

    await harness.protection.run_once()

    assert (guard(harness), seconds(harness)) == ("both", 1.0)


async def test_a_sweep_of_many_positions_leaves_others_their_turn(database: Database) -> None:
    """I4: to look at what guards ten thousand takes longer than a tick may wait."""
    harness = await open_harness(database, spec())
    await harness.enter()
    (held,) = harness.protection.held.values()
    tracked = harness.protection.held
    assert isinstance(tracked, dict)
    tracked |= {PositionId(-n): replace(held, id=PositionId(-n)) for n in range(1, 1000)}
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await anyio.lowlevel.checkpoint()
        before = turns
        await harness.protection.judge_guards()
        assert turns - before == 1000 // LOOKED_AT
        tasks.cancel_scope.cancel()


# What is done about it


async def test_a_stop_that_is_gone_has_no_grace(database: Database) -> None:
    """S3, M5.7: its price was met, and it has expired there without a fill: sold at once."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, speed=1.0)
    await guarded(harness, after=0)
    await harness.stream("94")  # it waits for what rests
    assert harness.protection.held
    (order,) = resting(harness)
    report = await harness.venue.cancel(SYMBOL, order)

    await harness.recorder.record(replace(report, status=OrderStatus.EXPIRED))
    await harness.protection.run_once()

    assert (await harness.position())["close_reason"] == "stop_loss"
    kinds = [row["type"] for row in await harness.orders()]
    assert kinds == ["market", "stop_market", "market"]  # no stop was tried behind the price


async def test_a_linked_pair_is_cancelled_by_one_call(database: Database) -> None:
    """M5.5: each further one is time without guard."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await guarded(harness, after=0)
    (position_id,) = harness.protection.held
    cancels: list[str] = []
    cancel = harness.venue.cancel

    async def counted(symbol: str, order: object) -> object:
        cancels.append(symbol)
        return await cancel(symbol, order)  # type: ignore[arg-type]

    harness.venue.cancel = counted  # type: ignore[method-assign, assignment]
    held = harness.protection.held[position_id]
    await harness.protection.close_now(held, CloseReason.MANUAL)

    assert cancels == [SYMBOL]
    assert not harness.protection.held


async def test_a_stop_that_was_lost_for_a_moment_is_alerted_all_the_same(
    database: Database,
) -> None:
    """M5.7, M8: the next one rested before anybody looked."""
    harness = await open_harness(database, spec())
    missing = MissingStops(database, harness.clock)
    missing.lose(PositionId(7), "it was gone")
    missing.lost.clear()

    await missing.update_alerts()

    rows = await harness.rows("SELECT code, subject, cleared_at IS NULL AS open FROM alerts")
    assert rows == [{"code": "resting_stop_lost", "subject": "position 7", "open": False}]
