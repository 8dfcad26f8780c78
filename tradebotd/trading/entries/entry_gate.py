"""Why no entry may be made now. Exits never ask."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import anyio
import structlog

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.halts import AccountHalts
from tradebotd.trading.entries.entry_pass import EntryPass, Sendings

HALTED: Final = "halted"
BY_HAND: Final = "by hand"
FLATTEN: Final = (
    "flatten"  # what keeps entries out from its first instant, until its halt is stored
)
NO_WRITES: Final = "PostgreSQL cannot write"
PAUSED: Final = "paused_by_user"
RECONCILE: Final = "reconcile"

log = structlog.get_logger(__name__)


class EntryGate:
    """A halt is stored and survives a restart; the rest is found out anew each time.

    Whatever stops entries does so in memory first, and then in the database: from that instant no
    entry leaves, and once it is stored none is written.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
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
        """Those of single venues included."""
        waiting = sorted(self._unreconciled)
        there = (f"{_waits_for(each)} (at other venues they go on)" for each in waiting)
        return (*self._everywhere(), *there)

    def _everywhere(self) -> Sequence[str]:
        by_account = self.account_halts.closed_because()
        return tuple(self._reasons.values()) + (() if by_account is None else (by_account,))

    def closed_because(self, venue: VenueName | None = None) -> str | None:
        """The first reason against an entry (at *venue*); None while the gate is open."""
        if self._halt is not None or self._halting:
            return HALTED
        if self._database.writes.failure is not None:
            return NO_WRITES
        if self._disk_problem is not None:
            return "disk nearly full"
        if (why := next(iter(self._everywhere()), None)) is not None:
            return why
        return _waits_for(venue) if venue is not None and venue in self._unreconciled else None

    def is_closed_for_now(self) -> bool:
        """By what passes, and says nothing of a decision: not by an operator, nor by a loss."""
        lasting = self._halt is not None or self._halting
        return not lasting and self.account_halts.closed_because() is None

    def admit(self, bot: BotName, venue: VenueName) -> EntryPass:
        """For an entry that is being made from now on: to be asked again until it has left."""
        return EntryPass(
            why_not=lambda: PAUSED if bot in self._paused else self.closed_because(venue),
            passes=lambda: bot not in self._paused and self.is_closed_for_now(),
            stops=lambda: (self._stops, self.account_halts.count, self._voids.get(bot, 0)),
            sendings=self._sendings,
        )

    def listen(self, on_stop: Callable[[], None]) -> None:
        """Who takes back what rests hears of each halt and pause that is in force; it is short."""
        self._on_stop = self.account_halts.on_halt = on_stop

    def stopped(self) -> None:
        if self._on_stop is not None:
            self._on_stop()

    async def none_is_sent(self) -> None:
        """Whatever had left when the gate was shut has been answered. The caller sets the limit."""
        await self._sendings.ended()

    def pause(self, bot: BotName) -> None:
        """In memory; the caller stores it."""
        self._paused.add(bot)
        self.void(bot)

    def void(self, bot: BotName) -> None:
        """What *bot* has decided until now is not entered any more; what it decides next may be."""
        self._voids[bot] = self._voids.get(bot, 0) + 1

    def go_on(self, bot: BotName) -> None:
        self._paused.discard(bot)

    def cancels_entries(self) -> str | None:
        """Why what rests already may not be filled any more either; None while it may."""
        if self._halt is not None:
            return HALTED
        if self._database.writes.failure is not None:
            return NO_WRITES
        return self.account_halts.closed_because()

    async def halt(self, reason: str | None = None, *, keeps: bool = False) -> None:
        """Halted already: another *reason* replaces what stands; None, or *keeps*, leaves it.

        Raises DatabaseUnavailableError.
        """
        async with self._one_at_a_time:
            if keeps and self._halt is not None:
                return
            before = self._halt or {"reason": BY_HAND, "since": self._clock.now().isoformat()}
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
        self.stopped()

    async def resume(self) -> None:
        """From a halt, from a drawdown of the account, and from a flatten whose halt could not be
        stored. Raises RefusedError without any of them.
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
        """Said loudly when it begins and when it is over."""
        if problem == self._disk_problem:
            return
        if problem is None:
            log.info("disk space is enough again")
        elif self._disk_problem is None:
            log.critical("entries stop", reason="disk nearly full", detail=problem)
        self._disk_problem = problem

    def close(self, key: str, reason: str) -> None:
        """Keep entries out for *reason* until `open` is called with the same *key*."""
        self._stops += 1
        self._reasons[key] = reason

    def open(self, key: str) -> None:
        self._reasons.pop(key, None)

    def reconciled(self, besides: Collection[VenueName]) -> None:
        """Entries go on wherever a reconciliation has gone well once since the start; *besides*:
        where this one has not.
        """
        before = besides if RECONCILE in self._reasons else self._unreconciled
        self._unreconciled = frozenset(before) & frozenset(besides)
        self.open(RECONCILE)


def _waits_for(venue: VenueName) -> str:
    return f"not reconciled with {venue} yet"
