"""What an operator's hands and eyes reach into, handed over by the wiring."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Literal, Protocol

from anyio.abc import TaskGroup

from tradebotd.control.messages.positions import ProtectedBy
from tradebotd.control.messages.status import State
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.daemon.reload import NotReloaded
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.position import Position
from tradebotd.health.guards import Guards
from tradebotd.health.report import ConfigFact
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.operator.flatten import FlattenResult, Progress


class EntryGate(Protocol):
    """What may keep entries from being made; exits always go on."""

    @property
    def halt_reason(self) -> str | None:
        """An operator's; None while not halted."""
        ...

    @property
    def halted_since(self) -> datetime | None: ...

    @property
    def disk_problem(self) -> str | None: ...

    @property
    def other_reasons(self) -> Sequence[str]:
        """Beyond halt and disk: drain, a venue that is not ready."""
        ...

    async def halt(self, reason: str | None) -> None:
        """Stored: it survives a restart. Halted already: *reason*, if any, is the new one."""
        ...

    async def resume(self) -> None:
        """Raises RefusedError when it is not halted."""
        ...


class TradingHands(Protocol):
    """Raises RefusedError where the state does not allow it."""

    async def pause_bot(self, bot: BotName) -> None: ...

    async def resume_bot(self, bot: BotName) -> None: ...

    async def close_position(self, position_id: PositionId) -> None:
        """Send the exit, with close reason `manual`."""
        ...

    async def set_exits(
        self,
        position_id: PositionId,
        *,
        stop_loss: str | None,
        take_profit: str | None,
        trailing_stop: str | None,
        max_holding: str | None,
    ) -> Position:
        """Prices, percentages, a duration or "none", as written; None leaves one as it is."""
        ...

    async def adopt(self, venue: str, symbol: str, bot: str) -> PositionId:
        """What somebody else bought becomes the bot's."""
        ...

    async def resume_symbol(self, symbol: str) -> None:
        """Exits of a symbol that was paused act again."""
        ...

    async def flatten(self, progress: Progress) -> FlattenResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Of the configuration in force; `zone` is where the account's day begins at midnight."""

    account: str
    currency: str
    zone: tzinfo
    source: Literal["live", "replay", "synthetic"]


async def _nothing_was_refused() -> NotReloaded | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`reload` returns what changed, a line each; `state` leaves `halted` to us.

    `started_at` is host time, `started_market` market time. *tasks* must outlive the control
    server: detached runs live there. `hold` keeps a jumping clock still. `not_reloaded`: why the
    last reload was refused, while that stands.
    """

    database: Database
    clock: Clock
    runner: JobRunner
    scheduler: ClockScheduler
    prices: PriceCache
    gate: EntryGate
    hands: TradingHands
    setup: Callable[[], Setup]
    state: Callable[[], State]
    reload: Callable[[], Awaitable[Sequence[str]]]
    hold: Callable[[], AbstractContextManager[Any]]
    protected_by: Callable[[PositionId], ProtectedBy] | None = None
    guards: Callable[[], Guards] = Guards
    not_reloaded: Callable[[], Awaitable[NotReloaded | None]] = _nothing_was_refused
    tasks: TaskGroup
    started_at: datetime
    started_market: datetime
    today: TodaysPnl
    doubtful: Callable[[], Sequence[ConfigFact]] = tuple
    lease: Lease | None = None
