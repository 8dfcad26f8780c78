"""The JSON shapes of the control API: money and quantities are strings, times ISO 8601 with Z."""

from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tradebotd.control.messages.market import Candle as Candle  # noqa: PLC0414  # theirs, too
from tradebotd.control.messages.market import Levels as Levels  # noqa: PLC0414
from tradebotd.control.messages.market import Symbol as Symbol  # noqa: PLC0414
from tradebotd.control.messages.positions import JobWait, PositionExit, StopKind
from tradebotd.control.wire import Instant, Message, Money

State = Literal["starting", "standby", "running", "halted", "stopping"]
VerificationState = Literal["verifying", "verified", "failed"]
HealthState = Literal["ok", "degraded", "critical"]
Severity = Literal["info", "warning", "critical"]
RunState = Literal["running", "ok", "partial", "failed", "timeout", "missed", "skipped", "lost"]
FinalState = Literal["filled", "canceled", "rejected", "expired"]
OrderState = Literal["pending_new", "new", "partially_filled", "unknown"] | FinalState
ProtectedBy = Literal["daemon", "resting", "both", "none"]


# Status


class ClockState(Message):
    """`source`: live, replay or synthetic: a simulated clock must never be taken for a real one."""

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
    """Who acts on the account; in a standby's answer that is the other one.

    `waits`: why the leader sends no orders for the moment, null while it may.
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
    """The position of a bot, in short."""

    id: int
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money


class BotSummary(Message):
    name: str
    symbol: str
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
    """The database of time zones in force; `version` is IANA's."""

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
    verification: VerificationState
    verification_waits: list[JobWait] = Field(default_factory=list)
    health: HealthState
    problems: list[Problem]
    leader: Leader | None
    database: DatabaseState
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


# Jobs


class OutcomeState(Message):
    ok: bool
    message: str


class Job(Message):
    name: str
    enabled: bool
    schedule: str
    timezone: str
    next_run_at: Instant | None
    last_started_at: Instant | None
    last_duration_s: float | None
    last_status: RunState | None
    outcome: OutcomeState | None
    success_rate_24h: float | None
    runs_24h: int
    missed_24h: int


class RunSummary(Message):
    """Jobs add counts of their own, such as `checked` and `closed`."""

    model_config = ConfigDict(extra="allow")

    attempted: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    items: dict[str, Any] = Field(default_factory=dict)


class JobRun(Message):
    """`run_id` is null while a detached run has only been asked for."""

    run_id: int | None
    job: str
    status: RunState
    attempt: int
    scheduled_at: Instant | None
    started_at: Instant
    finished_at: Instant | None
    runs: int
    summary: RunSummary
    error: str | None
    duration_s: float | None = None  # host time


class RunRequest(Message):
    params: dict[str, str] = Field(default_factory=dict)
    detach: bool = False


class Switched(Message):
    name: str
    enabled: bool


class DeadLetter(Message):
    id: int
    job: str
    args: dict[str, Any]
    count: int
    first_failed_at: Instant
    last_failed_at: Instant
    error: str
    state: Literal["open", "retried", "discarded"]


class Discarded(Message):
    id: int
    state: Literal["discarded"] = "discarded"


# Trading


class Bot(Message):
    name: str
    bot: str
    symbol: str
    timeframe: str | None
    strategy: str | None
    active: bool
    orphaned: bool
    status: str
    doing: str = ""
    in_position: bool
    paused_by: Literal["limit", "user"] | None
    day: date | None
    daily_pnl: Money
    currency: str = ""  # the account's, of `daily_pnl`
    daily_unconverted: dict[str, Money] = Field(default_factory=dict)  # by asset: no rate is known
    daily_trades_count: int
    last_run_at: Instant | None
    last_error_message: str | None


class Decision(Message):
    id: int
    candle_ts: Instant
    intent: str
    signal: str
    reason: str
    path: str
    indicators: dict[str, Any]
    order_id: int | None
    decided_at: Instant


class Position(Message):
    id: int
    bot: str
    venue: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money
    opened_at: Instant
    stop_loss: Money | None
    take_profit: Money | None
    trailing_stop: Money | None
    best_price: Money
    last_price: Money | None
    last_price_age_s: float | None
    unrealized_pnl: Money | None
    quote_asset: str | None = None  # of its prices and its P&L
    protected_by: ProtectedBy
    stop_kind: StopKind | None = None  # of the stop that is met first
    stop_distance_percent: Money | None = None  # from the last price
    pnl_at_stop: Money | None = None  # should it fill at its price, before fees
    at_risk: Money | None = None  # what would be lost of the entry then
    exits: list[PositionExit] = Field(default_factory=list)


class Trade(Message):
    id: int
    bot: str
    venue: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money
    exit_price: Money | None
    opened_at: Instant
    closed_at: Instant
    close_reason: str
    realized_pnl: Money
    quote_asset: str | None = None  # of its prices and its P&L
    fees: Money
    dust: Money = Decimal(0)  # less than a lot: what it cost is part of the loss
    dust_cost: Money = Decimal(0)
    swept_income: Money = Decimal(0)  # of earlier dust that its exits sold, too


class BotDetail(Bot):
    config: dict[str, Any]
    position: Position | None
    trades: list[Trade]
    decisions: list[Decision]


class Order(Message):
    id: int
    client_order_id: str
    venue_order_id: str | None
    position_id: int | None
    bot: str
    venue: str
    symbol: str
    role: Literal["entry", "exit"]
    side: Literal["buy", "sell"]
    type: str
    time_in_force: str
    quantity: Money
    filled_quantity: Money
    average_price: Money | None
    limit_price: Money | None
    stop_price: Money | None
    status: OrderState
    reason: str | None
    created_at: Instant
    updated_at: Instant


class Fill(Message):
    id: int
    order_id: int
    position_id: int
    bot: str
    venue: str
    symbol: str
    trade_id: str
    side: Literal["buy", "sell"]
    quantity: Money
    price: Money
    fee: Money
    fee_asset: str
    fee_value: Money | None = None  # in the quote asset; none: nobody knew its worth
    executed_at: Instant


class HaltRequest(Message):
    reason: str | None = None  # "by hand", or what it is already


class EntryGateState(Message):
    state: State
    halt: Halt | None


class Reloaded(Message):
    """`changes`: one line each, `bots[1].limits.max_daily_trades: 20 -> 10`."""

    changes: list[str]
