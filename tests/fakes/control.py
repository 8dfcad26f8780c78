# ruff: noqa: ARG002 - a fake takes what the Protocol takes
"""A daemon as an operator sees it: fixed answers, and a note of what was asked of it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
from structlog.contextvars import get_contextvars

from tradebotd.control.messages.bots import Bot, BotDetail, Decision
from tradebotd.control.messages.daemon import EntryGateState, Flattened, Left, Reloaded
from tradebotd.control.messages.jobs import (
    DeadLetter,
    Discarded,
    Job,
    JobRun,
    JobWait,
    OutcomeState,
    RunState,
    RunSummary,
    Switched,
)
from tradebotd.control.messages.market import (
    Candle,
    FeedCredits,
    Levels,
    Symbol,
    SymbolResumed,
    WatchlistEntry,
)
from tradebotd.control.messages.orders import Fill, Order, OrderDetail, OrderEvent, OrderSearch
from tradebotd.control.messages.positions import AdoptWish, ExitWish, Position, PositionExit, Trade
from tradebotd.control.messages.status import (
    BotSummary,
    ClockState,
    DatabaseState,
    Halt,
    HealthState,
    Held,
    JobCounts,
    Leader,
    Problem,
    State,
    Status,
    TimeZones,
)
from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    RefusedError,
    VenueUnavailableError,
)
from tradebotd.domain.refusal import RefusalCode

NOW = datetime(2022, 1, 14, 7, 32, tzinfo=UTC)
LONG = "a-bot-with-a-name-that-nobody-would-ever-want-to-type-twice-in-a-day"
WIDE = Decimal("123456789.123456789")

Progress = Callable[[dict[str, Any]], None]


def before(**units: float) -> datetime:
    return NOW - timedelta(**units)


def job_run(job: str, status: RunState = "ok", **changes: Any) -> JobRun:
    summary = RunSummary(attempted=2, inserted=1, items={"BTCUSDT": "stored"})
    fields: dict[str, Any] = {
        "run_id": 7,
        "job": job,
        "status": status,
        "attempt": 1,
        "scheduled_at": None,
        "started_at": before(minutes=1),
        "finished_at": before(seconds=59),
        "runs": 1,
        "summary": summary,
        "error": "Traceback …\nValueError: no such thing" if status == "failed" else None,
    }
    return JobRun(**{**fields, **changes})


def position(name: str = "btc-ema") -> Position:
    return Position(
        id=5,
        bot=name,
        venue="paper",
        symbol="BTCUSDT",
        side="long",
        quantity=Decimal("1E-8"),
        entry_price=Decimal("43000.10"),
        opened_at=before(minutes=12),
        stop_loss=Decimal(42785),
        take_profit=Decimal(43645),
        trailing_stop=None,
        best_price=Decimal(43100),
        last_price=Decimal(43050),
        last_price_age_s=1.0,
        unrealized_pnl=Decimal("-1234.5678"),
        protected_by="daemon",
        stop_kind="stop_loss",
        stop_distance_percent=Decimal("0.62"),
        pnl_at_stop=Decimal("-0.3"),
        at_risk=Decimal("0.3"),
        exits=[
            PositionExit(
                kind="stop_loss",
                rule="0.5% from the entry",
                price=Decimal(42785),
                distance_percent=Decimal("0.62"),
                in_force=True,
            ),
            PositionExit(kind="max_holding", rule="3d", left_s=7200.0, ends_at=NOW),
        ],
    )


def trade(name: str = "btc-ema") -> Trade:
    return Trade(
        id=4,
        bot=name,
        venue="paper",
        symbol="BTCUSDT",
        side="long",
        quantity=WIDE,
        entry_price=WIDE,
        exit_price=WIDE,
        opened_at=before(hours=3),
        closed_at=before(hours=2),
        close_reason="trailing_stop",
        realized_pnl=Decimal("1E+3"),
        fees=Decimal("0.1"),
    )


def bot(name: str = "btc-ema") -> Bot:
    return Bot(
        name=name,
        bot=name,
        symbol="BTCUSDT",
        timeframe="1m",
        strategy="ema_rsi",
        active=True,
        orphaned=False,
        status="waiting (quantity below filters)",
        doing="in position",
        in_position=True,
        paused_by=None,
        day=date(2022, 1, 14),
        daily_pnl=Decimal("12.5"),
        currency="USDT",
        daily_trades_count=3,
        last_run_at=before(seconds=20),
        last_error_message=None,
    )


def order(name: str = "btc-ema") -> dict[str, Any]:
    return {
        "id": 9,
        "client_order_id": "tbaaaaaaaaaaaaaaaaaaaaa",
        "venue_order_id": "17",
        "position_id": 5,
        "bot": name,
        "venue": "paper",
        "symbol": "BTCUSDT",
        "role": "entry",
        "side": "buy",
        "type": "take_profit_market",
        "time_in_force": "gtc",
        "quantity": WIDE,
        "filled_quantity": WIDE,
        "average_price": WIDE,
        "limit_price": None,
        "stop_price": None,
        "status": "partially_filled",
        "reason": "EMA 8 crossed above EMA 21",
        "created_at": before(minutes=12),
        "updated_at": before(minutes=12),
    }


def fill(name: str = "btc-ema") -> Fill:
    return Fill(
        id=1,
        order_id=9,
        position_id=5,
        bot=name,
        venue="paper",
        symbol="BTCUSDT",
        trade_id="1",
        side="buy",
        quantity=WIDE,
        price=WIDE,
        fee=Decimal("0.0001"),
        fee_asset="USDT",
        executed_at=before(minutes=12),
    )


class FakeControl:
    """`asked` notes the acts; `trouble` is raised by every read; `name` is what bots are called."""

    def __init__(self, name: str = "btc-ema") -> None:
        self.name = name
        self.asked: list[tuple[Any, ...]] = []
        self.asked_by: list[str | None] = []  # as the journal would say
        self.left: list[Left] = []
        self.stop: Decimal | None = Decimal(42785)
        self.trouble: Exception | None = None
        self.now_is = NOW
        self.simulated = True
        self.open_letters = [3]
        self.letter_refusals: dict[int, Exception] = {}
        self.retried_status = "ok"
        self.superseded_by: int | None = None
        self.health_now: HealthState = "degraded"
        self.state_now: State = "running"
        self.go_on = anyio.Event()  # what the job `slow` waits for
        self.slow_ended = anyio.Event()

    def now(self) -> datetime:
        return self.now_is

    def is_simulated(self) -> bool:
        return self.simulated

    def state(self) -> State:
        return self.state_now

    async def health(self) -> HealthState:
        return self.health_now

    def _read(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def status(self) -> Status:
        self._read()
        problem = Problem(
            code="job_outcome",
            severity="critical",
            subject="stop_loss_check",
            message="position 5 is beyond its stop by 12.5, and " + "has been for a while " * 6,
            since=before(minutes=3),
            runbook="docs/runbooks/job_outcome.md",
        )
        summary = BotSummary(
            name=self.name,
            symbol="BTCUSDT",
            status="paused (max_daily_trades reached)",
            doing="in position, paused (max_daily_trades reached)",
            position=Held(id=5, side="long", quantity=Decimal("1E-8"), entry_price=WIDE),
            unrealized_pnl=Decimal("1E-8"),
            daily_pnl=Decimal("1E+3"),
            daily_trades=3,
            last_run_at=before(seconds=20),
        )
        return Status(
            version="0.1.0",
            pid=4242,
            started_at=NOW,
            uptime_s=200.0,
            clock=ClockState(kind="market", now=NOW, speed=60, source="synthetic"),
            time_zones=TimeZones(version="2026f", source="package", place="/zones"),
            state=self.state_now,
            verification="verifying",
            verification_waits=[
                JobWait(job="daily_close", next_run_at=NOW.replace(hour=20, minute=59)),
                JobWait(job="retention", next_run_at=NOW + timedelta(days=1)),
            ],
            health=self.health_now,
            problems=[] if self.health_now == "ok" else [problem],
            leader=Leader(account="default", token=3, acquired_at=NOW),
            database=DatabaseState(ok=True, pool_size=10, pool_in_use=1),
            jobs=JobCounts(total=12, ok=10, failing=1, late=1, disabled=0),
            bots=[summary],
            positions=1,
            unknown_orders=1,
            equity=Decimal("10012.5"),
            equity_at=before(minutes=2),
            currency="USDT",
            realized_pnl_today=Decimal("12.5"),
            pnl_verified=False,
            halt=Halt(reason="lunch", since=before(minutes=9)),
            entries_stopped=[],
        )

    async def jobs(self) -> list[Job]:
        self._read()
        return [
            Job(
                name=name,
                enabled=name != "retention",
                schedule="21:00 mon-fri Europe/Berlin; 30m after the close of XNYS",
                timezone="Europe/Berlin, America/New_York",
                next_run_at=NOW + timedelta(minutes=1),
                last_started_at=before(minutes=1),
                last_duration_s=0.01,
                last_status="partial",
                outcome=OutcomeState(ok=False, message="newest candle is [too] old: 12 min"),
                success_rate_24h=0.9999,
                runs_24h=17_280,
                missed_24h=2,
            )
            for name in ("stop_loss_check", "equity_snapshot", "retention")
        ]

    async def job_history(self, name: str, limit: int) -> list[JobRun]:
        self._known(name)
        return [job_run(name), job_run(name, "failed")][:limit]

    def _known(self, name: str) -> None:
        if name not in {"ping", "slow", "seed_history", "bad", "away", "surprise"}:
            raise RefusedError(
                RefusalCode.UNKNOWN_JOB, f"there is no job {name}", "ping, slow", ("ping", "slow")
            )

    async def run_job(self, name: str, params: Mapping[str, str], progress: Progress) -> JobRun:
        self._known(name)
        self.asked.append(("run", name, dict(params)))
        if name == "surprise":
            raise ZeroDivisionError("nobody foresaw this")
        progress({"done": 0.5, "candles": 1200})
        if name == "away":
            raise DatabaseUnavailableError("connection refused")
        if name == "slow":
            await self.go_on.wait()
            self.slow_ended.set()
        progress({"done": 1, "candles": 2400})
        return job_run(name, "failed" if name == "bad" else "ok")

    async def start_job(self, name: str, params: Mapping[str, str]) -> JobRun:
        self._known(name)
        self.asked.append(("start", name, dict(params)))
        return job_run(name, "running", run_id=None, finished_at=None)

    async def switch_job(self, name: str, *, enabled: bool) -> Switched:
        self._known(name)
        if not enabled and name == "slow":
            raise RefusedError(RefusalCode.ALREADY_DISABLED, "slow is disabled already")
        return Switched(name=name, enabled=enabled)

    async def dead_letters(self) -> list[DeadLetter]:
        return [
            DeadLetter(
                id=letter_id,
                job="seed_history",
                args={"params": {"symbol": "BTCUSDT"}, "only": []},
                count=2,
                first_failed_at=before(days=2),
                last_failed_at=before(hours=1),
                error="Traceback …\nFeedError: the feed is gone",
                state="open" if self.superseded_by is None else "superseded",
                superseded_by=self.superseded_by,
            )
            for letter_id in self.open_letters
        ]

    async def retry_dead_letter(self, letter_id: int, progress: Progress) -> JobRun:
        if refusal := self.letter_refusals.get(letter_id):
            raise refusal
        return job_run("seed_history").model_copy(update={"status": self.retried_status})

    async def discard_dead_letter(self, letter_id: int) -> Discarded:
        if refusal := self.letter_refusals.get(letter_id):
            raise refusal
        return Discarded(id=letter_id)

    def _known_bot(self, name: str) -> None:
        if name != self.name:
            raise RefusedError(RefusalCode.UNKNOWN_BOT, f"there is no bot {name}", "", (self.name,))

    def _known_symbol(self, name: str) -> None:
        if name != "BTCUSDT":
            raise RefusedError(
                RefusalCode.UNKNOWN_SYMBOL, f"there is no symbol {name}", "", ("BTCUSDT",)
            )

    async def bots(self) -> list[Bot]:
        return [bot(self.name)]

    async def bot(self, name: str) -> BotDetail:
        self._known_bot(name)
        decision = Decision(
            id=1,
            candle_ts=before(minutes=1),
            intent="none",
            signal="none",
            reason="no crossing",
            path="ema_rsi",
            indicators={"rsi": 51.2},
            order_id=None,
            decided_at=before(seconds=58),
        )
        return BotDetail(
            **bot(name).model_dump(),
            config={"symbol": "BTCUSDT"},
            position=position(name),
            trades=[trade(name)],
            decisions=[decision],
        )

    async def run_bot(self, name: str, progress: Progress) -> JobRun:
        self._known_bot(name)
        return job_run("run_bots")

    async def pause_bot(self, name: str) -> Bot:
        self._known_bot(name)
        self.asked.append(("pause", name))
        return bot(name)

    async def resume_bot(self, name: str) -> Bot:
        self._known_bot(name)
        raise RefusedError(RefusalCode.NOT_PAUSED, f"{name} is not paused")

    async def positions(self) -> list[Position]:
        return [position(self.name)]

    async def close_position(self, position_id: int) -> Trade:
        if position_id != 5:
            raise VenueUnavailableError("paper does not answer")
        return trade(self.name)

    async def set_exits(self, position_id: int, wish: ExitWish) -> Position:
        self.asked.append(("exits", position_id, wish.model_dump()))
        if wish.stop_loss == "nonsense":
            raise RefusedError(
                RefusalCode.BAD_LEVEL, "'nonsense' is neither a price nor a percentage"
            )
        return position(self.name).model_copy(update={"stop_loss": self.stop})

    async def adopt(self, wish: AdoptWish) -> Position:
        self.asked.append(("adopt", wish.model_dump()))
        return position(self.name)

    async def resume_symbol(self, symbol: str) -> SymbolResumed:
        self._known_symbol(symbol)
        return SymbolResumed(symbol=symbol)

    async def flatten(self, progress: Progress) -> Flattened:
        self.asked.append(("flatten",))
        progress({"done": 1, "total": 2})
        closed = trade(self.name).model_copy(update={"id": 5, "quote_asset": "USDT"})
        return Flattened(
            closed=["5 btc-ema long"], cancelled=["tb1"], trades=[closed], left=self.left
        )

    async def orders(self, *, open_only: bool, unknown_only: bool, limit: int) -> list[Order]:
        self.asked.append(("orders", open_only, unknown_only, limit))
        return [Order(**order(self.name))]

    async def order(self, order_id: int) -> OrderDetail:
        return OrderDetail(
            **order(self.name),
            trigger_price=Decimal("42785.00"),
            reduce_only=False,
            settled=False,
            send_by=before(minutes=11),
            venue_filled_quantity=None,
            venue_order_ids=["17", "algo-4"],
            search=OrderSearch(
                began_at=before(minutes=11),
                last_asked_at=before(minutes=1),
                negatives=3,
                endpoints=["orders"],
                inferred_absent_at=None,
                cancel_acknowledged_at=None,
                ended_at=None,
            ),
            events=[OrderEvent(at=before(minutes=12), status="new", detail={"by": "venue"})],
            fills=[fill(self.name)],
        )

    async def fills(self, limit: int) -> list[Fill]:
        return [fill(self.name)]

    async def trades(self, since: datetime | None, limit: int) -> list[Trade]:
        self.asked.append(("trades", since, limit))
        return [trade(self.name)]

    async def symbols(self) -> list[Symbol]:
        return [
            Symbol(
                id=1,
                symbol="BTCUSDT",
                venue="paper",
                base_asset="BTC",
                quote_asset="USDT",
                tick_size=Decimal("0.01"),
                lot_size=Decimal("1E-5"),
                min_notional=Decimal(5),
                calendar="24/7",
                feeds=["history"],
                timeframes=["1m", "5m", "15m", "1h", "4h", "1d"],
                active=True,
                last_price=WIDE,
                last_price_age_s=1.0,
            )
        ]

    async def budget(self) -> list[FeedCredits]:
        minute, day = NOW + timedelta(minutes=1), NOW + timedelta(days=1)
        return [
            FeedCredits(
                feed="td",
                per_minute=8,
                left_minute=5,
                minute_resets_at=minute,
                per_day=800,
                left_day=311,
                day_resets_at=day,
            ),
            FeedCredits(
                feed="td-pro",
                per_minute=1597,
                left_minute=1597,
                minute_resets_at=minute,
                per_day=None,
                left_day=None,
                day_resets_at=day,
            ),
        ]

    async def universe(self) -> list[WatchlistEntry]:
        figures = {"price": "9" * 12, "turnover": "123456789.5", "volatility": "0.045"}
        return [
            WatchlistEntry(
                screened_at=NOW,
                symbol=LONG,
                rank=rank,
                reasons={"source": "spot", **figures, "ranked_by": "turnover"},
                sample_seed=str(2**63 - 1),
            )
            for rank in (1, 2)
        ]

    async def candles(self, symbol: str, timeframe: str, limit: int) -> list[Candle]:
        self._known_symbol(symbol)
        self.asked.append(("candles", symbol, timeframe, limit))
        figures = dict.fromkeys(("open", "high", "low", "close", "volume"), WIDE)
        return [
            Candle(
                symbol=symbol, timeframe=timeframe, ts=before(minutes=1), feed="history", **figures
            )
        ]

    async def levels(self, symbol: str) -> Levels:
        self._known_symbol(symbol)
        figures = dict.fromkeys(("y_high", "y_low", "y_close", "pp", "r1", "r2", "s1", "s2"), WIDE)
        return Levels(symbol=symbol, trade_date=date(2022, 1, 14), **figures)

    async def halt(self, reason: str | None) -> EntryGateState:
        self.asked.append(("halt", reason))
        reason = reason or "by hand"
        self.asked_by.append(get_contextvars().get("by"))
        return EntryGateState(state="halted", halt=Halt(reason=reason, since=NOW))

    async def resume(self) -> EntryGateState:
        return EntryGateState(state="running", halt=None)

    async def reload(self) -> Reloaded:
        self._read()
        if self.health_now == "critical":
            raise ConfigError(["bots[0].symbol: there is no such symbol"])
        return Reloaded(changes=["bots[0].limits.max_daily_trades: 20 -> 10"])
