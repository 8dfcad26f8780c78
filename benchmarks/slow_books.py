"""A venue that keeps books and takes its time: cash that runs out, and stops that rest."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import anyio

from tests.fakes.venue import ScriptedVenue
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import Quote
from tradebotd.ports.venue import OrderLookup, Replaced, SendBlockedBy, VenueAccount, not_blocked


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that left us. `at`: of `time.perf_counter`."""

    client_order_id: ClientOrderId
    request: OrderRequest
    at: float


@dataclass
class SlowBooks(ScriptedVenue):
    """Half of *seconds* until a request arrives there, half until its answer is here.

    `sent`: new orders as they left us, whatever became of them.
    """

    seconds: float = 0.0
    sent: list[Sent] = field(default_factory=list)

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        self.sent.append(Sent(client_order_id, request, time.perf_counter()))
        try:
            return await super().submit(client_order_id, request, send_blocked_by=send_blocked_by)
        finally:
            await self._way()

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        self.sent.append(Sent(new, request, time.perf_counter()))
        try:
            return await super().replace(symbol, old, new, request, send_blocked_by=send_blocked_by)
        finally:
            await self._way()

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        try:
            return await super().cancel(symbol, client_order_id)
        finally:
            await self._way()

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        answer = await super().find_order(symbol, client_order_id)
        await self._way()
        return answer

    async def open_orders(self, symbols: Collection[str] | None = None) -> Sequence[OrderReport]:
        answer = await super().open_orders(symbols)
        await self._way()
        return answer

    async def account(self) -> VenueAccount:
        answer = await super().account()
        await self._way()
        return answer

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        answer = await super().quotes(symbols)
        await self._way()
        return answer

    def stops(self) -> Mapping[str, Sequence[Decimal]]:
        """The stops that rest at this moment, by symbol."""
        found: dict[str, list[Decimal]] = {}
        for request in self.resting.values():
            if request.stop_price is not None:
                found.setdefault(request.symbol, []).append(request.stop_price)
        return found

    async def _wait(self) -> None:
        await self._way()
        await super()._wait()

    async def _way(self) -> None:
        if self.seconds:
            await anyio.sleep(self.seconds / 2)
