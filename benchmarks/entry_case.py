"""Bots that enter when they are told: the daemon's order flow, a slow venue, live prices.

Prices rise by a step at each stream of them, so that the size of a fixed notional tells which price
an order was sized by.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import anyio

from benchmarks.slow_books import SlowBooks
from benchmarks.trading_case import ACCOUNT, FEED, PRICE, market_symbols, take_account
from tests.fakes.traffic import CountedDatabase, Traffic, counted
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.clocks.host import SystemHost, host_now
from tradebotd.clocks.wall import WallClock
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.order_path import OrderPath, wire_order_path
from tradebotd.domain.bot import AccountLimits, BotSpec, DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, SymbolId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol, PositionType
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.run_bots import RunBots
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.price_cache import PriceCache
from tradebotd.market.writer import CandleWriter
from tradebotd.ports.venue import Replacement, Venue, VenueTraits
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.valuation import Account
from tradebotd.trading.bots.cycle import BotCycle
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.entry_prices import EntryPrices
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.entries.symbol_setups import SymbolSetups
from tradebotd.trading.execution.lease import Lease
from tradebotd.venues.contained import contained

MINUTE: Final = timedelta(minutes=1)
NOTIONAL: Final = Decimal(100)
STEP: Final = Decimal("0.0001")
STREAM_SECONDS: Final = 0.1
FINEST: Final = Decimal("1e-8")  # of lots, so that a step of the price changes the size
CANDLES: Final = 10
LOOKBACK: Final = 2
BOOKS: Final = VenueName("books")
PLAN: Final = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"))
AMPLE: Final = Decimal(1_000_000)
NO_LIMITS: Final = AccountLimits(
    currency="USDT",
    max_orders_per_minute=100_000,
    max_open_positions=100_000,
    max_exposure=Decimal(10),
    max_daily_loss=Decimal("0.5"),
    max_drawdown=Decimal("0.5"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """More of the same account: positions at other venues that are swept beside the bots'."""

    venues: Mapping[VenueName, Venue] = field(default_factory=dict)
    symbols: Sequence[MarketSymbol] = ()
    specs: Sequence[BotSpec] = ()


@dataclass(slots=True)
class Told:
    """The strategy of every bot here."""

    kind: SignalKind = SignalKind.NONE
    lookback: int = LOOKBACK

    def decide(self, candles: Sequence[Candle]) -> Signal:
        return Signal(kind=self.kind, reason="told so", indicators={"close": candles[-1].close})


@dataclass(slots=True)
class Stream:
    """`at`: of each price, when it was first there, by `time.perf_counter`."""

    symbols: Sequence[MarketSymbol]
    path: OrderPath
    at: dict[Decimal, float] = field(default_factory=dict)
    price: Decimal = PRICE

    async def once(self) -> None:
        """A new price of every symbol, as ticks."""
        self.price += STEP
        self.at[self.price] = time.perf_counter()
        now = host_now()
        for each in self.symbols:
            acting = self.path.exits.on_tick(Tick(now, each.symbol, self.price))
            if acting is not None:
                await acting

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """While the block runs."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._flow)
            yield
            tasks.cancel_scope.cancel()

    async def _flow(self) -> None:
        while True:
            await self.once()
            await anyio.sleep(STREAM_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCase:
    """A daemon's order flow; its *traffic* is counted."""

    database: CountedDatabase
    traffic: Traffic
    venue: SlowBooks
    path: OrderPath
    account: Account
    job: RunBots
    strategy: Told
    stream: Stream
    reader: CandleReader
    writer: CandleWriter
    specs: dict[BotName, BotSpec]

    async def run(self, kind: SignalKind, bot: BotName | None = None) -> None:
        """The job of one minute's end, for every bot or for one; what it says goes for all."""
        self.strategy.kind = kind
        params = {} if bot is None else {"bot": bot}
        now = host_now()
        summary = await self.job.run(RunContext(scheduled_at=now, now=now, params=params))
        if summary.failed:
            failed = [each for each in summary.items.items() if isinstance(each[1], dict)]
            raise AssertionError(f"{summary.failed} bots failed, such as {failed[:2]}")

    async def minute(self, count: int, ends_before: timedelta) -> None:
        """*count* more candles of every symbol, the last one closed so long ago."""
        last = host_now().replace(second=0, microsecond=0) - MINUTE - ends_before
        close = float(self.stream.price)
        rows = [
            Candle(last - number * MINUTE, close, close, close, close, 1.0)
            for number in reversed(range(count))
        ]
        for symbol in self.stream.symbols:
            await self.writer.write(symbol.symbol, Timeframe.M1, rows, FEED)
            self.reader.append(symbol.symbol, Timeframe.M1, rows)


