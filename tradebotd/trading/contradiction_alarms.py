"""Alerts for impossible answers of a venue; its fills are applied in the same transaction."""

from dataclasses import replace
from datetime import datetime

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId
from tradebotd.storage import alerts, orders
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.contradictions import clock_contradiction

log = structlog.get_logger(__name__)


async def alert_order(
    connection: Connection, stored: StoredOrder, reason: str, at: datetime
) -> None:
    """Alert a contradiction about an order: it stays as it was, only its fills are applied."""
    order = stored.order
    subject = order.client_order_id
    if await alerts.raise_alert(
        connection, AlertCode.VENUE_CONTRADICTS, "critical", subject, reason, at
    ):
        log.error("venue contradiction found", order=subject, detail=reason)
        await orders.note(connection, order.id, at, order.status, {"contradiction": reason})


async def alert_answer(
    database: Database, asked_for: ClientOrderId, reason: str, at: datetime
) -> None:
    """Alert a search that was answered with another order, of which nothing is applied.

    Raises as any transaction.
    """
    async with database.transaction() as connection:
        stored = await orders.lock(connection, asked_for)
        if stored is not None:
            await alert_order(connection, stored, reason, at)


def subject_of(fill: Fill) -> str:
    return f"{fill.venue} {fill.symbol} {fill.trade_id}"


async def counted_by_now(connection: Connection, fill: Fill, now: datetime) -> Fill:
    """Return *fill*; one from the future counts as of now, and is alerted."""
    reason = clock_contradiction(fill, now)
    if reason is None:
        return fill
    subject = subject_of(fill)
    if await alerts.raise_alert(
        connection, AlertCode.VENUE_CONTRADICTS, "critical", subject, reason, now
    ):
        log.error("venue contradiction found", trade=subject, detail=reason)
    return replace(fill, executed_at=now)
