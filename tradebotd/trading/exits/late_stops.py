"""Late stops: those whose acknowledgement was lost, and that may rest all the same."""

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import PositionId
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.storage.exit_reads import ExitRead
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.resting_groups import any_rests


async def with_late_stops(
    placement: ExitPlacement, position_id: PositionId, read: ExitRead
) -> ExitRead:
    """Return *read* once stops in doubt have been looked up: one that rests by now may be good.

    To place another one it would be cancelled, and nothing rest meanwhile. A venue that must not be
    asked now is not. Raises as `ExitPlacement.place`.
    """
    if any_rests(read.groups):
        return read
    in_flight = placement.orders.recorder.in_flight
    doubtful = [
        order
        for group in read.groups.newest_first
        if group.kind is GroupKind.RESTING
        for order in group.unsettled
        if order.is_in_doubt and order.client_order_id not in in_flight
    ]
    if not doubtful or not _may_be_asked(placement, read):
        return read
    await placement.look_up(position_id, doubtful)
    return await placement.read(position_id)


def _may_be_asked(placement: ExitPlacement, read: ExitRead) -> bool:
    try:
        placement.orders.check_reachable(read.position.venue)
    except VenueUnavailableError:
        return False
    return True
