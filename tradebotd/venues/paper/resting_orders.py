"""Orders resting at the paper venue: which a tick meets, at what price, what they lock. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import ONE, ZERO
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest, OrderType
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.venues.paper.depth import works_on
from tradebotd.venues.paper.fill_model import Locked, PaperTerms, margin_of, taken_at, worsened
from tradebotd.venues.paper.futures import exit_price

TRIGGERED: Final = CONDITIONAL
WITH_LIMIT: Final = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
STOPS: Final = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
AT_ONCE: Final = "order would trigger immediately"

Market = Callable[[str], Decimal | None]
"""Return the price at which a symbol trades now; None until its first tick."""


class TriggeredOrder(NamedTuple):
    """A resting order whose price was met, with its fill price and its fee rate.

    `price` None: its stop price was met, and its limit is out of reach: it rests as a limit order.
    `expires`: it has arrived, trades at nothing there is, and may not wait.
    """

    order: RestingOrder
    price: Decimal | None
    fee_rate: Decimal
    expires: bool = False


def triggered_by(
    orders: Iterable[RestingOrder],
    prices: LastPrices,
    instrument: Instrument,
    terms: PaperTerms,
    position: PaperPosition | None = None,
    *,
    others: Callable[[PriceKind], LastPrices | None] = lambda _: None,
) -> list[TriggeredOrder]:
    """Return the orders that the current tick meets, by number; of linked ones the first met.

    Only orders that arrived before the price that they are compared with: *prices*, the last ones,
    or *others* of their working price. A level that the path went through fills there, one that was
    jumped over at the current price: to the trader's cost for a stop, to the trader's gain for a
    limit or a target. *position*: the symbol's futures position; no exit does better than its
    liquidation. A limit beyond the market takes what there is at the first price since it arrived.
    """
    triggered: list[TriggeredOrder] = []
    linked: set[str] = set()
    for order in orders:
        as_met = on_book(order)
        kind = as_met.working_price
        compared = prices if kind is PriceKind.LAST else others(kind)
        arrived_at = order.accepted_at + terms.latency
        if compared is None or arrived_at >= compared.at:
            continue
        lasts = order.triggered or works_on(order.request)
        arrives = not lasts or (bool(terms.latency) and prices.is_first_since(arrived_at))
        takes = as_met.type is OrderType.MARKET or (
            arrives and fills_at_once(as_met, prices.current, instrument, terms)
        )
        if not (takes or lasts):
            triggered.append(TriggeredOrder(order, price=None, fee_rate=terms.taker, expires=True))
            continue
        if not (takes or _is_reached(as_met, level_of(as_met), compared.current)):
            continue
        if order.linked_id is not None and order.linked_id in linked:
            continue
        fill: tuple[Decimal, Decimal] | None
        if takes:
            fill = worsened(as_met.side, prices.current, instrument, terms), terms.taker
        else:
            fill = _fill_of(as_met, level_of(as_met), prices, compared, instrument, terms)
        if fill is None:
            triggered.append(TriggeredOrder(order, price=None, fee_rate=terms.maker))
            continue
        if order.linked_id is not None:
            linked.add(order.linked_id)
        price = exit_price(order.request, fill[0], prices, position, instrument)
        triggered.append(TriggeredOrder(order, price=price, fee_rate=fill[1]))
    return triggered


def _fill_of(
    request: OrderRequest,
    level: Decimal,
    prices: LastPrices,
    compared: LastPrices,
    instrument: Instrument,
    terms: PaperTerms,
) -> tuple[Decimal, Decimal] | None:
    """Return price and fee rate of an order whose level was met; None: its limit is not.

    A stop-limit takes what there is where its stop was met, if its limit allows that; else it is a
    limit order for what the price does from there on. *compared*: the prices that met the level.
    """
    if request.type is OrderType.LIMIT:
        return level if prices.went_through(level) else prices.current, terms.maker
    taken = taken_at(level, request, compared, instrument, terms)
    if taken is None:
        taken = worsened(request.side, prices.current, instrument, terms)
    limit = request.limit_price
    if request.type not in WITH_LIMIT or limit is None or _within(request.side, taken, limit):
        return taken, terms.taker
    return (limit, terms.maker) if _within(request.side, prices.current, limit) else None


def _within(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side is Side.BUY else price >= limit


def on_book(order: RestingOrder) -> OrderRequest:
    """Return what the order is by now: one whose stop was met is a limit, or takes the market.

    That is met by the last price, whatever its stop was compared with.
    """
    if not order.triggered:
        return order.request
    type_ = OrderType.LIMIT if order.request.type in WITH_LIMIT else OrderType.MARKET
    return replace(order.request, type=type_, working_price=PriceKind.LAST)


def would_trigger(request: OrderRequest, current: Decimal) -> bool:
    """Return whether the market has met the stop or target already; venues refuse such an order."""
    return request.type in TRIGGERED and _is_reached(request, level_of(request), current)


def fills_at_once(
    request: OrderRequest, current: Decimal, instrument: Instrument, terms: PaperTerms
) -> bool:
    """Return whether the order trades as it comes: at the market, or a limit beyond it."""
    if request.type is not OrderType.LIMIT:
        return request.type is OrderType.MARKET
    return _within(
        request.side, worsened(request.side, current, instrument, terms), level_of(request)
    )


def level_of(request: OrderRequest) -> Decimal:
    level = request.limit_price if request.type is OrderType.LIMIT else request.stop_price
    if level is None:
        raise ValueError(f"a {request.type} order has no price")
    return level


def cost_price(request: OrderRequest, market: Market) -> Decimal:
    """Return the worst price that a resting order may be filled at, before costs.

    One at the market takes what there is: *market* is the price by symbol, None where there is
    none yet.
    """
    if request.type is OrderType.MARKET:
        return market(request.symbol) or ZERO
    return level_of(request) if request.limit_price is None else request.limit_price


def _is_reached(request: OrderRequest, level: Decimal, price: Decimal) -> bool:
    """Return whether *price* has reached *level*.

    A buy limit, a sell stop and a buy target wait below the market, the others above it.
    """
    buys = request.side is Side.BUY
    waits_below = buys is (request.type not in STOPS)
    return price <= level if waits_below else price >= level


def locked_by(
    orders: Iterable[RestingOrder],
    instruments: Mapping[str, Instrument],
    terms: PaperTerms,
    *,
    but: frozenset[int],
    market: Market,
) -> Locked:
    """Return inventory behind resting sells and cash behind resting buys; linked ones lock it once.

    Reduce-only futures orders lock nothing, nor do orders whose symbol left the configuration,
    since they meet no price. *but*: orders that are being filled or cancelled.
    """
    largest: dict[tuple[str, str], Decimal] = {}
    for order in orders:
        request = order.request
        futures = request.position_type is PositionType.FUTURES
        instrument = instruments.get(request.symbol)
        if instrument is None or order.id in but or (futures and request.reduce_only):
            continue
        left = request.quantity - order.filled_quantity
        if not futures and request.side is Side.SELL:
            asset, amount = instrument.base_asset, left
        else:
            price = cost_price(request, market)
            share = ONE / order.leverage
            asset, amount = instrument.quote_asset, left * price * (share + terms.taker)
        key = (asset, order.linked_id or order.client_order_id)
        largest[key] = max(largest.get(key, ZERO), amount)
    by_asset: dict[str, Decimal] = {}
    for (asset, _), amount in largest.items():
        by_asset[asset] = by_asset.get(asset, ZERO) + amount
    return Locked(by_asset=by_asset)


def margins_of(
    positions: Iterable[PaperPosition],
    orders: Iterable[RestingOrder],
    instruments: Mapping[str, Instrument],
    market: Market,
) -> dict[str, Decimal]:
    """Return what futures positions, and the orders that may open one, hold of each asset."""
    used: dict[str, Decimal] = {}
    held = [(position.symbol, margin_of(position)) for position in positions]
    for order in orders:
        request = order.request
        if request.position_type is PositionType.FUTURES and not request.reduce_only:
            left = request.quantity - order.filled_quantity
            held.append((request.symbol, left * cost_price(request, market) / order.leverage))
    for symbol, margin in held:
        if (instrument := instruments.get(symbol)) is not None:
            asset = instrument.quote_asset
            used[asset] = used.get(asset, ZERO) + margin
    return used


def family_of(
    client_order_id: ClientOrderId, resting: Sequence[RestingOrder]
) -> list[RestingOrder]:
    """Return the order and what is linked to it; empty when it does not rest."""
    mine = [order for order in resting if order.client_order_id == client_order_id]
    if not mine or mine[0].linked_id is None:
        return mine
    return [order for order in resting if order.linked_id == mine[0].linked_id]


def remaining_request(order: RestingOrder, positions: Iterable[PaperPosition]) -> OrderRequest:
    """Return what is left of the order; reduce-only, at most what is left of its position."""
    request = replace(order.request, quantity=order.request.quantity - order.filled_quantity)
    if not request.reduce_only:
        return request
    held = next(
        (position.quantity for position in positions if position.symbol == request.symbol), ZERO
    )
    remaining = -held * request.side.sign
    return replace(request, quantity=remaining) if ZERO < remaining < request.quantity else request
