"""Alerts of stop-limits that were triggered and did not fill: the price ran through their limit."""

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
    """Stop-limits that left a position naked, until their alerts are stored.

    One that is passed over may have filled all the same, and the news is late: that it did not is
    known once an exit at the market has been taken in its place.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unstored: dict[PositionId, str] = {}
        self._passed_over: dict[PositionId, str] = {}

    def forget(self, position_id: PositionId) -> None:
        self._passed_over.pop(position_id, None)

    def pass_over(self, position: Position, pair: RestingPair) -> None:
        """Note a stop-limit beside which the daemon ends the position at the market."""
        if not pair.has_limit or position.id in self._passed_over:
            return
        self._passed_over[position.id] = (
            f"the stop-limit of {position.bot} at {plain(pair.stop)} was met and did not fill:"
            f" {plain(position.quantity)} {position.symbol} end at the market"
        )

    def passed_over(self, position_id: PositionId) -> str | None:
        """Return what would be said of the position's stop-limit; None if there is nothing."""
        return self._passed_over.get(position_id)

    def add(self, position_id: PositionId, reason: str) -> None:
        """Note that the stop-limit did not fill: the position was sold in another way."""
        self._unstored[position_id] = reason
        log.critical("stop limit unfilled", position=position_id, reason=reason)

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
