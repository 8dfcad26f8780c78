"""Rules: what to believe about an order, and what a difference in holdings is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.order import OrderReport, OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import OrderLookup, VenueTraits
from tradebotd.storage.order_searches import OrderSearchState
from tradebotd.storage.orders import StoredOrder
from tradebotd.trading.execution.order_identity import is_as_sent, was_seen

APART: Final = timedelta(seconds=5)  # two answers that both count
ASK_ON: Final = timedelta(hours=24)  # after an inference: it may still prove wrong
SOONEST: Final = timedelta(minutes=1)
SLOWER: Final = 4  # asked again after a quarter of the time that the absence has lasted


class MissingOrderVerdict(StrEnum):
    WAIT = "wait"  # it may still be on its way, or the venue has not said it often enough
    CANCEL = "cancel"  # it may rest there: cancel it by its id, and go on asking
    ABSENT = "absent"  # it never arrived, and cannot arrive any more


def count_negative(
    search: OrderSearchState | None,
    answer: OrderLookup,
    *,
    send_by: datetime,
    asked_at: datetime,
    traits: VenueTraits,
) -> OrderSearchState | None:
    """Return *search* after one more "never seen"; one that came too early changes nothing.

    Too early by the venue's clock, or by ours when we asked, whichever is behind. Several within a
    moment are one answer: a venue whose reads lag behind its writes says so however often it is
    asked.
    """
    speaks_from = send_by + traits.receive_window + traits.absence_margin
    if min(answer.venue_time, asked_at) <= speaks_from:
        return search
    if search is not None and search.negatives and asked_at - search.last_asked_at < APART:
        return search
    before = search or OrderSearchState(began_at=asked_at, last_asked_at=asked_at)
    return replace(
        before,
        last_asked_at=asked_at,
        negatives=before.negatives + 1,
        endpoints=before.endpoints | answer.endpoints,
    )


def judge(
    search: OrderSearchState | None,
    *,
    can_rest: bool,
    moved: bool,
    traits: VenueTraits,
    silent: bool = False,
) -> MissingOrderVerdict:
    """Judge an order that the venue says it has never seen. *moved*: its holdings say otherwise.

    *silent*: the holdings can prove nothing either way, so that the answers have to last for
    longer. The paper venue's books are authoritative: its traits make the first such answer enough.
    """
    if search is None:
        return MissingOrderVerdict.WAIT
    lasted = search.last_asked_at - search.began_at
    if can_rest and search.cancel_acknowledged_at is None and lasted < traits.resting_margin:
        return MissingOrderVerdict.CANCEL
    if silent and lasted < traits.resting_margin:
        return MissingOrderVerdict.WAIT
    often_enough = search.negatives >= traits.negatives
    widely_enough = len(search.endpoints) >= traits.endpoints
    return (
        MissingOrderVerdict.ABSENT
        if often_enough and widely_enough and not moved
        else MissingOrderVerdict.WAIT
    )


def can_rest(stored: StoredOrder) -> bool:
    """Return whether the order may rest; an acknowledged one did arrive: absence proves less."""
    return stored.order.type is not OrderType.MARKET or was_seen(stored)


def is_due(search: OrderSearchState | None, now: datetime) -> bool:
    """Return whether to ask: always while the outcome is unknown, ever less often once inferred."""
    if search is None or search.inferred_absent_at is None:
        return True
    lasted = search.last_asked_at - search.inferred_absent_at
    slower = search.last_asked_at + max(SOONEST, lasted / SLOWER)
    return now >= min(slower, search.inferred_absent_at + ASK_ON)  # once more at the end


def is_over(search: OrderSearchState, now: datetime) -> bool:
    inferred = search.inferred_absent_at
    return inferred is not None and now >= inferred + ASK_ON


def is_news(stored: StoredOrder, report: OrderReport, *, tells_fills: bool = True) -> bool:
    """Return whether *report* adds anything to our row: what rests is asked about each time.

    Not *tells_fills*: the report says how much was filled, and has none of the fills. They are
    asked for when that is not what is booked: once a change, as long as the venue tells them.
    """
    order = stored.order
    told = sum((fill.quantity for fill in report.fills), ZERO)
    filled = told if tells_fills else report.filled_quantity
    return (
        report.status is not order.status
        or report.venue_order_id != order.venue_order_id
        or report.filled_quantity != (stored.venue_filled_quantity or ZERO)
        or filled != order.filled_quantity
        or bool(report.other_ids)
        or not is_as_sent(stored, report)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    venue: VenueName
    subject: str  # an asset (spot) or a symbol (futures)
    ours: Decimal
    theirs: Decimal

    @property
    def excess(self) -> Decimal:
        """Quantity that the venue has beyond our books; negative: what it lacks."""
        return self.theirs - self.ours

    def __str__(self) -> str:
        return f"we hold {self.ours:f} {self.subject}, {self.venue} says {self.theirs:f}"


def differences(
    venue: VenueName, ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]
) -> list[Difference]:
    """Return every subject whose two sums are not equal; what one side does not name is zero."""
    return [
        Difference(
            venue=venue,
            subject=subject,
            ours=ours.get(subject, ZERO),
            theirs=theirs.get(subject, ZERO),
        )
        for subject in sorted(ours.keys() | theirs.keys())
        if ours.get(subject, ZERO) != theirs.get(subject, ZERO)
    ]


def would_explain(difference: Difference, side: Side) -> bool:
    """Return whether an unknown execution to *side* would explain it, in part at least."""
    return difference.excess * side.sign > 0


class Pair(NamedTuple):
    """Base and quote asset of a symbol."""

    base_asset: str
    quote_asset: str | None = None  # None: no longer known


def net(fill: Fill, base_asset: str) -> Decimal:
    """Return the fill's change of the holding, net of a fee taken in the base asset."""
    return change_of(fill, base_asset, Pair(base_asset))


def change_of(fill: Fill, subject: str, pair: Pair) -> Decimal:
    """Return the fill's change of *subject*.

    That is its symbol's futures, its base asset, the money that paid for it, or its fee's asset.
    """
    if subject == fill.symbol:
        return fill.quantity * fill.side.sign
    change = ZERO
    if subject == pair.base_asset:
        change += fill.quantity * fill.side.sign
    if subject == pair.quote_asset:
        change -= fill.quantity * fill.price * fill.side.sign
    return change - (fill.fee if subject == fill.fee_asset else ZERO)


def explanation(
    fills: Sequence[Fill], difference: Difference, pairs: Mapping[str, Pair]
) -> list[Fill]:
    """Return the latest of *fills* (oldest first) that together make up the *difference*.

    None of them if there are no such fills. Older ones may be from before us, or were undone again.
    """
    total = ZERO
    for place in range(len(fills) - 1, -1, -1):
        fill = fills[place]
        total += change_of(fill, difference.subject, pairs[fill.symbol])
        if total == difference.excess:
            return list(fills[place:])
    return []
