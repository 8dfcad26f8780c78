"""Orders of ours that would meet at the paper venue, as a venue of that kind sees them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType
from tradebotd.domain.self_trade import SELF_TRADE, SelfTrade
from tradebotd.domain.side import Side
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.venues.paper.resting_orders import level_of, on_book
from tradebotd.venues.paper.settlement import BookChanges, book_expired, end


def met_of_ours(
    request: OrderRequest, price: Decimal | None, orders: Iterable[RestingOrder], kind: SelfTrade
) -> list[RestingOrder]:
    """Return what rests of ours and would meet *request*, which fills at *price* (None: it rests).

    A venue that rejects looks at the other side as a whole: only two limit orders whose prices do
    not cross may be there together.
    """
    if kind in {SelfTrade.NEVER, SelfTrade.TRADES}:
        return []
    others = [
        order
        for order in orders
        if order.request.symbol == request.symbol and order.request.side is request.side.opposite
    ]
    if kind is SelfTrade.REJECTS:
        return [order for order in others if not _pass_by(request, on_book(order))]
    return [
        order
        for order in others
        if price is not None
        and (other := on_book(order)).type is OrderType.LIMIT
        and _reaches(request.side, price, level_of(other))
    ]


def refused_by_ours(met: Sequence[RestingOrder], kind: SelfTrade) -> str | None:
    rejects = met and kind is SelfTrade.REJECTS
    return f"{SELF_TRADE}: {met[0].client_order_id} rests" if rejects else None


async def expires(
    changes: BookChanges,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    met: Sequence[RestingOrder],
    kind: SelfTrade,
) -> bool:
    """Return whether, of two that would meet, the one that comes expires."""
    if met and kind is SelfTrade.EXPIRES_INCOMING:
        await book_expired(changes, client_order_id, request, SELF_TRADE)
        return True
    await end(changes, met, OrderStatus.EXPIRED, SELF_TRADE)
    return False


def _pass_by(request: OrderRequest, other: OrderRequest) -> bool:
    both = request.type is OrderType.LIMIT and other.type is OrderType.LIMIT
    return both and not _reaches(request.side, level_of(request), level_of(other))


def _reaches(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price >= limit if side is Side.BUY else price <= limit
