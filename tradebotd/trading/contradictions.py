"""Impossible answers of a venue: named, and never taken for something else. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.orders import StoredOrder

CLOCK_TOLERANCE: Final = timedelta(minutes=1)  # a venue's clock may be this far ahead of ours


def report_contradiction(stored: StoredOrder, report: OrderReport) -> str | None:
    """Return why the report's status and quantity cannot be believed, or None.

    Its fills are facts of their own.
    """
    filled, asked = report.filled_quantity, stored.order.quantity
    if report.status not in frozenset(OrderStatus):
        return f"nobody knows a status {report.status!s}"
    if not filled.is_finite() or filled < 0:
        return f"{filled} was filled"
    if filled > asked:
        return f"{filled:f} was filled of {asked:f} that were ordered"
    if report.status is OrderStatus.FILLED and filled != asked:
        return f"it is filled, with {filled:f} of {asked:f}"
    return None


def answer_contradiction(asked_for: ClientOrderId, report: OrderReport) -> str | None:
    """Return why the report is no answer: neither what the order is, nor that there is none."""
    if report.client_order_id == asked_for:
        return None
    return f"asked for it, the venue tells of {report.client_order_id}"


def fill_contradiction(fill: Fill) -> str | None:
    """Return why it is no fill at all, or None. An empty one is none, but no contradiction."""
    if not fill.quantity.is_finite() or fill.quantity < 0:
        return f"its quantity is {fill.quantity}"
    if not fill.price.is_finite() or (fill.price <= 0 and fill.quantity > 0):
        return "it has no price"
    if not fill.fee.is_finite():
        return f"its fee is {fill.fee}"
    return "its time has no zone" if fill.executed_at.tzinfo is None else None


def clock_contradiction(fill: Fill, now: datetime) -> str | None:
    """Return why it cannot have been executed when the venue says, or None."""
    if fill.executed_at <= latest_possible(now):
        return None
    return f"it was executed at {fill.executed_at.isoformat()}, and it is {now.isoformat()}"


def latest_possible(now: datetime) -> datetime:
    """Return the time after which nothing can have been executed."""
    return now + CLOCK_TOLERANCE


def account_contradictions(account: VenueAccount) -> dict[str, str]:
    """Return the impossible amounts, by asset or symbol."""
    contradictions: dict[str, str] = {}
    for asset, total in account.balances.items():
        if not total.is_finite() or total < 0:
            contradictions[asset] = f"its balance is {_number(total)}"
    for asset, locked in account.locked.items():
        total = account.balances.get(asset, Decimal(0))
        if asset not in contradictions and not (locked.is_finite() and 0 <= locked <= total):
            contradictions[asset] = f"{_number(locked)} is locked of {_number(total)}"
    for symbol, size in account.positions.items():
        if not size.is_finite():
            contradictions[symbol] = f"its position is {size}"
    return contradictions


def is_readable(account: VenueAccount) -> bool:
    """Return whether the account's holdings are numbers at all."""
    amounts = [*account.balances.values(), *account.positions.values()]
    return all(amount.is_finite() for amount in amounts)


def _number(amount: Decimal) -> str:
    return f"{amount:f}" if amount.is_finite() else str(amount)
