"""What an operator reads and does, on real tables."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.clock import FakeClock
from tests.fakes.jobs import ScriptedJob
from tests.fakes.trading import market_symbol, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.control.messages.jobs import Switched
from tradebotd.control.messages.positions import AdoptWish, ExitWish, ProtectedBy
from tradebotd.control.messages.status import Halt, Status, VenueState
from tradebotd.daemon.operator import status_view
from tradebotd.daemon.operator.bot_view import BotView
from tradebotd.daemon.operator.job_commands import JobCommands
from tradebotd.daemon.operator.market_view import MarketView
from tradebotd.daemon.operator.operator import Operator
from tradebotd.daemon.operator.position_view import PositionView
from tradebotd.daemon.operator.status_view import StatusView
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.daemon.reload import NotReloaded
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError, RefusedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, JobName, PositionId
from tradebotd.domain.job import Every, JobSpec, Summary
from tradebotd.domain.refusal import RefusalCode
from tradebotd.health.guards import Guards
from tradebotd.jobs.ping import Ping
from tradebotd.market.price_cache import PriceCache
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.slots import DueRun
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.postgres.writes import Writes
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.operator.commands import OperatorCommands
from tradebotd.trading.operator.flatten import FlattenResult, Progress, Remainder

NOON = datetime(2022, 1, 14, 12, tzinfo=UTC)
PING, BOTS = JobName("ping"), JobName("run_bots")
MINUTELY = (Every(interval=timedelta(minutes=1)),)

ROWS = """
INSERT INTO market_symbols (symbol, venue, base_asset, quote_asset, tick_size, lot_size, min_notional, calendar, feeds, timeframes)
VALUES ('BTCUSDT', 'paper', 'BTC', 'USDT', 0.01, 0.00001, 5, '24/7', '{history}', '{1m}');
INSERT INTO ohlc (symbol_id, timeframe, ts, open, high, low, close, volume, feed)
SELECT id, '1h', t, 43000.1, 43100, 42900, 43050.25, 1.5, 'history' FROM market_symbols,
       generate_series('2022-01-14T08:00Z'::timestamptz, '2022-01-14T10:00Z', '1 hour') AS t;
INSERT INTO bot_configs (name, symbol, config, active, updated_at)
VALUES ('btc-ema', 'BTCUSDT', '{"timeframe": "1m", "strategy": "ema_rsi"}', true, '2022-01-14T00:00Z'),
       ('new', 'BTCUSDT', '{}', true, '2022-01-14T00:00Z');
INSERT INTO bot_states (bot, status, in_position, daily_pnl, day) VALUES ('btc-ema', 'running', true, 12.50, '2022-01-14'),
       ('new', 'pending', false, -3, '2022-01-13');
INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price, best_price, exits, opened_at, stop_loss)
VALUES ('btc-ema', 'paper', 'BTCUSDT', 'long', 'spot', 0.1, 0.1, 43000, 43100, '{}', '2022-01-14T11:00Z', 42785);
INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price, exit_quantity, exit_price, best_price, exits,
                       opened_at, closed_at, close_reason, realized_pnl, fees)
VALUES ('btc-ema', 'paper', 'BTCUSDT', 'long', 'spot', 0, 0.1, 43000, 0.1, 43100, 43100, '{}', '2022-01-13T09:00Z', '2022-01-14T00:00Z', 'take_profit', 9.5, 0.5),
       ('btc-ema', 'paper', 'BTCUSDT', 'long', 'spot', 0, 0.1, 43000, 0.1, 42000, 43100, '{}', '2022-01-13T08:00Z', '2022-01-13T23:59Z', 'stop_loss', -100, 0.5);
INSERT INTO orders (client_order_id, bot, venue, symbol, role, side, type, time_in_force, position_type, reduce_only, quantity, filled_quantity,
                    venue_filled_quantity, average_price, status, params_hash, leader_token, send_by, created_at, updated_at)
