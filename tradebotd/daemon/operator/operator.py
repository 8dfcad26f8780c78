"""Operator's queries and commands: implements `control.handlers.DaemonControl`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import anyio
import structlog

from tradebotd.control.messages.bots import Bot, BotDetail
from tradebotd.control.messages.daemon import EntryGateState, Flattened, Left, Reloaded
from tradebotd.control.messages.jobs import DeadLetter, Discarded, Job, JobRun, Switched
from tradebotd.control.messages.market import (
    Candle,
    FeedCredits,
    Levels,
    Symbol,
    SymbolResumed,
    WatchlistEntry,
)
from tradebotd.control.messages.orders import Fill, Order, OrderDetail
from tradebotd.control.messages.positions import AdoptWish, ExitWish, Position, Trade
from tradebotd.control.messages.status import HealthState, State, Status
from tradebotd.daemon.operator.bot_view import BotView
from tradebotd.daemon.operator.job_commands import JobCommands
from tradebotd.daemon.operator.market_view import MarketView
from tradebotd.daemon.operator.position_view import PositionView
from tradebotd.daemon.operator.refusals import unknown
from tradebotd.daemon.operator.status_view import StatusView
from tradebotd.domain.errors import TradebotError
from tradebotd.domain.ids import BotName, JobName, PositionId
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import Progress
from tradebotd.storage import reports
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.operator.commands import OperatorCommands

log = structlog.get_logger(__name__)

RUN_BOTS: Final = JobName("run_bots")
CLOSED_WITHIN_SECONDS: Final = 5.0
LOOK_EVERY_SECONDS: Final = 0.05


class Operator:
    """*hold* keeps a jumping clock still while something is done. *reload* returns what changed, a
    line each.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        status: StatusView,
        jobs: JobCommands,
        bots: BotView,
        positions: PositionView,
        market: MarketView,
        gate: EntryGate,
        commands: OperatorCommands,
        hold: Callable[[], AbstractContextManager[Any]],
        reload: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._status = status
        self._jobs = jobs
        self._bots = bots
        self._positions = positions
        self._market = market
        self._gate = gate
        self._commands = commands
        self._hold = hold
        self._reload = reload

    async def status(self) -> Status:
        return await self._status.status()

    async def health(self) -> HealthState:
        return (await self._status.status()).health

    def state(self) -> State:
        return self._status.state()

    def now(self) -> datetime:
        return self._clock.now()

    def is_simulated(self) -> bool:
        return self._clock.kind != "wall"

    # Jobs

    async def jobs(self) -> list[Job]:
        return await self._jobs.jobs()

    async def job_history(self, name: str, limit: int) -> list[JobRun]:
        return await self._jobs.history(name, limit)

    async def run_job(self, name: str, params: Mapping[str, str], progress: Progress) -> JobRun:
        return await self._jobs.run(name, params, progress)

    async def start_job(self, name: str, params: Mapping[str, str]) -> JobRun:
        return await self._jobs.start(name, params)

    async def switch_job(self, name: str, *, enabled: bool) -> Switched:
        return await self._jobs.switch(name, enabled=enabled)

    async def dead_letters(self) -> list[DeadLetter]:
        return await self._jobs.dead_letters()

    async def retry_dead_letter(self, letter_id: int, progress: Progress) -> JobRun:
        return await self._jobs.retry_dead_letter(letter_id, progress)

    async def discard_dead_letter(self, letter_id: int) -> Discarded:
        return await self._jobs.discard_dead_letter(letter_id)

    # Bots

    async def bots(self) -> list[Bot]:
        return await self._bots.bots()

    async def bot(self, name: str) -> BotDetail:
        return await self._bots.detail(name)

    async def run_bot(self, name: str, progress: Progress) -> JobRun:
        """Run one cycle of this bot, through the runner like any other."""
        await self._bots.check_name(name)
        return await self.run_job(RUN_BOTS, {"bot": name}, progress)

    async def pause_bot(self, name: str) -> Bot:
        return await self._act_on_bot(name, self._commands.pause_bot)

    async def resume_bot(self, name: str) -> Bot:
        return await self._act_on_bot(name, self._commands.resume_bot)

    async def _act_on_bot(self, name: str, act: Callable[[BotName], Awaitable[None]]) -> Bot:
        await self._bots.check_name(name)
        with self._hold():
            await act(BotName(name))
        changed = await self._bots.bot(name)
        log.warning("bot changed manually", bot=name, act=act.__name__, status=changed.status)
        return changed

    # Positions

    async def positions(self) -> list[Position]:
        return await self._positions.positions()

    async def close_position(self, position_id: int) -> Trade:
        async with self._database.connection() as connection:
            open_ids = sorted(row["id"] for row in await reports.open_positions(connection))
        if position_id not in open_ids:
            known = [str(open_id) for open_id in open_ids]
            raise unknown(RefusalCode.UNKNOWN_POSITION, "position", str(position_id), known)
        with self._hold():
            await self._commands.close_position(PositionId(position_id))
            log.warning("position exit sent manually", position=position_id)
            return await self._closed(position_id)

    async def _closed(self, position_id: int) -> Trade:
        """Wait until the exit's fills are applied. Raises TradebotError after a few seconds."""
        with anyio.move_on_after(CLOSED_WITHIN_SECONDS):
            while True:
                async with self._database.connection() as connection:
                    row = await reports.trade(connection, position_id)
                if row is not None:
                    return Trade(**row)
                await anyio.sleep(LOOK_EVERY_SECONDS)
        raise TradebotError(
            f"the exit of position {position_id} was sent but is not filled yet: see orders --open"
        )

    async def set_exits(self, position_id: int, wish: ExitWish) -> Position:
        with self._hold():
            await self._commands.set_exits(PositionId(position_id), **wish.model_dump())
        return await self._positions.position(position_id)

    async def adopt(self, wish: AdoptWish) -> Position:
        with self._hold():
            adopted = await self._commands.adopt(wish.venue, wish.symbol, wish.bot)
        log.warning("holding adopted manually", **wish.model_dump(), position=adopted)
        return await self._positions.position(adopted)

    # Orders and trades

    async def orders(self, *, open_only: bool, unknown_only: bool, limit: int) -> list[Order]:
        async with self._database.connection() as connection:
            rows = await reports.orders(
                connection, open_only=open_only, unknown_only=unknown_only, limit=limit
            )
        return [Order(**row) for row in rows]

    async def order(self, order_id: int) -> OrderDetail:
        async with self._database.connection() as connection:
            row = await reports.order(connection, order_id)
            latest = None if row is not None else await reports.latest_order(connection)
        if row is None:
            raise unknown(RefusalCode.UNKNOWN_ORDER, "order", str(order_id), (), latest)
        return OrderDetail(**row)

    async def fills(self, limit: int) -> list[Fill]:
        async with self._database.connection() as connection:
            return [Fill(**row) for row in await reports.fills(connection, limit=limit)]

    async def trades(self, since: datetime | None, limit: int) -> list[Trade]:
        async with self._database.connection() as connection:
            rows = await reports.trades(connection, since=since, limit=limit)
        return [Trade(**row) for row in rows]

    # Market

    async def symbols(self) -> list[Symbol]:
        return await self._market.symbols()

    async def budget(self) -> list[FeedCredits]:
        return self._market.budget()

    async def candles(self, symbol: str, timeframe: str, limit: int) -> list[Candle]:
        return await self._market.candles(symbol, timeframe, limit)

    async def levels(self, symbol: str) -> Levels:
        return await self._market.levels(symbol)

    async def universe(self) -> list[WatchlistEntry]:
        return await self._market.universe()

    async def resume_symbol(self, symbol: str) -> SymbolResumed:
        await self._market.check_symbol(symbol)
        await self._commands.resume_symbol(symbol)
        return SymbolResumed(symbol=symbol)

    # The whole

    async def flatten(self, progress: Progress) -> Flattened:
        with self._hold():
            result = await self._commands.flatten(progress)
        return Flattened(
            closed=result.closed,
            cancelled=result.cancelled,
            trades=[Trade(**trade) for trade in result.trades],
            left=[Left(kind=e.kind, subject=e.subject, why=e.reason) for e in result.remaining],
        )

    async def halt(self, reason: str | None) -> EntryGateState:
        await self._gate.halt(reason)
        return EntryGateState(state=self.state(), halt=self._status.halt())

    async def resume(self) -> EntryGateState:
        await self._gate.resume()
        return EntryGateState(state=self.state(), halt=self._status.halt())

    async def reload(self) -> Reloaded:
        return Reloaded(changes=list(await self._reload()))
