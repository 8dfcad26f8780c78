"""Watch over disk space and PostgreSQL's writes: nothing is sent that was not written first.

The entry gate learns of a failed write from the database at once; this watch logs it and probes
until PostgreSQL writes again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import structlog

from tradebotd.clocks.host import monotonic
from tradebotd.domain.decimals import plain
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.health.disk import disk_problem
from tradebotd.health.guards import Guards
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.postgres.write_probe import probe_writes
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.exits.manager import ExitManager

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 1.0
# After a failure, room for two segments of the log in front of every write, and no other failure.
ROOM_AFTER_FAILURE: Final = 32_000_000
QUIET_SECONDS: Final = 10.0


class DiskWatch:
    """Watch that requires *least* free bytes on the disk of *state_dir*."""

    def __init__(
        self,
        *,
        database: Database,
        gate: EntryGate,
        guards: Callable[[], Guards],
        state_dir: Path,
        least: Callable[[], int],
    ) -> None:
        self._database = database
        self._gate = gate
        self._guards = guards
        self._state_dir = state_dir
        self._least = least
        self._wakeup = anyio.Event()
        self._told: str | None = None
        self._wants_room = False
        database.writes.on_trouble = self._wake

    async def run(self) -> None:
        """Check forever: every second, and at once after a failed write."""
        while True:
            with anyio.move_on_after(LOOK_SECONDS):
                await self._wakeup.wait()
            self._wakeup = anyio.Event()
            await self.check()

    async def check(self) -> None:
        cannot = None
        if self._in_trouble():
            self._wants_room = True
            cannot = await self._try()
        self._report(cannot)
        low = await anyio.to_thread.run_sync(self._low)
        self._gate.set_disk_problem(low)

    def _in_trouble(self) -> bool:
        database = self._database
        return (
            database.writes.failure is not None or not database.available or self._told is not None
        )

    async def _try(self) -> str | None:
        """Probe the database; return why it cannot write, or None if it can."""
        try:
            with anyio.fail_after(PROBE_SECONDS):
                await probe_writes(self._database)
        except (DatabaseUnavailableError, TimeoutError) as error:
            return self._database.writes.failure or str(error) or "no answer"
        return None

    def _low(self) -> str | None:
        """Return the shortage of disk space, or None. Requires more after a failure. Blocks."""
        least, place = self._least(), _existing(self._state_dir)
        if not self._wants_room:
            return disk_problem(place, least)
        low = disk_problem(place, max(least, ROOM_AFTER_FAILURE))
        quiet = monotonic() - self._database.writes.failed_at
        if low is None and quiet >= QUIET_SECONDS:
            self._wants_room = False
        elif low is None:
            low = f"a write failed {quiet:.0f} s ago, though there seems to be room"
        return low

    def _wake(self) -> None:
        """Report a failed write at once; a known problem is checked every second anyway."""
        if self._database.writes.failure is not None:
            self._report(self._database.writes.failure)
        elif self._told is not None:
            return
        self._wakeup.set()

    def _report(self, cannot: str | None) -> None:
        """Log prominently when exits can no longer be sent, and when they can again."""
        if (cannot is None) == (self._told is None):
            return
        self._told = cannot
        if cannot is None:
            log.warning("exit sending resumed", why="PostgreSQL writes again")
            return
        guards = self._guards()
        log.critical(
            "exit sending blocked",
            reason=f"PostgreSQL cannot write: {cannot}",
            resting=guards.resting,
            unguarded=guards.unguarded,
        )


def guards_of(protection: ExitManager) -> Guards:
    """Return the tracked positions: guarded by resting stops, or unguarded without the daemon."""
    resting: list[str] = []
    unguarded: list[str] = []
    for position in protection.held.values():
        rests = protection.protected_by(position.id) in {"resting", "both"}
        words = f"{position.bot} {position.symbol} (position {position.id})"
        (resting if rests else unguarded).append(words)
        quantity = protection.resting_quantity(position.id)
        if rests and quantity is not None and quantity < position.quantity:
            unguarded.append(f"{plain(position.quantity - quantity)} of {words}")
    return Guards(resting=resting, unguarded=unguarded)


def _existing(path: Path) -> Path:
    """Return *path* or its nearest existing parent."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
