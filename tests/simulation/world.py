"""One life of the process: the real order flow as the daemon wires it, and what moves it."""

import re
import sys
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, cast

from tests.simulation.database import FaultyPool, Weather
from tests.simulation.host import Life, VirtualTime
from tests.simulation.line import Line
from tests.simulation.moods import Moods
from tests.simulation.plan import Plan
from tests.simulation.rehearsed import adapter_of
from tests.simulation.tape import QuickCandles, Tape
from tradebotd.clocks import host as real_host
from tradebotd.daemon.leader_election import beat_once
from tradebotd.daemon.wiring import venues as venue_wiring
from tradebotd.daemon.wiring.market import Market
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.daemon.wiring.trading import Trading, wire_trading
from tradebotd.domain.bot import AccountLimits, BotSpec
from tradebotd.domain.errors import StorageError, TradebotError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import Summary
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.daily_reset import DailyReset
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.jobs.refresh_instruments import RefreshInstruments
from tradebotd.jobs.run_bots import RunBots
from tradebotd.jobs.stop_loss_check import StopLossCheck
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import RunsBetweenCalls, Venue
from tradebotd.risk.resting_types import STOP_LIMIT_OFFSET
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import bots, decisions, leadership
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.process_identity import Holder
from tradebotd.storage.symbols import sync_symbols
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.venue_state.server_clocks import USUAL_LIMIT

ACCOUNT = "default"
NONCE = b"nonce"
HOLDER = Holder(machine_id="m", boot_id="b", pid=1, pid_started=1, pid_namespace="n", host="here")


@dataclass(frozen=True)
class _Section:
    currency: str = "USDT"
    timezone: str = "UTC"
    resting_stops: bool = True  # whether they may; the venue's traits say whether they can
    max_clock_offset: timedelta = USUAL_LIMIT
    stop_limit_offset: Decimal = STOP_LIMIT_OFFSET


@dataclass(frozen=True)
class _Config:
    """As much of a configuration as the wiring of trading reads."""

    specs: Sequence[BotSpec]
    limits: AccountLimits
    daemon: _Section
    venues: Mapping[str, _Section]
    risk: _Section = _Section()

    def bot_specs(self) -> Sequence[BotSpec]:
        return self.specs

    def account_limits(self) -> AccountLimits:
        return self.limits


@dataclass(frozen=True)
class _Files:
    symbols: Sequence[Any]
    calendars: Mapping[str, Any]
    strategies: Mapping[BotName, Any]


class _Ingest:
    """As much of the ingestion as entries ask."""

    @staticmethod
    def base(_: str) -> Timeframe:
        return Timeframe.M1


# What no venue, database or operator makes: whoever contains it has a fault all the same.
FAULTS: Final = re.compile(
    r"\b(Attribute|Type|Value|Name|Index|Assertion|Runtime|ZeroDivision|Unbound|Recursion)Error"
    "|InvalidOperation|UniqueViolation|NotNullViolation|CheckViolation|ForeignKeyViolation"
)


@dataclass
class World:
    """What a daemon has in memory; all of it is gone when its life ends.

    *specs*: as the configuration has them now.
    """

    plan: Plan
    life: Life
    time: VirtualTime
    database: Database
    prices: PriceCache
    trading: Trading
    moods: dict[BotName, Moods]
    lease: Lease
    faults: list[str] = field(default_factory=list)  # that a job contained
    _reconciles: bool = False

    async def beat(self) -> None:
        """Raises AccountTakenError."""
        await beat_once(self.database, self.lease, self.time)

    async def sweep(self) -> frozenset[str]:
        """Which positions (or what else) it could not look at."""
        check = StopLossCheck(
            protection=self.trading.protection, prices=self.prices, clock=self.time
        )
        summary = self._seen(await check.run(self._context()))
        return frozenset(summary.items)

    async def reconcile(self) -> None:
        job = Reconcile(reconciler=self.trading.reconciler, gate=self.trading.gate)
        self._reconciles = True
        try:
            self._seen(await job.run(self._context()))
        finally:
            self._reconciles = False

    async def run_bots(self) -> None:
        job = RunBots(
            cycle=self.trading.cycle,
            entry_orders=self.trading.entry_orders,
            specs=self.trading.specs,
            database=self.database,
            sequential=False,
        )
        self._seen(await job.run(self._context()))

    async def ask_instruments(self) -> None:
        job = RefreshInstruments(instruments=self.trading.instruments)
        self._seen(await job.run(self._context()))

    def between_calls(self) -> list[Awaitable[None]]:
        """What adapters do between calls, and what makes up for their streams."""
        adapters = [
            each.run()
            for each in self.trading.venues.values()
            if isinstance(each, RunsBetweenCalls)
        ]
        settle = self.trading.reconciler.settle
        return [*adapters, self.trading.streams.attend(self._reconcile_now, settle)]

    async def _reconcile_now(self) -> bool:
        """As the runner of jobs does it: one at a time, and whatever it raises is contained."""
        if self._reconciles:
            return False
        with suppress(TradebotError, TimeoutError):
            await self.reconcile()
        return True

    async def snapshot(self) -> None:
        job = EquitySnapshot(entries=self.trading.entries, database=self.database, clock=self.time)
        await job.run(self._context())

    async def reset_days(self) -> None:
        job = DailyReset(database=self.database, specs=self.trading.specs, clock=self.time)
        await job.run(self._context())

    async def reload(self, specs: Sequence[BotSpec]) -> None:
        """As `daemon.reloading` applies what it has read."""
        async with self.database.transaction(durable=True) as connection:
            await bots.sync_bots(connection, specs, {}, self.time.now())
        self.trading.specs.clear()
        self.trading.specs.update({spec.name: spec for spec in specs})
        self.trading.strategies.clear()
        self.trading.strategies.update({spec.name: self.mood(spec) for spec in specs})

    def mood(self, spec: BotSpec) -> Moods:
        if spec.name not in self.moods:
            self.moods[spec.name] = Moods(self.plan.seed, spec.name)
        return self.moods[spec.name]

    def _seen(self, summary: Summary) -> Summary:
        self.faults += [
            f"{name}: {told}" for name, told in summary.items.items() if FAULTS.search(str(told))
        ]
        return summary

    def _context(self) -> RunContext:
        return RunContext(scheduled_at=None, now=self.time.now())


