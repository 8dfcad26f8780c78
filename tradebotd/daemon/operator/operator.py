"""What an operator may ask and do: implements `control.handlers.DaemonControl`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import anyio
import structlog

from tradebotd.control.messages.bots import Bot, BotDetail, Decision
from tradebotd.control.messages.daemon import EntryGateState, Flattened, Left, Reloaded
from tradebotd.control.messages.jobs import DeadLetter, Discarded, Job, JobRun, RunSummary, Switched
from tradebotd.control.messages.market import Candle, Levels, Symbol, SymbolResumed
from tradebotd.control.messages.orders import Fill, Order, OrderDetail
from tradebotd.control.messages.positions import AdoptWish, ExitWish, Position, ProtectedBy, Trade
from tradebotd.control.messages.status import HealthState, State, Status
from tradebotd.daemon.exit_view import ExitView
from tradebotd.daemon.operator.services import Services
from tradebotd.daemon.operator.status_view import StatusView
from tradebotd.domain.decimals import from_float
from tradebotd.domain.errors import RefusedError, TradebotError
from tradebotd.domain.ids import BotName, JobName, PositionId
from tradebotd.domain.job import JobRun as StoredRun
from tradebotd.domain.position import Position as StoredPosition
from tradebotd.domain.refusal import RefusalCode
from tradebotd.domain.timeframe import Timeframe
from tradebotd.scheduling.job import no_progress
from tradebotd.scheduling.job_status import job_statuses
from tradebotd.scheduling.job_switches import discard_dead_letter, retry_dead_letter, switch
from tradebotd.storage import dead_letters, job_runs, reports
from tradebotd.storage.open_positions import select_those
from tradebotd.storage.postgres.json_codec import dumps, loads

log = structlog.get_logger(__name__)

RUN_BOTS: Final = JobName("run_bots")
CLOSED_WITHIN_SECONDS: Final = 5.0
LOOK_EVERY_SECONDS: Final = 0.05
RECENT: Final = 10

Progress = Callable[[dict[str, Any]], None]


class Operator:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._view = StatusView(services)

    async def status(self) -> Status:
        return await self._view.status()

    async def health(self) -> HealthState:
        return (await self._view.status()).health

    def state(self) -> State:
        return self._view.state()

    def now(self) -> datetime:
        return self._services.clock.now()

    # Jobs

    async def jobs(self) -> list[Job]:
        services = self._services
        statuses = await job_statuses(
            services.runner, services.scheduler, services.database, services.clock.now()
        )
        return [Job.model_validate(status) for status in statuses]

    async def job_history(self, name: str, limit: int) -> list[JobRun]:
        spec = self._services.runner.spec_of(name)
        async with self._services.database.connection() as connection:
            runs = await job_runs.history(connection, spec.name, limit)
        return [_run(run) for run in runs]

    async def run_job(self, name: str, params: Mapping[str, str], progress: Progress) -> JobRun:
        run = await self._services.runner.run_by_hand(name, params, progress)
        log.info("job run by hand", job=name, params=dict(params), status=run.status)
        return _run(run)

    async def start_job(self, name: str, params: Mapping[str, str]) -> JobRun:
        """Raises RefusedError now for what can be known now; the rest is told by `job_runs`."""
        runner = self._services.runner
        spec = runner.spec_of(name)
        if spec.name in runner.running:
            raise RefusedError(RefusalCode.ALREADY_RUNNING, f"{name} is running already")
        runner.check_params(spec.name, params)
        self._services.tasks.start_soon(self._run_detached, spec.name, dict(params))
        return JobRun(
            run_id=None,
            job=spec.name,
            status="running",
            attempt=1,
            scheduled_at=None,
            started_at=self._services.clock.now(),
            finished_at=None,
            runs=1,
            summary=RunSummary(),
            error=None,
        )

    async def _run_detached(self, name: JobName, params: dict[str, str]) -> None:
        try:
            await self.run_job(name, params, no_progress)
        except TradebotError as error:
            log.warning("detached run refused", job=name, error=str(error))

    async def switch_job(self, name: str, *, enabled: bool) -> Switched:
        runner = self._services.runner
        spec = runner.spec_of(name)
        if runner.is_enabled(spec.name) is enabled:
            word = "enabled" if enabled else "disabled"
            code = RefusalCode.ALREADY_ENABLED if enabled else RefusalCode.ALREADY_DISABLED
            raise RefusedError(code, f"{name} is {word} already")
        await switch(runner, self._services.database, name, enabled=enabled)
        log.warning("job switched by hand", job=name, enabled=enabled)
        return Switched(name=name, enabled=enabled)

    async def dead_letters(self) -> list[DeadLetter]:
        async with self._services.database.connection() as connection:
            letters = await dead_letters.select_all(connection)
        return [DeadLetter.model_validate(letter) for letter in letters]

    async def retry_dead_letter(self, letter_id: int, progress: Progress) -> JobRun:
        services = self._services
        run = await retry_dead_letter(services.runner, services.database, letter_id, progress)
        log.info(
            "dead letter retried by hand", dead_letter=letter_id, job=run.job, status=run.status
        )
        return _run(run)

    async def discard_dead_letter(self, letter_id: int) -> Discarded:
        await discard_dead_letter(self._services.database, letter_id)
        log.info("dead letter discarded by hand", dead_letter=letter_id)
        return Discarded(id=letter_id)

    # Bots

    async def bots(self) -> list[Bot]:
        async with self._services.database.connection() as connection:
            rows = await reports.bots(connection)
        return [Bot(**self._shown(row)) for row in rows]

    async def bot(self, name: str) -> BotDetail:
        row = await self._known_bot(name)
        positions = [each for each in await self.positions() if each.bot == name]
        async with self._services.database.connection() as connection:
            return BotDetail(
                **self._shown(row),
                config=await reports.bot_config(connection, name),
                position=positions[0] if positions else None,
                trades=[
                    Trade(**each)
                    for each in await reports.trades(connection, bot=name, limit=RECENT)
                ],
                decisions=[
                    Decision(**each) for each in await reports.decisions(connection, name, RECENT)
                ],
            )

    async def run_bot(self, name: str, progress: Progress) -> JobRun:
        """One cycle of this bot, through the runner like any other."""
        await self._known_bot(name)
        return await self.run_job(RUN_BOTS, {"bot": name}, progress)

    async def pause_bot(self, name: str) -> Bot:
        return await self._act_on_bot(name, self._services.hands.pause_bot)

    async def resume_bot(self, name: str) -> Bot:
        return await self._act_on_bot(name, self._services.hands.resume_bot)

    async def _act_on_bot(self, name: str, act: Callable[[BotName], Awaitable[None]]) -> Bot:
        await self._known_bot(name)
        with self._services.hold():
            await act(BotName(name))
        changed = Bot(**self._shown(await self._known_bot(name)))
        log.warning("bot changed by hand", bot=name, act=act.__name__, status=changed.status)
        return changed

    def _shown(self, row: reports.Row) -> reports.Row:
        """With its P&L in the account's currency, and what it is doing."""
        known, waiting = self._services.today.counted(row)
        currency = self._services.today.currencies.currency
        money = {"daily_pnl": known, "daily_unconverted": waiting, "currency": currency}
        held = bool(row["in_position"])
        return {**row, **money, "doing": self._view.doing(row, self.now(), held=held)}

    async def _known_bot(self, name: str) -> reports.Row:
        async with self._services.database.connection() as connection:
            rows = await reports.bots(connection)
        known = {row["name"]: row for row in rows}
        if name not in known:
            raise _unknown(RefusalCode.UNKNOWN_BOT, "bot", name, sorted(known))
        return known[name]

    # Books

    async def positions(self) -> list[Position]:
        async with self._services.database.connection() as connection:
            rows = await reports.open_positions(connection)
            held = await select_those(connection, [row["id"] for row in rows])
        return [self._position(row, held.get(row["id"])) for row in rows]

    def _position(self, row: reports.Row, held: StoredPosition | None) -> Position:
        services = self._services
        known = services.today.symbols.get(row["symbol"])
        instrument = None if known is None else known.instrument
        last = services.prices.price(row["symbol"])
        exits = None if held is None else ExitView(held, instrument, last, self.now())
        return Position(
            **row,
            **self._price(row["symbol"]),
            unrealized_pnl=self._view.unrealized(row),
            protected_by=self._protected_by(row),
            **({} if exits is None else exits.fields()),
        )

    def _protected_by(self, row: reports.Row) -> ProtectedBy:
        if self._services.protected_by is not None:
            return self._services.protected_by(row["id"])
        levels = (row["stop_loss"], row["trailing_stop"])
        return "daemon" if any(level is not None for level in levels) else "none"

    def _price(self, symbol: str) -> dict[str, Any]:
        prices, now = self._services.prices, self._services.clock.now()
        age = prices.age(symbol, now)
        return {
            "last_price": prices.price(symbol),
            "last_price_age_s": None if age is None else age.total_seconds(),
        }

    async def close_position(self, position_id: int) -> Trade:
        async with self._services.database.connection() as connection:
            open_ids = sorted(row["id"] for row in await reports.open_positions(connection))
        if position_id not in open_ids:
            raise _unknown(
                RefusalCode.UNKNOWN_POSITION,
                "position",
                str(position_id),
                [str(each) for each in open_ids],
            )
        with self._services.hold():
            await self._services.hands.close_position(PositionId(position_id))
            log.warning("position's exit sent by hand", position=position_id)
            return await self._closed(position_id)

    async def _closed(self, position_id: int) -> Trade:
        """Wait for its fills to be applied. Raises TradebotError when they take too long."""
        with anyio.move_on_after(CLOSED_WITHIN_SECONDS):
            while True:
                async with self._services.database.connection() as connection:
                    row = await reports.trade(connection, position_id)
                if row is not None:
                    return Trade(**row)
                await anyio.sleep(LOOK_EVERY_SECONDS)
        raise TradebotError(
            f"the exit of position {position_id} was sent but is not filled yet: see orders --open"
        )

    async def set_exits(self, position_id: int, wish: ExitWish) -> Position:
        with self._services.hold():
            await self._services.hands.set_exits(PositionId(position_id), **wish.model_dump())
        return await self._one_position(position_id)

    async def adopt(self, wish: AdoptWish) -> Position:
        with self._services.hold():
            adopted = await self._services.hands.adopt(wish.venue, wish.symbol, wish.bot)
        log.warning("adopted by hand", **wish.model_dump(), position=adopted)
        return await self._one_position(adopted)

    async def _one_position(self, position_id: int) -> Position:
        """Raises RefusedError: it has been closed meanwhile."""
        for position in await self.positions():
            if position.id == position_id:
                return position
        raise RefusedError(RefusalCode.CLOSED, f"position {position_id} is closed", "see trades")

    async def orders(self, *, open_only: bool, unknown_only: bool, limit: int) -> list[Order]:
        async with self._services.database.connection() as connection:
            rows = await reports.orders(
                connection, open_only=open_only, unknown_only=unknown_only, limit=limit
            )
        return [Order(**row) for row in rows]

    async def order(self, order_id: int) -> OrderDetail:
        async with self._services.database.connection() as connection:
            row = await reports.order(connection, order_id)
            latest = None if row is not None else await reports.latest_order(connection)
        if row is None:
            raise _unknown(RefusalCode.UNKNOWN_ORDER, "order", str(order_id), (), latest)
        return OrderDetail(**row)

    async def fills(self, limit: int) -> list[Fill]:
        async with self._services.database.connection() as connection:
            return [Fill(**row) for row in await reports.fills(connection, limit=limit)]

    async def trades(self, since: datetime | None, limit: int) -> list[Trade]:
        async with self._services.database.connection() as connection:
            rows = await reports.trades(connection, since=since, limit=limit)
        return [Trade(**row) for row in rows]

    # Market

    async def symbols(self) -> list[Symbol]:
        async with self._services.database.connection() as connection:
            rows = await reports.symbols(connection)
        return [Symbol(**row, **self._price(row["symbol"])) for row in rows]

    async def candles(self, symbol: str, timeframe: str, limit: int) -> list[Candle]:
        if timeframe not in set(Timeframe):
            raise _unknown(
                RefusalCode.UNKNOWN_TIMEFRAME,
                "timeframe",
                timeframe,
                [str(each) for each in Timeframe],
            )
        await self._check_symbol(symbol)
        async with self._services.database.connection() as connection:
            rows = await reports.candles(connection, symbol, timeframe, limit)
        return [Candle(**_exact(row)) for row in rows]

    async def levels(self, symbol: str) -> Levels:
        await self._check_symbol(symbol)
        async with self._services.database.connection() as connection:
            row = await reports.levels(connection, symbol)
        if row is None:
            raise RefusedError(
                RefusalCode.UNKNOWN_LEVELS,
                f"{symbol} has no levels yet",
                "they come with its first completed session",
            )
        return Levels(**_exact(row))

    async def _check_symbol(self, symbol: str) -> None:
        async with self._services.database.connection() as connection:
            known = sorted(row["symbol"] for row in await reports.symbols(connection))
        if symbol not in known:
            raise _unknown(RefusalCode.UNKNOWN_SYMBOL, "symbol", symbol, known)

    async def resume_symbol(self, symbol: str) -> SymbolResumed:
        await self._check_symbol(symbol)
        await self._services.hands.resume_symbol(symbol)
        return SymbolResumed(symbol=symbol)

    # The whole

    async def flatten(self, progress: Progress) -> Flattened:
        with self._services.hold():
            result = await self._services.hands.flatten(progress)
        return Flattened(
            closed=result.closed,
            cancelled=result.cancelled,
            trades=[Trade(**trade) for trade in result.trades],
            left=[Left(kind=e.kind, subject=e.subject, why=e.why) for e in result.left],
        )

    async def halt(self, reason: str | None) -> EntryGateState:
        await self._services.gate.halt(reason)
        return EntryGateState(state=self.state(), halt=self._view.halt())

    async def resume(self) -> EntryGateState:
        await self._services.gate.resume()
        return EntryGateState(state=self.state(), halt=self._view.halt())

    async def reload(self) -> Reloaded:
        return Reloaded(changes=list(await self._services.reload()))


def _unknown(
    code: RefusalCode, kind: str, name: str, known: Sequence[str], latest: int | None = None
) -> RefusedError:
    hint = f"known: {', '.join(known)}" if known else f"there is no {kind} at present"
    if latest is not None:
        hint = f"the latest is {latest}"
    return RefusedError(code, f"there is no {kind} {name}", hint, tuple(known))


def _run(run: StoredRun) -> JobRun:
    return JobRun(
        run_id=run.id,
        job=run.job,
        status=run.status.value,
        attempt=run.attempt,
        scheduled_at=run.scheduled_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        runs=run.runs,
        summary=loads(dumps(run.summary)),
        error=run.error,
        duration_s=run.duration_s,
    )


def _exact(row: reports.Row) -> reports.Row:
    """Candles are floats in the database; their digits are as they were written."""
    return {
        key: from_float(value) if isinstance(value, float) else value for key, value in row.items()
    }
