"""Checks of a report: whose order it is of, and whether that was sent so; inside a transaction."""

from datetime import datetime

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.order import OrderReport
from tradebotd.storage import alerts, order_venue_ids, orders
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.execution.order_identity import in_other_words, is_as_sent

log = structlog.get_logger(__name__)


async def lock_order(
    connection: Connection, client_order_id: ClientOrderId, report: OrderReport | None
) -> StoredOrder | None:
    """Lock the order by our id, else by one of the venue's that we know to be ours."""
    stored = await orders.lock(connection, client_order_id)
    place = None if report is None else _place_of(report)
    if stored is not None or report is None or place is None:
        return stored
    owner = await order_venue_ids.select_owner(connection, *place, _venue_ids(report))
    return None if owner is None else await orders.lock(connection, owner)


async def fits(
    connection: Connection, stored: StoredOrder, report: OrderReport, now: datetime
) -> bool:
    """Return whether it is the order we sent, and keep its further ids; alert a contradiction.

    A report under another name than ours was recognised by its id at the venue: its parameters
    are those of what our order became.
    """
    order = stored.order
    if report.client_order_id == order.client_order_id and not is_as_sent(stored, report):
        await alarm(connection, stored, f"the venue has it as {report.asked}", now)
        return False
    if report.moved is not None:
        await _alert_moved(connection, order.client_order_id, report.moved, now)
    if in_other_words(stored, report):
        log.info("order parameters reworded", order=report.client_order_id, asked=report.asked)
    if report.other_ids:
        taken = await order_venue_ids.insert(
            connection,
            order.venue,
            order.symbol,
            _venue_ids(report),
            order.id,
            now,
        )
        if taken:
            taken_ids = ", ".join(taken)
            await alarm(connection, stored, f"{taken_ids} is another order's at the venue", now)
            return False
    return True


async def alarm(connection: Connection, stored: StoredOrder, message: str, now: datetime) -> None:
    order, subject = stored.order, stored.order.client_order_id
    if await alerts.raise_alert(
        connection, AlertCode.ORDER_DIFFERS, "critical", subject, message, now
    ):
        log.error("order mismatch found", order=subject, detail=message)
        await orders.note(connection, order.id, now, order.status, {"differs": message})


async def _alert_moved(
    connection: Connection, order: ClientOrderId, moved: str, now: datetime
) -> None:
    """Alert an order that rests at other prices than ours; it is ours all the same."""
    message = f"somebody else has moved it at the venue, {moved}; the daemon keeps to its own level"
    if await alerts.raise_alert(connection, AlertCode.ORDER_MOVED, "warning", order, message, now):
        log.warning("order moved elsewhere", order=order, moved=moved)


def _place_of(report: OrderReport) -> tuple[VenueName, str] | None:
    """Return venue and symbol, where the report has them."""
    if report.asked is not None:
        return report.asked.venue, report.asked.symbol
    return (report.fills[0].venue, report.fills[0].symbol) if report.fills else None


def _venue_ids(report: OrderReport) -> list[VenueOrderId]:
    return [report.venue_order_id, *report.other_ids]
