"""Promised replacements of the paper venue: asked for at once, decided at the symbol's next price.

Until then the old order rests on and meets that price first.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderRequest, OrderStatus
from tradebotd.ports.prices import LastPrices
from tradebotd.storage import paper_orders
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.venues.paper.settlement import BookChanges, end, promise, resting_report

BEING_REPLACED: Final = "the order is being replaced"
KEEPS_ITS_TYPE: Final = "a replacement keeps the type of its order"
NOTHING_LEFT: Final = "the order that it was to replace does not rest any more"

Family = Callable[[ClientOrderId], Sequence[RestingOrder]]
Refusal = Callable[[BookChanges, OrderRequest, LastPrices, frozenset[int]], Awaitable[str | None]]


class Promises:
    """Promised orders by number, in memory; changed by `follow`, after the commit.

    *family*: a resting order and what is linked to it. *refusal*: why an order is not taken, once
    those have gone.
    """

    def __init__(self, family: Family, refusal: Refusal) -> None:
        self._family = family
        self._refusal = refusal
        self._promised: dict[int, RestingOrder] = {}

    def load(self, promised: Sequence[RestingOrder]) -> None:
        self._promised = {order.id: order for order in promised}

    def follow(self, changes: BookChanges) -> None:
        for order_id in changes.decided:
            self._promised.pop(order_id, None)
        self._promised |= {order.id: order for order in changes.promised}

    @property
    def orders(self) -> list[RestingOrder]:
        return list(self._promised.values())

    def of_symbol(self, symbol: str) -> list[RestingOrder]:
        return [order for order in self._promised.values() if order.request.symbol == symbol]

    def is_replaced(self, old: ClientOrderId) -> bool:
        """Return whether another order has been promised in the place of *old*."""
        return any(order.linked_id == old for order in self._promised.values())

    async def add(
        self,
        changes: BookChanges,
        old: ClientOrderId,
        new: tuple[ClientOrderId, OrderRequest],
        prices: LastPrices,
    ) -> None:
        """Promise *new* in the place of *old*, unless it would be refused now."""
        family = self._family(old)
        (rests,) = (order for order in family if order.client_order_id == old)
        if self.is_replaced(old):
            changes.refused = BEING_REPLACED
        elif new[1].type is not rests.request.type:
            changes.refused = KEEPS_ITS_TYPE
        else:
            gone = frozenset(order.id for order in family)
            changes.refused = await self._refusal(changes, new[1], prices, gone)
        if changes.refused is None:
            await promise(changes, old, *new)

    async def decide(self, changes: BookChanges, symbol: str, prices: LastPrices) -> None:
        """Keep or break what was promised before this price, which the old orders have met."""
        for order in self.of_symbol(symbol):
            old = order.linked_id
            family = [
                each
                for each in self._family(ClientOrderId(old or ""))
                if each.id not in changes.ended
            ]
            if all(each.client_order_id != old for each in family):
                await self._end(changes, order, OrderStatus.REJECTED, NOTHING_LEFT)
                continue
            gone = frozenset({*changes.ended, *(each.id for each in family)})
            refusal = await self._refusal(changes, order.request, prices, gone)
            if refusal is not None:
                await self._end(changes, order, OrderStatus.REJECTED, refusal)
                continue
            await end(changes, family, OrderStatus.CANCELED, "replaced")
            await self._end(changes, order, OrderStatus.NEW, None)
            changes.rested.append(replace(order, accepted_at=changes.at, linked_id=None))

    async def withdraw(self, changes: BookChanges, client_order_id: ClientOrderId) -> bool:
        """Cancel the promised order; False: there is none of that name. The old one rests on."""
        for order in self.orders:
            if order.client_order_id == client_order_id:
                await self._end(changes, order, OrderStatus.CANCELED, None)
                return True
        return False

    async def _end(
        self, changes: BookChanges, order: RestingOrder, status: OrderStatus, reason: str | None
    ) -> None:
        await paper_orders.decide_promise(changes.connection, order.id, status, reason, changes.at)
        changes.decided.add(order.id)
        changes.reports.append(resting_report(order, status, changes.at, reason))
