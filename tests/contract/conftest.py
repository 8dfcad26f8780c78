"""The venues that the numbered tests run for, each with a clock, prices and a listener."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from tests.alpaca_venue import stage as alpaca
from tests.binance_spot import stage as spot
from tests.binance_usdm import stage as usdm
from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.fakes.venue import AUTHORITATIVE, ScriptedVenue
from tests.rehearsal.stage import EXCLUDED, NAME, TRAITS_HERE, Staged, as_taken, staged
from tradebotd.domain.candle import Tick
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replacement, SelfTrade, VenueTraits
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue

UNMET = pytest.StashKey[frozenset[str] | None]()  # None: not all cases were collected
NOW = datetime(2022, 3, 1, 15, tzinfo=UTC)  # New York trades, where a venue has sessions
FIRST, SECOND, THIRD = ClientOrderId("tb1"), ClientOrderId("tb2"), ClientOrderId("tb3")
CASH = Decimal(1000)
FUTURES = PositionType.FUTURES
KINDS = frozenset(PriceKind)
CAN_ALL = VenueTraits(
    resting_stops=True,
    price_kinds=KINDS,
    stop_prices=KINDS,
    linked_orders=True,
    replacement=Replacement.REPLACE,
    receive_window=AUTHORITATIVE.receive_window,
    absence_margin=AUTHORITATIVE.absence_margin,
    resting_margin=AUTHORITATIVE.resting_margin,
    negatives=1,
    endpoints=1,
    tells_transfers=True,
    sets_up_symbols=True,
    tells_stream=True,
    tells_clock=True,
    order_types=frozenset(OrderType),
)


@dataclass
class Case:
    """`meet` is what a price does to orders that rest; `heard` what the venue told of itself.

    `limiter`: while it is held, whatever is sent waits inside the adapter, and has not left.
    """

    venue: (
        PaperVenue
        | ScriptedVenue
        | Staged
        | spot.StagedSpot
        | usdm.StagedUsdm
        | alpaca.StagedAlpaca
    )
    clock: FakeClock
    prices: FakePrices
    symbol: MarketSymbol
    meet: Callable[[Tick], Awaitable[object]]
    limiter: Callable[[], AbstractAsyncContextManager[object]]
    database: Database
    known: dict[str, Instrument]
    heard: list[OrderReport] = field(default_factory=list)

    def refilter(self, **filters: Any) -> None:
        """The venue changes what it takes, while orders rest."""
        self.known["BTCUSDT"] = replace(self.known["BTCUSDT"], **filters)

    def order(
        self,
        side: Side,
        quantity: str,
        type_: OrderType = OrderType.MARKET,
        price: str | None = None,
        *,
        symbol: str = "BTCUSDT",
        **changes: Any,
    ) -> OrderRequest:
        level = None if price is None else Decimal(price)
        request: dict[str, Any] = {
            "venue": self.venue.name,
            "symbol": symbol,
            "side": side,
            "type": type_,
            "time_in_force": TimeInForce.IOC if level is None else TimeInForce.GTC,
            "quantity": Decimal(quantity),
            "limit_price": level if type_ is OrderType.LIMIT else None,
            "stop_price": None if type_ is OrderType.LIMIT else level,
        }
        made = OrderRequest(**{**request, **changes})
        if isinstance(self.venue, alpaca.StagedAlpaca):
            return alpaca.as_taken(made)
        if isinstance(self.venue, usdm.StagedUsdm):
            return usdm.as_futures(made)
        as_it_is = (
            not isinstance(self.venue, Staged) or changes.get("time_in_force", "day") != "day"
        )
        return made if as_it_is else as_taken(made, self.symbol.instrument)

    @property
    def books(self) -> ScriptedVenue | None:
        """The scripted venue, where it is that or its ledger; paper has its own."""
        if isinstance(self.venue, Staged):
            return self.venue.books
        return self.venue if isinstance(self.venue, ScriptedVenue) else None

    async def move(
        self, price: str, kind: PriceKind = PriceKind.LAST, *, after_gap: bool = False
    ) -> None:
        self.clock.advance(timedelta(seconds=20))
        point = Tick(self.clock.now(), "BTCUSDT", Decimal(price), after_gap, kind=kind)
        self.prices.record(point)
        await self.meet(point)

    async def bought(self, quantity: str = "2", **changes: Any) -> None:
        bought = ClientOrderId("bought")
        await self.venue.submit(bought, self.order(Side.BUY, quantity, **changes))

    async def bracket(self, stop: str, target: str, **changes: Any) -> None:
        """FIRST the stop, SECOND the target."""
        stops = self.order(Side.SELL, "2", OrderType.STOP_MARKET, stop, **changes)
        takes = self.order(Side.SELL, "2", OrderType.TAKE_PROFIT_MARKET, target, **changes)
        await self.venue.submit_linked([(FIRST, stops), (SECOND, takes)])

    async def status(self, client_order_id: ClientOrderId) -> OrderStatus | None:
        report = (await self.venue.find_order("BTCUSDT", client_order_id)).report
        return None if report is None else report.status

    async def rests(self) -> list[ClientOrderId]:
        return [report.client_order_id for report in await self.venue.open_orders()]

    @staticmethod
    def named(name: str) -> ClientOrderId:
        return ClientOrderId(name)

    def tells_fills(self, *, told: bool) -> None:
        """Whether orders that rest carry their fills; the paper venue's never do."""
        for each in (self.venue, self.books):
            if isinstance(each, ScriptedVenue | Staged):
                each.traits = replace(each.traits, open_orders_tell_fills=told)

    async def in_words(self, client_order_id: ClientOrderId, word: str) -> None:
        """From now on the venue has a word of its own for the state of this order."""
        if isinstance(self.venue, ScriptedVenue):
            self.venue.words[client_order_id] = word
            return
        if isinstance(self.venue, Staged):
            self.venue.exchange.words[client_order_id] = word
            return
        if isinstance(self.venue, spot.StagedSpot | usdm.StagedUsdm | alpaca.StagedAlpaca):
            self.venue.in_words(client_order_id, word)
            return
        async with self.database.transaction() as connection:
            await connection.execute(
                "UPDATE paper.orders SET status = $1 WHERE client_order_id = $2",
                word,
                client_order_id,
            )

    async def balance(self, asset: str) -> Decimal:
        account = await self.venue.account()
        if isinstance(self.venue, usdm.StagedUsdm) and asset != "USDT":
            return account.positions.get(f"{asset}USDT", Decimal(0))
        return account.balances.get(asset, Decimal(0))

    async def hear(self, report: OrderReport) -> None:
        self.heard.append(report)


