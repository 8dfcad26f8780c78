"""The JSON shapes of `status` and of the probes."""

from typing import Literal

from pydantic import Field

from tradebotd.control.messages.jobs import JobWait
from tradebotd.control.wire import Instant, Message, Money

State = Literal["starting", "standby", "running", "halted", "stopping"]
VerificationState = Literal["verifying", "verified", "failed"]
HealthState = Literal["ok", "degraded", "critical"]
Severity = Literal["info", "warning", "critical"]


class ClockState(Message):
    """Clock of the daemon; `source` (live, replay, synthetic) keeps simulated time recognizable."""

    kind: Literal["wall", "market"]
    now: Instant
    speed: float
    source: Literal["live", "replay", "synthetic"]


class Problem(Message):
    code: str
    severity: Severity
    subject: str
    message: str
    since: Instant
    runbook: str


class Leader(Message):
    """Process that holds the account; in a standby's answer, the other daemon.

    `waits`: why the leader sends no orders for now; null while it may.
    """

    account: str
    token: int
    acquired_at: Instant
    host: str = ""
    pid: int | None = None
    waits: str | None = None


class DatabaseState(Message):
    ok: bool
    pool_size: int
    pool_in_use: int


class JobCounts(Message):
    total: int
    ok: int
    failing: int
    late: int
    disabled: int


class Held(Message):
    """Summary of a bot's position."""

    id: int
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money


class VenueState(Message):
    """Venue of the file. `place`: live (real money), demo, testnet, paper, simulator, not live."""

    name: str
    kind: str
    place: str


class BotSummary(Message):
    """Bot in short. `venue`, `place`: null where its symbol is in no file any more."""

    name: str
    symbol: str
    venue: str | None = None
    place: str | None = None
    status: str
    doing: str = ""  # what it waits for, in words
    position: Held | None
    unrealized_pnl: Money | None
    daily_pnl: Money
    daily_trades: int
    last_run_at: Instant | None


class Halt(Message):
    reason: str
    since: Instant


class TimeZones(Message):
    """Time-zone database in use; `version` is IANA's."""

    version: str
    source: Literal["package", "system"]
    place: str


class Status(Message):
    version: str
    pid: int
    started_at: Instant
    uptime_s: float
    clock: ClockState
    time_zones: TimeZones
    state: State
    waits_for: str | None = None  # while it starts or stands by
    verification: VerificationState
    verification_waits: list[JobWait] = Field(default_factory=list)
    health: HealthState
    problems: list[Problem]
    leader: Leader | None
    database: DatabaseState
    venues: list[VenueState] = Field(default_factory=list)
    jobs: JobCounts
    bots: list[BotSummary]
    positions: int
    unknown_orders: int
    equity: Money | None
    equity_at: Instant | None
    currency: str
    realized_pnl_today: Money | None
    pnl_verified: bool
    halt: Halt | None
    entries_stopped: list[str]


class Ready(Message):
    state: State


class Healthy(Message):
    health: HealthState
