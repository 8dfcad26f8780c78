"""Buying power that a venue leaves to new orders, and margin of futures, brought up to this moment.

A venue counts what it knew when it answered: what has been ordered or bought since is taken off
here, so that two entries do not share what is enough for one. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.storage.equity import CashKey, OpenHolding, PendingEntry
from tradebotd.trading.account.venue_accounts import VenueAnswer


class NewSince(NamedTuple):
    """Orders that a venue had not counted yet: their notional, and the futures' margin of it."""

    notional: Decimal
    margin: Decimal


# An entry that may still fill, the purse that pays for it, and what a unit of it costs.
PricedEntry = tuple[PendingEntry, CashKey, Decimal]


def new_since(
    told: Mapping[VenueName, VenueAnswer],
    holdings: Iterable[OpenHolding],
    pending: Callable[[], Sequence[PricedEntry]],
) -> Mapping[CashKey, NewSince]:
    """Return what is new by purse, of the venues that tell a buying power or a margin."""
    telling = {
        name: answer
        for name, answer in told.items()
        if answer.account.buying_power or answer.account.margin_used
    }
    sums: dict[CashKey, NewSince] = {}

    def add(cash_key: CashKey, worth: Decimal, kind: PositionType, leverage: int) -> None:
        before = sums.get(cash_key, NewSince(notional=ZERO, margin=ZERO))
        margin = worth / leverage if kind is PositionType.FUTURES else ZERO
        sums[cash_key] = NewSince(notional=before.notional + worth, margin=before.margin + margin)

    for order, cash_key, price in pending() if telling else ():
        if order.venue in telling and order.order_id not in telling[order.venue].counted:
            add(cash_key, order.quantity * price, order.position_type, order.leverage)
    for held in holdings if telling else ():
        if held.venue not in telling:
            continue
        known = telling[held.venue].held.get(held.position_id, ZERO)
        if (more := abs(held.quantity) - known) > 0:
            cash_key = (held.venue, held.quote_asset)
            add(cash_key, more * held.entry_price, held.position_type, held.leverage)
    return sums


def powers(
    told: Mapping[VenueName, VenueAnswer], new: Mapping[CashKey, NewSince]
) -> dict[CashKey, Decimal]:
    """The notional that an entry may still have, where a venue tells it."""
    return {
        (name, asset): power - (new[name, asset].notional if (name, asset) in new else ZERO)
        for name, answer in told.items()
        for asset, power in answer.account.buying_power.items()
    }


def margins(
    told: Mapping[VenueName, VenueAnswer], new: Mapping[CashKey, NewSince]
) -> dict[CashKey, Decimal]:
    """Return what futures hold, those of others in the account too, where a venue tells it."""
    return {
        (name, asset): used + (new[name, asset].margin if (name, asset) in new else ZERO)
        for name, answer in told.items()
        for asset, used in answer.account.margin_used.items()
    }


def free_cash(
    cash: Mapping[CashKey, Decimal],
    holdings: Iterable[OpenHolding],
    pending: Iterable[PricedEntry],
    margins: Mapping[CashKey, Decimal],
) -> dict[CashKey, Decimal]:
    """Cash that neither a margin nor an entry under way holds; *margins*: as venues tell them, and
    what counts where ours are less.
    """
    held: dict[CashKey, Decimal] = defaultdict(Decimal)  # by futures
    free = defaultdict(Decimal, cash)
    for holding in holdings:
        if holding.position_type is PositionType.FUTURES:
            margin = abs(holding.quantity) * holding.entry_price / holding.leverage
            held[holding.venue, holding.quote_asset] += margin
    for order, cash_key, price in pending:
        cost = order.quantity * price / order.leverage
        if order.position_type is PositionType.FUTURES:
            held[cash_key] += cost
        else:
            free[cash_key] -= cost
    for cash_key in held.keys() | margins.keys():
        free[cash_key] -= max(held[cash_key], margins.get(cash_key, ZERO))
    return free


def each_once(
    before: Sequence[PendingEntry], after: Sequence[PendingEntry]
) -> Sequence[PendingEntry]:
    """Return each entry once, as seen first: it could still take more of the cash then."""
    before_ids = {entry.order_id for entry in before}
    return (*before, *(entry for entry in after if entry.order_id not in before_ids))
