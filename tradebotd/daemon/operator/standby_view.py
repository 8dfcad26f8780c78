"""Status of a daemon in standby: which process acts on the account instead."""

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
from tradebotd.daemon.zone_view import time_zones
from tradebotd.storage.leadership import LeadershipHolder
from tradebotd.storage.postgres.database import Database


class StandbyView:
    """View of a standby; implements `control.standby.Standby`. `on_holder_seen` gets the holder."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._database = database
        self._started_at = host_now()
        self._held: LeadershipHolder | None = None

    def on_holder_seen(self, held: LeadershipHolder) -> None:
        self._held = held

    def now(self) -> datetime:
        return host_now()

    def status(self) -> Status:
        database = self._database
        return Status(
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=round((host_now() - self._started_at).total_seconds(), 1),
            clock=ClockState(kind="wall", now=host_now(), speed=1.0, source="live"),
            time_zones=time_zones(),
            state="standby",
            verification="verifying",
            health="ok" if database.available else "critical",
            problems=[] if database.available else [self._away()],
            leader=self._leader(),
            database=DatabaseState(
                ok=database.available,
                pool_size=database.pool_size,
                pool_in_use=database.pool_in_use,
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
            entries_stopped=["standing by: another daemon holds the account"],
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

    def _away(self) -> Problem:
        return Problem(
            code="database_unavailable",
            severity="critical",
            subject="database",
            message="the database is away: nobody can tell who holds the account",
            since=host_now(),
            runbook="docs/runbooks/database_unavailable.md",
        )
