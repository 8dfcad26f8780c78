"""Containment of adapters: a failure that was not foreseen becomes a VenueError for callers.

A missing field, a number in place of text: a surprise at one venue must not end a round over all
venues, a sweep over all positions, or an operator's flatten.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import structlog

from tradebotd.domain.errors import OutcomeUnknownError, TradebotError, VenueError
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import (
    Commission,
    Listener,
    OrderLookup,
    SendBlockedBy,
    StreamListener,
    SymbolSetup,
    Venue,
    VenueAccount,
    VenueClock,
    VenueTraits,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

UNFORESEEN: Final = "unforeseen answer received"


class ContainedVenue:
    """`Venue` that wraps another one. Time limits and cancellation pass through as they are.

    Calls that send orders are passed through, too: `Placement` treats whatever they raise as an
    unknown outcome, and records it.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    @property
    def name(self) -> VenueName:
        return self._venue.name

    @property
    def traits(self) -> VenueTraits:
        return self._venue.traits

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self._venue.listen(listener, on_stream)

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        return await self._venue.submit(client_order_id, request, send_blocked_by=send_blocked_by)

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Sequence[OrderReport]:
        return await self._venue.submit_linked(orders, send_blocked_by=send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        return await self._venue.replace(symbol, old, new, request, send_blocked_by=send_blocked_by)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        try:
            return await self._venue.cancel(symbol, client_order_id)
        except (TradebotError, TimeoutError):
            raise
        except Exception as error:  # it may have been cancelled
            log.exception(UNFORESEEN, venue=self.name, call="cancel")
            raise OutcomeUnknownError(client_order_id) from error

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        return await self._contained("find_order", self._venue.find_order(symbol, client_order_id))

    async def open_orders(self) -> Sequence[OrderReport]:
        return await self._contained("open_orders", self._venue.open_orders())

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        return await self._contained("fills_since", self._venue.fills_since(since))

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        return await self._contained("funding_since", self._venue.funding_since(since))

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        return await self._contained("transfers_since", self._venue.transfers_since(since))

    async def account(self) -> VenueAccount:
        return await self._contained("account", self._venue.account())

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        return await self._contained("quotes", self._venue.quotes(symbols))

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        return await self._contained("instruments", self._venue.instruments(symbols))

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        return await self._contained("commissions", self._venue.commissions(symbols))

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        await self._contained("set_up", self._venue.set_up(symbol, setup))

    async def server_clock(self) -> VenueClock:
        return await self._contained("server_clock", self._venue.server_clock())

    async def _contained(self, call: str, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except (TradebotError, TimeoutError):
            raise
        except Exception as error:
            log.exception(UNFORESEEN, venue=self.name, call=call)
            raise VenueError(
                f"{self.name} {call}: {UNFORESEEN}, {type(error).__name__}:"
                f" {error} (the log has the traceback)"
            ) from error


def contained(adapters: Mapping[VenueName, Venue]) -> dict[VenueName, Venue]:
    return {name: ContainedVenue(adapter) for name, adapter in adapters.items()}
