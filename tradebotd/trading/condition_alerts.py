"""Alerts for as long as something keeps an exit from being made: one per subject."""

from collections.abc import Collection, Mapping

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts
from tradebotd.storage.alerts import Severity
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)


class ConditionAlerts:
    """Alerts of one code; written only when the conditions have changed."""

    def __init__(
        self, database: Database, clock: Clock, code: AlertCode, severity: Severity = "critical"
    ) -> None:
        self._database = database
        self._clock = clock
        self._code = code
        self._severity = severity
        # None: an earlier life's may be open.
        self._reported: tuple[Mapping[str, str], frozenset[VenueName]] | None = None

    async def update(
        self, conditions: Mapping[str, str], silent: Collection[VenueName] = ()
    ) -> None:
        """Update the alerts. Raises DatabaseUnavailableError; the next call tries again.

        *conditions*: reason by subject. *silent*: venues of which it is not known whether their
        alerts are over.
        """
        reporting = (dict(conditions), frozenset(silent))
        if reporting == self._reported:
            return
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for subject, reason in sorted(conditions.items()):
                if await alerts.raise_alert(
                    connection, self._code, self._severity, subject, reason, now
                ):
                    log.critical(self._code.replace("_", " "), subject=subject, reason=reason)
            await alerts.clear_others(connection, self._code, list(conditions), now, silent)
        self._reported = reporting


def subject(position_id: PositionId) -> str:
    return f"position {position_id}"


class Unprotected:
    """Alerts for open positions that no exit of ours can reach."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._alerts = ConditionAlerts(database, clock, AlertCode.POSITION_UNPROTECTED)

    async def update(self, reasons: Mapping[PositionId, str]) -> None:
        await self._alerts.update(
            {
                subject(position_id): f"no exit can be made: {reason}"
                for position_id, reason in reasons.items()
            }
        )
