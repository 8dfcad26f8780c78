"""The order flow as the daemon wires it, on a real database and a venue that does as it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.domain.bot import AccountLimits, BotSpec, DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Candle, PathPoint
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import BotName, SymbolId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.job import RunContext
from tradebotd.jobs.run_bots import RunBots
from tradebotd.market.calendars import AlwaysOpen, Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.market.price_book import PriceBook
from tradebotd.storage import bots, positions
from tradebotd.storage.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.strategies.base import Strategy
from tradebotd.trading.account import Account
from tradebotd.trading.bot_cycle import BotCycle
from tradebotd.trading.entries import Entries
from tradebotd.trading.entry_gate import EntryGate
from tradebotd.trading.placement import Lease, Placement
from tradebotd.trading.protection import Protection
from tradebotd.trading.reconcile import Reconciler
from tradebotd.trading.recorder import OrderRecorder

NOW = datetime(2022, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE = BotName("one")
BTC = "BTCUSDT"
LIMITS = AccountLimits(
    currency="USDT",
    max_orders_per_minute=100,
    max_open_positions=200,
    max_exposure=Decimal(1),
    max_daily_loss=Decimal("0.5"),
    max_drawdown=Decimal("0.5"),
)
TAKE_ACCOUNT = """
    INSERT INTO leadership (account, token, holder, acquired_at) VALUES ('default', $1, '{}', now())
    ON CONFLICT (account) DO UPDATE SET token = excluded.token, released_at = NULL
