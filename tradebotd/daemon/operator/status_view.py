"""Status of the daemon for `tradebotctl status`, also while its database is unavailable."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import anyio

from tradebotd import __version__
from tradebotd.clocks.host import host_now
from tradebotd.control.messages.jobs import JobWait
from tradebotd.control.messages.status import (
    BotSummary,
    ClockState,
    DatabaseState,
    Halt,
    Held,
    JobCounts,
    Leader,
    Problem,
    State,
    Status,
    VenueState,
)
from tradebotd.daemon.bot_words import doing
from tradebotd.daemon.operator.position_view import unrealized
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.daemon.reload import NotReloaded
from tradebotd.daemon.zone_view import time_zones
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import BotName, JobName
from tradebotd.domain.job import RunStatus
from tradebotd.health import report
from tradebotd.health.guards import Guards
from tradebotd.health.report import ConfigFact
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job_status import JobStatus, job_statuses
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import reports
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.process_identity import Holder
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.execution.lease import Lease

PATIENCE_SECONDS: Final = 2.0  # do not wait longer for a dead database
LATE_HOST_SECONDS: Final = 5.0  # what a busy machine may take, at any speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Latest answers of the database."""

    account: reports.Account | None = None
    bots: Sequence[reports.Row] = ()
    positions: Sequence[reports.Row] = ()
    alerts: Sequence[reports.Row] = ()
    jobs: Sequence[JobStatus] = ()
    since_start: dict[JobName, reports.SinceStart] = field(default_factory=dict)
    ok: bool = False


