"""What stops entries, at every moment between a bot's decision and the order's departure."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.trading import ACCOUNT, BOT, LIMITS, MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.bot import DailyLimits
from tradebotd.domain.errors import AccountTakenError, OrderDeniedError
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import CloseReason
from tradebotd.domain.quote import Quote
from tradebotd.domain.signal import SignalKind
from tradebotd.risk.limits import AccountState
from tradebotd.storage.entry_facts import EntryFacts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.operator.flatten import Flatten, FlattenResult

WAIT = 30.0
WAITING = """
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Hold:
    """`reached`: an entry waits there. `go`: it may go on."""

    reached: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def once(self, *_: object) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.go.wait()


async def cycle(harness: TradingHarness, bot: str = BOT) -> None:
    """Who has lost the account is told so."""
    with suppress(AccountTakenError):
        await harness.run(bot)


# Where an entry waits


@asynccontextmanager
async def at_the_account(harness: TradingHarness) -> AsyncIterator[Hold]:
    hold = Hold()
    harness.venue.before_account_answers = hold.once
    yield hold


@asynccontextmanager
async def at_the_quotes(harness: TradingHarness) -> AsyncIterator[Hold]:
    """The last price is old, and the venue is asked for one."""
    hold = Hold()
    ask = harness.venue.quotes

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        await hold.once()
        return await ask(symbols)

    harness.venue.quotes = quotes  # type: ignore[method-assign]
    harness.clock.advance(timedelta(seconds=100))
    yield hold


@asynccontextmanager
async def at_the_lock(harness: TradingHarness) -> AsyncIterator[Hold]:
    """Behind an entry of another bot, which is judged meanwhile."""
    other, hold = Hold(), Hold()
    judge, lock = harness.account.facts, harness.entries._one_at_a_time

    async def facts(*about: Any) -> EntryFacts:
        await other.once()
        return await judge(*about)

    async def until_one_waits() -> None:
        while not lock.statistics().tasks_waiting:
            await anyio.lowlevel.checkpoint()
        hold.reached.set()

    async def go_on() -> None:
        await hold.go.wait()
        other.go.set()

    harness.account.facts = facts  # type: ignore[method-assign, assignment]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cycle, harness, "two")
        await other.reached.wait()
        tasks.start_soon(until_one_waits)
        tasks.start_soon(go_on)
        yield hold
        hold.go.set()


@asynccontextmanager
async def at_the_row(harness: TradingHarness) -> AsyncIterator[Hold]:
    """Its transaction has read what stops entries, and cannot insert the row yet."""
    hold = Hold()
    async with anyio.create_task_group() as tasks:
        held = anyio.Event()

        async def hold_the_lease() -> None:
            async with harness.database.transaction() as connection:
                await connection.execute("SELECT 1 FROM leadership FOR UPDATE")
                held.set()
                await hold.go.wait()

        async def see_it_wait() -> None:
            while not await harness.rows(WAITING):
                pass
            hold.reached.set()

        tasks.start_soon(hold_the_lease)
        await held.wait()
        tasks.start_soon(see_it_wait)
        yield hold
        hold.go.set()


@asynccontextmanager
async def at_the_limiter(harness: TradingHarness) -> AsyncIterator[Hold]:
    """Its row is committed; the venue's limiter lets nothing through."""
    hold = Hold()
    harness.venue.limiter = hold.once
    yield hold


@asynccontextmanager
async def at_the_venue(harness: TradingHarness) -> AsyncIterator[Hold]:
    """It has left, and is not answered."""
    hold = Hold()
    harness.venue.before_submit = hold.once
    yield hold


PLACES = {
    each.__name__: each
    for each in (at_the_quotes, at_the_lock, at_the_account, at_the_row, at_the_limiter)
}

# What stops it


async def halt(harness: TradingHarness) -> None:
    await harness.gate.halt("operator")


async def flatten(harness: TradingHarness) -> None:
    assert (await flattened(harness)).remaining == []


async def pause(harness: TradingHarness) -> None:
    hands = harness.commands
    for bot in harness.specs:
        await hands.pause_bot(bot)


async def take_over(harness: TradingHarness) -> None:
    """Somebody else has the account; the beat has found it out."""
    harness.lease.mark_lost()
    await harness.execute("UPDATE leadership SET token = token + 1")


async def take_over_unseen(harness: TradingHarness) -> None:
    """Somebody else has the account, and no beat has told us yet."""
    await harness.execute("UPDATE leadership SET token = token + 1")