def instrument(venue: str, **filters: Any) -> Instrument:
    return Instrument(
        symbol="BTCUSDT",
        venue=VenueName(venue),
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
        **filters,
    )


def limited(taken: dict[str, Any]) -> VenueTraits:
    """The scripted venue's traits; its stops are GTC where nothing else is said."""
    lasts = (taken.get("stop_time_in_force", TimeInForce.GTC),)
    return replace(
        CAN_ALL,
        order_types=taken.get("order_types", CAN_ALL.order_types) | {OrderType.MARKET},
        times_in_force=dict.fromkeys(CONDITIONAL, lasts),
    )


@pytest.fixture(params=["paper", "scripted", "rehearsal", spot.NAME, usdm.NAME, alpaca.NAME])
def venue_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fee_asset() -> str:
    return "quote"


@pytest.fixture
def filters() -> dict[str, Any]:
    """Of the instrument, beside its tick and its lot."""
    return {}


@pytest.fixture
def self_trade() -> SelfTrade:
    """What it does with orders of ours that would meet."""
    return SelfTrade.NEVER


@pytest.fixture
def replacement() -> Replacement:
    return Replacement.REPLACE


@pytest.fixture
def kinds() -> frozenset[PriceKind]:
    """Prices that the venue tells, and compares stops with."""
    return KINDS


@pytest.fixture
def taken() -> dict[str, Any]:
    """Order types and the time in force of stops, as far as they are limited."""
    return {}


@pytest.fixture
def market() -> dict[str, Any]:
    """How long orders are on their way, and what one price trades."""
    return {}


@pytest.fixture
def closes() -> list[datetime]:
    """When its sessions end."""
    return []


@pytest.fixture
async def case(
    venue_name: str,
    fee_asset: str,
    filters: dict[str, Any],
    self_trade: SelfTrade,
    replacement: Replacement,
    kinds: frozenset[PriceKind],
    taken: dict[str, Any],
    market: dict[str, Any],
    closes: list[datetime],
    database: Database,
) -> AsyncIterator[Case]:
    clock, prices = FakeClock(NOW), FakePrices()
    traded = instrument(venue_name, **filters)
    both = {"BTCUSDT": traded, "ETHUSDT": replace(traded, symbol="ETHUSDT", base_asset="ETH")}
    for each in both:
        prices.move(each, "100")
    symbol = MarketSymbol(instrument=traded, feeds=(), timeframes=())
    if venue_name == "paper":
        terms = PaperTerms(
            starting_cash={"USDT": CASH},
            slippage_bps=Decimal(0),
            spread_bps=Decimal(0),
            fee_in_base=fee_asset == "base",
            self_trade=self_trade,
            replacement=replacement,
            **taken,
            **market,
        )
        ends: dict[str, Any] = {}
        if closes:
            ends["day_end"] = lambda _, at: min(close for close in closes if close > at)
        paper = PaperVenue(
            VenueName("paper"),
            clock,
            prices,
            database,
            terms,
            both,
            price_kinds=kinds,
            **ends,
        )

        async def meet(point: Tick) -> None:
            meeting = paper.on_tick(point)
            if meeting is not None:
                await meeting

        made = Case(
            paper, clock, prices, symbol, meet, lambda: paper._one_at_a_time, database, both
        )
    else:
        scripted = ScriptedVenue(
            clock,
            prices,
            both,
            {"USDT": CASH},
            traits=replace(
                limited(taken),
                self_trade=self_trade,
                replacement=replacement,
                price_kinds=kinds,
                stop_prices=kinds,
            ),
            closes=closes,
            fee_in_base=fee_asset == "base",
            keeps_margins=True,
            latency=market.get("latency", timedelta()),
            depth=market.get("depth_notional"),
            name=VenueName(venue_name),
        )

        @asynccontextmanager
        async def limiter() -> AsyncIterator[None]:
            scripted.gate = gate = anyio.Event()
            try:
                yield
            finally:
                scripted.gate = None
                gate.set()

        made = Case(
            scripted,
            clock,
            prices,
            symbol,
            lambda point: scripted.match(point.symbol),
            limiter,
            database,
            both,
        )
    async with AsyncExitStack() as stack:
        if made.books is not None and venue_name == NAME:
            made = await stack.enter_async_context(_rehearsed(made, made.books))
        elif venue_name in SIMULATED:
            simulated = SIMULATED[venue_name](made, fee_asset)
            made = await stack.enter_async_context(simulated)
        made.venue.listen(made.hear)
        yield made