VALUES ('tb1', 'btc-ema', 'paper', 'BTCUSDT', 'entry', 'buy', 'market', 'ioc', 'spot', false, 0.1, 0.1, 0.1, 43000, 'filled', 'h', 1, now(), '2022-01-14T11:00Z', '2022-01-14T11:00Z'),
       ('tb2', 'new', 'paper', 'BTCUSDT', 'entry', 'buy', 'market', 'ioc', 'spot', false, 0.1, 0, NULL, NULL, 'unknown', 'h', 1, now(), '2022-01-14T11:30Z', '2022-01-14T11:31Z');
INSERT INTO order_events (order_id, at, status) VALUES (1, '2022-01-14T11:00Z', 'filled');
INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at)
VALUES (1, 1, 'paper', 'BTCUSDT', '1', 'buy', 0.1, 43000, 0.5, 'USDT', '2022-01-14T11:00Z');
SELECT ensure_month('decision_runs', '2022-01-14T11:00Z');
INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, decided_at)
VALUES ('btc-ema', '2022-01-14T11:00Z', 'entry', 'buy', 'crossed', 'ema_rsi', '{"rsi": 51.5}', '2022-01-14T11:01Z');
INSERT INTO levels_daily (trade_date, symbol_id, y_date, y_high, y_low, y_close) SELECT '2022-01-14', id, '2022-01-13', 43100.5, 42900, 43000 FROM market_symbols;
INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl)
VALUES ('2022-01-14T11:00Z', 'default', NULL, 9000, 9000, 0, 0), ('2022-01-14T11:55Z', 'default', NULL, 10010, 5710, 4300, 5),
       ('2022-01-14T11:56Z', 'default', 'btc-ema', 1, 1, 0, 0);
