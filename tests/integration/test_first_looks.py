"""First looks: what the next look a moment later takes back is no alarm."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database

Act = Callable[[], object]


async def alarms(harness: TradingHarness) -> list[str]:
    """Every alert that was ever raised, cleared or not."""
    return [row["code"] for row in await harness.rows("SELECT code FROM alerts ORDER BY id")]


async def snapshot(harness: TradingHarness) -> int:
    harness.clock.advance(MINUTE)
    harness.tick("100")
    job = EquitySnapshot(entries=harness.entries, database=harness.database, clock=harness.clock)
    return (await job.run(harness.context())).inserted


async def unit_values(harness: TradingHarness) -> set[Decimal]:
    rows = await harness.rows("SELECT unit_value FROM equity_snapshots WHERE bot IS NULL")
    return {row["unit_value"] for row in rows}


async def opened(database: Database) -> TradingHarness:
    """1,000,000 at a venue that tells transfers, of which a snapshot has been taken."""
    harness = await open_harness(database, spec())
    harness.venue.traits = replace(AUTHORITATIVE, tells_transfers=True)
    assert await snapshot(harness)
    return harness


def after_account(harness: TradingHarness, looks: int, act: Act) -> None:
    """Have *act* done once, when the balances were asked for *looks* times."""
    left = looks

    async def asked() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            act()

    harness.venue.before_account_answers = asked


async def test_a_transfer_that_is_told_while_the_account_does_not_answer_is_no_jump(
    database: Database,
) -> None:
    """M4.8: the list of transfers answers, the balances do not: what was last known lacks it."""
    harness = await opened(database)
    harness.venue.transfer(400_000)
    answers: Callable[[], Awaitable[object]] = harness.venue.account

    async def silent() -> object:
        raise VenueUnavailableError("rate limit exceeded")

    harness.venue.account = silent  # type: ignore[method-assign,assignment]
    await snapshot(harness)
    await snapshot(harness)
    harness.venue.account = answers  # type: ignore[method-assign,assignment]
    await snapshot(harness)
    await snapshot(harness)

    assert await alarms(harness) == []
    assert await unit_values(harness) == {Decimal(1_000_000)}


async def test_little_that_is_told_while_the_account_does_not_answer_is_no_loss(
    database: Database,
) -> None:
    """M4.8: too little to be noticed as a jump is weighed with the answer that has it, too."""
    harness = await opened(database)
    harness.venue.transfer(400)
    answers: Callable[[], Awaitable[object]] = harness.venue.account

    async def silent() -> object:
        raise VenueUnavailableError("rate limit exceeded")

    harness.venue.account = silent  # type: ignore[method-assign,assignment]
    await snapshot(harness)
    harness.venue.account = answers  # type: ignore[method-assign,assignment]
    await snapshot(harness)

    assert await unit_values(harness) == {Decimal(1_000_000)}


async def test_a_transfer_between_the_list_and_the_balances_is_no_jump(database: Database) -> None:
    """M4.8: the list was asked before it came in, the balances after that."""
    harness = await opened(database)
    reads = harness.venue.transfers_since
    told = False

    async def then_it_comes(since: object) -> object:
        nonlocal told
        transfers = await reads(since)  # type: ignore[arg-type]
        if not told:
            told = True
            harness.venue.transfer(400_000)
        return transfers

    harness.venue.transfers_since = then_it_comes  # type: ignore[method-assign,assignment]
    assert await snapshot(harness)

    assert await alarms(harness) == []
    assert await unit_values(harness) == {Decimal(1_000_000)}


async def test_what_no_list_has_at_the_second_look_is_a_jump(database: Database) -> None:
    """M4.8: a list that answers twice without it has had its time."""
    harness = await opened(database)
    harness.venue.transfer(400_000, told=False)
    assert await snapshot(harness)

    assert await alarms(harness) == ["cash_jumped"]


async def test_while_the_list_does_not_answer_a_jump_waits_for_it(database: Database) -> None:
    """M4.8: for a few minutes, after which the limits must be judged again."""
    harness = await opened(database)
    harness.venue.transfer(400_000)
    reads = harness.venue.transfers_since

    async def silent(_: object) -> object:
        raise VenueUnavailableError("502")

    harness.venue.transfers_since = silent  # type: ignore[method-assign,assignment]
    assert not await snapshot(harness)
    assert await alarms(harness) == []
    harness.venue.transfers_since = reads  # type: ignore[method-assign]
    assert await snapshot(harness)
    assert await alarms(harness) == []

    harness.venue.transfer(-300_000)
    harness.venue.transfers_since = silent  # type: ignore[method-assign,assignment]
    for _ in range(10):
        if await snapshot(harness):
            break
    assert await alarms(harness) == ["cash_jumped"]


async def test_cash_that_changes_with_each_look_keeps_the_limits_waiting_for_minutes_only(
    database: Database,
) -> None:
    """M4.8: interest that trickles in, or an account that others trade on all the time."""
    harness = await opened(database)
    answers = harness.venue.account

    async def trickles() -> VenueAccount:
        harness.venue.transfer(20_000, told=False)
        return await answers()

    harness.venue.account = trickles  # type: ignore[method-assign]
    stored = [await snapshot(harness) for _ in range(15)]
    assert not stored[0]
    assert any(stored)


async def test_balances_that_are_ahead_of_the_lists_are_no_difference(database: Database) -> None:
    """M5.4: the coin is gone at the first look, and there at the one a moment later."""
    harness = await open_harness(database)
    await harness.enter()
    await harness.reconciler.run()
    harness.venue.balances["BTC"] -= 1

    def back() -> None:
        harness.venue.balances["BTC"] += 1

    after_account(harness, 1, back)
    harness.clock.advance(MINUTE)

    assert (await harness.reconciler.run()).differences == []
    assert await alarms(harness) == []


async def test_a_difference_that_stays_is_told_with_the_look_that_found_it(
    database: Database,
) -> None:
    """M5.4: one alarm, open until it is over; a look without an answer does not end it."""
    harness = await open_harness(database)
    await harness.enter()
    await harness.reconciler.run()
    harness.venue.balances["BTC"] -= 1
    harness.clock.advance(MINUTE)

    assert len((await harness.reconciler.run()).differences) == 1
    harness.venue.reads_fail = True
    await harness.reconciler.run()
    harness.venue.reads_fail = False
    await harness.reconciler.run()

    assert await alarms(harness) == ["position_differs"]
    assert await harness.open_alerts() == ["position_differs"]


async def test_an_alarm_of_an_earlier_process_outlasts_the_first_look(database: Database) -> None:
    """M5.4: it is neither ended nor told again by a look that only begins to see it."""
    before = await open_harness(database)
    await before.enter()
    await before.reconciler.run()
    before.venue.balances["BTC"] -= 1
    await before.reconciler.run()

    harness = await open_harness(database, venue=before.venue, restarted=True)
    await harness.reconciler.run()

    assert await alarms(harness) == ["position_differs"]
    assert await harness.open_alerts() == ["position_differs"]