async def open_world(
    plan: Plan,
    weather: Weather,
    lines: Mapping[VenueName, Line],
    time: VirtualTime,
    tape: Tape,
    *,
    symbols: Sequence[MarketSymbol],
    specs: Sequence[BotSpec],
    taken_over: bool,
) -> World:
    """Leadership, tables, wiring, what is open: as the daemon starts. Raises StorageError.

    *symbols*, *specs*: as the configuration has them now. *taken_over*: from a holder that is not
    proven dead; its lease has passed.
    """
    database = Database(cast(Any, FaultyPool(weather)))
    async with database.transaction(durable=True) as connection:
        # Whoever held it is dead or has not beaten for a lease: that is proven elsewhere.
        await connection.execute(
            "UPDATE leadership SET released_at = $1 WHERE released_at IS NULL", time.now()
        )
        token = await leadership.take(connection, ACCOUNT, HOLDER, time.now())
    async with database.transaction() as connection:
        await sync_symbols(connection, list(symbols))
        await bots.sync_bots(connection, specs, {}, time.now())
        await decisions.ensure_month(connection, time.now())
    for line in lines.values():
        line.taken(token)
    since = time.monotonic()
    lease = Lease(account=ACCOUNT, token=token, host=time, since=since, taken_over=taken_over)
    windows = (venue.traits.receive_window.total_seconds() for venue in plan.venues)
    lease.start_fence(max(windows))
    moods = {spec.name: Moods(plan.seed, spec.name) for spec in specs}
    prices = PriceCache()
    calendars: dict[str, Any] = {"24/7": AlwaysOpen()}
    if plan.hours is not None:
        calendars[plan.hours.code] = plan.hours
    market = Market(
        clock=time,
        begins_at=time.now(),
        reached=cast(Any, None),
        feeds={},
        outside=Outside(),
        prices=prices,
        ingest=cast(Any, _Ingest()),
        reader=cast(Any, QuickCandles(tape)),
        writer=cast(Any, None),
        data_ends=None,
    )
    config = _Config(
        specs,
        plan.limits,
        _Section(timezone=plan.zone),
        {venue.name: _Section() for venue in plan.venues},
    )
    adapters = {name: adapter_of(each) for name, each in lines.items()} if plan.rehearsed else lines
    with _venues(adapters):
        trading = wire_trading(
            cast(Any, config),
            cast(Any, _Files(symbols, calendars, moods)),
            database,
            market,
            lease,
            NONCE,
        )
    await trading.gate.load()
    world = World(plan, weather.life, time, database, prices, trading, moods, lease)
    if plan.tells_instruments:
        with suppress(StorageError, TimeoutError):  # a job that fails keeps nobody from starting
            await world.ask_instruments()
    await trading.protection.load(time.now())
    return world


@contextmanager
def _venues(lines: Mapping[VenueName, Venue]) -> Iterator[None]:
    """The wiring makes paper venues: here it is given ours."""
    former = venue_wiring.wire_venues
    venue_wiring.wire_venues = lambda *_, **__: dict(lines)
    try:
        yield
    finally:
        venue_wiring.wire_venues = former


@contextmanager
def virtual_host(time: VirtualTime) -> Iterator[None]:
    """The machine's own time is virtual, too, for whoever reads it by whatever name."""
    former = {"host_now": real_host.host_now, "monotonic": real_host.monotonic}
    virtual = {"host_now": time.now, "monotonic": time.monotonic}
    changed = [
        (module, name)
        for title, module in sorted(sys.modules.items())
        if title.startswith("tradebotd")
        for name in former
        if getattr(module, name, None) is former[name]
    ]
    for module, name in changed:
        setattr(module, name, virtual[name])
    try:
        yield
    finally:
        for module, name in changed:
            setattr(module, name, former[name])
