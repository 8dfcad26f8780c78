"""Plan of a new exit beside those that exist: one step at a time, by the database. Pure.

An exit that rests locks what it would sell (spot), or is reduce-only and overlaps another.
"""

from collections.abc import Container
from dataclasses import dataclass

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderType
from tradebotd.ports.venue import Replacement
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, GroupOrder, Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Commit the new orders and send them.

    `replacing`: the one whose place they take. `joins`: the orders in the group they reuse are in
    doubt.
    """

    retire: ExitGroup | None = None
    reuse: int | None = None
    joins: bool = False
    replacing: GroupOrder | None = None


@dataclass(frozen=True, slots=True)
class Retire:
    """Retire the active group; an empty one stands in its place until the venue is clear."""

    group: ExitGroup


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel the group, until the venue has nothing left of it."""

    group: ExitGroup


@dataclass(frozen=True, slots=True)
class VerifyNotExecuted:
    """Verify by balances and fills that orders of unknown outcome have sold nothing."""

    orders: tuple[GroupOrder, ...]


@dataclass(frozen=True, slots=True)
class Deny:
    rule: DenialRule
    detail: str


_UNSETTLED = Deny(DenialRule.EXIT_RETIRING, "an earlier exit of this position is not settled yet")

Step = Place | Retire | CancelAll | VerifyNotExecuted | Deny


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictContext:
    """Context of a replacement.

    `capped`: all exits together sell no more than is held (reduce-only, where no other position
    holds the symbol). `part`: this one sells less than that, and no cap tells it from the one
    before. `cleared`: clearing the retiring group was tried, `withdrawn`: the active one.
    """

    kind: GroupKind
    replacement: Replacement
    capped: bool
    in_flight: Container[ClientOrderId]
    part: bool = False
    cleared: bool = False
    withdrawn: bool = False
    asked: bool = False


def next_step(groups: Groups, context: ConflictContext) -> Step:
    active, retiring = groups.active, groups.retiring
    overlaps = context.capped and context.replacement is Replacement.OVERLAP
    if active is not None and active.unsettled:
        return _beside(active, retiring, context, overlaps=overlaps)
    if retiring is not None and not context.asked:
        held_up = _held_up(retiring, context, overlaps=overlaps)
        if held_up is not None:
            return held_up
    return Place(reuse=None if active is None else active.id)


def _beside(
    active: ExitGroup, retiring: ExitGroup | None, context: ConflictContext, *, overlaps: bool
) -> Step:
    """Return the step beside an active exit that is not settled."""
    in_flight = any(order.client_order_id in context.in_flight for order in active.unsettled)
    sells_now = active.kind is GroupKind.MARKET and any(
        not rests(order) and not order.is_in_doubt for order in active.unsettled
    )
    if (
        in_flight
        or sells_now
        or (active.kind, context.kind) == (GroupKind.MARKET, GroupKind.RESTING)
    ):
        return Deny(DenialRule.EXIT_GROUP_ACTIVE, "an exit of this position is not settled yet")
    if retiring is not None:
        return _beside_retiring(active, retiring, context)
    if active.kind is GroupKind.RESTING:
        live = [order for order in active.unsettled if order.is_live]
        if overlaps:
            return Place(retire=active)
        if _takes_its_place(context) and len(active.unsettled) == len(live) == 1:
            return Place(retire=active, replacing=live[0])
    return Retire(active)


def _takes_its_place(context: ConflictContext) -> bool:
    """Return whether one call may put the new exit in the place of the one that rests.

    That one may have filled in part, which the venue has not told yet: an exit at the market would
    sell that part twice where no cap stops it, so what was filled is learned first. An order that
    rests in its place is corrected before its price comes.
    """
    if context.replacement is Replacement.REPLACE:
        return context.capped or context.kind is GroupKind.RESTING
    return _is_promised(context)


def _beside_retiring(active: ExitGroup, retiring: ExitGroup, context: ConflictContext) -> Step:
    """Return the step beside an active exit whose predecessor retires.

    A venue that has promised one stop in the place of another does not let go of the old one before
    the new one is taken back: no exit at the market waits for its word.
    """
    if retiring.unsettled and _is_promised(context):
        return _UNSETTLED  # the venue has yet to say which of both it is
    both_rest = active.kind is retiring.kind is GroupKind.RESTING and bool(retiring.unsettled)
    if both_rest and context.replacement is Replacement.PROMISED and not context.withdrawn:
        return CancelAll(active)
    if context.cleared and retiring.unsettled:
        return _beside_both(active, retiring, context)
    return CancelAll(retiring)


def _beside_both(active: ExitGroup, retiring: ExitGroup, context: ConflictContext) -> Step:
    """Return the step beside two unsettled groups, since there is no third one.

    What rests in the active one makes way; where the outcome of both is unknown, the exit joins the
    active one. Both on the terms on which it would go beside one in doubt.
    """
    rests_now = any(order.is_live for order in active.unsettled)
    doubtful = retiring.in_doubt and (rests_now or active.in_doubt)
    if context.kind is not GroupKind.MARKET or not doubtful:
        return _UNSETTLED
    repeats = context.part and GroupKind.MARKET in {active.kind, retiring.kind}
    if context.asked or (context.capped and not repeats):
        return CancelAll(active) if rests_now else Place(reuse=active.id, joins=True)
    unsettled = (*active.unsettled, *retiring.unsettled)
    return VerifyNotExecuted(tuple(order for order in unsettled if order.is_in_doubt))


def _held_up(retiring: ExitGroup, context: ConflictContext, *, overlaps: bool) -> Step | None:
    """Return what must come before an order while an earlier group is not settled, or None."""
    if not retiring.unsettled:
        return None if context.cleared else CancelAll(retiring)
    again = context.part and retiring.kind is GroupKind.MARKET
    at_once = overlaps or (context.capped and retiring.in_doubt)
    if context.kind is GroupKind.MARKET and at_once and not again:
        return None
    if not context.cleared:
        return CancelAll(retiring)
    if retiring.in_doubt:
        return VerifyNotExecuted(retiring.unsettled)
    return _UNSETTLED


def _is_promised(context: ConflictContext) -> bool:
    """Return whether the venue would promise it: an order that rests for another that rests."""
    return context.replacement is Replacement.PROMISED and context.kind is GroupKind.RESTING


def rests(order: GroupOrder) -> bool:
    return order.type is not OrderType.MARKET
