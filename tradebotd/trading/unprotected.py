"""Says, for as long as it is so, which open positions no exit of ours can reach."""

from collections.abc import Mapping
from typing import Final

import structlog

from tradebotd.domain.ids import PositionId
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts
from tradebotd.storage.database import Database

log = structlog.get_logger(__name__)

CODE: Final = "position_unprotected"


class Unprotected:
    """An alert a position; written only when what is so has changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._told: Mapping[PositionId, str] | None = None  # an earlier life's may be open

    async def tell(self, found: Mapping[PositionId, str]) -> None:
        """*found*: why, by position. Raises DatabaseUnavailableError; then it is told next time."""
        if found == self._told:
            return
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for position_id, why in sorted(found.items()):
                subject, message = _subject(position_id), f"no exit can be made: {why}"
                if await alerts.raise_alert(connection, CODE, "critical", subject, message, now):
                    log.critical("position unprotected", position=position_id, reason=why)
            await alerts.clear_others(connection, CODE, [_subject(each) for each in found], now)
        self._told = dict(found)


def _subject(position_id: PositionId) -> str:
    return f"position {position_id}"