"""


def symbol(
    name: str = BTC, *, venue: VenueName = SCRIPTED, calendar: str = ALWAYS_OPEN
) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=venue,
            base_asset=name.removesuffix("USDT"),
            quote_asset="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.001"),
        ),
        feeds=(),
        timeframes=(Timeframe.M1,),
        calendar=calendar,
    )


def spec(name: str = ONE, **changes: Any) -> BotSpec:
    """Buys 1 BTC; stops 10 % below, takes 20 % above."""
    made = BotSpec(
        name=BotName(name),
        symbol=BTC,
        timeframe=Timeframe.M1,
        strategy="scripted",
        initial_capital=Decimal(1000),
        sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1)),
        exits=ExitPlan(stop_loss=Decimal("0.1"), take_profit=Decimal("0.2")),
        limits=DailyLimits(),
        day_zone=UTC,
    )
    return replace(made, **changes)


class ScriptedStrategy:
    """Says what it was told to; an exception is raised, anything else returned as it is."""

    lookback = 1

    def __init__(self, says: Any = SignalKind.NONE) -> None:
        self.says = says
        self.asked = 0

    def decide(self, candles: Sequence[Candle]) -> Signal:
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        if isinstance(self.says, SignalKind):
            return Signal(kind=self.says, reason="as told", indicators={"fast": candles[-1].close})
        return self.says  # type: ignore[no-any-return]


class ClosedMarket(AlwaysOpen):
    def is_open(self, instant: datetime) -> bool:
        return False


class Desk:
    """`boot` wires it; a second `boot` is a restart: memory is lost, database and venue are not."""

    def __init__(
        self,
        database: Database,
        *,
        symbols: Sequence[MarketSymbol] = (symbol(),),
        specs: Sequence[BotSpec] = (spec(),),
        cash: str = "10000",
        speed: float = 0,
    ) -> None:
        self.database = database
        self.clock = FakeClock(NOW, speed)
        self.symbols = {each.symbol: each for each in symbols}
        self.specs = {each.name: each for each in specs}
        self.calendars: dict[str, Calendar] = {ALWAYS_OPEN: AlwaysOpen()}
        self.limits = LIMITS
        self.prices = PriceBook()
        self.market = PriceBook()  # what the venue sees, while our own stream may be silent
        self.venue = ScriptedVenue(
            self.clock,
            self.market,
            {name: each.instrument for name, each in self.symbols.items()},
            {"USDT": Decimal(cash)},
        )
        self.strategies: dict[BotName, ScriptedStrategy] = {}
        self.token = 1

    async def boot(self, *, token: int | None = None) -> "Desk":
        self.token = token or self.token
        venues = {SCRIPTED: self.venue}
        async with self.database.transaction(durable=True) as connection:
            ids = await sync_symbols(connection, list(self.symbols.values()))
            await bots.sync_bots(connection, list(self.specs.values()), {}, NOW)
            await connection.execute(TAKE_ACCOUNT, self.token)
        self.gate = EntryGate(self.database, self.clock)
        self.gate.open("reconcile")
        self.protection = Protection(
            database=self.database,
            clock=self.clock,
            prices=self.prices,
            symbols=self.symbols,
            calendars=self.calendars,
            venues=venues,
            sequential=self.clock.speed == 0,
        )
        self.recorder = OrderRecorder(
            database=self.database,
            clock=self.clock,
            instruments={name: each.instrument for name, each in self.symbols.items()},
            specs=self.specs,
            watcher=self.protection,
        )
        self.placement = Placement(
            database=self.database,
            venues=venues,
            recorder=self.recorder,
            clock=self.clock,
            lease=Lease(account="default", token=self.token),
            nonce=b"12345",
        )
        self.protection.use(self.placement)
        self.account = Account(
            database=self.database,
            venues=venues,
            prices=self.prices,
            specs=self.specs,
            name="default",
            currency="USDT",
            zone=UTC,
        )
        self.entries = Entries(
            account=self.account,
            prices=self.prices,
            placement=self.placement,
            limits=self.limits,
        )
        self.reconciler = Reconciler(
            database=self.database,
            venues=venues,
            symbols=self.symbols,
            recorder=self.recorder,
            clock=self.clock,
        )
        self._wire_bots(ids)
        return self

    def _wire_bots(self, ids: Mapping[str, SymbolId]) -> None:
        self.reader = CandleReader(self.database, ids)
        for name in self.specs:
            self.strategies.setdefault(name, ScriptedStrategy())
        strategies: dict[BotName, Strategy] = {**self.strategies}
        self.cycle = BotCycle(
            database=self.database,
            specs=self.specs,
            strategies=strategies,
            symbols=self.symbols,
            calendars=self.calendars,
            candles=self.reader,
            protection=self.protection,
            entries=self.entries,
            gate=self.gate,
            token=self.token,
        )
        self.run_bots = RunBots(
            cycle=self.cycle,
            specs=self.specs,
            database=self.database,
            sequential=self.clock.speed == 0,
        )

    # Prices and candles

    async def tick(self, price: str, name: str = BTC) -> None:
        """To us and to the venue; the exits it triggers are awaited."""
        self.quote(price, name)
        awaited = self.protection.on_tick(PathPoint(self.clock.now(), name, Decimal(price)))
        if awaited is not None:
            await awaited

    def quote(self, price: str, name: str = BTC) -> None:
        """To the venue alone: our stream has stalled."""
        self.market.record(PathPoint(self.clock.now(), name, Decimal(price)))

    async def candle(self, price: str, name: str = BTC) -> None:
        """A minute passes; its candle is stored and closed."""
        ts = self.clock.now()
        value = float(price)
        async with self.database.connection() as connection:
            await connection.execute("SELECT ensure_month('ohlc_1m', $1)", ts)
            await connection.execute(
                "INSERT INTO ohlc SELECT id, '1m', $2, $3, $3, $3, $3, 1, 'fake' FROM market_symbols"
                " WHERE symbol = $1",
                name,
                ts,
                value,
            )
        self.reader.append(name, Timeframe.M1, [Candle(ts, value, value, value, value, 1.0)])
        self.clock.advance(MINUTE)
        await self.tick(price, name)

    # Bots

    async def cycle_with(self, says: Any, price: str = "100", bot: BotName = ONE) -> str:
        """A new candle, a signal, a cycle; the bot's status afterwards."""
        await self.candle(price, self.specs[bot].symbol)
        self.strategies[bot].says = says
        return (await self.cycle.run(bot, self.clock.now())).status

    async def enter(self, price: str = "100", bot: BotName = ONE) -> Position:
        await self.cycle_with(SignalKind.BUY, price, bot)
        return await self.position(bot)

    def context(self) -> RunContext:
        return RunContext(scheduled_at=self.clock.now(), now=self.clock.now())

    # What is stored

    async def position(self, bot: BotName = ONE) -> Position:
        async with self.database.connection() as connection:
            opened = await positions.select_open_page(connection, positions.PositionId(0))
        return next(each for each in opened if each.bot == bot)

    async def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(statement, *values)]

    async def orders(self) -> list[tuple[Any, ...]]:
        """(role, status, settled), oldest first."""
        return await self.query("SELECT role, status, settled FROM orders ORDER BY id")

    async def trades(self) -> list[tuple[Any, ...]]:
        return await self.query("SELECT bot, close_reason, exit_price FROM trades ORDER BY id")

    async def alerts(self) -> list[str]:
        """The codes of those that are open."""
        rows = await self.query("SELECT code FROM alerts WHERE cleared_at IS NULL ORDER BY id")
        return [code for (code,) in rows]
