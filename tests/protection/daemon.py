"""The daemon's order path, wired by its own functions, with one venue and the simulator's time."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import anyio

from tests.fakes.trading import ACCOUNT, HOLDER, LIMITS
from tests.simulators.shared.clock import SimulatorClock
from tradebotd.clocks.host import host_now
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.order_path import OrderPath, wire_order_path
from tradebotd.domain.bot import BotSpec, DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import Position
from tradebotd.domain.side import Side
from tradebotd.domain.timeframe import Timeframe
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import ClockKind
from tradebotd.ports.venue import RunsBetweenCalls, Venue
from tradebotd.risk.limits import AccountState, approve_entry
from tradebotd.storage import bots, decisions, leadership
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.exits.exit_changes import ExitChanges, Level
from tradebotd.venues.contained import contained

SWEEP_EVERY: Final = 5.0  # seconds, as the daemon's own job
RECONCILE_EVERY: Final = 10.0
PLAN: Final = ExitPlan(stop_loss=Decimal("0.02"), take_profit=Decimal("0.05"))
RICH: Final = AccountState(
    equity=Decimal(1_000_000),
    exposure=Decimal(0),
    open_positions=0,
    orders_last_minute=0,
    day_start_equity=Decimal(1_000_000),
    peak_equity=Decimal(1_000_000),
)
PATIENCE: Final = 30.0


class VenueTime:
    """Market time and host time, both the simulator's."""

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock

    @property
    def kind(self) -> ClockKind:
        return "wall"

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return anyio.current_time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        await anyio.sleep(max(0.0, (instant - self.now()).total_seconds()))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a daemon is made for. *build*: a new adapter, as a new process would have it."""

    database: Database
    clock: SimulatorClock
    symbols: Mapping[str, MarketSymbol]
    calendar: Calendar
    position_type: PositionType
    build: Callable[[], Venue]
    price: Callable[[str], Decimal]


def bot_of(symbol: str, position_type: PositionType) -> BotSpec:
    return BotSpec(
        name=BotName(f"bot-{symbol}".lower().replace("/", "-")),
        symbol=symbol,
        timeframe=Timeframe.M1,
        strategy="none",
        initial_capital=Decimal(100_000),
        sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1)),
        exits=PLAN,
        limits=DailyLimits(),
        day_zone=UTC,
        position_type=position_type,
    )


class Daemon:
    """One life of it: made by `living`, gone when the block is left."""

    def __init__(self, setting: Setting, core: TradingCore, path: OrderPath) -> None:
        self._setting, self._core, self.path = setting, core, path
        self.exits = path.exits
        self.changes = ExitChanges(
            database=core.database, prices=core.prices, symbols=core.symbols, tracker=self.exits
        )

    async def look(self) -> None:
        """Pass on the prices of the venue, for ever."""
        while True:
            for name in self._setting.symbols:
                price = self._setting.price(name)
                if price:
                    acting = self.exits.on_tick(Tick(self._core.clock.now(), name, price))
                    if acting is not None:
                        await acting
            await anyio.sleep(0.05)

    async def sweep(self) -> None:
        while True:
            await self.exits.sweep(self._core.clock.now())
            await anyio.sleep(SWEEP_EVERY)

    async def reconcile(self) -> None:
        while True:
            await anyio.sleep(RECONCILE_EVERY)
            await self.reconciled()

    async def reconciled(self) -> bool:
        await self.path.reconciliation.reconciler.run()
        return True

    async def enter(self, symbol: str, quantity: Decimal) -> None:
        """Buy at the market. Raises as `Placement.send`."""
        known = self._setting.symbols[symbol]
        bot = bot_of(symbol, self._setting.position_type)
        intent = OrderIntent(
            request=OrderRequest(
                venue=known.instrument.venue,
                symbol=symbol,
                side=Side.BUY,
                type=OrderType.MARKET,
                time_in_force=TimeInForce.IOC,
                quantity=quantity,
                position_type=self._setting.position_type,
            ),
            bot=bot.name,
            role=OrderRole.ENTRY,
            reason="drawn",
        )
        approved = approve_entry(intent, Decimal(1), RICH, LIMITS)
        prepared = await self.path.placement.prepare(approved, exits=bot.exits)
        await self.path.placement.send(prepared)

    def position(self, symbol: str) -> Position | None:
        held = (each for each in self.exits.held.values() if each.symbol == symbol)
        return next(held, None)

    async def move_stop(self, symbol: str, share: Decimal) -> None:
        """Move its stop nearer, to *share* below the entry."""
        position = self.position(symbol)
        if position is not None:
            await self.changes.set(position.id, stop_loss=Level(fraction=share))


@asynccontextmanager
async def living(setting: Setting) -> AsyncIterator[Daemon]:
    """Start it, as on a database that may know positions; it is killed when the block is left."""
    clock, database = VenueTime(setting.clock), setting.database
    specs = [bot_of(name, setting.position_type) for name in setting.symbols]
    async with database.transaction(durable=True) as connection:
        if await leadership.select_holder(connection, ACCOUNT) is not None:
            await connection.execute("UPDATE leadership SET released_at = now()")
        token = await leadership.take(connection, ACCOUNT, HOLDER, host_now())
        await sync_symbols(connection, list(setting.symbols.values()))
        await bots.sync_bots(connection, specs, {}, clock.now())
        await decisions.ensure_month(connection, clock.now())
    adapter = setting.build()
    bans = VenueBans()
    venues = contained({adapter.name: adapter}, bans, clock)
    prices = PriceCache(Decimal(100), {})
    core = TradingCore(
        database=database,
        clock=clock,
        host=clock,
        venues=venues,
        bans=bans,
        symbols=dict(setting.symbols),
        calendars={setting.calendar.code: setting.calendar},
        prices=prices,
        specs={each.name: each for each in specs},
        lease=Lease(account=ACCOUNT, token=token),
        nonce=b"nonce",
        currency="USDT",
        sequential=False,
    )
    path = wire_order_path(core)
    daemon = Daemon(setting, core, path)
    venue = venues[adapter.name]
    venue.listen(path.recorder.on_order_report, path.streams.listener(venue))
    async with anyio.create_task_group() as tasks:
        await path.instruments.run()
        await daemon.exits.load(clock.now())
        if isinstance(venue, RunsBetweenCalls):
            tasks.start_soon(venue.run)
        await daemon.reconciled()
        tasks.start_soon(daemon.exits.run)
        tasks.start_soon(path.streams.attend, daemon.reconciled)
        for task in (daemon.look, daemon.sweep, daemon.reconcile):
            tasks.start_soon(task)
        try:
            yield daemon
        finally:
            tasks.cancel_scope.cancel()


async def seconds_of(database: Database) -> dict[PositionId, tuple[str, float]]:
    """Read what the daemon has counted, by position: its symbol, and the seconds."""
    async with database.connection() as connection:
        rows: list[Any] = await connection.fetch(
            "SELECT id, symbol, unprotected_seconds FROM positions ORDER BY id"
        )
    return {row["id"]: (row["symbol"], row["unprotected_seconds"]) for row in rows}