INSERT INTO leadership (account, token, holder, acquired_at) VALUES ('default', 3, '{}', '2026-01-01T00:00Z');
INSERT INTO alerts (code, severity, subject, message, raised_at, last_seen_at) VALUES ('fill_differs', 'warning', 'order 1', 'another price', '2022-01-14T11:00Z', '2022-01-14T11:00Z');
"""


@dataclass
class FakeCommands(OperatorCommands):
    """Closes by writing what the fill would."""

    async def set_exits(self, position_id: PositionId, **levels: str | None) -> Any:
        self._refuse_if_told()
        self.done.append(("exits", position_id, levels))

    async def adopt(self, venue: str, symbol: str, bot: str) -> PositionId:
        self._refuse_if_told()
        self.done.append(("adopt", venue, symbol, bot))
        return PositionId(1)

    async def resume_symbol(self, symbol: str) -> None:
        self._refuse_if_told()
        self.done.append(("symbol", symbol))

    async def flatten(self, progress: Progress) -> FlattenResult:
        self._refuse_if_told()
        progress({"done": 1})
        left = Remainder(kind="position", subject="1 btc-ema", reason="market_closed: BTCUSDT")
        return FlattenResult(closed=["2 new"], remaining=[left])

    database: Database
    done: list[Any] = field(default_factory=list)
    fills: bool = True
    refuses: bool = False

    def _refuse_if_told(self) -> None:
        if self.refuses:
            raise RefusedError(RefusalCode.NOT_PAUSED, "its state does not allow it")

    async def pause_bot(self, bot: BotName) -> None:
        self._refuse_if_told()
        self.done.append(("pause", bot))

    async def resume_bot(self, bot: BotName) -> None:
        raise RefusedError(RefusalCode.NOT_PAUSED, f"{bot} is not paused")

    async def close_position(self, position_id: PositionId) -> None:
        self._refuse_if_told()
        self.done.append(("close", position_id))
        if self.fills:
            async with self.database.connection() as connection:
                await connection.execute(
                    "UPDATE positions SET quantity = 0, exit_quantity = entry_quantity, exit_price = 43050,"
                    " closed_at = $2, close_reason = 'manual' WHERE id = $1",
                    position_id,
                    NOON,
                )


class AwayDatabase:
    """The database as it looks when nobody answers."""

    pool_size, pool_in_use, available = 6, 0, False

    def __init__(self) -> None:
        self.writes = Writes()

    def connection(self, *_: object) -> Any:
        raise DatabaseUnavailableError("connection refused")

    transaction = connection


@dataclass
class Bench:
    operator: Operator
    database: Database
    prices: PriceCache
    protected: dict[PositionId, ProtectedBy]
    commands: FakeCommands
    clock: FakeClock
    runner: JobRunner
    bots_job: ScriptedJob
    specs: dict[BotName, BotSpec]

    async def run_all(self) -> None:
        await self.runner.run_due([DueRun(name, NOON, NOON, 0) for name in (PING, BOTS)])


async def nothing_refused() -> NotReloaded | None:
    return None


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    async with database.transaction() as connection:
        await connection.execute(ROWS)
    clock, gate = FakeClock(NOON), EntryGate(database, FakeClock(NOON))
    gate.open("reconcile")
    bots_job, bot_specs = ScriptedJob(BOTS), dict[BotName, BotSpec]()
    specs = [JobSpec(name=name, slots=MINUTELY, retries=0) for name in (PING, BOTS)]
    scheduler = ClockScheduler(clock, lambda _code, _at: None, lambda _dues: None)
    scheduler.schedule(specs)
    scheduler.start()

    async def reload() -> Sequence[str]:
        return ["risk.max_drawdown: 20% -> 10%"]

    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=clock,
            ledger=RunLedger(database, deferred=False),
            jobs=[Ping(database=database), bots_job],
            specs=specs,
        )
        today = TodaysPnl(
            specs=bot_specs,
            symbols={"BTCUSDT": market_symbol("BTCUSDT")},
            currencies=CurrencyConverter([], PriceCache(), "USDT"),
        )
        prices, protected = PriceCache(), dict[PositionId, ProtectedBy]()
        status = StatusView(
            database=database,
            clock=clock,
            runner=runner,
            scheduler=scheduler,
            prices=prices,
            gate=gate,
            lease=Lease(account="default", token=3),
            today=today,
            venues=[VenueState(name=SCRIPTED, kind="paper", place="paper")],
            source="replay",
            waits_for=lambda: None,
            state=lambda: "running",
            guards=Guards,
            doubtful=tuple,
            not_reloaded=nothing_refused,
        )
        market = MarketView(database=database, clock=clock, prices=prices)
        positions = PositionView(
            database=database,
            clock=clock,
            symbols=today.symbols,
            market=market,
            protected_by=lambda position_id: protected.get(position_id, "daemon"),
            resting_kind=lambda _: None,
            resting_quantity=lambda _: None,
            unprotected_seconds=lambda _: None,
        )
        commands = FakeCommands(database)
        operator = Operator(
            database=database,
            clock=clock,
            status=status,
            jobs=JobCommands(
                database=database, clock=clock, runner=runner, scheduler=scheduler, tasks=tasks
            ),
            bots=BotView(
                database=database, clock=clock, today=today, status=status, positions=positions
            ),
            positions=positions,
            market=market,
            gate=gate,
            commands=commands,
            hold=nullcontext,
            reload=reload,
        )
        yield Bench(
            operator, database, prices, protected, commands, clock, runner, bots_job, bot_specs
        )
        scheduler.shutdown()


def ignore(_: dict[str, Any]) -> None:
    pass


def price(bench: Bench, value: str) -> None:
    bench.prices.record(Tick(NOON, "BTCUSDT", Decimal(value)))


def codes(status: Status) -> set[str]:
    return {problem.code for problem in status.problems}


async def test_status_tells_what_the_tables_say(bench: Bench) -> None:
    """Interface 3.2: counts, equity of the account, P&L of the bots' day; yesterday's is none of it."""
    price(bench, "43050")
    status = await bench.operator.status()

    assert (status.positions, status.unknown_orders, status.equity) == (1, 1, Decimal(10010))
    assert status.realized_pnl_today == Decimal("12.50")
    assert [(bot.name, bot.unrealized_pnl, bot.daily_pnl) for bot in status.bots] == [
        ("btc-ema", Decimal(5), Decimal("12.50")),
        ("new", Decimal(0), Decimal(0)),
    ]
    assert [(each.name, each.place) for each in status.venues] == [(SCRIPTED, "paper")]
    assert {each.venue for each in status.bots} == {SCRIPTED}
    assert {each.venue for each in await bench.operator.bots()} == {SCRIPTED}
    assert status.leader is not None
    assert status.leader.token == 3
    assert (status.health, status.pnl_verified) == ("critical", False)
    assert codes(status) == {"orders_unknown", "fill_differs"}
    (unknown,) = [problem for problem in status.problems if problem.code == "orders_unknown"]
    assert unknown.since == datetime(2022, 1, 14, 11, 31, tzinfo=UTC)


async def test_all_that_a_bot_holds_is_in_its_unrealized_profit(bench: Bench) -> None:
    """Interface 3.2: one of a symbol that it traded before, too; each says what its money is."""
    price(bench, "43050")
    async with bench.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_price,"
            " entry_quantity, best_price, exits, opened_at, stop_loss) SELECT bot, venue, 'GONE',"
            " side, position_type, quantity, entry_price, entry_quantity, best_price, exits,"
            " opened_at, stop_loss FROM positions WHERE closed_at IS NULL"
        )

    status = await bench.operator.status()
    assert [bot.unrealized_pnl for bot in status.bots] == [None, Decimal(0)]
    held = await bench.operator.positions()
    assert [(each.symbol, each.quote_asset) for each in held] == [
        ("BTCUSDT", "USDT"),
        ("GONE", None),
    ]
    trades = await bench.operator.trades(None, 10)
    assert {each.quote_asset for each in trades} == {"USDT"}


async def test_an_open_position_without_a_price_is_critical(bench: Bench) -> None:
    assert "price_missing" in codes(await bench.operator.status())


async def test_what_has_no_stop_is_never_ok(bench: Bench) -> None:
    """M4.4, M8.1: neither a position that is held so, nor a bot that may enter so at any time."""
    price(bench, "43050")
    bare = spec("bare", exits=ExitPlan(take_profit=Decimal("0.01")))
    off = spec("off", active=False, exits=ExitPlan(take_profit=Decimal("0.01")))
    bench.specs.update({each.name: each for each in (bare, off, spec("guarded"))})
    bench.protected[PositionId(1)] = "none"
    async with bench.database.transaction() as connection:
        await connection.execute("UPDATE positions SET stop_loss = NULL, take_profit = 44000")
        await connection.execute("DELETE FROM orders WHERE status = 'unknown'")
        await connection.execute("DELETE FROM alerts")

    status = await bench.operator.status()
    (position,) = await bench.operator.positions()

    told = {problem.subject: problem.message for problem in status.problems}
    assert codes(status) == {"no_stop"}
    assert set(told) == {"position 1", "bare"}
    assert "btc-ema's long BTCUSDT has no stop" in told["position 1"]
    assert (status.health, position.protected_by) == ("degraded", "none")


async def test_verified_once_every_scheduled_job_ran_well(bench: Bench) -> None:
    """Interface 3.2: verifying, verified, failed; and back once the job has run well again."""
    assert (await bench.operator.status()).verification == "verifying"
    await bench.run_all()
    assert (await bench.operator.status()).verification == "verified"

    async def fail(_: RunContext) -> Summary:
        raise ValueError("broken")

    good, bench.bots_job.work = bench.bots_job.work, fail
    bench.clock.advance(timedelta(minutes=1))
    await bench.operator.run_job("run_bots", {}, ignore)
    status = await bench.operator.status()
    assert (status.verification, status.jobs.failing) == ("failed", 1)
    assert {"job_failed", "dead_letters"} <= codes(status)

    bench.bots_job.work = good
    bench.clock.advance(timedelta(minutes=1))
    await bench.operator.run_job("run_bots", {}, ignore)
    assert (await bench.operator.status()).verification == "verified"


async def test_status_stands_while_the_database_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad input, database gone: said loudly, with what was last seen."""
    before = await bench.operator.status()
    monkeypatch.setattr(bench.operator._status, "_database", AwayDatabase())

    status = await bench.operator.status()
    bench.clock.advance(timedelta(minutes=5))
    later = await bench.operator.status()

    assert (status.health, status.database.ok) == ("critical", False)
    assert "database_unavailable" in codes(status)
    assert status.positions == before.positions
    since = {problem.code: problem.since for problem in later.problems}
    assert since["database_unavailable"] == NOON


