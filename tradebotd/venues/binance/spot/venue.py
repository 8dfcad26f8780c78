"""Binance spot: the port, in the words of its REST and WebSocket interfaces."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio

from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import (
    Commission,
    KeyVerdict,
    Listener,
    OrderLookup,
    Replaced,
    Replacement,
    SelfTrade,
    SendBlockedBy,
    StreamListener,
    SymbolSetup,
    VenueAccount,
    VenueClock,
    VenueTraits,
)
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.permissions import key_refusals, key_warnings
from tradebotd.venues.binance.spot.parts import Parts

RECEIVE_WINDOW: Final = timedelta(seconds=5)
CLOSING_SECONDS: Final = 2.0
TIMES: Final[Mapping[OrderType, tuple[TimeInForce, ...]]] = {
    OrderType.MARKET: (TimeInForce.IOC,),
    OrderType.LIMIT: (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP_MARKET: (TimeInForce.GTC,),
    OrderType.TAKE_PROFIT_MARKET: (TimeInForce.GTC,),
    OrderType.STOP_LIMIT: (TimeInForce.GTC,),
    OrderType.TAKE_PROFIT_LIMIT: (TimeInForce.GTC,),
}


def traits_of(*, live: bool) -> VenueTraits:
    """Return what the adapter claims. The wallet, which lists transfers, is live alone's (S12).

    `moves_at_once`: 50 orders in 10 seconds are usual, and a pair counts as two.
    `absence_margin`: the engine answers within 10 seconds, or never.
    """
    return VenueTraits(
        resting_stops=True,
        linked_orders=True,
        order_types=frozenset(OrderType),
        times_in_force=TIMES,
        price_kinds=frozenset({PriceKind.LAST, PriceKind.BID, PriceKind.ASK}),
        stop_prices=frozenset({PriceKind.LAST}),
        tells_transfers=live,
        tells_instruments=True,
        tells_commissions=True,
        tells_clock=True,
        tells_stream=True,
        open_orders_tell_fills=False,
        self_trade=SelfTrade.EXPIRES_RESTING,
        moves_at_once=4,
        replacement=Replacement.REPLACE,
        receive_window=RECEIVE_WINDOW,
        base_fee=Decimal("0.001"),
    )


class BinanceSpotVenue:
    """Implements `ports.venue.Venue`, `RunsBetweenCalls` and `VetsItsKey`.

    *live*: the key moves real money, so its permissions must be known before it is used.
    """

    def __init__(
        self,
        parts: Parts,
        traits: VenueTraits,
        *,
        live: bool,
        allow_unrestricted_key: bool,
        max_clock_offset: timedelta = timedelta(seconds=1),
    ) -> None:
        self.name: VenueName = parts.venue
        self.traits = traits
        self._parts = parts
        self._live, self._allow_unrestricted = live, allow_unrestricted_key
        self._max_clock_offset = max_clock_offset

    async def run(self) -> None:
        """Keep the user stream, and a connection for orders. Cancelled at the end, it closes all
        connections; failed, none: then it is run again, and calls go on meanwhile.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._parts.interface.keep_warm)
                await self._parts.stream.run()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSING_SECONDS):
                await self._parts.close()
            raise

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self._parts.stream.listen(listener, on_stream)

    async def vet_key(self) -> KeyVerdict:
        """Ask for the time, and live what the key may do.

        A rehearsal has no wallet to ask; its account tells whether key and secret are taken.
        """
        clock = await self._parts.clock_problem(self._max_clock_offset)
        refusals = () if clock is None else (clock,)
        if not self._live:
            await self._parts.account()
            return KeyVerdict(refusals=refusals)
        rights, open_ = await self._parts.wallet.permissions(), self._allow_unrestricted
        return KeyVerdict(
            refusals=(*refusals, *key_refusals(rights, allow_unrestricted=open_)),
            warnings=tuple(key_warnings(rights, allow_unrestricted=open_)),
        )

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        return await self._parts.trading.submit(client_order_id, request, send_blocked_by)

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Sequence[OrderReport]:
        return await self._parts.trading.submit_linked(orders, send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Replaced:
        if request.symbol != symbol:
            raise OrderRejectedError(f"{old} is an order of {symbol}, and not of {request.symbol}")
        return await self._parts.trading.replace(old, new, request, send_blocked_by)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        return await self._parts.trading.cancel(symbol, client_order_id)

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        return await self._parts.lookups.find_order(symbol, client_order_id)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        return await self._parts.lookups.open_orders(symbols)

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        return await self._parts.lookups.fills_since(since, symbols)

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:  # noqa: ARG002
        """Return nothing: spot pays no funding."""
        assert_no_connection_held("payments are asked for")
        return []

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        return await self._parts.wallet.transfers_since(since)

    async def account(self) -> VenueAccount:
        return await self._parts.account()

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return await self._parts.market_data.quotes(symbols)

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        return await self._parts.market_data.instruments(symbols)

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        return await self._parts.market_data.commissions(symbols)

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        """Set nothing: spot has neither leverage nor margin."""

    async def server_clock(self) -> VenueClock:
        return VenueClock(time=await self._parts.server_time())
