"""Flatten: no more entries, nothing rests, nothing is held, and what is left is reported.

Needs neither the scheduler nor the strategies. Every step has its time limit, and positions are
independent: one that cannot be closed does not keep another from being closed.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, Protocol

import anyio
import structlog

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderDeniedError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import OrderId, PositionId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.storage import open_positions, orders, reports
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.reports import Row
from tradebotd.trading.entries.entry_gate import FLATTEN, EntryGate
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.reconciliation.reconciler import Reconciler

log = structlog.get_logger(__name__)

ROUNDS: Final = 6  # that sell nothing, or the first of them; while something is sold they go on
MOST_ROUNDS: Final = 100
FIRST_PAUSE: Final = 0.5  # host seconds; each one is twice as long
STEP_SECONDS: Final = 30.0
AT_ONCE: Final = 12
MARKET_CLOSED: Final = "market_closed"
LATE: Final = "the others took too long"

Progress = Callable[[dict[str, Any]], None]
Step = Callable[["_Attempt"], Awaitable[None]]


class Closer(Protocol):
    async def close_now(self, position: Position, reason: CloseReason) -> OrderId | None: ...

    async def clear_orphaned_exits(self) -> None: ...


class Remainder(NamedTuple):
    """Remainder of a flatten: its subject, and why it is left."""

    kind: Literal["position", "order", "venue", "step"]
    subject: str
    reason: str


@dataclass(slots=True)
class FlattenResult:
    """Result of a flatten. `closed`: positions. `cancelled`: orders. Flat when nothing is left.

    `closed_ids`, `trades`: the closed positions and their trades, in the same order where known.
    """

    closed: list[str] = field(default_factory=list)
    closed_ids: list[PositionId] = field(default_factory=list)
    trades: list[Row] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    remaining: list[Remainder] = field(default_factory=list)


class Flatten:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        gate: EntryGate,
        resting_entries: RestingEntries,
        closer: Closer,
        reconciler: Reconciler,
        host: HostClock | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._gate = gate
        self._resting_entries = resting_entries
        self._closer = closer
        self._reconciler = reconciler
        self._host = host or SystemHost()
        self._one_at_a_time = anyio.Lock()

    async def run(self, progress: Progress) -> FlattenResult:
        """Flatten the account. Raises DatabaseUnavailableError when the halt cannot even be stored.

        The halt stays, whatever comes of the rest: an operator resumes.
        """
        async with self._one_at_a_time:
            began_at = self._clock.now()
            await self._halt()
            attempt = _Attempt(progress)
            idle = 0  # rounds in a row that changed nothing
            for _ in range(MOST_ROUNDS):
                before = attempt.left
                await self._round(attempt)
                if attempt.is_over:
                    break
                idle = 1 if attempt.left < before else idle + 1
                if idle >= ROUNDS:
                    break
                await self._host.sleep(FIRST_PAUSE * 2 ** (idle - 1))
            result = attempt.result()
            await self._read_results(result, began_at)
        log.warning(
            "account flattened" if not result.remaining else "account not flattened",
            closed=len(result.closed),
            cancelled=len(result.cancelled),
            left=[
                f"{remainder.kind} {remainder.subject}: {remainder.reason}"
                for remainder in result.remaining
            ],
        )
        return result

    async def _halt(self) -> None:
        """Halt entries: from this instant in memory, then stored."""
        self._gate.close(FLATTEN, "everything is being closed")
        try:
            if self._gate.halt_reason is None:
                await self._gate.halt(FLATTEN, keep_reason=True)
        finally:
            if self._gate.halt_reason is not None:
                self._gate.open(FLATTEN)

    async def _read_results(self, result: FlattenResult, began_at: datetime) -> None:
        """Add the trades of the closed positions, and those of their exits that were cancelled."""
        with suppress(DatabaseUnavailableError):  # it is done; only its figures are missing
            async with self._database.connection() as connection:
                for position_id in result.closed_ids:
                    if (trade := await reports.trade(connection, position_id)) is not None:
                        result.trades.append(trade)
                exits = await reports.cancelled_exits(connection, result.closed_ids, began_at)
            result.cancelled = sorted({*result.cancelled, *exits})

    async def _round(self, attempt: "_Attempt") -> None:
        attempt.begin()
        await self._bounded("orders", attempt, self._cancel)
        await self._caught("positions", attempt, self._close)
        await self._bounded("leftovers", attempt, self._clear_orphaned_exits)
        await self._bounded("entries", attempt, self._await_entries)
        await self._bounded("venues", attempt, self._verify)
        await self._bounded("books", attempt, self._read_state)
        attempt.report_progress()

    async def _bounded(
        self,
        subject: str,
        attempt: "_Attempt",
        step: Step,
    ) -> None:
        async def bounded(attempt: "_Attempt") -> None:
            with anyio.fail_after(STEP_SECONDS):
                await step(attempt)

        await self._caught(subject, attempt, bounded)

    async def _caught(self, subject: str, attempt: "_Attempt", step: Step) -> None:
        try:
            await step(attempt)
        except (DatabaseUnavailableError, VenueError, TimeoutError) as error:
            attempt.failed[subject] = _describe(error)
        except Exception as error:  # unforeseen; the other steps are taken all the same
            log.exception("flatten step failed", step=subject)
            attempt.failed[subject] = _describe(error)

    async def _cancel(self, attempt: "_Attempt") -> None:
        """Cancel resting entries. Resting exits make way for the one at the market."""
        result = await self._resting_entries.sweep(self._clock.now())
        attempt.cancelled |= result.cancelled
        attempt.order_reasons |= result.failed

    async def _close(self, attempt: "_Attempt") -> None:
        """Close the positions held; when the time is up no further close begins.

        A close that has begun is never cut off between sending and recording, and each of its waits
        has a limit of its own.
        """
        ends_at = self._host.monotonic() + STEP_SECONDS
        held = await self._held()
        attempt.on_held(held)
        limiter = anyio.CapacityLimiter(1 if self._clock.speed == 0 else AT_ONCE)

        async def close(position: Position) -> None:
            async with limiter:
                late = self._host.monotonic() >= ends_at
                attempt.reasons[position.id] = LATE if late else await self._close_one(position)
                attempt.report_progress()

        async with anyio.create_task_group() as closing:
            for position in held:
                closing.start_soon(close, position)

    async def _clear_orphaned_exits(self, _: "_Attempt") -> None:
        await self._closer.clear_orphaned_exits()

    async def _close_one(self, position: Position) -> str:
        """Close one position; return why it is still there, if it is."""
        try:
            await self._closer.close_now(position, CloseReason.FLATTEN)
        except OrderDeniedError as denied:
            return f"{denied.rule}: {denied.detail}"
        except (DatabaseUnavailableError, VenueError, TimeoutError) as error:
            return _describe(error)
        except Exception as error:  # of this position; the others are closed all the same
            log.exception("position not closed", position=position.id)
            return _describe(error)
        return "its exit was sent and is not filled yet"

    async def _await_entries(self, _: "_Attempt") -> None:
        """Wait for entries that had left before the gate closed; the next round closes them."""
        await self._gate.until_none_is_sent()

    async def _verify(self, attempt: "_Attempt") -> None:
        """Reconcile: the venues have the last word, also on orders whose outcome is unknown."""
        result = await self._reconciler.run()
        attempt.failed |= {f"venue {name}": reason for name, reason in result.failed.items()}
        attempt.differences = [
            Remainder(
                kind="venue",
                subject=f"{difference.venue} {difference.subject}",
                reason=str(difference),
            )
            for difference in result.differences
        ]

    async def _read_state(self, attempt: "_Attempt") -> None:
        attempt.held = {position.id: position for position in await self._held()}
        async with self._database.connection() as connection:
            unsettled = await orders.select_unsettled(connection)
        attempt.orders = {
            stored.order.client_order_id: f"{stored.order.status}, {stored.order.symbol}"
            for stored in unsettled
            if stored.order.position_id not in attempt.held  # an exit goes with its position
        }

    async def _held(self) -> Sequence[Position]:
        held: list[Position] = []
        while True:
            after = held[-1].id if held else PositionId(0)
            async with self._database.connection() as connection:
                page = await open_positions.select_open_page(connection, after)
            if not page:
                return held
            held += page


class _Attempt:
    """Progress of a flatten so far; `held` and `orders` as they were last seen."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.cancelled: dict[str, str] = {}
        self.order_reasons: dict[str, str] = {}
        self.reasons: dict[PositionId, str] = {}
        self.failed: dict[str, str] = {}
        self.differences: list[Remainder] = []
        self.held: dict[PositionId, Position] = {}
        self.orders: dict[str, str] = {}
        self._seen: dict[PositionId, Position] = {}

    def begin(self) -> None:
        self.failed.clear()
        self.order_reasons.clear()

    def on_held(self, held: Sequence[Position]) -> None:
        self.held = {position.id: position for position in held}
        self._seen |= self.held

    @property
    def is_over(self) -> bool:
        """Return whether nothing is left that another round could change."""
        waits = [self.reasons.get(position_id, "") for position_id in self.held]
        closed_markets = all(reason.startswith(MARKET_CLOSED) for reason in waits)
        return closed_markets and not (self.orders or self.failed or self.differences)

    @property
    def left(self) -> Decimal:
        """Return what is held, over all symbols: less of it is progress. Before any look: nothing
        is known, and the first round is no progress.
        """
        return sum((position.quantity for position in self.held.values()), ZERO)

    def report_progress(self) -> None:
        self._progress(
            {
                "done": len(self._seen) - len(self.held),
                "total": len(self._seen),
                "cancelled": len(self.cancelled),
                "left": len(self.held) + len(self.orders),
            }
        )

    def result(self) -> FlattenResult:
        remaining = [
            Remainder(
                kind="position",
                subject=_name(position),
                reason=self.reasons.get(position.id, "not tried"),
            )
            for position in self.held.values()
        ]
        remaining += [
            Remainder(kind="order", subject=order, reason=self.order_reasons.get(order, reason))
            for order, reason in self.orders.items()
        ]
        remaining += [
            Remainder(kind="step", subject=name, reason=reason)
            for name, reason in self.failed.items()
        ]
        closed = [position for key, position in self._seen.items() if key not in self.held]
        return FlattenResult(
            closed=[_name(position) for position in closed],
            closed_ids=[position.id for position in closed],
            cancelled=sorted(self.cancelled),
            remaining=remaining + self.differences,
        )


def _name(position: Position) -> str:
    quantity = f"{position.quantity:f}"
    return f"{position.id} {position.bot} {position.side} {quantity} {position.symbol}"


def _describe(error: Exception) -> str:
    return describe_error(error) if str(error) else "it took too long"
