"""Everything off: on the real order flow, with a venue that may refuse, lose or be away."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import CAPABILITIES, one, open_resting_harness, resting, sweep
from tests.fakes.trading import NOON, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.daemon.commands.flatten import describe_result
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.decimals import plain
from tradebotd.domain.errors import DatabaseUnavailableError, OrderRejectedError
from tradebotd.domain.ids import ClientOrderId, OrderId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import ExchangeCalendar, Session
from tradebotd.ports.venue import Replacement
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.database import Connection, Database, Lane
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.operator.flatten import AT_ONCE, ROUNDS, STEP_SECONDS, Flatten, FlattenResult
from tradebotd.trading.reconciliation.reconciler import Reconciled


def quiet(_: dict[str, Any]) -> None:
    pass


async def two_held(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"))
    await harness.enter("one")
    await harness.enter("two")
    return harness


async def flatten(harness: TradingHarness, host: ShiftedHost | None = None) -> FlattenResult:
    return await Flatten(
        database=harness.database,
        clock=harness.clock,
        gate=harness.gate,
        resting_entries=harness.entry_orders,
        closer=harness.protection,
        reconciler=harness.reconciler,
        host=host or ShiftedHost(),
    ).run(quiet)


async def open_positions(harness: TradingHarness) -> int:
    return len(await harness.rows("SELECT id FROM positions WHERE closed_at IS NULL"))


async def test_everything_is_closed_and_the_halt_stays(database: Database) -> None:
    """M4, interface 3.1: halt, close with reason `flatten`, verify; only `resume` ends the halt."""
    harness = await two_held(database)

    result = await flatten(harness)

    assert result.remaining == []
    assert len(result.closed) == 2
    rows = await harness.rows("SELECT close_reason FROM positions")
    assert {row["close_reason"] for row in rows} == {"flatten"}
    assert harness.gate.halt_reason == "flatten"
    assert harness.gate.closed_because() == "halted"
    assert await harness.rows("SELECT 1 FROM settings WHERE key = 'halt' AND value IS NOT NULL")


async def test_one_refusal_keeps_no_other_position_and_is_tried_again(database: Database) -> None:
    """Each position on its own: a refused exit is sent anew, a closed one is not."""
    harness = await two_held(database)
    harness.venue.script.extend([Behaviour.REJECT])

    host = ShiftedHost()
    result = await flatten(harness, host)

    assert result.remaining == []
    assert len(result.closed) == 2
    exits = await harness.rows("SELECT status FROM orders WHERE role = 'exit'")
    assert sorted(row["status"] for row in exits) == ["filled", "filled", "rejected"]


async def test_a_venue_that_refuses_always_ends_it_with_what_is_left_and_why(
    database: Database,
) -> None:
    """Bounded: after the last round it says what is there still, and sends no more."""
    harness = await two_held(database)
    harness.venue.script.extend([Behaviour.REJECT] * 100)

    result = await flatten(harness)

    assert [each.kind for each in result.remaining] == ["position", "position"]
    assert all(each.reason for each in result.remaining)
    assert await open_positions(harness) == 2
    assert len(await harness.rows("SELECT 1 FROM orders WHERE role = 'exit'")) <= 2 * ROUNDS


async def test_an_answer_that_is_lost_sells_nothing_twice(database: Database) -> None:
    """M5: an exit whose fate is unknown is settled by the venue's word before another is sent."""
    harness = await open_harness(database)
    await harness.enter()
    held = (await harness.position())["quantity"]
    harness.venue.script.extend([Behaviour.DROP_AFTER])

    result = await flatten(harness)

    assert result.remaining == []
    sold = sum(r.quantity for _, r in harness.venue.submitted if r.side.value == "sell")
    assert sold == held
    assert await harness.broken_books() == []


async def test_with_nothing_held_it_is_over_at_once(database: Database) -> None:
    harness, host = await open_harness(database), ShiftedHost()

    result = await flatten(harness, host)

    assert (result.closed, result.cancelled, result.remaining) == ([], [], [])
    assert host.slept == []


async def test_an_earlier_halt_keeps_its_reason(database: Database) -> None:
    """An operator's words are not overwritten by what they ask for next."""
    harness = await two_held(database)
    await harness.gate.halt("lunch")

    assert (await flatten(harness)).remaining == []
    assert harness.gate.halt_reason == "lunch"


