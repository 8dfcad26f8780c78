"""Venues that must not be asked for a while: until an instant, or until they answer again. Pure.

Times are the host's: a ban is the venue's, and market time may run at any speed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import VenueName

FIRST_PAUSE: Final = timedelta(minutes=1)  # of a ban without an end; it doubles with each
LONGEST_PAUSE: Final = timedelta(minutes=30)
LONGEST_BELIEVED: Final = timedelta(days=4)  # Binance bans for three days at most


@dataclass(slots=True, kw_only=True)
class VenueBan:
    """`until`: not asked before it. `told`: the venue said so, and it is no pause of our own.

    `count`: how often in a row it was banned without an end.
    """

    since: datetime
    until: datetime
    reason: str
    told: bool
    count: int = 0
    probing: bool = False

    def __str__(self) -> str:
        at = f"{self.until:%Y-%m-%d %H:%M:%S} UTC"
        if self.told:
            return f"it is not asked until {at}: {self.reason}"
        return (
            f"it says no end, so it is asked again at {at}, and then after pauses of up to"
            f" {LONGEST_PAUSE.total_seconds() / 60:.0f} minutes: {self.reason}"
        )


class VenueBans:
    """The one keeper of bans, by venue: whoever would ask a venue looks here."""

    def __init__(self) -> None:
        self._bans: dict[VenueName, VenueBan] = {}

    def ban(self, venue: VenueName) -> VenueBan | None:
        """The ban that stands until *venue* has answered; its time may be over."""
        return self._bans.get(venue)

    @property
    def standing(self) -> dict[VenueName, VenueBan]:
        return dict(self._bans)

    def holds(self, venue: VenueName, now: datetime) -> VenueBan | None:
        """The ban because of which *venue* is not asked at *now*; None: it may be asked.

        Behind a ban without an end one asks, and the others wait for what is answered to it.
        """
        ban = self._bans.get(venue)
        return ban if ban is not None and (now < ban.until or ban.probing) else None

    def begin(self, venue: VenueName) -> None:
        """Note that *venue* is asked, which `holds` let pass; `end` must follow."""
        ban = self._bans.get(venue)
        if ban is not None and not ban.told:
            ban.probing = True

    def end(self, venue: VenueName) -> None:
        ban = self._bans.get(venue)
        if ban is not None:
            ban.probing = False

    def answered(self, venue: VenueName) -> None:
        """Note that it answered, whatever it said: it is not away any more."""
        self._bans.pop(venue, None)

    def refused(self, venue: VenueName, error: VenueUnavailableError, now: datetime) -> None:
        """Take *error* for a ban, if it is one.

        An end that has passed, or lies further off than any venue bans for, is none: then the
        pause grows with each time.
        """
        if not error.is_ban:
            return
        before, until = self._bans.get(venue), error.until
        since = now if before is None else before.since
        reason = str(error)
        if until is not None and now < until <= now + LONGEST_BELIEVED:
            if before is not None and before.told:
                until = max(until, before.until)  # of two answers to calls side by side
            self._bans[venue] = VenueBan(since=since, until=until, reason=reason, told=True)
            return
        if until is not None:
            reason += f" (until {until:%Y-%m-%d %H:%M:%S} UTC, which is no end to believe)"
        if before is not None and now < before.until:
            return  # calls side by side are answered alike: the pause grows once
        count = 1 if before is None else before.count + 1
        pause = min(FIRST_PAUSE * 2 ** min(count - 1, 10), LONGEST_PAUSE)
        self._bans[venue] = VenueBan(
            since=since, until=now + pause, reason=reason, told=False, count=count
        )
