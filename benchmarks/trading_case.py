"""Open positions in a database, a venue that takes its time, and a watch on every connection."""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, LiteralString
from zoneinfo import ZoneInfo

import anyio

from tests.fakes.untold import Untold
from tradebotd.clocks.host import host_now
from tradebotd.clocks.wall import WallClock
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.order_path import wire_order_path
from tradebotd.domain.bot import BotSpec, DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import (
    BotName,
    ClientOrderId,
    FeedName,
    SymbolId,
    TradeId,
    VenueName,
    VenueOrderId,
)
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.quote import Quote
from tradebotd.domain.timeframe import Timeframe
from tradebotd.domain.transfer import Transfer
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import (
    Listener,
    OrderLookup,
    Replaced,
    SendBlockedBy,
    StreamListener,
    VenueAccount,
    VenueTraits,
    check_may_leave,
    not_blocked,
)
from tradebotd.storage import bots, leadership, process_identity, settings
from tradebotd.storage.postgres.database import (
    Connection,
    Database,
    Lane,
    assert_no_connection_held,
)
from tradebotd.storage.symbols import sync_symbols
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.exits.manager import ExitManager

FEED: Final = FeedName("bench")
VENUE: Final = VenueName("slow")
ACCOUNT: Final = "bench"
PRICE: Final = Decimal(100)
BELOW_THE_STOP: Final = Decimal(90)
FEE: Final = Decimal("0.0004")
TRAITS: Final = VenueTraits()  # one, as adapters have

INSERT_OPEN: Final[LiteralString] = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                           entry_cost, cost, stop_loss, take_profit, trailing_stop, best_price, exits, opened_at)
    SELECT p.bot, $3, p.symbol, 'long', 'spot', 1, 1, 100, 100, 100, 95, 110, 92, 100,
           '{"stop_loss": "0.05", "take_profit": "0.1", "trailing_stop": "0.08", "max_holding": 864000}', $4
      FROM unnest($1::text[], $2::text[]) AS p (bot, symbol)
