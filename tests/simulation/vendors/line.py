"""What a life is given for a venue: the vendor's adapter, and a note of what it was told."""

import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.line import Line
from tests.simulation.vendors.client import Way
from tests.simulation.vendors.venue import Adapter, VendorVenue
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.venue import (
    Commission,
    Listener,
    OrderLookup,
    Replaced,
    SendBlockedBy,
    StreamListener,
    StreamState,
    SymbolSetup,
    VenueAccount,
    VenueClock,
    not_blocked,
)


@dataclass
class VendorLine(Line):
    """The port by the adapter, for a process that may have ended or stand still."""

    adapter: Adapter = field(init=False)
    way: Way = field(init=False)

    def __post_init__(self) -> None:
        assert isinstance(self.venue, VendorVenue)
        self.adapter, self.way = self.venue.adapter(self.life)

    def taken(self, token: int) -> None:
        self.token = self.way.token = token

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        async def hear(report: OrderReport) -> None:
            await self.life.awake()
            if self.life.ended.is_set():
                return
            try:
                await listener(report)
            except (DatabaseUnavailableError, TimeoutError):
                raise
            except Exception as error:
                if not self.life.ended.is_set():
                    trace = "".join(traceback.format_exception(error))[-1500:]
                    street = self.venue.street
                    street.crashes.append(f"out of the order stream's listener: {trace}")
                raise

        async def see(state: StreamState) -> None:
            await self.life.awake()
            if on_stream is not None and not self.life.ended.is_set():
                self.venue.street.record.say("stream", f"connected {state.connected}")
                await on_stream(state)

        self.adapter.listen(hear, see)

    async def run(self) -> None:
        await self.adapter.run()

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        return await self.adapter.submit(client_order_id, request, send_blocked_by=send_blocked_by)

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        return await self.adapter.submit_linked(orders, send_blocked_by=send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        return await self.adapter.replace(
            symbol, old, new, request, send_blocked_by=send_blocked_by
        )

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        return await self.adapter.cancel(symbol, client_order_id)

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        return await self.adapter.find_order(symbol, client_order_id)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        return await self.adapter.open_orders(symbols)

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        return await self.adapter.fills_since(since, symbols)

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        return await self.adapter.transfers_since(since)

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        return await self.adapter.funding_since(since)

    async def account(self) -> VenueAccount:
        ledger = self.venue.ledger
        self.venue.hands_when_told.append(dict(ledger.by_hand))
        told = await self.adapter.account()
        self.venue.hands_when_told.append(dict(ledger.by_hand))
        return told

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        """What is told is noted as shown, at the price that was told."""
        street, told = self.venue.street, await self.adapter.quotes(symbols)
        for symbol, quote in sorted(told.items()):
            if quote.last is not None:
                street.told(symbol, self.life.number, quote.last)
        return told

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        return await self.adapter.instruments(symbols)

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        return await self.adapter.commissions(symbols)

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        await self.adapter.set_up(symbol, setup)

    async def server_clock(self) -> VenueClock:
        return await self.adapter.server_clock()