@asynccontextmanager
async def _rehearsed(case: Case, books: ScriptedVenue) -> AsyncIterator[Case]:
    """The case with the rehearsal venue, whose ledger is the case's scripted one."""
    books.traits = replace(
        TRAITS_HERE,
        self_trade=books.traits.self_trade,
        price_kinds=books.traits.price_kinds,
        stop_prices=books.traits.stop_prices,
    )
    async with staged(books, books.traits) as venue:

        async def meet(point: Tick) -> None:
            await books.match(point.symbol)
            await venue.wire.settled()

        yield replace(case, venue=venue, meet=meet, limiter=lambda: venue.limiter)


@asynccontextmanager
async def _spot(case: Case, fee_asset: str) -> AsyncIterator[Case]:
    """The case with Binance spot, whose ledger is its simulator's."""
    in_base = fee_asset == "base"
    staging = spot.staged_spot(case.clock, case.prices, case.known, CASH, fee_in_base=in_base)
    async with staging as venue:
        before: dict[str, Decimal] = dict.fromkeys(case.known, Decimal(100))

        async def meet(point: Tick) -> None:
            await venue.meet(point, before.get(point.symbol))
            before[point.symbol] = point.price

        yield replace(case, venue=venue, meet=meet, limiter=lambda: spot.held(venue))


@asynccontextmanager
async def _alpaca(case: Case, _: str) -> AsyncIterator[Case]:
    """The case with Alpaca, whose ledger is its simulator's."""
    async with alpaca.staged_alpaca(case.clock, case.prices, case.known, CASH) as venue:
        before: dict[str, Decimal] = dict.fromkeys(case.known, Decimal(100))

        async def meet(point: Tick) -> None:
            await venue.meet(point, before.get(point.symbol))
            before[point.symbol] = point.price

        yield replace(case, venue=venue, meet=meet, limiter=lambda: alpaca.held(venue))


@asynccontextmanager
async def _usdm(case: Case, _: str) -> AsyncIterator[Case]:
    """The case with Binance USDT-M, whose ledger is its simulator's."""
    async with usdm.staged_usdm(case.clock, case.prices, case.known, CASH) as venue:
        before: dict[str, Decimal] = dict.fromkeys(case.known, Decimal(100))

        async def meet(point: Tick) -> None:
            await venue.meet(point, before.get(point.symbol))
            if point.kind is PriceKind.LAST:
                before[point.symbol] = point.price

        yield replace(case, venue=venue, meet=meet, limiter=lambda: usdm.held(venue))


SIMULATED: Final[Mapping[str, Callable[[Case, str], AbstractAsyncContextManager[Case]]]] = {
    spot.NAME: _spot,
    usdm.NAME: _usdm,
    alpaca.NAME: _alpaca,
}


def _is(item: pytest.Item, venue: str, name: str) -> bool:
    """*name*: a case at *venue*, all cases of one test there, or of one file."""
    test, _, case = item.name.partition("[")
    if case.rstrip("]").partition("-")[0] != venue:
        return False
    return name in {test, item.path.stem} or case == f"{venue}-{name}]"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what a venue's traits leave out, with the reason that a user would be told."""
    left_out = [(NAME, *each) for each in EXCLUDED.items()]
    left_out += [(spot.NAME, *each) for each in spot.EXCLUDED.items()]
    left_out += [(alpaca.NAME, *each) for each in alpaca.EXCLUDED.items()]
    left_out += [(usdm.NAME, *each) for each in usdm.EXCLUDED.items()]
    unmet = {name for _, name, _ in left_out}
    for item in items:
        for venue, name, reason in left_out:
            if _is(item, venue, name):
                item.add_marker(pytest.mark.skip(reason=f"{venue}: {reason}"))
                unmet.discard(name)
    are_all = {item.path for item in items}.issuperset(Path(__file__).parent.glob("test_*.py"))
    config.stash[UNMET] = frozenset(unmet) if are_all else None
