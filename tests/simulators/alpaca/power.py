"""Quantity that orders hold, and what the account can still buy."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.orders import Order, Status

ZERO: Final = Decimal(0)
HALF: Final = Decimal("0.5")


def is_closing(order: Order) -> bool:
    return order.position_intent.endswith("_to_close")


def is_asleep(order: Order) -> bool:
    """Whether it is a leg that waits for the complete fill of its entry."""
    return (
        order.group is not None
        and order.group.parent.role == "entry"
        and order is not order.group.parent
        and order.group.parent.status is not Status.FILLED
    )


def closing_orders(desk: Desk, symbol: str, besides: Order | None = None) -> Iterable[Order]:
    """The open orders that close what is held of *symbol*, one of each pair of legs."""
    seen: set[int] = set()
    for order in desk.book.open(symbol):
        if order is besides or not is_closing(order) or is_asleep(order):
            continue
        if order.replaces is not None and not order.routed and order.status is Status.PENDING_NEW:
            continue  # a replacement holds what the replaced order holds
        if order.group is not None:
            if id(order.group) in seen:
                continue
            seen.add(id(order.group))
        yield order


def held(desk: Desk, symbol: str, besides: Order | None = None) -> Decimal:
    """The quantity of *symbol* that open orders hold."""
    return sum((left_of(desk, each) for each in closing_orders(desk, symbol, besides)), ZERO)


def left_of(desk: Desk, order: Order) -> Decimal:
    if order.quantity is None and order.notional is not None:
        price = desk.market.price(order.asset.symbol)
        return order.notional / price if price else ZERO
    return order.left


def reserved(desk: Desk) -> Decimal:
    """Buying power that is held by open orders which open or add to a position."""
    total = ZERO
    for order in desk.book.open():
        if is_closing(order) or (order.replaces is not None and not order.routed):
            continue
        if order.quantity is None and order.notional is not None:
            total += order.notional
        else:
            total += order.left * order.reserve_price
    return total


def price_of(desk: Desk, symbol: str) -> Decimal:
    """The market's price of a holding; its average cost as long as the market has none."""
    asset = desk.assets.get(symbol)
    price = desk.market.price(asset.symbol) if asset else ZERO
    return price or desk.ledger.holdings[symbol].average


def values(desk: Desk) -> tuple[Decimal, Decimal]:
    """The market values of all long and of all short holdings; the latter is not above zero."""
    worth = [
        holding.quantity * price_of(desk, symbol)
        for symbol, holding in desk.ledger.holdings.items()
    ]
    return sum((w for w in worth if w > 0), ZERO), sum((w for w in worth if w < 0), ZERO)


def equity(desk: Desk) -> Decimal:
    return desk.ledger.cash + sum(values(desk), ZERO)


def initial_margin(desk: Desk) -> Decimal:
    """Half of what is marginable, all of what is not (crypto)."""
    total = ZERO
    for symbol, holding in desk.ledger.holdings.items():
        asset = desk.assets.get(symbol)
        share = HALF if asset is not None and asset.marginable else Decimal(1)
        total += abs(holding.quantity) * price_of(desk, symbol) * share
    return total


def buying_power(desk: Desk) -> Decimal:
    if desk.terms.multiplier == 1:
        return max(ZERO, desk.ledger.cash - reserved(desk))
    free = max(ZERO, equity(desk) - initial_margin(desk)) * desk.terms.multiplier
    return max(ZERO, free - reserved(desk))


def cash_power(desk: Desk) -> Decimal:
    """Cash that crypto can be bought with."""
    return max(ZERO, desk.ledger.cash - reserved(desk))
