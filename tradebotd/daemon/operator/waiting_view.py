"""Status of a daemon that does not act yet: what it waits for, and who acts meanwhile."""

import os
from datetime import datetime

from tradebotd import __version__
from tradebotd.clocks.host import host_now
from tradebotd.config.model import Config
from tradebotd.control.messages.status import (
    ClockState,
    DatabaseState,
    JobCounts,
    Leader,
    Problem,
    Status,
)
from tradebotd.daemon.systemd import notify
from tradebotd.daemon.zone_view import time_zones
from tradebotd.health import report
from tradebotd.storage.leadership import LeadershipHolder
from tradebotd.storage.postgres.database import Database


class WaitingView:
    """Implements `control.waiting.Waiting`; `on_holder_seen` gets who holds the account."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._database: Database | None = None
        self._started_at = host_now()
        self._held: LeadershipHolder | None = None
        self._stands_by = False
        self._waits_for: str | None = None

    def wait_for(self, what: str) -> None:
        """Say that the start waits for *what*."""
        self._stands_by, self._waits_for = False, what
        notify(f"STATUS=starting: waits for {what}")

    def stand_by(self) -> None:
        self._stands_by, self._waits_for = True, "the account, which another daemon holds"

    def opened(self, database: Database) -> None:
        self._database = database

    def on_holder_seen(self, held: LeadershipHolder) -> None:
        self._held = held

    def now(self) -> datetime:
        return host_now()

    def status(self) -> Status:
        problems, database = self._problems(), self._database
        reason = "standing by: another daemon holds the account" if self._stands_by else "starting"
        return Status(
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=round((host_now() - self._started_at).total_seconds(), 1),
            clock=ClockState(kind="wall", now=host_now(), speed=1.0, source="live"),
            time_zones=time_zones(),
            state="standby" if self._stands_by else "starting",
            waits_for=self._waits_for,
            verification="verifying",
            health=report.health_of(problems).value,
            problems=[self._told(problem) for problem in problems],
            leader=self._leader(),
            database=DatabaseState(
                ok=database is not None and database.available,
                pool_size=0 if database is None else database.pool_size,
                pool_in_use=0 if database is None else database.pool_in_use,
            ),
            jobs=JobCounts(total=0, ok=0, failing=0, late=0, disabled=0),
            bots=[],
            positions=0,
            unknown_orders=0,
            equity=None,
            equity_at=None,
            currency=self._config.risk.currency,
            realized_pnl_today=None,
            pnl_verified=False,
            halt=None,
            entries_stopped=[reason],
        )

    def _problems(self) -> list[report.Problem]:
        if not self._stands_by:
            return [report.starting(self._waits_for)]
        if self._database is None or self._database.available:
            return []
        message = "the database is away: nobody can tell who holds the account"
        code = report.Code.DATABASE_UNAVAILABLE
        severity = report.Severity.CRITICAL
        return [report.Problem(code=code, severity=severity, subject="database", message=message)]

    def _told(self, problem: report.Problem) -> Problem:
        return Problem(
            code=problem.code,
            severity=problem.severity.value,
            subject=problem.subject,
            message=problem.message,
            since=host_now() if self._stands_by else self._started_at,
            runbook=problem.runbook,
        )

    def _leader(self) -> Leader | None:
        held = self._held
        if held is None:
            return None
        return Leader(
            account=held.account,
            token=held.token,
            acquired_at=held.acquired_at,
            host=held.holder.host,
            pid=held.holder.pid,
        )
