"""The whole order flow on a real database, with a venue, prices, candles and time set by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.clock import FakeClock
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.clocks.host import SystemHost, host_now
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.order_path import wire_order_path
from tradebotd.domain.bot import AccountLimits, BotSpec, DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName, FeedName, SymbolId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport
from tradebotd.domain.quote import PriceKind, Spread
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.market.calendars import AlwaysOpen, Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.market.price_cache import FROM_LAST, PriceCache
from tradebotd.market.writer import CandleWriter
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Venue, VenueTraits
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import bots, decisions, leadership, process_identity
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.strategies.base import Strategy
from tradebotd.trading.account.valuation import Account
from tradebotd.trading.bots.cycle import BotCycle, CycleResult
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.entry_prices import EntryPrices
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.entries.symbol_setups import SymbolSetups
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.exits.exit_changes import ExitChanges
from tradebotd.trading.operator.commands import OperatorCommands
from tradebotd.trading.operator.flatten import Flatten
from tradebotd.venues.contained import contained
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue

NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ACCOUNT = "default"
BOT, SYMBOL = BotName("one"), "BTCUSDT"
LIMITS = AccountLimits(
    currency="USDT",
    max_orders_per_minute=1000,
    max_open_positions=1000,
    max_exposure=Decimal(1),
    max_daily_loss=Decimal("0.05"),
    max_drawdown=Decimal("0.2"),
)
PLAN = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"))
HOLDER = process_identity.Holder(
    machine_id="m", boot_id="b", pid=1, pid_started=1, pid_namespace="n", host="here"
)


def spec(name: str = "one", symbol: str = SYMBOL, **changes: Any) -> BotSpec:
    defaults: dict[str, Any] = {
        "name": BotName(name),
        "symbol": symbol,
        "timeframe": Timeframe.M1,
        "strategy": "scripted",
        "initial_capital": Decimal(1000),
        "sizing": SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1)),
        "exits": PLAN,
        "limits": DailyLimits(),
        "day_zone": UTC,
    }
    return BotSpec(**(defaults | changes))


def market_symbol(symbol: str, calendar: str = ALWAYS_OPEN) -> MarketSymbol:
    quote = next((each for each in ("EUR", "JPY") if symbol.endswith(each)), "USDT")
    return MarketSymbol(
        instrument=Instrument(
            symbol=symbol,
            venue=SCRIPTED,
            base_asset=symbol.removesuffix(quote),
            quote_asset=quote,
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.001"),
        ),
        feeds=(FeedName("hand"),),
        timeframes=(Timeframe.M1,),
        calendar=calendar,
    )


@dataclass
class ScriptedStrategy:
    """Says what it was told, candle after candle; then nothing."""

    words: list[SignalKind | Exception | object] = field(default_factory=list)
    lookback: int = 2
    asked: list[Sequence[Candle]] = field(default_factory=list)

    def decide(self, candles: Sequence[Candle]) -> Signal:
        self.asked.append(candles)
        word = self.words.pop(0) if self.words else SignalKind.NONE
        if isinstance(word, Exception):
            raise word
        if not isinstance(word, SignalKind):
            return word  # type: ignore[return-value]
        return Signal(kind=word, reason=f"told to {word}", indicators={"close": candles[-1].close})


class TradingHarness:
    """Made by `open_harness`. `bots` may be changed as a reload does."""

    def __init__(
        self,
        database: Database,
        *,
        specs: Sequence[BotSpec],
        symbols: Sequence[str],
        token: int,
        nonce: bytes,
        symbol_ids: dict[str, SymbolId],
        calendar: Calendar | None,
        limits: AccountLimits,
        sequential: bool,
        venue: ScriptedVenue | None = None,
        bad_tick: Decimal = Decimal(100),
        speed: float = 0.0,
        paper: PaperTerms | None = None,
        host: HostClock | None = None,
        traits: VenueTraits | None = None,
        spreads: Mapping[str, Spread] | None = None,
    ) -> None:
        code = ALWAYS_OPEN if calendar is None else calendar.code
        self.database = database
        self.clock = FakeClock(NOON, speed)
        self.prices = PriceCache(bad_tick, spreads or {})
        self.symbols = {name: market_symbol(name, code) for name in symbols}
        instruments = {name: symbol.instrument for name, symbol in self.symbols.items()}
        self.venue = venue or ScriptedVenue(
            self.clock, self.prices, instruments, {"USDT": Decimal(1_000_000)}
        )
        if traits is not None:
            self.venue.traits = traits
        self.venue.clock, self.venue.prices = self.clock, self.prices
        venues: dict[VenueName, Venue] = {SCRIPTED: self.venue}
        if paper is not None:
            quoted = FROM_LAST if spreads else ()
            days = calendar or AlwaysOpen()
            self.paper = PaperVenue(
                SCRIPTED,
                self.clock,
                self.prices,
                database,
                paper,
                instruments,
                price_kinds=frozenset({PriceKind.LAST, *quoted}),
                day_end=lambda _, at: days.next_close(at),
            )
            venues[SCRIPTED] = self.paper
        self.bans = VenueBans()
        self.venues = venues = venues if host is None else contained(venues, self.bans, host)
        calendars: dict[str, Calendar] = {code: calendar or AlwaysOpen()}
        self.specs = {each.name: each for each in specs}
        self.strategies: dict[BotName, Strategy] = {each.name: ScriptedStrategy() for each in specs}
        self.token, self.nonce = token, nonce
        core = TradingCore(
            database=database,
            clock=self.clock,
            venues=venues,
            symbols=self.symbols,
            calendars=calendars,
            prices=self.prices,
            specs=self.specs,
            lease=Lease(account=ACCOUNT, token=token),
            nonce=nonce,
            currency="USDT",
            sequential=sequential,
            host=host,
            bans=self.bans,
        )
        self.gate = EntryGate(database, self.clock, core.holds)
        self.gate.open("reconcile")
        self.lease = core.lease
        self.path = wire_order_path(
            core,
            resting=None if paper is None or paper.resting_stops else (),
        )
        self.protection = self.path.exits
        self.recorder = self.path.recorder
        self.streams = self.path.streams
        self.placement = self.path.placement
        self.reconciler = self.path.reconciliation.reconciler
        self.adoption = self.path.reconciliation.adoption
        self.account = Account(
            database=database,
            venues=venues,
            prices=self.protection.bad_ticks,
            symbols=self.symbols,
            specs=self.specs,
            name=ACCOUNT,
            currency="USDT",
            zone=UTC,
            hedge=core.hedge,
            shares=speed > 0,
        )
        self.entries = Entries(
            database=database,
            account=self.account,
            prices=EntryPrices(prices=self.prices, venues=venues, clock=self.clock),
            placement=self.placement,
            gate=self.gate,
            filters=self.path.entry_filters,
            limits=limits,
            setups=SymbolSetups(database, venues, host or SystemHost()),
        )
        self.entry_orders = RestingEntries(
            database=database,
            clock=self.clock,
            venues=venues,
            recorder=self.recorder,
            gate=self.gate,
            specs=self.specs,
            sequential=sequential,
        )
        self.gate.subscribe(self.entry_orders.mark_dirty)
        self.recorder.subscribe_to_fills(self.entry_orders.mark_dirty)
        self.reader = CandleReader(database, symbol_ids)
        self.writer = CandleWriter(database, symbol_ids, self.clock)
        self.cycle = BotCycle(
            database=database,
            specs=self.specs,
            strategies=self.strategies,
            symbols=self.symbols,
            calendars=calendars,
            candles=self.reader,
            exits=self.protection,
            entries=self.entries,
            resting_entries=self.entry_orders,
            gate=self.gate,
            token=token,
        )
        self.flatten = Flatten(
            database=database,
            clock=self.clock,
            gate=self.gate,
            resting_entries=self.entry_orders,
            closer=self.protection,
            reconciler=self.reconciler,
        )
        self.exit_changes = ExitChanges(
            database=database,
            prices=self.prices,
            symbols=self.symbols,
            tracker=self.protection,
        )
        self.commands = OperatorCommands(
            database=database,
            exits=self.protection,
            gate=self.gate,
            flatten=self.flatten,
            adoption=self.adoption,
            changes=self.exit_changes,
        )
        if paper is not None:
            self.paper.listen(self.recorder.on_order_report)

    def set_filters(self, symbol: str = SYMBOL, **changes: Any) -> None:
        """The instrument as everybody knows it."""
        known = self.symbols[symbol]
        instrument = replace(known.instrument, **changes)
        self.symbols[symbol] = replace(known, instrument=instrument)
        self.venue.filters[symbol] = instrument

    # The market

    def tick(self, price: str, symbol: str = SYMBOL, kind: PriceKind = PriceKind.LAST) -> None:
        """A price that nobody acts on."""
        self.prices.record(Tick(self.clock.now(), symbol, Decimal(price), kind=kind))

    async def stream(
        self, price: str, symbol: str = SYMBOL, kind: PriceKind = PriceKind.LAST
    ) -> None:
        """A price that goes through the trigger book."""
        tick = Tick(self.clock.now(), symbol, Decimal(price), kind=kind)
        acting = self.protection.on_tick(tick)
        if acting is not None:
            await acting

    async def candles(self, *closes: float, symbol: str = SYMBOL) -> None:
        """The minutes up to now, one a close."""
        start = self.clock.now() - len(closes) * MINUTE
        rows = [
            Candle(start + i * MINUTE, close, close, close, close, 1.0)
            for i, close in enumerate(closes)
        ]
        await self.writer.write(symbol, Timeframe.M1, rows, FeedName("hand"))
        self.reader.append(symbol, Timeframe.M1, rows)
        self.tick(str(closes[-1]), symbol)

    async def minute(self, close: float = 100.0, symbol: str = SYMBOL) -> None:
        """One more minute has passed, and its candle is stored."""
        self.clock.advance(MINUTE)
        await self.candles(close, symbol=symbol)

    async def earns(self, amount: int) -> None:
        """So much is realized at the venue and in our books, as if by a trade; or lost."""
        await self.execute(
            "SELECT add_to_asset($1, 'USDT', $2, 0, 0)", self.venue.name, Decimal(amount)
        )
        self.venue.balances["USDT"] += amount

    # The bots

    def says(self, *words: SignalKind | Exception | object, bot: str = BOT) -> ScriptedStrategy:
        strategy = ScriptedStrategy(list(words))
        self.strategies[BotName(bot)] = strategy
        return strategy

    async def run(self, bot: str = BOT) -> CycleResult:
        return await self.cycle.run(BotName(bot), self.clock.now())

    def context(self, **params: str) -> RunContext:
        return RunContext(scheduled_at=self.clock.now(), now=self.clock.now(), params=params)

    async def enter(
        self, bot: str = BOT, side: PositionSide = PositionSide.LONG, minute: int = 0
    ) -> OrderReport:
        """Without a strategy: a decision of *minute*, and all that follows from it."""
        one = self.specs[BotName(bot)]
        decision = DecisionRecord(
            bot=one.name,
            candle_ts=NOON + minute * MINUTE,
            intent="entry",
            signal="buy",
            reason="because",
            path="primary",
            indicators={},
            execution_meta={},
            decided_at=self.clock.now(),
        )
        symbol = self.symbols[one.symbol]
        return await self.entries.enter(one, symbol, side, decision, (), self.clock.now())

    # The books

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]

    async def row(self, sql: str, *values: object) -> dict[str, Any]:
        (found,) = await self.rows(sql, *values)
        return found

    async def execute(self, sql: str, *values: object) -> None:
        """As the daemon writes what it must not lose."""
        async with self.database.transaction(durable=True) as connection:
            await connection.execute(sql, *values)

    async def orders(self) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM orders ORDER BY id")

    async def position(self) -> dict[str, Any]:
        return await self.row("SELECT * FROM positions")

    async def state(self, bot: str = BOT) -> dict[str, Any]:
        return await self.row("SELECT * FROM bot_states WHERE bot = $1", bot)

    async def open_alerts(self) -> list[str]:
        rows = await self.rows("SELECT code FROM alerts WHERE cleared_at IS NULL ORDER BY code")
        return [row["code"] for row in rows]

    async def broken_books(self) -> list[dict[str, Any]]:
        """M5.4: positions that are not the sum of their fills, orders that are not."""
        return await self.rows(
            """
            SELECT 'position' AS what, p.id FROM positions AS p
              LEFT JOIN fills AS f ON f.position_id = p.id
              LEFT JOIN market_symbols AS m ON m.symbol = p.symbol
             GROUP BY p.id
            HAVING coalesce(sum(CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END
                                - CASE WHEN f.fee_asset = m.base_asset THEN f.fee ELSE 0 END), 0)
                   <> (CASE p.side WHEN 'long' THEN 1 ELSE -1 END) * (p.quantity + p.dust - p.swept)
            UNION ALL
            SELECT 'order', o.id FROM orders AS o LEFT JOIN fills AS f ON f.order_id = o.id
             GROUP BY o.id HAVING coalesce(sum(f.quantity), 0) <> o.filled_quantity
            """
        )


async def open_harness(
    database: Database,
    *specs: BotSpec,
    calendar: Calendar | None = None,
    limits: AccountLimits = LIMITS,
    sequential: bool = False,
    restarted: bool = False,
    watched: Sequence[str] = (),
    silent: Sequence[str] = (),
    venue: ScriptedVenue | None = None,
    bad_tick: Decimal = Decimal(100),
    speed: float = 0.0,
    paper: PaperTerms | None = None,
    host: HostClock | None = None,
    traits: VenueTraits | None = None,
    spreads: Mapping[str, Spread] | None = None,
) -> TradingHarness:
    """Leadership taken, bots and symbols known, prices at 100. *restarted*: on another's database.

    *watched*: symbols that nobody trades; *silent*: more of them, without a price. *venue*: one of
    an earlier harness, or of another kind. *bad_tick*: prices of tests jump; those of doubts ask for
    less. *paper*: trade at a paper venue (`harness.paper`) instead, under the same name. *host*:
    venues are contained and their bans kept, as the daemon has them, by this clock. *traits*: of
    the scripted venue, from its first moment. *spreads*: of symbols whose bid and ask are made from
    their last price.
    """
    wanted = specs or (spec(),)
    names = sorted({*watched, *silent, *(each.symbol for each in wanted)})
    code = ALWAYS_OPEN if calendar is None else calendar.code
    async with database.transaction(durable=True) as connection:
        if restarted:
            await connection.execute("UPDATE leadership SET released_at = now()")
        token = await leadership.take(connection, ACCOUNT, HOLDER, host_now())
        ids = await sync_symbols(connection, [market_symbol(name, code) for name in names])
        await bots.sync_bots(connection, wanted, {}, NOON)
        await decisions.ensure_month(connection, NOON)
    harness = TradingHarness(
        database,
        specs=wanted,
        symbols=names,
        token=token,
        nonce=b"nonce",
        symbol_ids=ids,
        calendar=calendar,
        limits=limits,
        sequential=sequential,
        venue=venue,
        bad_tick=bad_tick,
        speed=speed,
        paper=paper,
        host=host,
        traits=traits,
        spreads=spreads,
    )
    for name in names:
        if name not in silent:
            harness.tick("100", name)
    return harness
