"""What a suite does between core and adapter: something happens as an order is handed over."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.venue_core.daemon import Daemon
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.ports.venue import Replaced, SendBlockedBy

Orders = Sequence[tuple[ClientOrderId, OrderRequest]]
HandOver = Callable[[Orders], Awaitable[None]]


class Between:
    """The adapter, but for what *as_sent* does before it is given orders to send."""

    def __init__(self, adapter: Any, as_sent: HandOver) -> None:
        self._adapter, self._as_sent = adapter, as_sent

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> OrderReport:
        await self._as_sent([(client_order_id, request)])
        told: OrderReport = await self._adapter.submit(
            client_order_id, request, send_blocked_by=send_blocked_by
        )
        return told

    async def submit_linked(
        self, orders: Orders, *, send_blocked_by: SendBlockedBy
    ) -> Sequence[OrderReport]:
        await self._as_sent(orders)
        told: Sequence[OrderReport] = await self._adapter.submit_linked(
            orders, send_blocked_by=send_blocked_by
        )
        return told

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy,
    ) -> Replaced:
        await self._as_sent([(new, request)])
        told: Replaced = await self._adapter.replace(
            symbol, old, new, request, send_blocked_by=send_blocked_by
        )
        return told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


def interpose(daemon: Daemon, as_sent: HandOver) -> None:
    """Have *as_sent* awaited with all that the core hands to its venue from now on."""
    for contained in daemon.trading.venues.values():
        keeper: Any = contained
        keeper._venue = Between(keeper._venue, as_sent)
