"""A venue that keeps its books in memory and misbehaves when told."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

import anyio

from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import PriceSource
from tradebotd.ports.venue import Listener, OrderSearch, Venue, VenueAccount, VenueTraits
from tradebotd.storage.database import assert_no_connection_held

SCRIPTED = VenueName("scripted")
# What it has not seen when it is asked never arrived.
AUTHORITATIVE = VenueTraits(
    receive_window=timedelta(),
    absence_margin=timedelta(),
    resting_margin=timedelta(),
    negatives=1,
    endpoints=1,
)


class Behaviour(Enum):
    """What happens to the next order. Without one it is filled whole, at the current price."""

    UNREACHABLE = auto()  # never left us: VenueUnavailableError
    DROP_BEFORE = auto()  # lost on the way there: OutcomeUnknownError, and nothing happened
    DROP_AFTER = auto()  # lost on the way back: OutcomeUnknownError, and it was executed
    REJECT = auto()


@dataclass
class ScriptedVenue:
    """`script`: one behaviour an order, in turn. `gate`: every call waits there while it is set.

    `before_submit` is awaited when an order arrives. `submitted` is every order that reached the
    venue, in order, doubled ones included. `hidden`: orders it falsely says it has never seen.
    `ahead`: its clock before ours. `asked_for`: the names of its reads, in order; `cancelled`: what
    it was asked to cancel.
    """

    clock: Clock
    prices: PriceSource
    instruments: dict[str, Instrument]
    balances: dict[str, Decimal]
    name: VenueName = SCRIPTED
    fee: Decimal = Decimal("0.0004")
    reads_fail: bool = False
    gate: anyio.Event | None = None
    before_submit: Callable[[ClientOrderId], Awaitable[object]] | None = None
    quote_calls: list[set[str]] = field(default_factory=list)
    script: deque[Behaviour] = field(default_factory=deque)
    submitted: list[tuple[ClientOrderId, OrderRequest]] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[ClientOrderId, OrderReport] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    listener: Listener | None = None
    traits: VenueTraits = AUTHORITATIVE
    endpoints: frozenset[str] = frozenset({"orders"})
    hidden: set[ClientOrderId] = field(default_factory=set)
    ahead: timedelta = timedelta()
    cancelled: list[ClientOrderId] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)
    resting: dict[ClientOrderId, OrderRequest] = field(default_factory=dict)
    before_cancel: Callable[[ClientOrderId], Awaitable[object]] | None = None

    async def submit(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        assert_no_connection_held("an order is sent")
        await self._wait()
        if self.before_submit is not None:
            await self.before_submit(client_order_id)
        behaviour = self.script.popleft() if self.script else None
        if behaviour is Behaviour.UNREACHABLE:
            raise VenueUnavailableError("connection refused")
        if behaviour is Behaviour.DROP_BEFORE:
            raise OutcomeUnknownError(client_order_id)
        self.submitted.append((client_order_id, request))
        if client_order_id in self.orders:
            raise OrderRejectedError("duplicate client order id")
        reason = "scripted" if behaviour is Behaviour.REJECT else self._refusal(request)
        if reason is not None:
            self.orders[client_order_id] = self._report(client_order_id, reason=reason)
            raise OrderRejectedError(reason)
        if request.type is OrderType.LIMIT:
            report = self._rest(client_order_id, request)
        else:
            report = self._execute(client_order_id, request)
        if behaviour is Behaviour.DROP_AFTER:
            raise OutcomeUnknownError(client_order_id)
        return report

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderSearch:
        await self._read("find_order")
        report = None if client_order_id in self.hidden else self.orders.get(client_order_id)
        wanted = {fill.symbol for fill in report.fills} if report else set()
        return OrderSearch(
            report=report if wanted <= {symbol} else None,
            endpoints=self.endpoints,
            venue_time=host_now() + self.ahead,
        )

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    async def submit_linked(
        self, orders: Sequence[tuple[ClientOrderId, OrderRequest]]
    ) -> Sequence[OrderReport]:
        raise OrderRejectedError("linked orders are not taken")

    async def replace(
        self, symbol: str, old: ClientOrderId, new: ClientOrderId, request: OrderRequest
    ) -> OrderReport:
        raise OrderRejectedError("orders are not replaced")

    async def open_orders(self) -> Sequence[OrderReport]:
        await self._read("open_orders")
        return [self.orders[each] for each in self.resting if each not in self.hidden]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        await self._read("funding_since")
        return [each for each in self.payments if each.paid_at >= since]

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """`before_cancel` is awaited when it arrives; what is raised there is the answer."""
        await self._read("cancel")
        self.cancelled.append(client_order_id)
        if self.before_cancel is not None:
            await self.before_cancel(client_order_id)
        if self.resting.pop(client_order_id, None) is None:
            raise OrderRejectedError(f"nothing to cancel: {symbol} {client_order_id}")
        report = replace(self.orders[client_order_id], status=OrderStatus.CANCELED)
        self.orders[client_order_id] = report
        return report

    def fill(self, client_order_id: ClientOrderId, quantity: Decimal) -> OrderReport:
        """So much of what rests trades at its limit; whoever listens must be told by the test."""
        request = self.resting[client_order_id]
        assert request.limit_price is not None
        before = self.orders[client_order_id]
        part = self._book(client_order_id, replace(request, quantity=quantity), request.limit_price)
        filled = before.filled_quantity + quantity
        done = filled == request.quantity
        if done:
            del self.resting[client_order_id]
        report = replace(
            before,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=filled,
            fills=(*before.fills, part),
        )
        self.orders[client_order_id] = report
        return report

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        await self._read("fills_since")
        return [fill for fill in self.fills if fill.executed_at >= since]

    async def account(self) -> VenueAccount:
        await self._read("account")
        return VenueAccount(
            balances={asset: total for asset, total in self.balances.items() if total},
            positions={symbol: held for symbol, held in self.positions.items() if held},
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        self.quote_calls.append({each.symbol for each in symbols})
        await self._read("quotes")
        known = {each.symbol: self.prices.last_prices(each.symbol) for each in symbols}
        return {symbol: last.current for symbol, last in known.items() if last is not None}

    async def _read(self, what: str) -> None:
        assert_no_connection_held("the venue is asked")
        self.asked_for.append(what)
        await self._wait()
        if self.reads_fail:
            raise VenueUnavailableError("503")

    async def _wait(self) -> None:
        if self.gate is not None:
            await self.gate.wait()

    def _refusal(self, request: OrderRequest) -> str | None:
        if request.symbol not in self.instruments:
            return f"unknown symbol {request.symbol}"
        if request.type not in {OrderType.MARKET, OrderType.LIMIT}:
            return "market and limit orders only"
        last = self.prices.last_prices(request.symbol)
        if last is None:
            raise VenueUnavailableError("no price yet")
        instrument = self.instruments[request.symbol]
        if request.position_type is PositionType.FUTURES:
            return None
        if request.side.sign > 0:
            cost = request.quantity * last.current * (1 + self.fee)
            enough = cost <= self.balances.get(instrument.quote_asset, Decimal(0))
        else:
            enough = request.quantity <= self.balances.get(instrument.base_asset, Decimal(0))
        return None if enough else "insufficient balance"

    def _rest(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        report = replace(self._report(client_order_id), status=OrderStatus.NEW)
        self.orders[client_order_id] = report
        self.resting[client_order_id] = request
        return report

    def _execute(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        last = self.prices.last_prices(request.symbol)
        assert last is not None
        fill = self._book(client_order_id, request, last.current)
        report = replace(
            self._report(client_order_id),
            status=OrderStatus.FILLED,
            filled_quantity=fill.quantity,
            fills=(fill,),
        )
        self.orders[client_order_id] = report
        return report

    def _book(self, client_order_id: ClientOrderId, request: OrderRequest, price: Decimal) -> Fill:
        instrument = self.instruments[request.symbol]
        fill = Fill(
            venue=self.name,
            symbol=request.symbol,
            trade_id=TradeId(str(len(self.fills) + 1)),
            client_order_id=client_order_id,
            side=request.side,
            quantity=request.quantity,
            price=price,
            fee=request.quantity * price * self.fee,
            fee_asset=instrument.quote_asset,
            executed_at=self.clock.now(),
        )
        self.fills.append(fill)
        change = fill.quantity * fill.side.sign
        if request.position_type is PositionType.FUTURES:
            self.positions[fill.symbol] = self.positions.get(fill.symbol, Decimal(0)) + change
            self._add(instrument.quote_asset, -fill.fee)
        else:
            self._add(instrument.base_asset, change)
            self._add(instrument.quote_asset, -change * fill.price - fill.fee)
        return fill

    def _report(self, client_order_id: ClientOrderId, reason: str | None = None) -> OrderReport:
        return OrderReport(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(str(len(self.orders) + 1)),
            status=OrderStatus.REJECTED,
            reason=reason,
            at=self.clock.now(),
        )

    def _add(self, asset: str, change: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, Decimal(0)) + change


def as_venue(venue: ScriptedVenue) -> Venue:
    """Mypy's proof that the fake has the port's shape."""
    return venue