async def entry_case(
    opened: Database,
    *,
    bots: int,
    seconds: float,
    cash: Decimal = AMPLE,
    limits: AccountLimits = NO_LIMITS,
    traits: VenueTraits = AUTHORITATIVE,
    plan: ExitPlan = PLAN,
    others: Others | None = None,
) -> EntryCase:
    """*bots* of a symbol each, which have been running for a while and have seen no signal yet.

    *plan*: of their exits. *others* stand beside them, at another venue, and are not run.
    """
    others = others or Others()
    symbols = [_at_books(each) for each in market_symbols(bots)]
    own = {spec.name: spec for spec in (_spec(each, plan, traits) for each in symbols)}
    specs = own | {spec.name: spec for spec in others.specs}
    traffic = Traffic()
    database = CountedDatabase(opened, traffic)
    listed = [*symbols, *others.symbols]
    token, nonce, ids = await take_account(database, listed, list(specs.values()))
    prices, clock = PriceCache(), WallClock()
    by_name = {each.symbol: each for each in listed}
    instruments = {each.symbol: each.instrument for each in symbols}
    venue = SlowBooks(clock, prices, instruments, {"USDT": cash}, name=BOOKS, traits=traits)
    core = TradingCore(
        database=database,
        clock=clock,
        venues=contained({BOOKS: counted(venue, traffic), **others.venues}),
        symbols=by_name,
        calendars={ALWAYS_OPEN: AlwaysOpen()},
        prices=prices,
        specs=specs,
        lease=Lease(account=ACCOUNT, token=token),
        nonce=nonce,
        currency="USDT",
        sequential=False,
    )
    case = _compose(core, database, traffic, venue, limits=limits, ids=ids, own=own)
    await _warm_up(case)
    venue.seconds = seconds
    return case


async def _warm_up(case: EntryCase) -> None:
    """Every candle is known, every bot has run, every connection has prepared what it will send."""
    await case.stream.once()
    await case.minute(CANDLES, ends_before=MINUTE)
    await case.run(SignalKind.NONE)
    await case.path.reconciliation.reconciler.run()
    await case.path.exits.sweep(host_now())
    await case.account.snapshot(host_now())
    await case.minute(1, ends_before=timedelta())
    case.traffic.forget()


def _compose(
    core: TradingCore,
    database: CountedDatabase,
    traffic: Traffic,
    venue: SlowBooks,
    *,
    limits: AccountLimits,
    ids: dict[str, SymbolId],
    own: dict[BotName, BotSpec],
) -> EntryCase:
    """Compose it as `daemon/wiring/trading.py` does, without a configuration file."""
    path = wire_order_path(core)
    gate = EntryGate(core.database, core.clock)
    gate.open("reconcile")
    account = _account(core, path)
    entries = Entries(
        database=core.database,
        account=account,
        prices=EntryPrices(prices=core.prices, venues=core.venues, clock=core.clock),
        placement=path.placement,
        gate=gate,
        filters=path.entry_filters,
        setups=SymbolSetups(core.database, core.venues, SystemHost()),
        limits=limits,
    )
    resting = RestingEntries(
        database=core.database,
        clock=core.clock,
        venues=core.venues,
        recorder=path.recorder,
        gate=gate,
        specs=core.specs,
        sequential=False,
    )
    strategy, reader = Told(), CandleReader(core.database, ids)
    venue.listen(path.recorder.on_order_report)
    cycle = BotCycle(
        database=core.database,
        specs=core.specs,
        strategies=dict.fromkeys(core.specs, strategy),
        symbols=core.symbols,
        calendars=core.calendars,
        candles=reader,
        exits=path.exits,
        entries=entries,
        resting_entries=resting,
        gate=gate,
        token=core.lease.token,
    )
    job = RunBots(
        cycle=cycle,
        entry_orders=resting,
        specs=own,
        database=core.database,
        sequential=False,
    )
    symbols = [core.symbols[spec.symbol] for spec in own.values()]
    return EntryCase(
        database=database,
        traffic=traffic,
        venue=venue,
        path=path,
        account=account,
        job=job,
        strategy=strategy,
        stream=Stream(symbols, path),
        reader=reader,
        writer=CandleWriter(core.database, ids, core.clock),
        specs=own,
    )


def _account(core: TradingCore, path: OrderPath) -> Account:
    return Account(
        database=core.database,
        hedge=core.hedge,
        venues=core.venues,
        prices=path.exits.bad_ticks,
        symbols=core.symbols,
        specs=core.specs,
        name=ACCOUNT,
        currency=core.currency,
        zone=ZoneInfo("UTC"),
        shares=core.clock.speed > 0,
    )


def _at_books(symbol: MarketSymbol) -> MarketSymbol:
    name = f"E{symbol.symbol}"
    instrument = replace(
        symbol.instrument, symbol=name, base_asset=f"B{name}", venue=BOOKS, lot_size=FINEST
    )
    return replace(symbol, instrument=instrument)


def _spec(symbol: MarketSymbol, plan: ExitPlan, traits: VenueTraits) -> BotSpec:
    """Reduce-only where exits may overlap; spot where they lock what they sell."""
    futures = traits.resting_stops and traits.replacement is Replacement.OVERLAP
    return BotSpec(
        name=BotName(f"bot_{symbol.symbol}"),
        symbol=symbol.symbol,
        timeframe=Timeframe.M1,
        strategy="told",
        initial_capital=Decimal(10_000),
        sizing=SizingRule(kind=SizingKind.FIXED_NOTIONAL, value=NOTIONAL),
        position_type=PositionType.FUTURES if futures else PositionType.SPOT,
        exits=plan,
        limits=DailyLimits(),
        day_zone=ZoneInfo("UTC"),
    )