async def test_a_hundred_positions_are_closed_each_by_one_exit(database: Database) -> None:
    """M4: at the size where it goes wrong: many at once, none twice, none forgotten."""
    names = [f"C{number}USDT" for number in range(100)]
    harness = await open_harness(database, *(spec(name.lower(), name) for name in names), speed=1.0)
    for name in names:
        await harness.enter(name.lower())
    assert await open_positions(harness) == len(names)

    result = await flatten(harness)

    assert (result.remaining, len(result.closed)) == ([], len(names))
    exits = await harness.rows("SELECT position_id FROM orders WHERE role = 'exit'")
    assert len({row["position_id"] for row in exits}) == len(exits) == len(names)
    assert await harness.broken_books() == []


async def test_some_refused_symbols_keep_no_other_open(database: Database) -> None:
    """M4: what the venue does not take stays and is named; the others are closed."""
    names = [f"C{number}USDT" for number in range(8)]
    harness = await open_harness(database, *(spec(name.lower(), name) for name in names), speed=1.0)
    for name in names:
        await harness.enter(name.lower())
    refused = names[::4]

    async def refuses(client_order_id: ClientOrderId) -> None:
        sql = "SELECT symbol FROM orders WHERE client_order_id = $1"
        if (await harness.row(sql, client_order_id))["symbol"] in refused:
            raise OrderRejectedError("trading of it is suspended")

    harness.venue.before_submit = refuses
    result = await flatten(harness)

    assert len(result.closed) == len(names) - len(refused)
    assert [each.subject.split()[-1] for each in result.remaining] == refused
    assert all("suspended" in each.reason for each in result.remaining)


async def test_a_closed_market_keeps_its_position_and_that_is_said_at_once(
    database: Database,
) -> None:
    """M4.7: nothing is sent to a market that is closed, and no round is spent on waiting for it."""
    session = Session(
        date=NOON.date(),
        open=NOON - timedelta(hours=1),
        close=NOON + timedelta(hours=1),
    )
    harness = await open_harness(database, calendar=ExchangeCalendar("XTST", [session]))
    await harness.enter()
    harness.clock.set(NOON + timedelta(hours=2))
    sent, host = len(harness.venue.submitted), ShiftedHost()

    result = await flatten(harness, host)

    (left,) = result.remaining
    assert (left.kind, left.reason.startswith("market_closed")) == ("position", True)
    assert (len(harness.venue.submitted), host.slept) == (sent, [])
    assert harness.gate.closed_because() == "halted"


