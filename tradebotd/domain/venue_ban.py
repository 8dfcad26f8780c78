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
LONGEST_COUNT: Final = 6  # bans in a row after which the pause grows no more
LONGEST_BELIEVED: Final = timedelta(days=4)  # Binance bans for three days at most
LONGEST_UNASKED: Final = timedelta(hours=1)  # whatever end is told: it may be misread
LONGEST_PROBE: Final = timedelta(minutes=1)  # then another call may ask


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Call that asks a banned venue whether it answers again; it alone ends its probe."""

    began_at: datetime


@dataclass(slots=True, kw_only=True)
class VenueBan:
    """`until`: not asked before it. `ends_at`: the end that the venue told; None: it told none.

    `count`: how often in a row it was banned without an end, or by how much the pause is to grow.
    """

    since: datetime
    until: datetime
    reason: str
    ends_at: datetime | None
    count: int = 0
    probe: Probe | None = None

    @property
    def is_probed(self) -> bool:
        """Whether one call asks at `until` and the others wait for its answer.

        At an end that was told everybody may ask.
        """
        return self.until != self.ends_at

    def __str__(self) -> str:
        at = _written(self.until)
        if not self.is_probed:
            return f"it is not asked until {at}: {self.reason}"
        longest = f"{LONGEST_PAUSE.total_seconds() / 60:.0f} minutes"
        if self.ends_at is not None:
            again = f"every {longest}" if self.count else "hourly"
            return (
                f"it says that it must not be asked until {_written(self.ends_at)}; one call asks"
                f" at {at} all the same, and then {again}: {self.reason}"
            )
        return (
            f"it says no end, so it is asked again at {at}, and then after pauses of up to"
            f" {longest}: {self.reason}"
        )


class VenueBans:
    """Keeper of all bans, by venue: every caller that would ask a venue looks here."""

    def __init__(self) -> None:
        self._bans: dict[VenueName, VenueBan] = {}

    def ban(self, venue: VenueName) -> VenueBan | None:
        """Return the ban that stands until *venue* has answered; its time may be over."""
        return self._bans.get(venue)

    @property
    def standing(self) -> dict[VenueName, VenueBan]:
        return dict(self._bans)

    def holds(self, venue: VenueName, now: datetime, *, acts: bool = False) -> VenueBan | None:
        """Return the ban because of which *venue* is not asked at *now*; None: it may be asked.

        Behind a ban that is probed one call asks, and the others wait for its answer; one that
        hangs keeps them for LONGEST_PROBE at most. Whether an end that was told is true no call
        finds out that *acts* (it sends or cancels an order): a question does, which costs nothing.
        """
        ban = self._bans.get(venue)
        if ban is None:
            return None
        if acts and ban.ends_at is not None and now < ban.ends_at:
            return ban
        probed = ban.probe is not None and now < ban.probe.began_at + LONGEST_PROBE
        return ban if now < ban.until or probed else None

    def begin(self, venue: VenueName, now: datetime) -> Probe | None:
        """Note a call to *venue*, which `holds` let pass; `end` must follow with what is returned.

        That is None where the call is no probe.
        """
        ban = self._bans.get(venue)
        if ban is None or not ban.is_probed:
            return None
        ban.probe = Probe(now)
        return ban.probe

    def end(self, venue: VenueName, probe: Probe | None) -> None:
        """Note the end of a call, however it ended; another call's probe goes on."""
        ban = self._bans.get(venue)
        if ban is not None and probe is not None and ban.probe is probe:
            ban.probe = None

    def answered(self, venue: VenueName) -> None:
        """Forget the ban: whatever the venue said, it is not away any more."""
        self._bans.pop(venue, None)

    def refused(self, venue: VenueName, error: VenueUnavailableError, now: datetime) -> None:
        """Take *error* for a ban, if it is one.

        An end that has passed, or lies further off than any venue bans for, is none: then the
        pause grows with each time. One that is far off is believed, and doubted hourly; where the
        doubt is answered without an end, the one that was told stays, doubted after the longest
        pause.
        """
        if not error.is_ban:
            return
        before, ends_at = self._bans.get(venue), error.until
        since = now if before is None else before.since
        reason = str(error)
        if ends_at is not None and now < ends_at <= now + LONGEST_BELIEVED:
            if before is not None and before.ends_at is not None and now < before.until:
                ends_at = max(ends_at, before.ends_at)  # of two answers to calls side by side
            self._bans[venue] = VenueBan(
                since=since,
                until=min(ends_at, now + LONGEST_UNASKED),
                reason=reason,
                ends_at=ends_at,
            )
            return
        if ends_at is not None:
            reason += f" (until {_written(ends_at)}, which is no end to believe)"
        if before is not None and now < before.until:
            return  # calls side by side are answered alike: the pause grows once
        count, end = 1 if before is None else before.count + 1, None
        if before is not None and before.ends_at is not None and now < before.ends_at:
            count, end = LONGEST_COUNT, before.ends_at
        pause = min(FIRST_PAUSE * 2 ** (min(count, LONGEST_COUNT) - 1), LONGEST_PAUSE)
        until = now + pause if end is None else min(now + pause, end)
        self._bans[venue] = VenueBan(
            since=since, until=until, reason=reason, ends_at=end, count=count
        )


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