async def lose_too_much(harness: TradingHarness) -> None:
    bad = AccountState(
        equity=Decimal(70),
        day_start_equity=Decimal(100),
        peak_equity=Decimal(100),
        exposure=Decimal(0),
        open_positions=0,
        orders_last_minute=0,
    )
    await harness.gate.account_halts.judge(ACCOUNT, bad, LIMITS, UTC)


async def fail_to_write(harness: TradingHarness) -> None:
    harness.database.writes.fail("DiskFullError: could not extend file")


async def stop_the_daemon(harness: TradingHarness) -> None:
    harness.gate.close("stopping", "the daemon is stopping")


DEEDS = {
    each.__name__: each
    for each in (halt, flatten, pause, take_over, lose_too_much, fail_to_write, stop_the_daemon)
}


async def flattened(harness: TradingHarness) -> FlattenResult:
    return await Flatten(
        database=harness.database,
        clock=harness.clock,
        gate=harness.gate,
        resting_entries=harness.entry_orders,
        closer=harness.protection,
        reconciler=harness.reconciler,
        host=ShiftedHost(),
    ).run(lambda _: None)


async def decided(database: Database, speed: float = 0.0) -> TradingHarness:
    """Two bots that want to buy; at *speed* 1 entries share what a venue has said."""
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"), speed=speed)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        await harness.candles(100, 100, 100, symbol=symbol)
    harness.says(SignalKind.BUY)
    harness.says(SignalKind.BUY, bot="two")
    return harness


def is_stopped(harness: TradingHarness) -> bool:
    gate = harness.gate
    return gate.admit(BOT, SCRIPTED).send_blocked_by() is not None or not harness.lease.may_send()


async def in_the_middle(
    harness: TradingHarness,
    hold: Hold,
    deed: Callable[[TradingHarness], Awaitable[None]],
    *,
    answers_first: bool,
) -> None:
    """A cycle of BOT reaches *hold*; there *deed* is done, or (where it may wait for the entry) at

    least begun; then it goes on.
    """
    done = anyio.Event()

    async def do() -> None:
        await deed(harness)
        done.set()

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cycle, harness)
            await hold.reached.wait()
            tasks.start_soon(do)
            while not (done.is_set() if answers_first else is_stopped(harness)):
                await anyio.lowlevel.checkpoint()
            hold.go.set()


async def five_minutes_later(harness: TradingHarness) -> None:
    """The reconciler and the sweep have been there again and again."""
    harness.database.writes.succeed()
    for _ in range(5):
        harness.clock.advance(MINUTE)
        harness.tick("100")
        harness.tick("100", "ETHUSDT")
        await harness.reconciler.run()
        await harness.protection.sweep(harness.clock.now())


async def nothing_is_there(harness: TradingHarness) -> bool:
    held = await harness.rows("SELECT 1 FROM positions WHERE closed_at IS NULL")
    return not held and not harness.protection.held and not harness.venue.balances.get("BTC")


@pytest.mark.parametrize("speed", [0.0, 1.0])
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("place", PLACES)
async def test_an_entry_under_way_is_not_sent_once_entries_are_stopped(
    database: Database, place: str, deed: str, speed: float
) -> None:
    """M5.8: whatever stops entries is a fact for those that are being made, wherever they wait."""
    harness = await decided(database, speed)
    waits_for_it = place in {"at_the_row", "at_the_limiter"}

    async with PLACES[place](harness) as hold:
        await in_the_middle(harness, hold, DEEDS[deed], answers_first=not waits_for_it)

    await five_minutes_later(harness)
    assert harness.venue.submitted == []
    assert await nothing_is_there(harness)
    assert await harness.rows("SELECT 1 FROM orders WHERE NOT settled") == []


@pytest.mark.parametrize("place", ["at_the_lock", "at_the_account"])
async def test_a_takeover_that_no_beat_has_told_yet_keeps_the_row_out(
    database: Database, place: str
) -> None:
    """M5.8, lease: the token is compared by the statement that inserts the row."""
    harness = await decided(database)

    async with PLACES[place](harness) as hold:
        await in_the_middle(harness, hold, take_over_unseen, answers_first=True)

    assert harness.venue.submitted == []
    assert await harness.orders() == []


@pytest.mark.parametrize("place", PLACES)
async def test_a_halt_that_is_lifted_meanwhile_has_voided_the_decision(
    database: Database, place: str
) -> None:
    """M5.8: an entry of before a halt is not sent behind it, however short the halt was."""
    harness = await decided(database)
    waits_for_it = place in {"at_the_row", "at_the_limiter"}

    async def halt_and_resume(harness: TradingHarness) -> None:
        await halt(harness)
        await harness.gate.resume()

    async with PLACES[place](harness) as hold:
        await in_the_middle(harness, hold, halt_and_resume, answers_first=not waits_for_it)

    assert harness.venue.submitted == []
    await harness.minute()
    await harness.candles(100, 100, 100, symbol="ETHUSDT")
    harness.says(SignalKind.BUY)
    assert (await harness.run()).acted  # the next candle's is


