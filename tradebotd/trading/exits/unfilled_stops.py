"""Alerts of stop-limits that were triggered and did not fill in time."""

from decimal import Decimal

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import plain
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.exits.exit_intents import RestingPair

log = structlog.get_logger(__name__)


class UnfilledStops:
    """Stop-limits that left a position naked, until their alerts are stored."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unstored: dict[PositionId, str] = {}

    def add(self, position: Position, pair: RestingPair, left: Decimal) -> None:
        """Note a stop-limit that is gone and has *left* something: that ends at the market."""
        reason = (
            f"the stop-limit of {position.bot} at {plain(pair.stop)} was met and did not fill:"
            f" {plain(left)} {position.symbol} end at the market"
        )
        self._unstored[position.id] = reason
        log.critical("stop limit unfilled", position=position.id, reason=reason)

    async def store(self) -> None:
        """Store the alerts; those that cannot be stored now are stored later."""
        if not self._unstored:
            return
        now, noted = self._clock.now(), dict(self._unstored)
        try:
            async with self._database.transaction() as connection:
                for position_id, reason in sorted(noted.items()):
                    await alerts.raise_alert(
                        connection,
                        AlertCode.STOP_LIMIT_UNFILLED,
                        "critical",
                        subject(position_id),
                        reason,
                        now,
                    )
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("stop limit alert not stored", error=str(error))
            return
        for position_id in noted:
            del self._unstored[position_id]