"""  # noqa: E501


def market_symbols(count: int) -> list[MarketSymbol]:
    return [
        MarketSymbol(
            instrument=Instrument(
                symbol=f"SYM{number:04}",
                venue=VENUE,
                base_asset=f"B{number:04}",
                quote_asset="USDT",
                tick_size=Decimal("0.01"),
                lot_size=Decimal("0.001"),
            ),
            feeds=(FEED,),
            timeframes=(Timeframe.M1,),
        )
        for number in range(count)
    ]


class WatchedDatabase(Database):
    """The same pool; `held_ms` is how long each connection was held, transactions included."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool)  # noqa: SLF001 - there is no other way to watch it
        self.held_ms: list[float] = []

    def transaction(
        self, lane: Lane = Lane.WORK, *, durable: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        return self._watched(super().transaction(lane, durable=durable))

    def connection(self, lane: Lane = Lane.WORK) -> AbstractAsyncContextManager[Connection]:
        return self._watched(super().connection(lane))

    @asynccontextmanager
    async def _watched(
        self, held: AbstractAsyncContextManager[Connection]
    ) -> AsyncIterator[Connection]:
        """Watch it from when it is had until it is back, COMMIT included; not the wait for it."""
        had_at = time.perf_counter()
        try:
            async with held as connection:
                had_at = time.perf_counter()
                yield connection
        finally:
            self.held_ms.append((time.perf_counter() - had_at) * 1000)


@dataclass(slots=True)
class SlowVenue(Untold):
    """Answers each request *seconds* after it came, and fills every order whole."""

    seconds: float
    prices: Mapping[str, Decimal]
    name: VenueName = VENUE
    quote_calls: int = 0
    orders: list[ClientOrderId] = field(default_factory=list)

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        check_may_leave(send_blocked_by)
        await self._answer()
        self.orders.append(client_order_id)
        number = str(len(self.orders))
        price = self.prices[request.symbol]
        now = host_now()
        fill = Fill(
            venue=self.name,
            symbol=request.symbol,
            trade_id=TradeId(number),
            client_order_id=client_order_id,
            side=request.side,
            quantity=request.quantity,
            price=price,
            fee=request.quantity * price * FEE,
            fee_asset="USDT",
            executed_at=now,
        )
        return OrderReport(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(number),
            status=OrderStatus.FILLED,
            filled_quantity=request.quantity,
            at=now,
            fills=(fill,),
        )

    async def find_order(
        self,
        symbol: str,  # noqa: ARG002 - the port's signature, here and below
        client_order_id: ClientOrderId,  # noqa: ARG002
    ) -> OrderLookup:
        await self._answer()
        return OrderLookup(report=None, endpoints=frozenset({"orders"}), venue_time=host_now())

    @property
    def traits(self) -> VenueTraits:
        return TRAITS

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        """Listen to nothing: nothing happens here between calls."""

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        raise AssertionError(f"nothing rests here: {orders} {send_blocked_by}")

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        raise AssertionError(
            f"nothing rests here: {symbol} {old} {new} {request} {send_blocked_by}"
        )

    async def open_orders(
        self,
        symbols: Collection[str],  # noqa: ARG002
    ) -> Sequence[OrderReport]:
        await self._answer()
        return []

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:  # noqa: ARG002
        await self._answer()
        return []

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:  # noqa: ARG002
        await self._answer()
        return []

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        raise AssertionError(f"nobody cancels here: {symbol} {client_order_id}")

    async def fills_since(
        self,
        since: datetime,  # noqa: ARG002
        symbols: Collection[str],  # noqa: ARG002
    ) -> Sequence[Fill]:
        await self._answer()
        return []

    async def account(self) -> VenueAccount:
        await self._answer()
        return VenueAccount()

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        self.quote_calls += 1
        await self._answer()
        return {each.symbol: Quote(last=self.prices[each.symbol]) for each in symbols}

    async def _answer(self) -> None:
        assert_no_connection_held("the venue is asked")
        await anyio.sleep(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCase:
    database: WatchedDatabase
    protection: ExitManager
    prices: PriceCache
    symbols: Sequence[MarketSymbol]
    venue: SlowVenue


async def sweep_case(
    opened: Database, *, symbols: int, positions_each: int, answer_seconds: float, to_close: int
) -> SweepCase:
    """*symbols* x *positions_each* open positions, each of a bot of its own: a bot has one symbol.

    Those of the first *to_close* symbols are below their stop. No price is in memory.
    """
    listed = market_symbols(symbols)
    specs = {spec.name: spec for spec in bot_specs(listed, positions_each)}
    database = WatchedDatabase(opened)
    token, nonce = await _fill(database, listed, list(specs.values()))
    prices = {each.symbol: PRICE for each in listed}
    prices |= {each.symbol: BELOW_THE_STOP for each in listed[:to_close]}
    venue, clock, book = SlowVenue(answer_seconds, prices), WallClock(), PriceCache()
    by_name = {each.symbol: each for each in listed}
    core = TradingCore(
        database=database,
        clock=clock,
        venues={VENUE: venue},
        symbols=by_name,
        calendars={ALWAYS_OPEN: AlwaysOpen()},
        prices=book,
        specs=specs,
        lease=Lease(account=ACCOUNT, token=token),
        nonce=nonce,
        currency="USDT",
        sequential=False,
    )
    protection = wire_order_path(core).exits
    await protection.load(host_now())
    database.held_ms.clear()
    return SweepCase(
        database=database, protection=protection, prices=book, symbols=listed, venue=venue
    )


async def _fill(
    database: Database, symbols: Sequence[MarketSymbol], specs: Sequence[BotSpec]
) -> tuple[int, bytes]:
    """The leader's token and the instance's nonce."""
    opened_at = host_now() - timedelta(hours=1)
    token, nonce, _ = await take_account(database, symbols, specs)
    async with database.transaction(durable=True) as connection:
        names, traded = [spec.name for spec in specs], [spec.symbol for spec in specs]
        await connection.execute(INSERT_OPEN, names, traded, VENUE, opened_at)
    async with database.connection() as connection:
        await connection.execute("ANALYZE positions")
    return token, nonce


async def take_account(
    database: Database, symbols: Sequence[MarketSymbol], specs: Sequence[BotSpec]
) -> tuple[int, bytes, dict[str, SymbolId]]:
    """Make symbols and bots known, and lead the account: the leader's token, the instance's nonce,
    and the symbols' ids.
    """
    async with database.transaction(durable=True) as connection:
        ids = await sync_symbols(connection, symbols)
        await bots.sync_bots(connection, specs, {}, host_now())
        token = await leadership.take(connection, ACCOUNT, process_identity.current(), host_now())
        nonce = await settings.get(connection, settings.INSTANCE_NONCE)
    return token, bytes.fromhex(str(nonce)), ids


def bot_specs(symbols: Sequence[MarketSymbol], each_has: int) -> list[BotSpec]:
    """Round by round through the symbols, so that neighbours in the table differ in theirs."""
    return [
        BotSpec(
            name=BotName(f"bot{number:02}_{each.symbol}"),
            symbol=each.symbol,
            timeframe=Timeframe.M1,
            strategy="ema_rsi",
            initial_capital=Decimal(10_000),
            sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1)),
            exits=ExitPlan(),
            limits=DailyLimits(),
            day_zone=ZoneInfo("UTC"),
        )
        for number in range(each_has)
        for each in symbols
    ]


def stream_prices(case: SweepCase) -> None:
    """Give every symbol a fresh price in memory, as a stream does."""
    now = host_now()
    for each in case.symbols:
        price = case.venue.prices[each.symbol]
        case.prices.record(Tick(now, each.symbol, price))
