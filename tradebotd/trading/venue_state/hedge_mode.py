"""Accounts in modes in which nothing is entered, as somebody may switch them on while we run.

Hedge mode: positions of both sides of a symbol, of which we can keep none apart. A sale there may
open a short beside the long that it should end, so nothing is entered; what a position of ours is
worth there, or whether it is there, its account does not say.
"""

from collections.abc import Collection
from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import VenueName
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.venue_state.venue_holds import VenueHolds

log = structlog.get_logger(__name__)

HEDGE, MODES = "hedge mode", "account modes"
WHY: Final = "its account holds positions of both sides of a symbol, or may (hedge mode)"


class HedgeMode:
    """Watch over modes: each account that is told passes here; entries stop at once."""

    def __init__(self, database: Database, clock: Clock, holds: VenueHolds) -> None:
        self._holds = holds
        self._hedged: set[VenueName] = set()
        self._wrong: dict[VenueName, str] = {}
        self._alerts = ConditionAlerts(database, clock, AlertCode.HEDGE_MODE)
        self._of_modes = ConditionAlerts(database, clock, AlertCode.ACCOUNT_MODE)

    def seen(self, venue: VenueName, account: VenueAccount) -> None:
        self._see_modes(venue, "; ".join(account.wrong_modes))
        if account.hedge_mode and venue not in self._hedged:
            log.error("venue in hedge mode", venue=venue)
            self._hedged.add(venue)
            self._holds.hold(venue, HEDGE, f"{venue} is in hedge mode")
        elif not account.hedge_mode and venue in self._hedged:
            log.info("venue in one-way mode again", venue=venue)
            self._hedged.discard(venue)
            self._holds.release(venue, HEDGE)

    def _see_modes(self, venue: VenueName, wrong: str) -> None:
        if self._wrong.get(venue, "") == wrong:
            return
        if wrong:
            log.error("account mode changed", venue=venue, reason=wrong)
            self._wrong[venue] = wrong
            self._holds.hold(venue, MODES, f"{venue} is not set up as it was: {wrong}")
        else:
            log.info("account mode right again", venue=venue)
            del self._wrong[venue]
            self._holds.release(venue, MODES)

    async def tell(self, silent: Collection[VenueName]) -> None:
        """*silent*: who has not said which mode it is in. Raises DatabaseUnavailableError."""
        await self._alerts.update({str(venue): WHY for venue in sorted(self._hedged)}, silent)
        wrong = {str(venue): self._wrong[venue] for venue in sorted(self._wrong)}
        await self._of_modes.update(wrong, silent)
