"""Outcome of an order as it is told: its status, the reason, quantities of the venue. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.ids import VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.storage.orders import StoredOrder

INFERRED: Final = "inferred_absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome that somebody tells of. `status` is chosen by the order with its new fills.

    `report`: the venue's, where it is one.
    """

    status: Callable[[StoredOrder], OrderStatus]
    reason: str | None = None
    report: OrderReport | None = None

    @property
    def venue_order_id(self) -> VenueOrderId | None:
        return None if self.report is None else self.report.venue_order_id

    @property
    def venue_filled_quantity(self) -> Decimal | None:
        return None if self.report is None else self.report.filled_quantity

    @property
    def at(self) -> datetime | None:
        """When it came about at the venue, where that says so."""
        return None if self.report is None else self.report.at

    def reason_of(self, status: OrderStatus) -> str | None:
        """Return the reason why it came to nothing, if it replaces the reason why it was made."""
        inferred = self.reason is not None and self.reason.startswith(INFERRED)
        explains = status is OrderStatus.REJECTED or (status is OrderStatus.CANCELED and inferred)
        return self.reason if explains else None


UNCHANGED: Final = Outcome(status=lambda stored: stored.order.status)


def told_by(report: OrderReport) -> Outcome:
    return Outcome(status=lambda _: report.status, reason=report.reason, report=report)