async def test_a_database_that_hangs_does_not_hang_the_status(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> status_view.Seen:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(status_view, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(bench.operator._status, "_read", hang)

    assert not (await bench.operator.status()).database.ok


async def test_lists_carry_the_columns_of_their_tables(bench: Bench) -> None:
    """Interface 3.4, 3.8: JSON lists use the column names."""
    operator = bench.operator
    price(bench, "42900")
    (position,) = await operator.positions()
    assert (position.protected_by, position.unrealized_pnl) == ("daemon", Decimal(-10))
    assert [
        order.id for order in await operator.orders(open_only=False, unknown_only=False, limit=9)
    ] == [2, 1]
    assert [
        order.status for order in await operator.orders(open_only=True, unknown_only=False, limit=9)
    ] == ["unknown"]
    detail = await operator.order(1)
    assert (len(detail.events), [fill.bot for fill in detail.fills]) == (1, ["btc-ema"])
    assert [fill.trade_id for fill in await operator.fills(9)] == ["1"]
    assert [trade.realized_pnl for trade in await operator.trades(None, 9)] == [
        Decimal("9.5"),
        Decimal(-100),
    ]
    assert len(await operator.trades(datetime(2022, 1, 14, tzinfo=UTC), 9)) == 1
    assert [bot.status for bot in await operator.bots()] == ["running", "pending"]
    shown = await operator.bot("btc-ema")
    assert (shown.position, len(shown.trades), len(shown.decisions)) == (position, 2, 1)
    (symbol,) = await operator.symbols()
    assert symbol.last_price == Decimal(42900)
    candles = await operator.candles("BTCUSDT", "1h", 2)
    assert [candle.ts.hour for candle in candles] == [9, 10]
    assert candles[0].close == Decimal("43050.25")
    levels = await operator.levels("BTCUSDT")
    assert (levels.y_high, levels.pp) == (Decimal("43100.5"), None)
    assert [job.name for job in await operator.jobs()] == ["run_bots", "ping"]


async def test_unknown_names_are_refused_with_the_known_ones(bench: Bench) -> None:
    """Interface 3.1: unknown name, exit 4, also lists the known ones."""
    operator = bench.operator
    for call, known in (
        (lambda: operator.bot("x"), "btc-ema"),
        (lambda: operator.candles("BTCUSDT", "7m", 1), "15m"),
        (lambda: operator.candles("X", "1m", 1), "BTCUSDT"),
        (lambda: operator.levels("X"), "BTCUSDT"),
        (lambda: operator.close_position(99), "1"),
        (lambda: operator.job_history("x", 1), "ping"),
        (lambda: operator.start_job("x", {}), "ping"),
    ):
        with pytest.raises(RefusedError) as caught:
            await call()
        assert known in caught.value.known
        assert caught.value.code.startswith("unknown_")
    with pytest.raises(RefusedError):
        await operator.order(99)


async def test_a_bot_is_run_by_hand_through_the_runner(bench: Bench) -> None:
    """M2.9: through the very same path as a scheduled run."""
    run = await bench.operator.run_bot("btc-ema", ignore)

    assert (run.job, run.status) == ("run_bots", "ok")
    assert bench.bots_job.contexts[0].params == {"bot": "btc-ema"}
    (row,) = await bench.operator.job_history("run_bots", 5)
    assert (row.run_id, row.scheduled_at) == (run.run_id, None)


async def test_a_detached_run_answers_at_once_and_leaves_its_row(bench: Bench) -> None:
    answer = await bench.operator.start_job("ping", {})

    assert (answer.run_id, answer.status) == (None, "running")
    with anyio.fail_after(30):
        while not (runs := await bench.operator.job_history("ping", 5)):  # noqa: ASYNC110 - polls a table
            await anyio.sleep(0.01)
        while runs[0].status == "running":
            runs = await bench.operator.job_history("ping", 5)
    assert runs[0].status == "ok"


async def test_a_position_closed_by_hand_comes_back_as_its_trade(bench: Bench) -> None:
    trade = await bench.operator.close_position(1)

    assert (trade.id, trade.close_reason) == (1, "manual")
    assert bench.commands.done == [("close", 1)]


async def test_a_halt_takes_another_reason_and_a_resume_is_refused_twice(bench: Bench) -> None:
    """N23: `halt || page_someone` must not page while it is halted; resume: 4, already so."""
    first = await bench.operator.halt("lunch")
    assert (first.state, first.halt) == ("halted", Halt(reason="lunch", since=NOON))
    bench.clock.advance(timedelta(minutes=5))
    for reason, stands in ((None, "lunch"), ("a look", "a look"), ("a look", "a look")):
        halted = (await bench.operator.halt(reason)).halt
        assert halted == Halt(reason=stands, since=NOON), "since it began, whatever it is called"
    again = EntryGate(bench.database, bench.clock)
    await again.load()
    assert again.halt_reason == "a look"
    assert "halted" in codes(await bench.operator.status())
    assert (await bench.operator.resume()).state == "running"
    with pytest.raises(RefusedError):
        await bench.operator.resume()


async def test_jobs_are_switched_once(bench: Bench) -> None:
    switched = await bench.operator.switch_job("ping", enabled=False)

    assert switched == Switched(name="ping", enabled=False)
    assert (await bench.operator.status()).jobs.disabled == 1
    with pytest.raises(RefusedError):
        await bench.operator.switch_job("ping", enabled=False)


Act = Callable[[Operator], Awaitable[object]]
BY_HAND: dict[str, Act] = {
    "adopt": lambda by: by.adopt(AdoptWish(venue="paper", symbol="BTCUSDT", bot="btc-ema")),
    "close": lambda by: by.close_position(1),
    "exits": lambda by: by.set_exits(1, ExitWish(stop_loss="42000")),
    "pause": lambda by: by.pause_bot("btc-ema"),
    "symbol": lambda by: by.resume_symbol("BTCUSDT"),
    "flatten": lambda by: by.flatten(ignore),
}
UNKNOWN: dict[str, Act] = {
    "bot": lambda by: by.pause_bot("nobody"),
    "bot that is not paused": lambda by: by.resume_bot("btc-ema"),
    "position": lambda by: by.close_position(99),
    "job": lambda by: by.run_job("nothing", {}, ignore),
    "job to switch": lambda by: by.switch_job("nothing", enabled=False),
    "job that is on": lambda by: by.switch_job("ping", enabled=True),
    "letter": lambda by: by.retry_dead_letter(99, ignore),
    "letter to discard": lambda by: by.discard_dead_letter(99),
    "a halt that is none": lambda by: by.resume(),
}


@pytest.mark.parametrize("act", [*BY_HAND.values(), *UNKNOWN.values()], ids=[*BY_HAND, *UNKNOWN])
async def test_what_was_refused_is_not_in_the_journal(bench: Bench, act: Act) -> None:
    """M8.6: it says what was done, not what was asked for."""
    bench.commands.refuses = True
    with capture_logs() as said, pytest.raises(RefusedError):
        await act(bench.operator)

    assert said == []


DONE: dict[str, Act] = {
    "holding adopted manually": BY_HAND["adopt"],
    "position exit sent manually": BY_HAND["close"],
    "bot changed manually": BY_HAND["pause"],
    "job run manually": lambda by: by.run_job("ping", {}, ignore),
    "job switched manually": lambda by: by.switch_job("ping", enabled=False),
    "halted": lambda by: by.halt("a look"),
}


@pytest.mark.parametrize("event", DONE)
async def test_what_was_done_is_one_line_in_the_journal(bench: Bench, event: str) -> None:
    """M8.6."""
    with capture_logs() as said:
        await DONE[event](bench.operator)

    events = [each["event"] for each in said]
    assert events.count(event) == 1
    assert [each for each in events if each != event and each.endswith(" manually")] == []


async def test_a_switch_that_cannot_be_stored_has_not_been_done(bench: Bench) -> None:
    """M8.6: the answer is an error, and the job goes on as before."""
    async with bench.database.transaction() as connection:
        await connection.execute("ALTER TABLE settings RENAME TO away")
    try:
        with pytest.raises(Exception, match="settings"):
            await bench.operator.switch_job("ping", enabled=False)
    finally:
        async with bench.database.transaction() as connection:
            await connection.execute("ALTER TABLE away RENAME TO settings")

    assert bench.runner.is_enabled(PING)


async def test_what_is_verified_later_says_what_it_waits_for(bench: Bench) -> None:
    """N17: by job and time, the next one first; nothing any more once it is verified."""
    waits = (await bench.operator.status()).verification_waits
    assert [(each.job, each.next_run_at) for each in waits] == [
        ("ping", NOON),
        ("run_bots", NOON),
    ]
    await bench.run_all()
    assert (await bench.operator.status()).verification_waits == []


@pytest.mark.parametrize(("speed", "told"), [(1.0, True), (60.0, False)])
async def test_runs_that_a_made_up_speed_missed_are_no_problem(
    bench: Bench, speed: float, *, told: bool
) -> None:
    """N18: the example is at 60x; what its speed makes late is no fault to look into."""
    async with bench.database.transaction() as connection:
        await connection.execute("SELECT ensure_month('job_runs', '2022-01-14T11:00Z')")
        await connection.execute(
            "INSERT INTO job_runs (job, scheduled_at, slot_at, started_at, finished_at, status)"
            " VALUES ('ping', $1, $1, $1, $1, 'missed')",
            NOON - timedelta(minutes=1),
        )
    bench.clock._speed = speed

    assert ("job_missed" in codes(await bench.operator.status())) is told
    assert [job.missed_24h for job in await bench.operator.jobs()] == [0, 1]


async def test_a_refused_reload_is_a_problem_of_the_daemon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N22: the next restart would end with 78."""

    async def refused() -> NotReloaded:
        return NotReloaded(why="bots[0].leverage: out of range", since=NOON, fingerprint="")

    monkeypatch.setattr(bench.operator._status, "_not_reloaded", refused)
    status = await bench.operator.status()

    (problem,) = [each for each in status.problems if each.code == "config_not_reloaded"]
    assert (problem.subject, problem.severity, problem.since) == ("configuration", "warning", NOON)
    assert "bots[0].leverage" in problem.message


async def test_bots_say_what_they_wait_for_wherever_they_are_listed(bench: Bench) -> None:
    """N29: also while halted, which none of their own words knows of."""
    async with bench.database.transaction() as connection:
        await connection.execute("UPDATE bot_states SET status = 'running'")
    status = await bench.operator.status()
    assert [bot.doing for bot in status.bots] == ["in position", "waits for a signal"]
    await bench.operator.halt("lunch")
    listed = [bot.doing for bot in await bench.operator.bots()]
    assert listed == [bot.doing for bot in (await bench.operator.status()).bots]
    assert listed == ["in position, halted", "halted"]
    assert (await bench.operator.bot("new")).doing == "halted"


async def test_an_order_that_is_not_there_names_the_latest(bench: Bench) -> None:
    """N41: "there is no order at present" was said beside 800 of them."""
    with pytest.raises(RefusedError) as refused:
        await bench.operator.order(99)
    assert refused.value.hint == "the latest is 2"


async def test_positions_carry_their_exits(bench: Bench) -> None:
    """N25: what is stored with them, and how far it is from the last price."""
    price(bench, "43000")
    async with bench.database.transaction() as connection:
        await connection.execute(
            "UPDATE positions SET exits = exits || '{\"max_holding\": 7200}' WHERE closed_at IS NULL"
        )
    (position,) = await bench.operator.positions()
    assert (await bench.operator.bot("btc-ema")).position == position
    assert (position.stop_kind, position.stop_distance_percent) == ("stop_loss", Decimal("0.50"))
    assert position.at_risk == Decimal("21.5")
    assert [(each.kind, each.left_s) for each in position.exits] == [
        ("stop_loss", None),
        ("max_holding", 3600.0),
    ]
