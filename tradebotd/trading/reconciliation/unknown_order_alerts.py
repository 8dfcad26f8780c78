"""Alerts of the orders whose outcome is unknown: one an order, for as long as that lasts."""

from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.reconciliation.resolution import ResolutionResult

log = structlog.get_logger(__name__)

NEVER_SEEN: Final = "the venue has never seen it"


class UnknownOrderAlerts:
    """Alerts of unknown orders, as one run of the resolver after the other leaves them."""

    def __init__(self, database: Database, clock: Clock, host: HostClock) -> None:
        self._database = database
        self._clock = clock
        self._host = host
        self._reported: set[str] | None = None  # alerts of an earlier process may be open

    async def update(self, result: ResolutionResult) -> None:
        """Alert each order that could have been sent, and clear the alerts of all others.

        Orders at a venue that did not answer keep theirs. Raises DatabaseUnavailableError.
        """
        now = self._host.now()
        unknown = {name: NEVER_SEEN for name, send_by in result.waiting.items() if send_by < now}
        unknown |= result.unanswered
        if set(unknown) == self._reported == set():
            return
        at = self._clock.now()
        async with self._database.transaction() as connection:
            for name, reason in sorted(unknown.items()):
                if await alerts.raise_alert(
                    connection, AlertCode.ORDER_UNKNOWN, "critical", name, reason, at
                ):
                    log.error("order still unknown", order=name, why=reason)
            still = unknown.keys() | {str(name) for name in result.failed}
            await alerts.clear_others(connection, AlertCode.ORDER_UNKNOWN, sorted(still), at)
        self._reported = set(unknown) | ((self._reported or set()) & still)