async def test_flatten_waits_for_what_has_left_already_and_closes_it(database: Database) -> None:
    """M4: "nothing is left" is true five minutes later, too."""
    harness = await decided(database)

    async with at_the_venue(harness) as hold:
        await in_the_middle(harness, hold, flatten, answers_first=False)

    assert [order["role"] for order in await harness.orders()] == ["entry", "exit"]
    await five_minutes_later(harness)
    assert await nothing_is_there(harness)


async def test_what_the_database_says_stops_an_entry_that_memory_would_let_in(
    database: Database,
) -> None:
    """M5.8: a halt whose commit was not answered is stored, and the row's transaction reads it."""
    harness = await decided(database)
    await harness.execute(
        "UPDATE settings SET value = $1 WHERE key = 'halt'",
        {"reason": "operator", "since": harness.clock.now().isoformat()},
    )
    assert harness.gate.closed_because() is None

    assert (await harness.run()).status == "waiting (halted)"

    assert harness.venue.submitted == []
    await harness.gate.resume()
    await harness.minute()
    harness.says(SignalKind.BUY)
    assert (await harness.run()).acted


async def test_a_stored_halt_of_the_account_counts_until_it_is_over(database: Database) -> None:
    """3.5: the account's day has an end, also for the transaction that reads it."""
    harness = await decided(database)
    until = harness.clock.now() + timedelta(minutes=3)
    stored = {
        "rule": "max_daily_loss",
        "detail": "lost",
        "since": harness.clock.now().isoformat(),
        "until": until.isoformat(),
    }
    await harness.execute("UPDATE settings SET value = $1 WHERE key = 'account_halt'", stored)

    assert (await harness.run()).status == "waiting (account max_daily_loss)"

    for _ in range(3):
        await harness.minute()
    harness.says(SignalKind.BUY)
    assert (await harness.run()).acted


@pytest.mark.parametrize("place", ["at_the_lock", "at_the_account"])
async def test_a_limit_of_the_day_that_is_reached_meanwhile_keeps_the_row_out(
    database: Database, place: str
) -> None:
    """M4.8: the counters are read again where the row is written: a late fill has moved them."""
    harness = await decided(database)
    limits = DailyLimits(max_daily_loss=Decimal("0.03"))
    for name, each in harness.specs.items():
        harness.specs[name] = replace(each, limits=limits)

    async def lose(harness: TradingHarness) -> None:
        await harness.execute(
            "UPDATE bot_states SET day = $1, daily_pnl = -30", harness.clock.now().date()
        )

    async with PLACES[place](harness) as hold:
        await in_the_middle(harness, hold, lose, answers_first=True)

    assert harness.venue.submitted == []
    assert (await harness.state())["status"] == "waiting (max_daily_loss reached)"


async def test_a_pause_keeps_only_its_own_bot_out(database: Database) -> None:
    """M5.8: while one bot's entry waits, another one is paused."""
    harness = await decided(database)

    async def pause_two(harness: TradingHarness) -> None:
        hands = harness.commands
        await hands.pause_bot(BotName("two"))

    async with at_the_account(harness) as hold:
        await in_the_middle(harness, hold, pause_two, answers_first=True)

    assert [request.symbol for _, request in harness.venue.submitted] == ["BTCUSDT"]


async def test_an_entry_that_waited_for_a_fill_of_its_bot_sees_the_position(
    database: Database,
) -> None:
    """M4.3: a late fill holds the bot's state; whoever waits for it must not see what was before."""
    harness = await open_harness(database, spec())
    await harness.enter()
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    harness.clock.advance(MINUTE)
    harness.tick("100")
    ready, go = anyio.Event(), anyio.Event()

    async def fill() -> None:
        async with database.transaction() as connection:
            await connection.execute("UPDATE bot_states SET in_position = true")
            await connection.execute("UPDATE positions SET closed_at = NULL, close_reason = NULL")
            ready.set()
            await go.wait()

    async def enter() -> None:
        with pytest.raises(OrderDeniedError, match="position_open"):
            await harness.enter(minute=3)

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            await ready.wait()
            tasks.start_soon(enter)
            while not await harness.rows(WAITING):
                await anyio.lowlevel.checkpoint()
            go.set()
