"""The port that every venue adapter implements; tests/contract numbers what it promises."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue.answers import (
    Commission,
    KeyVerdict,
    OrderLookup,
    Replaced,
    StreamListener,
    SymbolSetup,
    VenueAccount,
    VenueClock,
)
from tradebotd.ports.venue.signing import SendBlockedBy
from tradebotd.ports.venue.traits import VenueTraits

Listener = Callable[[OrderReport], Awaitable[None]]


@runtime_checkable
class RunsBetweenCalls(Protocol):
    """Part of an adapter that has work of its own: an order stream to read, a key to keep alive."""

    async def run(self) -> None:
        """Do that work until it is cancelled, and close what was opened for it.

        The daemon starts it before it reconciles for the first time, and again, after a pause,
        when it raises. `listen` has been called by then. Calls depend on nothing of it: commands
        that only ask and send, such as `tradebotd flatten`, never start it.
        """
        ...


@runtime_checkable
class VetsItsKey(Protocol):
    """Part of an adapter whose venue says what an API key may do."""

    async def vet_key(self) -> KeyVerdict:
        """Ask what the key may do, and judge it. The daemon asks before it trades.

        Raises VenueUnavailableError where the venue was not reached: it is asked again. Any other
        VenueError is an answer that says nothing of the key, which is a refusal of it.
        """
        ...


class Venue(Protocol):
    """A venue. Every method that sends an order takes *send_blocked_by*.

    It calls `check_may_leave` with it when it signs: no order may leave later than its row allows,
    or without the lease.
    """

    @property
    def name(self) -> VenueName: ...

    @property
    def traits(self) -> VenueTraits: ...

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        """*listener* is told what happens to orders between calls: the venue's order stream.

        *on_stream* is told when the stream is lost and when it is subscribed again, with the
        instant since which events may be missing. Only where `traits.tells_stream`.
        """
        ...

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        """Send the order once.

        Raises OrderRejectedError, VenueUnavailableError, OutcomeUnknownError.
        """
        ...

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Sequence[OrderReport]:
        """Send orders of which one fill cancels the others, in one call: all of them or none.

        Only where `traits.linked_orders`. Raises as `submit`.
        """
        ...

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Replaced:
        """Cancel *old* (and what is linked to it) and place *new*, in one call.

        Only where `traits.replacement` is `replace` or `promised`. Raises as `submit`;
        OrderRejectedError when the old order could not be cancelled (it has filled) or the new one
        was not accepted: then `find_order` gives the state of the old one.

        `replace`: both are final. Binance spot `order/cancelReplace` with STOP_ON_FAILURE: its
        `cancelResponse` is `old` (its fills, if any, are found later), its `newOrderResponse` is
        `new`. Error -2022 (neither was done) is OrderRejectedError, and *old* rests as before; so
        is -2021 (done by half: *old* is cancelled, *new* was not taken) unless the new order's own
        code says that its outcome is not known (-1006, -1007), which is OutcomeUnknownError.

        `promised`: `new` is `new`, though it does not rest yet, and `old` is None. *old* stays as
        it is, may fill, and refuses to be cancelled until the venue has decided. Then the stream
        and `find_order` say either that *old* is cancelled, or that *new* is rejected (*old* has
        filled, or rests on). Only the prices and the quantity of an order can change so, never its
        type. Alpaca `PATCH orders/{id}`: 200 is the promise, `pending_replace` is `new`, `replaced`
        is `canceled`, and `order_replace_rejected` rejects *new*.

        Binance USDT-M `PUT order` amends limit orders alone, under their old id: its stops are
        reduce-only, and `overlap`.
        """
        ...

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        """Look the order up everywhere the venue keeps orders.

        The report has all its fills, and this id. A status unknown to the adapter becomes
        `unknown`, with the venue's word as its reason.
        """
        ...

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        """Return every resting order in *symbols*, external ones included; `asked` is set.

        *symbols* are ours, and are few: those that we trade, hold, or have unsettled orders in. A
        venue that lists a whole account in one call may tell orders in others, too; one that has
        several places for orders (Binance's algo orders) is asked for all of them. The fills of an
        order are told only where `traits.open_orders_tell_fills`.
        """
        ...

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel the order and what is linked to it.

        Raises OrderRejectedError when there is nothing to cancel (unknown, or final already), else
        as `submit`.
        """
        ...

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        """Return every fill in *symbols* executed at or after *since*, oldest first.

        *symbols* as for `open_orders`; fills in others may be told, too. Windows and pages are the
        adapter's matter (Binance: 24 hours, 1,000 rows): what it returns is complete, or it raises.
        Each has the venue's id of its order, and the client's where the venue reports it or the
        adapter can look it up. A fill that cannot be attributed may belong to an order of ours in
        doubt.
        """
        ...

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """Return every payment at or after *since*, oldest first; spot venues have none."""
        ...

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        """Return what came in or left at or after *since* other than by trading, oldest first.

        Only where `traits.tells_transfers`. Each appears once, under a stable id; `at` is when the
        balance changed; a withdrawal includes its cost. Binance: spot `deposit/hisrec` with status
        1, `withdraw/history` (amount and `transactionFee`, by `completeTime`) and `asset/transfer`;
        USDT-M `income` of type TRANSFER (`tranId`). Alpaca: account activities CSD, CSW and JNLC.
        Interest, dividends and rebates are gains, not transfers.
        """
        ...

    async def account(self) -> VenueAccount: ...

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        """Prices by our symbol, in one call where the venue has a batch call.

        Each has the kinds of `traits.price_kinds`; a symbol without a price is left out. The time
        of each kind is told where the venue tells one: the last trade may be minutes old.
        """
        ...

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        """Filters and status of *symbols* as the venue has them now, by our symbol.

        Only where `traits.tells_instruments`. A symbol that the venue does not list any more is
        there with status `delisted`, and the filters that it is configured with.
        """
        ...

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        """Return what trading *symbols* costs this account now, if `traits.tells_commissions`."""
        ...

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        """Set leverage, margin and position mode of *symbol*; what is set already is no error.

        Only where `traits.sets_up_symbols`, before the first order of the symbol. Raises
        OrderRejectedError with the venue's words when it refuses (Binance: -4067 while there are
        positions or orders), VenueUnavailableError when it was not reached.
        """
        ...

    async def server_clock(self) -> VenueClock:
        """The venue's time, and its session where it has one. Only where `traits.tells_clock`."""
        ...
