"""Alerts that stand for as long as their condition does, in memory."""

from collections.abc import Mapping

from tests.fakes.host import ShiftedHost
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.market.silence_alarms import SilenceAlarms


class StoredAlerts:
    """Implements `market.silence_alarms.StandingAlerts`; *fails*: so often at first."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.updates: list[dict[str, str]] = []

    async def update(self, conditions: Mapping[str, str]) -> None:
        if self.fails:
            self.fails -= 1
            raise DatabaseUnavailableError("away")
        self.updates.append(dict(conditions))


def unwritten_alarms() -> SilenceAlarms:
    """Return alarms that nothing writes down."""
    return SilenceAlarms(StoredAlerts(), ShiftedHost())
