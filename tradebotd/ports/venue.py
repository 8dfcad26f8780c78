"""What we need from a venue; every adapter must pass tests/contract/test_venue.py."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.transfer import Transfer

Listener = Callable[[OrderReport], Awaitable[None]]

WhyNot = Callable[[], str | None]
"""Why a request may not leave any more, at this moment; None while it may. Never waits."""


def unhindered() -> None:
    """A `WhyNot` of requests that may always leave."""


def check_may_leave(why_not: WhyNot) -> None:
    """The look at the moment of signing: an adapter calls it after its last wait (a limiter, a
    connection from a pool) and directly before the bytes leave.

    Raises VenueUnavailableError: nothing was sent.
    """
    reason = why_not()
    if reason is not None:
        raise VenueUnavailableError(reason)


class Replacement(StrEnum):
    """How a new exit meets the one that rests already."""

    OVERLAP = "overlap"  # both may be live: they are reduce-only
    REPLACE = "replace"  # one call cancels the old and places the new
    CANCEL_FIRST = "cancel_first"  # what rests locks the inventory: it must be gone first


class Refusal(StrEnum):
    """What an order is refused for by a symbol's filters: how an `OrderRejectedError` begins.

    An adapter puts the name before its venue's own words (Binance: LOT_SIZE, MIN_NOTIONAL,
    PRICE_FILTER, -4028).
    """

    OFF_LOT = "quantity_off_lot"
    BELOW_MIN_QUANTITY = "quantity_below_minimum"
    ABOVE_MAX_QUANTITY = "quantity_above_maximum"
    BELOW_MIN_NOTIONAL = "notional_below_minimum"
    OFF_TICK = "price_off_tick"
    ABOVE_MAX_LEVERAGE = "leverage_above_maximum"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTraits:
    """What a venue can do, and how much its "never seen" is worth.

    An order that cannot rest is inferred absent when the venue's clock has passed `send_by` +
    `receive_window` + `absence_margin`, and `negatives` such answers came from `endpoints` places.
    One that can rest: once such answers came for `resting_margin`, or its cancel was acknowledged.

    `base_fee`: the fraction of a spot buy that it keeps as its fee; zero where fees are paid in
    the quote asset or in a third one. The dearer of maker and taker.
    `quotes_echo`: its quotes are the prices that we have shown it, and tell us nothing new.
    `tells_transfers`: it has a list of what changes its balances otherwise than by trading.
    """

    resting_stops: bool = False
    linked_orders: bool = False  # a stop and its target as one-cancels-other
    quotes_echo: bool = False
    tells_transfers: bool = False
    replacement: Replacement = Replacement.CANCEL_FIRST
    receive_window: timedelta = timedelta(seconds=5)
    absence_margin: timedelta = timedelta(seconds=10)
    negatives: int = 3
    endpoints: int = 2
    resting_margin: timedelta = timedelta(hours=1)
    cash_is_ours: bool = (
        False  # nobody else trades or pays there: its cash is compared with our books
    )
    base_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLookup:
    """`report` None: every one of `endpoints` says that it has never seen the id."""

    report: OrderReport | None
    endpoints: frozenset[str]
    venue_time: datetime  # the venue's clock when it answered; comparable with host time


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Of one asset. `locked`: of the total, what resting orders hold, whosever they are."""

    total: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        """What could be sold or spent now."""
        return self.total - self.locked


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """Balances by asset, and futures positions by symbol (signed). Zeros are left out.

    `balances` are totals: what a resting order holds is still owned. Whoever compares holdings
    compares these; a venue that tells free and locked has the sum of both.
    """

    balances: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    entry_prices: dict[str, Decimal] = field(default_factory=dict)  # of the positions, where told

    def balance(self, asset: str) -> Balance:
        return Balance(total=self.balances.get(asset, ZERO), locked=self.locked.get(asset, ZERO))


class Venue(Protocol):
    """Whatever sends an order takes *why_not*, and calls `check_may_leave` when it signs: an order
    that leaves later than its row allows, or without the lease, is one that nobody expects.
    """

    @property
    def name(self) -> VenueName: ...

    @property
    def traits(self) -> VenueTraits: ...

    def listen(self, listener: Listener) -> None:
        """*listener* is told what happens to orders between calls: the venue's order stream."""
        ...

    async def submit(
        self, client_order_id: ClientOrderId, request: OrderRequest, *, why_not: WhyNot
    ) -> OrderReport:
        """Send once. Raises OrderRejectedError, VenueUnavailableError, OutcomeUnknownError."""
        ...

    async def submit_linked(
        self, orders: Sequence[tuple[ClientOrderId, OrderRequest]], *, why_not: WhyNot
    ) -> Sequence[OrderReport]:
        """Orders of which one fill cancels the others, in one call: all of them or none.

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
        why_not: WhyNot,
    ) -> OrderReport:
        """Cancel *old* (and what is linked to it) and place *new*, in one call; the new's report.

        Only where `traits.replacement` is `replace`. OrderRejectedError: the old one could not be
        cancelled (it has filled), or the new one was not taken; `find_order` tells of the old.
        """
        ...

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        """Sought everywhere the venue keeps orders; the report has all its fills, and this id.

        A status that the adapter does not know is `unknown`, with the venue's word as its reason.
        """
        ...

    async def open_orders(self) -> Sequence[OrderReport]:
        """Everything that rests, somebody else's included; `asked` is set."""
        ...

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """And what is linked to it. Raises OrderRejectedError when there is nothing to cancel
        (unknown, or final already), else as `submit`.
        """
        ...

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        """Every fill of the account executed at or after *since*, oldest first.

        Each with the venue's id of its order; with the client's where the venue tells it, or the
        adapter can look it up. A fill that nobody can name may be of an order of ours in doubt.
        """
        ...

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """Every payment at or after *since*, oldest first; spot venues have none."""
        ...

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        """What came in or left at or after *since* otherwise than by trading, oldest first.

        Only where `traits.tells_transfers`. Each once, under an id that stays; `at` is when the
        balance changed; what a withdrawal costs is part of it. Binance: spot `deposit/hisrec` with
        status 1, `withdraw/history` (amount and `transactionFee`, by `completeTime`) and
        `asset/transfer`; USDT-M `income` of type TRANSFER (`tranId`). Alpaca: account activities
        CSD, CSW and JNLC. Interest, dividends and rebates are gains, and no transfers.
        """
        ...

    async def account(self) -> VenueAccount: ...

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        """Last prices by our symbol, in one call where the venue has a batch call."""
        ...
