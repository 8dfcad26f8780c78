"""Sends exits at the market: side by side or in order, with growing pauses where one is refused."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OutcomeUnknownError,
    VenueError,
)
from tradebotd.domain.ids import OrderId, PositionId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderIntent
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.storage import positions
from tradebotd.storage.database import Database
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.trading.exit_groups import ExitGroups
from tradebotd.trading.exit_orders import STEP_BELOW_LOT, Exit, market_exit
from tradebotd.trading.fill_ledger import climbed
from tradebotd.trading.pauses import Backoff, Pauses
from tradebotd.trading.placement import Prepared
from tradebotd.trading.recorder import PositionWatcher
from tradebotd.trading.unprotected import Standing, subject

log = structlog.get_logger(__name__)

CLOSES_AT_ONCE: Final = 12
BY_HAND: Final = frozenset({CloseReason.MANUAL, CloseReason.FLATTEN})


@dataclass(slots=True)
class SweepResult:
    checked: int = 0
    closed: int = 0
    waiting: dict[str, str] = field(default_factory=dict)  # what keeps an exit: market closed …
    failed: dict[str, str] = field(default_factory=dict)
    oldest_price: timedelta = timedelta()


class Closing:
    """*hold_back*: why an exit must wait all the same (a symbol that is paused, a resting stop)."""

    def __init__(
        self,
        *,
        groups: ExitGroups,
        database: Database,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        watcher: PositionWatcher,
        release: Callable[[PositionId], None],
        hold_back: Callable[[Exit], str | None],
        sequential: bool,
    ) -> None:
        self._groups = groups
        self._database = database
        self._clock = clock
        self._symbols = symbols
        self._calendars = calendars
        self._watcher = watcher
        self._release = release
        self._hold_back = hold_back
        self._sequential = sequential
        self.pauses = Pauses()
        self._backoff = Backoff()
        self._refusals = Standing(database, clock, "exit_refused")

    def forget(self, position_id: PositionId) -> None:
        self.pauses.forget(position_id)
        self._backoff.forget(position_id)

    def forget_others(self, held: Container[PositionId]) -> None:
        """An exit that was refused because its position had just been closed is refused no more."""
        for position_id in [each for each in self._backoff.reasons if each not in held]:
            self.forget(position_id)

    async def tell(self) -> None:
        """Which exits are refused. Raises DatabaseUnavailableError."""
        await self._refusals.tell(
            {subject(each): why for each, why in self._backoff.reasons.items()}
        )

    async def by_hand(self, position: Position, reason: CloseReason) -> OrderId:
        """For a signal or an operator. Raises OrderDeniedError, VenueError, StorageError."""
        if not self.is_open(position):
            raise OrderDeniedError("market_closed", f"{position.symbol} cannot be sold now")
        each = Exit(position=position, reason=reason)
        if reason not in BY_HAND and (why := self._hold_back(each)) is not None:
            raise OrderDeniedError("exit_waits", why)
        made: list[Prepared] = []
        await self._place(each, made)
        return made[0].order.id

    async def close_all(self, exits: Sequence[Exit], result: SweepResult) -> None:
        ready, now = [], self._clock.now()
        for each in exits:
            key = str(each.position.id)
            if not self.is_open(each.position):
                result.waiting[key] = "market closed"
                self._release(each.position.id)
            elif (until := self.pauses.holds(each.position.id, now)) is not None:
                result.waiting[key] = f"tried again at {until:%H:%M:%S}"
            elif (why := self._hold_back(each)) is not None:
                result.waiting[key] = why
            else:
                ready.append(each)
        if self._sequential:
            for each in sorted(ready, key=lambda e: e.position.id):
                await self._close(each, result)
        else:
            await self._close_side_by_side(ready, result)
        if ready and self._backoff.reasons:
            await self._tell_quietly()

    async def _close_side_by_side(self, ready: Sequence[Exit], result: SweepResult) -> None:
        limiter = anyio.CapacityLimiter(CLOSES_AT_ONCE)

        async def close(each: Exit) -> None:
            async with limiter:
                await self._close(each, result)

        async with anyio.create_task_group() as closing:
            for each in ready:
                closing.start_soon(close, each)

    async def _tell_quietly(self) -> None:
        try:
            await self.tell()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("a refused exit could not be told: the next sweep does", error=str(error))

    async def _close(self, each: Exit, result: SweepResult) -> None:
        position_id, made = each.position.id, list[Prepared]()
        key = str(position_id)
        try:
            await self._place(each, made)
        except OrderDeniedError as denied:
            await self._denied(each, denied, result)
        except VenueError as error:
            self._refused(each, error, result)
        except AccountTakenError as error:  # it stays latched: the exit is the other daemon's
            result.failed[key] = str(error)
            log.critical("the account was taken over: exit not sent", position=key)
        except (DatabaseUnavailableError, TimeoutError) as error:
            result.failed[key] = f"{type(error).__name__}: {error}"
            if made:  # latched until reconciliation has settled what became of it
                log.critical("the answer to an exit could not be stored", position=key)
            else:
                self._release(position_id)
                log.critical("an exit could not be stored, and was not sent", position=key)
        else:
            self._backoff.forget(position_id)
            result.closed += 1

    async def _denied(self, each: Exit, denied: OrderDeniedError, result: SweepResult) -> None:
        """An exit is under way, or the position changed: the next look sees what is so then."""
        position_id = each.position.id
        result.waiting[str(position_id)] = denied.rule
        if denied.rule == "position_closed":
            self._watcher.forget(position_id)
        elif denied.rule == STEP_BELOW_LOT:
            await self._skip_step(position_id)
        elif denied.rule in {"position_changed", "exit_group_changed", "exit_retiring"}:
            self._release(position_id)

    def _refused(self, each: Exit, error: VenueError, result: SweepResult) -> None:
        """No storm: the next try comes after a pause. An unknown one stays latched where a second
        one might sell what is not there.
        """
        position_id, why = each.position.id, f"{type(error).__name__}: {error}"
        result.failed[str(position_id)] = why
        pause = self._backoff.refused(position_id, why)
        unknown = isinstance(error, OutcomeUnknownError)
        if unknown and each.position.position_type is not PositionType.FUTURES:
            return
        self.pauses.until(position_id, self._clock.now() + pause)

    async def _skip_step(self, position_id: PositionId) -> None:
        """A step of a ladder that is less than a lot: the next one is the target."""
        async with self._database.transaction(durable=True) as connection:
            locked = await positions.lock(connection, position_id)
            if locked is None or not locked.is_open:
                return
            position = locked.position
            instrument = self._symbols[position.symbol].instrument
            position = climbed(position, position.ladder_done + 1, instrument)
            await positions.update_levels(connection, position)
        self._watcher.watch(position)
        self._release(position_id)

    async def _place(self, each: Exit, made: list[Prepared]) -> None:
        def build(now: Position) -> list[OrderIntent]:
            return [market_exit(each, now, self._symbols[now.symbol].instrument)]

        await self._groups.place(each.position.id, GroupKind.MARKET, build, made)

    def is_open(self, position: Position) -> bool:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return False
        return self._calendars[symbol.calendar].is_open(self._clock.now())
