"""Alpaca: the port, in the words of its trading and market data interfaces."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import anyio

from tradebotd.domain.decimals import ZERO
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
from tradebotd.venues.alpaca.answers import CASH_MOVES, SHARE_MOVES, state_of, transfers_of
from tradebotd.venues.alpaca.keys import account_refusals, account_warnings, swapped_key
from tradebotd.venues.alpaca.orders import CRYPTO_FEE, CRYPTO_TYPES, TYPES
from tradebotd.venues.alpaca.parts import Parts
from tradebotd.venues.alpaca.payload import reading

CLOSING_SECONDS: Final = 2.0
LAST: Final = frozenset({PriceKind.LAST})
AROUND_LAST: Final = LAST | {PriceKind.BID, PriceKind.ASK}
DAY, GTC = TimeInForce.DAY, TimeInForce.GTC
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


# No request says until when it may be executed: one that a gateway holds is executed late.
UNBOUNDED: Final = timedelta(minutes=1)


def traits_of(*, crypto: bool, stocks: bool, feed: str) -> VenueTraits:
    """Return what the adapter claims, by what is traded at the venue and by the *feed* of stocks.

    Crypto has neither stops at the market nor linked orders: beside it, none are claimed at all,
    the daemon's own exits are the targets, and what rests is cancelled before it is placed anew.
    Shares at the market are DAY orders: fractions have no other time. Bid and ask of one exchange
    (`iex`) lack for minutes, so they are claimed of all exchanges (`sip`) alone.
    """
    return VenueTraits(
        resting_stops=True,
        linked_orders=not crypto,
        order_types=frozenset(TYPES) if stocks else CRYPTO_TYPES,
        times_in_force={
            OrderType.MARKET: (DAY, IOC) if stocks else (IOC,),
            OrderType.LIMIT: (GTC, DAY, IOC, FOK) if stocks else (GTC, IOC),
            OrderType.STOP_MARKET: (GTC, DAY),
            OrderType.STOP_LIMIT: (GTC, DAY) if stocks else (GTC,),
        },
        price_kinds=AROUND_LAST if feed == "sip" else LAST,
        stop_prices=LAST,
        tells_transfers=True,
        tells_instruments=True,
        tells_clock=True,
        tells_stream=True,
        open_orders_tell_fills=False,
        fractions_end_with_the_day=not crypto,
        self_trade=SelfTrade.REJECTS,
        moves_at_once=4,
        replacement=Replacement.CANCEL_FIRST if crypto else Replacement.PROMISED,
        endpoints=3,
        absence_margin=UNBOUNDED,
        base_fee=CRYPTO_FEE if crypto else ZERO,
    )


class AlpacaVenue:
    """Implements `ports.venue.Venue`, `RunsBetweenCalls` and `VetsItsKey`.

    *live*: the account holds real money.
    """

    def __init__(
        self,
        parts: Parts,
        traits: VenueTraits,
        *,
        live: bool,
        key_id: str = "",
        max_clock_offset: timedelta = timedelta(seconds=1),
    ) -> None:
        self.name: VenueName = parts.venue
        self.traits = traits
        self._parts = parts
        self._live, self._key_id = live, key_id
        self._max_clock_offset = max_clock_offset

    async def run(self) -> None:
        """Keep the order stream. Cancelled at the end, it closes all connections; failed, none:
        then it is run again, and calls go on meanwhile.
        """
        try:
            await self._parts.stream.run()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSING_SECONDS):
                await self._parts.close()
            raise

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self._parts.stream.listen(listener, on_stream)

    async def vet_key(self) -> KeyVerdict:
        """Ask for the time and the state of the account; what a key may do cannot be asked."""
        swapped = swapped_key(self._key_id, live=self._live)
        if swapped is not None:
            return KeyVerdict(refusals=(swapped,))
        with reading():
            clock = await self._parts.clock_problem(self._max_clock_offset)
            account = state_of(await self._parts.account_state())
        return KeyVerdict(
            refusals=(
                *(() if clock is None else (clock,)),
                *account_refusals(account, live=self._live),
            ),
            warnings=tuple(account_warnings(account, stocks=self._parts.symbols.have_stocks)),
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
        with reading():
            return await self._parts.lookups.find_order(symbol, client_order_id)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        with reading():
            return await self._parts.lookups.open_orders(symbols)

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        with reading():
            return await self._parts.lookups.fills_since(since, symbols)

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:  # noqa: ARG002
        """Return nothing: neither shares nor coins pay funding."""
        assert_no_connection_held("payments are asked for")
        return []

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        with reading():
            kinds = (*CASH_MOVES, *SHARE_MOVES)
            rows = await self._parts.lookups.money_since(kinds, since)
            found = transfers_of(rows, self.name, self._parts.symbols, since)
            return sorted(found, key=lambda each: each.at)

    async def account(self) -> VenueAccount:
        with reading():
            return await self._parts.account()

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        with reading():
            return await self._parts.market_data.quotes(symbols)

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        with reading():
            return await self._parts.market_data.instruments(symbols)

    async def commissions(
        self,
        symbols: Sequence[MarketSymbol],  # noqa: ARG002
    ) -> dict[str, Commission]:
        """Return nothing: the venue does not tell what this account pays."""
        assert_no_connection_held("commissions are asked for")
        return {}

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        """Set nothing: spot has neither leverage nor margin."""

    async def server_clock(self) -> VenueClock:
        with reading():
            return await self._parts.clock()
