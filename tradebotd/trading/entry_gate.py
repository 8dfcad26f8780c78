"""Why no entry may be made now. Exits never ask."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from tradebotd.domain.errors import RefusedError
from tradebotd.ports.clock import Clock
from tradebotd.storage import settings
from tradebotd.storage.database import Database

log = structlog.get_logger(__name__)


class EntryGate:
    """A halt is stored and survives a restart; the rest is found out anew each time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._halt: dict[str, Any] | None = None
        self._disk_problem: str | None = None
        self._reasons: dict[str, str] = {"reconcile": "not reconciled with the venue yet"}

    async def load(self) -> None:
        async with self._database.connection() as connection:
            self._halt = await settings.get(connection, settings.HALT)

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
        return tuple(self._reasons.values())

    def closed_because(self) -> str | None:
        """The first reason against an entry; None while the gate is open."""
        if self._halt is not None:
            return "halted"
        if self._disk_problem is not None:
            return "disk nearly full"
        return next(iter(self._reasons.values()), None)

    async def halt(self, reason: str) -> None:
        """Raises RefusedError when it is halted already."""
        if self._halt is not None:
            raise RefusedError("already_halted", f"halted already: {self.halt_reason}")
        halt = {"reason": reason, "since": self._clock.now().isoformat()}
        async with self._database.transaction(durable=True) as connection:
            await settings.put(connection, settings.HALT, halt)
        self._halt = halt
        log.warning("halted", reason=reason)

    async def resume(self) -> None:
        """Raises RefusedError when it is not halted."""
        if self._halt is None:
            raise RefusedError("not_halted", "nothing is halted")
        async with self._database.transaction(durable=True) as connection:
            await settings.put(connection, settings.HALT, None)
        self._halt = None
        log.info("resumed")

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
        self._reasons[key] = reason

    def open(self, key: str) -> None:
        self._reasons.pop(key, None)