class StatusView:
    """View of the status; remembers the last answers and when each problem first appeared.

    *state* leaves `halted` to us; *waits_for*: what a start waits for. *not_reloaded*: why the
    last reload was refused, while that stands. Built at the start of the daemon: from then on it
    counts the time that it is up.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        runner: JobRunner,
        scheduler: ClockScheduler,
        prices: PriceCache,
        gate: EntryGate,
        lease: Lease,
        today: TodaysPnl,
        venues: Sequence[VenueState],
        source: Literal["live", "replay", "synthetic"],
        state: Callable[[], State],
        waits_for: Callable[[], str | None],
        guards: Callable[[], Guards],
        doubtful: Callable[[], Sequence[ConfigFact]],
        not_reloaded: Callable[[], Awaitable[NotReloaded | None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._runner = runner
        self._scheduler = scheduler
        self._prices = prices
        self._gate = gate
        self._lease = lease
        self._today = today
        self._venues = {venue.name: venue for venue in venues}
        self._source = source
        self._state = state
        self._waits_for = waits_for
        self._guards = guards
        self._doubtful = doubtful
        self._not_reloaded = not_reloaded
        self._started_at = host_now()
        self._started_market = clock.now()
        self._seen = Seen()
        self._first_seen: dict[tuple[str, str], datetime] = {}

    async def status(self) -> Status:
        clock, seen = self._clock, await self._gather()
        now = clock.now()
        not_reloaded = await self._not_reloaded()
        facts = self._facts(seen, now, not_reloaded)
        problems = report.problems_of(facts)
        health = report.health_of(problems)
        verification = report.verification_of(facts.jobs)
        account = seen.account
        bots = [self._bot(row, seen.positions, now) for row in seen.bots]
        priced = not facts.unpriced_symbols
        verified = verification is report.Verification.VERIFIED
        return Status(
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=round((host_now() - self._started_at).total_seconds(), 1),
            clock=ClockState(kind=clock.kind, now=now, speed=clock.speed, source=self._source),
            time_zones=time_zones(),
            state=self.state(),
            waits_for=self._waits_for(),
            verification=verification.value,
            verification_waits=_waits(facts.jobs, verification),
            health=health.value,
            problems=self._dated(problems, now),
            leader=_leader(account, self._lease),
            database=DatabaseState(
                ok=seen.ok,
                pool_size=self._database.pool_size,
                pool_in_use=self._database.pool_in_use,
            ),
            venues=list(self._venues.values()),
            jobs=_counts(facts.jobs),
            bots=bots,
            positions=len(seen.positions),
            unknown_orders=0 if account is None else account.unknown_orders,
            equity=None if account is None else account.equity,
            equity_at=None if account is None else account.equity_at,
            currency=self._today.currencies.currency,
            realized_pnl_today=None if account is None else self._today.sum(seen.bots, now),
            pnl_verified=health is report.Health.OK and verified and priced,
            halt=self.halt(),
            entries_stopped=list(facts.entries_stopped),
        )

    def state(self) -> State:
        state = self._state()
        if state == "running" and self._gate.halt_reason is not None:
            return "halted"
        return state

    def venue_of(self, symbol: str) -> VenueState | None:
        """Return where *symbol* is traded; None: the file does not know it any more."""
        known = self._today.symbols.get(symbol)
        return None if known is None else self._venues.get(known.instrument.venue)

    def halt(self) -> Halt | None:
        gate = self._gate
        if gate.halt_reason is None or gate.halted_since is None:
            return None
        return Halt(reason=gate.halt_reason, since=gate.halted_since)

    async def _gather(self) -> Seen:
        """Read again if the database answers in time, else return the last answers."""
        with anyio.move_on_after(PATIENCE_SECONDS):
            try:
                self._seen = await self._read()
            except DatabaseUnavailableError:
                return replace(self._seen, ok=False)
            else:
                return self._seen
        return replace(self._seen, ok=False)

    async def _read(self) -> Seen:
        now, database = self._clock.now(), self._database
        jobs = await job_statuses(self._runner, self._scheduler, database, now)
        start = self._started_market.replace(second=0, microsecond=0)
        async with database.connection() as connection:
            return Seen(
                account=await reports.account(connection, self._lease.account),
                bots=await reports.bots(connection),
                positions=await reports.open_positions(connection),
                alerts=await reports.open_alerts(connection),
                jobs=jobs,
                since_start=await reports.since_start(connection, [j.name for j in jobs], start),
                ok=True,
            )

    def _facts(
        self, seen: Seen, now: datetime, not_reloaded: NotReloaded | None = None
    ) -> report.Facts:
        gate, account = self._gate, seen.account
        held = {row["symbol"] for row in seen.positions}
        errors = {
            row["name"]: row["last_error_message"] or row["status"]
            for row in seen.bots
            if row["status"].startswith("error")
        }
        return report.Facts(
            database_ok=seen.ok,
            starting=self._waits_for(),
            cannot_write=self._database.writes.failure,
            guards=self._guards(),
            jobs=[self._job_fact(job, seen, now) for job in seen.jobs],
            disk_problem=gate.disk_problem,
            halt_reason=gate.halt_reason,
            halted_since=gate.halted_since,
            entries_stopped=tuple(gate.other_reasons),
            unknown_orders=0 if account is None else account.unknown_orders,
            unknown_since=None if account is None else account.unknown_since,
            open_dead_letters=0 if account is None else account.open_dead_letters,
            bot_errors=errors,
            stopless_bots=[
                name
                for name, spec in self._today.specs.items()
                if spec.active and not spec.exits.has_stop
            ],
            stopless={
                f"position {row['id']}": f"{row['bot']}'s {row['side']} {row['symbol']}"
                for row in seen.positions
                if row["stop_loss"] is None and row["trailing_stop"] is None
            },
            unpriced_symbols=sorted(s for s in held if self._prices.price(s) is None),
            alerts=[_alert(row) for row in seen.alerts],
            config=self._doubtful(),
            not_reloaded=None if not_reloaded is None else not_reloaded.why,
            not_reloaded_since=None if not_reloaded is None else not_reloaded.since,
        )

    def _job_fact(self, job: JobStatus, seen: Seen, now: datetime) -> report.JobFact:
        spec = self._runner.spec_of(job.name)
        speed = self._clock.speed
        slack = timedelta(seconds=LATE_HOST_SECONDS * speed)
        late = job.next_run_at is not None and now - job.next_run_at > spec.grace + slack
        since = seen.since_start.get(job.name)
        return report.JobFact(
            name=job.name,
            enabled=job.enabled,
            scheduled=bool(spec.slots),
            late=late and job.name not in self._runner.running,
            last_status=job.last_status,
            last_started_at=job.last_started_at,
            outcome=job.outcome,
            # Where market time is made to run, a run is missed by the speed that was asked for.
            missed_24h=0 if speed > 1 else job.missed_24h,
            ran_well=since is not None and since.ran_well,
            failed=since is not None and since.last_status is not RunStatus.OK,
            next_run_at=job.next_run_at,
        )

    def _bot(self, row: reports.Row, positions: Sequence[reports.Row], now: datetime) -> BotSummary:
        daily_pnl, daily_trades = self._today.of(row, now)
        held = next((position for position in positions if position["bot"] == row["name"]), None)
        short = None
        if held is not None:
            short = Held(**{key: held[key] for key in ("id", "side", "quantity", "entry_price")})
        venue = self.venue_of(row["symbol"])
        return BotSummary(
            name=row["name"],
            symbol=row["symbol"],
            venue=None if venue is None else venue.name,
            place=None if venue is None else venue.place,
            status=row["status"],
            doing=self.doing(row, now, held=held is not None),
            position=short,
            unrealized_pnl=self._unrealized(
                [position for position in positions if position["bot"] == row["name"]]
            ),
            daily_pnl=daily_pnl,
            daily_trades=daily_trades,
            last_run_at=row["last_run_at"],
        )

    def doing(self, row: reports.Row, now: datetime, *, held: bool) -> str:
        """Describe what the bot is doing or waiting for."""
        today = self._today
        return doing(
            row,
            held=held,
            trades=today.of(row, now)[1],
            spec=today.specs.get(BotName(row["name"])),
            halted=self._gate.halt_reason is not None,
        )

    def _unrealized(self, held: Sequence[reports.Row]) -> Decimal | None:
        """Return a bot's unrealized P&L in the account's currency; None without price or rate."""
        total = ZERO
        for position in held:
            gain = unrealized(position, self._prices.price(position["symbol"]))
            gain = self._today.in_currency(position["symbol"], gain)
            if gain is None:
                return None
            total += gain
        return total

    def _dated(self, problems: Sequence[report.Problem], now: datetime) -> list[Problem]:
        """Add to each problem the time it began; forget problems that are over."""
        keys = [(problem.code, problem.subject) for problem in problems]
        self._first_seen = {key: self._first_seen.get(key, now) for key in keys}
        return [
            Problem(
                code=problem.code,
                severity=problem.severity.value,
                subject=problem.subject,
                message=problem.message,
                since=problem.since or self._first_seen[key],
                runbook=problem.runbook,
            )
            for key, problem in zip(keys, problems, strict=True)
        ]


def _counts(jobs: Sequence[report.JobFact]) -> JobCounts:
    enabled = [job for job in jobs if job.enabled]
    failing = sum(report.is_failing(job) for job in enabled)
    late = sum(job.late and not report.is_failing(job) for job in enabled)
    return JobCounts(
        total=len(jobs),
        ok=len(enabled) - failing - late,
        failing=failing,
        late=late,
        disabled=len(jobs) - len(enabled),
    )


def _waits(jobs: Sequence[report.JobFact], verification: report.Verification) -> list[JobWait]:
    if verification is not report.Verification.VERIFYING:
        return []
    return [JobWait(job=job.name, next_run_at=job.next_run_at) for job in report.waits_of(jobs)]


def _leader(account: reports.Account | None, lease: Lease) -> Leader | None:
    """Return the leader by the database: this process, unless another has just taken over."""
    if account is None or account.token is None or account.acquired_at is None:
        return None
    holder = Holder.from_json(account.holder or {})
    return Leader(
        account=lease.account,
        token=account.token,
        acquired_at=account.acquired_at,
        host=holder.host,
        pid=holder.pid or None,
        waits=lease.send_blocked_by(),
    )


def _alert(row: dict[str, Any]) -> report.AlertFact:
    return report.AlertFact(**{**row, "severity": report.Severity(row["severity"])})
