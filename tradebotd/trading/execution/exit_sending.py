"""Sending of exits in one call, all recorded: one order, two linked ones, or a replacement."""

from collections.abc import Sequence

import structlog

from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.order import OrderReport
from tradebotd.ports.venue import SendBlockedBy, Venue
from tradebotd.storage.exit_groups import GroupOrder
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.execution.placement import NOT_SENT, Placement, Prepared

log = structlog.get_logger(__name__)


async def send_together(
    placement: Placement, venue: Venue, prepared: Sequence[Prepared]
) -> list[OrderReport]:
    """Send the orders in one call. Raises as `Placement.send`; an error is that of all of them."""
    first, others = prepared[0], prepared[1:]
    if not others:
        return [await placement.send(first)]
    return await _send_linked(placement, venue, first, others)


async def send_replacement(
    placement: Placement, venue: Venue, prepared: Prepared, old: GroupOrder
) -> list[OrderReport]:
    """Send the order in the place of *old*; return its report, and that of *old* where it is told.

    Both are recorded at once. Raises as `Placement.send`.
    """
    told: list[OrderReport] = []

    async def replace(send_blocked_by: SendBlockedBy) -> list[OrderReport]:
        answer = await venue.replace(
            old.symbol,
            old.client_order_id,
            prepared.client_order_id,
            prepared.request,
            send_blocked_by=send_blocked_by,
        )
        if answer.old is not None:
            if (reason := answer_contradiction(old.client_order_id, answer.old)) is None:
                told.append(answer.old)
            else:
                log.warning("replaced order not told", order=old.client_order_id, error=reason)
        return [answer.new, *told]

    return [await placement.send(prepared, via=replace), *told]


async def _send_linked(
    placement: Placement, venue: Venue, first: Prepared, others: Sequence[Prepared]
) -> list[OrderReport]:
    answers: list[OrderReport] = []
    recorder = placement.recorder

    async def linked(send_blocked_by: SendBlockedBy) -> list[OrderReport]:
        pairs = [(prepared.client_order_id, prepared.request) for prepared in (first, *others)]
        answers.extend(await venue.submit_linked(pairs, send_blocked_by=send_blocked_by))
        return answers

    ids = [prepared.client_order_id for prepared in others]
    recorder.in_flight.update(ids)
    try:
        await placement.send(first, via=linked)
    except OrderRejectedError as error:
        for client_order_id in ids:
            await recorder.record_rejected(client_order_id, error.reason)
        raise
    except VenueUnavailableError as error:
        for client_order_id in ids:
            await recorder.record_rejected(client_order_id, f"{NOT_SENT}: {error}")
        raise
    except OutcomeUnknownError as error:
        for client_order_id in ids:
            await recorder.record_unknown(client_order_id, str(error))
        raise
    finally:
        recorder.in_flight.difference_update(ids)
    return answers
