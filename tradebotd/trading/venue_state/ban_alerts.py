"""One alert for each venue that must not be asked; critical where nothing guards a position."""

from collections.abc import Mapping

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import VenueName
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts
from tradebotd.storage.alerts import Severity
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)


class BanAlerts:
    """One alert a venue, written only when what is so has changed."""

    def __init__(self, database: Database, clock: Clock, bans: VenueBans) -> None:
        self._database = database
        self._clock = clock
        self._bans = bans
        # None: an earlier life's may be open.
        self._told: dict[VenueName, tuple[Severity, str]] | None = None

    async def tell(self, unguarded: Mapping[VenueName, int]) -> None:
        """*unguarded*: how many positions, by venue, have no stop that rests there.

        Raises DatabaseUnavailableError; then it is told next time.
        """
        found: dict[VenueName, tuple[Severity, str]] = {}
        for venue, ban in self._bans.standing.items():
            count = unguarded.get(venue, 0)
            bare = f"; {count} positions there have no stop that rests: nothing ends them now"
            found[venue] = ("critical", f"{ban}{bare}") if count else ("warning", str(ban))
        if found == self._told:
            return
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for venue, (severity, message) in sorted(found.items()):
                if await alerts.raise_alert(
                    connection, AlertCode.VENUE_BANNED, severity, venue, message, now
                ):
                    log.log(50 if severity == "critical" else 30, "venue banned", venue=venue)
            await alerts.clear_others(connection, AlertCode.VENUE_BANNED, list(found), now)
        self._told = found