async def test_an_entry_that_rests_is_cancelled_before_anything_is_closed(
    database: Database,
) -> None:
    """M4: an entry that filled behind us would be held again."""
    limited = spec("two", "ETHUSDT", entry=EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01")))
    harness = await open_harness(database, spec("one"), limited)
    await harness.enter("one")
    await harness.enter("two")
    resting_at_exit: list[int] = []

    async def looks(_: ClientOrderId) -> None:
        resting_at_exit.append(len(harness.venue.resting))

    harness.venue.before_submit = looks
    result = await flatten(harness)

    assert (result.remaining, len(result.closed), len(result.cancelled)) == ([], 1, 1)
    assert resting_at_exit == [0]
    assert harness.venue.resting == {}


async def test_twice_in_a_row_sends_nothing_the_second_time(database: Database) -> None:
    """Interface 3.1: an operator in doubt asks again, at no cost."""
    harness = await two_held(database)
    assert (await flatten(harness)).remaining == []
    sent = len(harness.venue.submitted)

    again = await flatten(harness)

    assert (again.closed, again.cancelled, again.remaining) == ([], [], [])
    assert len(harness.venue.submitted) == sent


async def test_the_halt_is_there_after_a_restart(database: Database) -> None:
    """M4, deliver 6: whoever starts next enters nothing."""
    harness = await two_held(database)
    await flatten(harness)

    restarted = EntryGate(database, harness.clock)
    await restarted.load()
    restarted.open("reconcile")

    assert restarted.halt_reason == "flatten"
    assert restarted.closed_because() == "halted"


class Away:
    """A database that is lost at a moment of the test's choice, for what Flatten itself reads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_away = False

    def connection(self, lane: Lane = Lane.ORDERS) -> AbstractAsyncContextManager[Connection]:
        if self.is_away:
            raise DatabaseUnavailableError("connection refused")
        return self.database.connection(lane)


class Interrupted:
    """Closes one position; then the database is away for all that follow."""

    def __init__(self, harness: TradingHarness, away: Away) -> None:
        self.harness, self.away = harness, away

    async def close_now(self, position: Position, reason: CloseReason) -> OrderId | None:
        if self.away.is_away:
            raise DatabaseUnavailableError("connection refused")
        closed = await self.harness.protection.close_now(position, reason)
        self.away.is_away = len(self.harness.venue.submitted) == 3  # two entries and this exit
        return closed

    async def clear_orphaned_exits(self) -> None:
        await self.harness.protection.clear_orphaned_exits()


class Returning(ShiftedHost):
    def __init__(self, away: Away, *, after: int) -> None:
        super().__init__()
        self.away, self.after = away, after

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.away.is_away = len(self.slept) < self.after


@pytest.mark.parametrize("after", [1, 3, ROUNDS])
async def test_a_database_lost_half_way_is_said_and_the_rest_is_closed_when_it_is_back(
    database: Database, after: int
) -> None:
    """M4, deliver 6: never "nothing is left" of what could not be looked at."""
    harness = await two_held(database)
    away = Away(database)
    result = await Flatten(
        database=away,  # type: ignore[arg-type]
        clock=harness.clock,
        gate=harness.gate,
        resting_entries=harness.entry_orders,
        closer=Interrupted(harness, away),
        reconciler=harness.reconciler,
        host=Returning(away, after=after),
    ).run(quiet)

    if after < ROUNDS:
        assert (result.remaining, len(result.closed)) == ([], 2)
        assert await open_positions(harness) == 0
    else:
        assert {each.kind for each in result.remaining} == {"position", "step"}
        assert await open_positions(harness) == 1
    assert harness.gate.closed_because() == "halted"
    assert len(harness.venue.submitted) == (4 if after < ROUNDS else 3)


async def test_a_venue_that_does_not_answer_is_asked_again_before_it_is_over(
    database: Database,
) -> None:
    """M4: flat is what the venue says, not what our books say."""
    harness = await open_harness(database)
    harness.venue.reads_fail = True
    answering = ShiftedHost()

    class Answers(ShiftedHost):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            harness.venue.reads_fail = False

    never = await flatten(harness, answering)
    assert [(each.kind, each.subject) for each in never.remaining] == [("step", "venue scripted")]
    assert len(answering.slept) == ROUNDS - 1
    host = Answers()
    assert (await flatten(harness, host)).remaining == []
    assert len(host.slept) == 1


@pytest.mark.parametrize("replacement", CAPABILITIES)
async def test_what_rests_behind_the_positions_is_gone_with_them(
    database: Database, replacement: Replacement
) -> None:
    """M5.8, M5.7: twenty, each with a stop at the venue; nothing is left to fire later."""
    specs = [
        one(replacement, name=f"bot{number:02}", symbol=f"C{number:02}USDT") for number in range(20)
    ]
    harness = await open_resting_harness(database, replacement, *specs)
    for each in specs:
        harness.tick("100", each.symbol)
        await harness.enter(each.name)
    await sweep(harness, 2)
    assert len(resting(harness)) == 20

    result = await flatten(harness)

    assert (result.remaining, len(result.closed)) == ([], 20)
    assert resting(harness) == {}
    assert await open_positions(harness) == 0
    assert await harness.rows("SELECT 1 FROM orders WHERE NOT settled") == []


async def test_a_stop_that_cannot_be_cancelled_is_left_and_said(database: Database) -> None:
    """M5.8: the position is closed, and yet the account is not flat: the stop may open another."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.cancel_script.extend([Behaviour.UNREACHABLE] * 100)

    result = await flatten(harness)

    assert len(result.closed) == 1
    (order,) = resting(harness)
    assert order in str(result.remaining)

    harness.venue.cancel_script.clear()
    assert (await flatten(harness)).remaining == []
    assert resting(harness) == {}


async def test_an_answer_that_nobody_foresaw_ends_no_flatten(database: Database) -> None:
    """M2.6: the balances of the venue cannot be read; all is closed, and that is said."""
    harness = await two_held(database)

    async def surprise() -> None:
        raise KeyError("totalWalletBalance")

    harness.venue.before_account_answers = surprise
    result = await flatten(harness)

    assert await open_positions(harness) == 0
    assert [(each.kind, each.subject) for each in result.remaining] == [("step", "venues")]
    assert "KeyError" in result.remaining[0].reason


async def test_no_exit_is_cut_between_sending_and_writing_down(database: Database) -> None:
    """M5.2: when many close at a slow venue, those that were sent are heard, the others wait."""
    specs = [spec(f"b{n:02}", f"S{n:02}USDT") for n in range(AT_ONCE + 3)]
    harness = await open_harness(database, *specs, speed=1.0)
    for each in specs:
        await harness.enter(each.name)
    host, sent, answer = ShiftedHost(), list[ClientOrderId](), anyio.Event()
    statuses: list[set[str]] = []

    async def slowly(order: ClientOrderId) -> None:
        sent.append(order)
        if len(sent) == AT_ONCE:
            host.shift += timedelta(seconds=STEP_SECONDS + 1)
            answer.set()
        await answer.wait()

    async def reconciled() -> Reconciled:
        rows = await harness.rows("SELECT status FROM orders WHERE role = 'exit'")
        statuses.append({row["status"] for row in rows})
        assert len(rows) == (AT_ONCE if len(statuses) == 1 else AT_ONCE + 3)
        return await run()

    run = harness.reconciler.run
    harness.reconciler.run = reconciled  # type: ignore[method-assign]
    harness.venue.before_submit = slowly
    result = await flatten(harness, host)

    assert statuses == [{"filled"}, {"filled"}]
    assert (result.remaining, len(result.closed)) == ([], AT_ONCE + 3)


async def test_what_nobody_foresaw_in_one_exit_cuts_no_other(database: Database) -> None:
    """M2.6: each position on its own, also while an answer is on its way."""
    harness = await two_held(database)
    close = harness.protection.close_now
    broken = anyio.Event()

    async def close_or_break(
        position: Position, reason: CloseReason, decision: DecisionRecord | None = None
    ) -> OrderId | None:
        if position.bot == "one" and not broken.is_set():
            broken.set()
            raise KeyError("executedQty")
        return await close(position, reason, decision)

    async def late(_: ClientOrderId) -> None:
        await broken.wait()

    harness.protection.close_now = close_or_break  # type: ignore[method-assign]
    harness.venue.before_submit = late
    with capture_logs() as said:
        result = await flatten(harness)

    assert "position not closed" in {each["event"] for each in said}
    assert (result.remaining, len(result.closed)) == ([], 2)
    exits = await harness.rows("SELECT status FROM orders WHERE role = 'exit'")
    assert [row["status"] for row in exits] == ["filled", "filled"]


async def test_a_halt_that_could_not_be_stored_is_lifted_by_resume(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.8, N16: nothing enters behind a flatten that failed, and `resume` says what is so."""
    harness = await open_harness(database, spec())

    async def gone(_: str, *, keep_reason: bool) -> None:
        assert keep_reason
        raise DatabaseUnavailableError("gone")

    with monkeypatch.context() as away:
        away.setattr(harness.gate, "halt", gone)
        with pytest.raises(DatabaseUnavailableError):
            await flatten(harness)
    assert harness.gate.closed_because() == "everything is being closed"

    await harness.gate.resume()

    assert harness.gate.closed_because() is None


async def test_what_was_closed_says_what_it_cost_and_what_was_cancelled_for_it(
    database: Database,
) -> None:
    """N24: price and P&L of each; exits that rested are cancelled, too; earlier ones not again."""
    harness = await open_resting_harness(database, Replacement.REPLACE)
    harness.tick("100")
    await harness.enter()
    await sweep(harness, 2)
    rested = list(resting(harness))
    await harness.execute(
        "INSERT INTO orders (client_order_id, position_id, bot, venue, symbol, role, side, type,"
        " time_in_force, position_type, reduce_only, quantity, status, params_hash, leader_token,"
        " send_by, created_at, updated_at, stop_price, exit_group_id) SELECT 'earlier', position_id, bot, venue, symbol, role,"
        " side, type, time_in_force, position_type, reduce_only, quantity, 'canceled', params_hash,"
        " leader_token, send_by, created_at, created_at - interval '1 minute', stop_price, exit_group_id FROM orders"
        " WHERE role = 'exit' LIMIT 1"
    )
    result = await flatten(harness)

    (trade,) = result.trades
    assert result.closed_ids == [trade["id"]]
    assert trade["exit_price"] is not None
    assert rested
    assert result.cancelled == sorted(rested)
    (closed, *cancelled, verdict) = describe_result(result)
    assert f" at {plain(trade['exit_price'])}, P&L {plain(trade['realized_pnl'])}" in closed
    assert len(cancelled) == len(rested)
    assert verdict.startswith("nothing is left")
