"""Gate that keeps entries from being made. Exits never ask it."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import anyio
import structlog

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.refusal import RefusalCode
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.clock import Clock
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.loss_halts import AccountHalts
from tradebotd.trading.entries.entry_pass import EntryPass, Sendings
from tradebotd.trading.venue_state.venue_holds import VenueHolds

HALTED: Final = "halted"
MANUAL: Final = "by hand"
FLATTEN: Final = (
    "flatten"  # keeps entries out from the first instant on, until the halt of a flatten is stored
)
NO_WRITES: Final = "PostgreSQL cannot write"
PAUSED: Final = "paused_by_user"
RECONCILE: Final = "reconcile"

log = structlog.get_logger(__name__)


class EntryGate:
    """Gate of entries, and the reasons that close it.

    A halt is stored and survives a restart; the other reasons are determined anew each time. Every
    stop acts in memory first, and then in the database: from that instant no entry leaves, and once
    it is stored none is written.
    """

    def __init__(self, database: Database, clock: Clock, holds: VenueHolds | None = None) -> None:
        """*holds*: what keeps entries at single venues out."""
        self._database = database
        self._clock = clock
        self.holds = VenueHolds(VenueBans(), SystemHost()) if holds is None else holds
        self.account_halts = AccountHalts(database, clock)
        self._halt: dict[str, Any] | None = None
        self._halting = False
        self._stops = 0
        self._paused: set[BotName] = set()  # by the user, since the start
        self._voids: dict[BotName, int] = {}  # how often, since the start
        self._sendings = Sendings()
        self._one_at_a_time = anyio.Lock()
        self._disk_problem: str | None = None
        self._on_stop: Callable[[], None] | None = None
        self._reasons: dict[str, str] = {RECONCILE: "not reconciled with the venue yet"}
        self._unreconciled: frozenset[VenueName] = frozenset()  # once the first one has ended

    async def load(self) -> None:
        async with self._database.connection() as connection:
            self._halt = await settings.get(connection, settings.HALT)
        await self.account_halts.load()

    @property
    def halt_reason(self) -> str | None:
        return None if self._halt is None else str(self._halt["reason"])

    @property
    def halted_since(self) -> datetime | None:
        return None if self._halt is None else datetime.fromisoformat(self._halt["since"])

    @property
    def disk_problem(self) -> str | None:
        return self._disk_problem

    @property
    def other_reasons(self) -> Sequence[str]:
        """Reasons other than halt, database and disk, those of single venues included."""
        waiting = sorted(self._unreconciled)
        there = (f"{_waits_for(venue)} (at other venues they go on)" for venue in waiting)
        held = (f"{reason} (at other venues they go on)" for reason in self.holds.reasons)
        return (*self._everywhere(), *there, *held)

    def _everywhere(self) -> Sequence[str]:
        by_account = self.account_halts.closed_because()
        return tuple(self._reasons.values()) + (() if by_account is None else (by_account,))

    def closed_because(self, venue: VenueName | None = None) -> str | None:
        """Return the first reason against an entry (at *venue*); None while the gate is open."""
        if self._halt is not None or self._halting:
            return HALTED
        if self._database.writes.failure is not None:
            return NO_WRITES
        if self._disk_problem is not None:
            return "disk nearly full"
        if (reason := next(iter(self._everywhere()), None)) is not None:
            return reason
        if venue is None:
            return None
        return _waits_for(venue) if venue in self._unreconciled else self.holds.reason(venue)

    def is_closed_for_now(self) -> bool:
        """Return whether no lasting reason closes the gate: neither an operator's halt nor a loss.

        A temporary reason says nothing about a decision.
        """
        lasting = self._halt is not None or self._halting
        return not lasting and self.account_halts.closed_because() is None

    def admit(self, bot: BotName, venue: VenueName) -> EntryPass:
        """Return the pass of an entry being made from now on, to be checked until it has left."""
        return EntryPass(
            blocked_by=lambda: PAUSED if bot in self._paused else self.closed_because(venue),
            is_passing=lambda: bot not in self._paused and self.is_closed_for_now(),
            stops=lambda: (self._stops, self.account_halts.count, self._voids.get(bot, 0)),
            sendings=self._sendings,
        )

    def subscribe(self, on_stop: Callable[[], None]) -> None:
        """Register a short callback for each halt and pause in force, to cancel what rests."""
        self._on_stop = self.account_halts.on_halt = on_stop

    def notify_stopped(self) -> None:
        if self._on_stop is not None:
            self._on_stop()

    async def until_none_is_sent(self) -> None:
        """Wait until every entry that had left when the gate closed is answered.

        The caller sets the time limit.
        """
        await self._sendings.ended()

    def pause(self, bot: BotName) -> None:
        """Pause *bot* in memory; the caller stores it."""
        self._paused.add(bot)
        self.void_decisions(bot)

    def void_decisions(self, bot: BotName) -> None:
        """Void the decisions *bot* has made until now; later ones may be entered."""
        self._voids[bot] = self._voids.get(bot, 0) + 1

    def unpause(self, bot: BotName) -> None:
        self._paused.discard(bot)

    def cancel_reason(self) -> str | None:
        """Return why resting entries may not be filled any more either; None while they may."""
        if self._halt is not None:
            return HALTED
        if self._database.writes.failure is not None:
            return NO_WRITES
        return self.account_halts.closed_because()

    async def halt(self, reason: str | None = None, *, keep_reason: bool = False) -> None:
        """Halt entries. Raises DatabaseUnavailableError.

        If entries are halted already, another *reason* replaces the stored one; None, or
        *keep_reason*, leaves it.
        """
        async with self._one_at_a_time:
            if keep_reason and self._halt is not None:
                return
            before = self._halt or {"reason": MANUAL, "since": self._clock.now().isoformat()}
            halt = {**before, "reason": reason or before["reason"]}
            if halt == self._halt:
                return
            self._stops += 1
            self._halting = True
            try:
                async with self._database.transaction(durable=True) as connection:
                    await settings.put(connection, settings.HALT, halt)
                self._halt = halt
            finally:
                self._halting = False
        log.warning("halted", reason=halt["reason"])
        self.notify_stopped()

    async def resume(self) -> None:
        """Resume from a halt, a drawdown of the account, and a flatten whose halt was not stored.

        Raises RefusedError without any of them.
        """
        async with self._one_at_a_time:
            async with self._database.transaction(durable=True) as connection:
                from_drawdown = await self.account_halts.resume(connection)
                stored = await settings.lock(connection, settings.HALT)
                halted = self._halt is not None or stored is not None
                if not (halted or from_drawdown or FLATTEN in self._reasons):
                    raise RefusedError(RefusalCode.NOT_HALTED, self._nothing_to_resume())
                await settings.put(connection, settings.HALT, None)
            self._halt = None
            self.open(FLATTEN)
            if from_drawdown:
                self.account_halts.forget()
        log.info("resumed", from_drawdown=from_drawdown)

    def _nothing_to_resume(self) -> str:
        halt = self.account_halts.current
        if halt is None:
            return "nothing is halted"
        return f"entries stopped by {halt.rule} go on at {halt.until:%Y-%m-%d %H:%M} UTC"

    def set_disk_problem(self, problem: str | None) -> None:
        """Set or clear the disk problem; its beginning and its end are logged."""
        if problem == self._disk_problem:
            return
        if problem is None:
            log.info("disk space restored")
        elif self._disk_problem is None:
            log.critical("entries stopped", reason="disk nearly full", detail=problem)
        self._disk_problem = problem

    def close(self, key: str, reason: str) -> None:
        """Keep entries out for *reason* until `open` is called with the same *key*."""
        self._stops += 1
        self._reasons[key] = reason

    def open(self, key: str) -> None:
        self._reasons.pop(key, None)

    def reconciled(self, besides: Collection[VenueName]) -> None:
        """Let entries go on wherever a reconciliation has succeeded since the start.

        *besides*: the venues where this one has not.
        """
        before = besides if RECONCILE in self._reasons else self._unreconciled
        self._unreconciled = frozenset(before) & frozenset(besides)
        self.open(RECONCILE)


def _waits_for(venue: VenueName) -> str:
    return f"not reconciled with {venue} yet"
