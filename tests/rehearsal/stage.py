"""The rehearsal venue as the numbered cases have it: on a socket, over the scripted venue's ledger."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import anyio
import anyio.lowlevel

from tests.fakes.venue import AUTHORITATIVE, ScriptedVenue
from tests.rehearsal.adapter import TRAITS, RehearsalVenue
from tests.rehearsal.exchange import Exchange
from tests.rehearsal.server import HOST, served
from tests.rehearsal.wire import SocketWire
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replaced, SendBlockedBy, VenueTraits, not_blocked

NAME: Final = VenueName("rehearsal")
PATIENCE: Final = 20.0  # seconds, for a line on the loopback
WITH_LIMIT: Final = {
    OrderType.STOP_MARKET: OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT_MARKET: OrderType.TAKE_PROFIT_LIMIT,
}
FAR: Final = Decimal("0.1")  # of its stop: the limit lies so far beyond it, where that is taken
# What a case asks of a venue that this one is not: what a user would be told.
EXCLUDED: Final = {
    "test_a_replacement_takes_over_the_inventory_in_one_call": "it promises replacements: VC-70",
    "taken1-stop_limit-gtc-order_type_not_taken": "its stops are stop-limits",
    "taken2-take_profit_market-gtc-order_type_not_taken": "its stops are stop-limits",
    "taken3-stop_market-gtc-time_in_force_not_taken": "it knows no stop without limit",
    "taken4-stop_market-day-time_in_force_not_taken": "its stops are DAY orders",
    "market_lot-stop_market-0.015": "its stops are stop-limits, which meet no lot of the market",
    "market_lot-take_profit_market-0.015": "its targets have limits, which meet no lot of the market",
    "sell-stop_market-40-None-percent": "its stops are stop-limits, whose limits are judged: VC-58",
    "sell-take_profit_market-300-None-percent": "its targets have limits, which are judged: VC-58",
}
TRAITS_HERE: Final = replace(
    TRAITS,
    receive_window=AUTHORITATIVE.receive_window,
    absence_margin=AUTHORITATIVE.absence_margin,
    resting_margin=AUTHORITATIVE.resting_margin,
    negatives=1,
)


def as_taken(request: OrderRequest, instrument: Instrument) -> OrderRequest:
    """*request* as it is placed here: with a limit beyond its stop, and for the day."""
    stop = request.stop_price
    if request.type not in CONDITIONAL or stop is None:
        return request
    limit, type_ = request.limit_price, request.type
    if type_ in WITH_LIMIT:
        limit, type_ = _limit_beyond(request, stop, instrument), WITH_LIMIT[type_]
    return replace(request, type=type_, limit_price=limit, time_in_force=TimeInForce.DAY)


def _limit_beyond(request: OrderRequest, stop: Decimal, instrument: Instrument) -> Decimal:
    """As far as it is worth enough there, and a tick beyond at least."""
    tick = instrument.tick_size
    if request.side is Side.BUY:
        return max(instrument.price_up(stop * (1 + FAR)), stop + tick)
    least = instrument.price_up(instrument.min_notional / request.quantity)
    return min(max(instrument.price_down(stop * (1 - FAR)), least), stop - tick)


class StagedWire(SocketWire):
    """Waits for what the stream has to tell: what a case did has been heard when it goes on."""

    def __init__(self, port: int, exchange: Exchange) -> None:
        super().__init__(HOST, port)
        self._exchange = exchange

    async def exchange(self, make: Callable[[], bytes]) -> bytes:
        await self.settled()
        try:
            return await super().exchange(make)
        finally:
            await self.settled()

    async def settled(self) -> None:
        far = self._exchange
        await self.until(lambda: far.is_silent or (self.subscribed and self.heard >= far.told))

    @staticmethod
    async def until(so: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE):
            while not so():
                await anyio.lowlevel.checkpoint()


class Staged(RehearsalVenue):
    """The adapter, and what a case does at the venue itself."""

    def __init__(self, wire: StagedWire, exchange: Exchange, traits: VenueTraits) -> None:
        super().__init__(NAME, wire, exchange.symbols, traits)
        assert isinstance(exchange.ledger, ScriptedVenue)
        self.books, self.exchange, self.wire = exchange.ledger, exchange, wire

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        return await super().submit(client_order_id, request, send_blocked_by=send_blocked_by)

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        return await super().submit_linked(orders, send_blocked_by=send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        return await super().replace(symbol, old, new, request, send_blocked_by=send_blocked_by)

    async def open_orders(self, symbols: Collection[str] | None = None) -> Sequence[OrderReport]:
        return await super().open_orders(self.books.filters if symbols is None else symbols)

    async def fills_since(
        self, since: datetime, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        return await super().fills_since(since, self.books.filters if symbols is None else symbols)

    async def lose_stream(self) -> None:
        await self.books.lose_stream()
        await self.wire.until(lambda: not self.wire.subscribed)

    async def restore_stream(self) -> None:
        await self.books.restore_stream()
        await self.wire.settled()

    def transfer(self, amount: Decimal | int, asset: str = "USDT") -> None:
        self.books.transfer(amount, asset)

    @property
    def away(self) -> VenueUnavailableError | None:
        return self.books.away

    @away.setter
    def away(self, error: VenueUnavailableError | None) -> None:
        """What it says of an instant it says to the millisecond."""
        self.books.away = error

    @property
    def hedge_mode(self) -> bool:
        return self.books.hedge_mode

    @hedge_mode.setter
    def hedge_mode(self, both: bool) -> None:
        self.books.hedge_mode = both

    @property
    def buying_power(self) -> dict[str, Decimal]:
        return self.books.buying_power

    @buying_power.setter
    def buying_power(self, most: dict[str, Decimal]) -> None:
        self.books.buying_power = most


def named(instrument: Instrument) -> MarketSymbol:
    """A symbol of ours, which is called otherwise there."""
    name = f"{instrument.base_asset}/{instrument.quote_asset}"
    return MarketSymbol(instrument=instrument, feeds=(), timeframes=(), names={NAME: name})


@asynccontextmanager
async def staged(books: ScriptedVenue, traits: VenueTraits) -> AsyncIterator[Staged]:
    """*books*: the ledger, on its socket; *traits*: as far as a case chooses them."""
    exchange = Exchange(books, [named(each) for each in books.filters.values()], books.clock)
    async with served(exchange) as port, anyio.create_task_group() as tasks:
        wire = StagedWire(port, exchange)
        venue = Staged(wire, exchange, traits)
        tasks.start_soon(venue.run)
        try:
            yield venue
        finally:
            tasks.cancel_scope.cancel()


__all__ = ["EXCLUDED", "NAME", "TRAITS_HERE", "Staged", "as_taken", "staged"]
