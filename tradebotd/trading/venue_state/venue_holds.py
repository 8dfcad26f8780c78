"""Reasons why no entry may be made at one venue now. Exits never ask."""

from collections.abc import Collection

from tradebotd.domain.ids import VenueName
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.clock import HostClock


class VenueHolds:
    """Reasons by venue, each under the key of whoever holds; *bans* hold by themselves."""

    def __init__(self, bans: VenueBans, host: HostClock) -> None:
        self._bans = bans
        self._host = host
        self._reasons: dict[VenueName, dict[str, str]] = {}

    def hold(self, venue: VenueName, key: str, reason: str) -> None:
        """Keep entries at *venue* out until `release` is called with the same *key*."""
        self._reasons.setdefault(venue, {})[key] = reason

    def release(self, venue: VenueName, key: str) -> None:
        self._reasons.get(venue, {}).pop(key, None)

    def reason(self, venue: VenueName) -> str | None:
        """The first one against an entry at *venue*; None while it may be made."""
        now = self._host.now()
        ban = self._bans.holds(venue, now, acts=True)
        if ban is not None:
            until = ban.until if now < ban.until else ban.ends_at or ban.until
            return f"{venue} is away until {until:%H:%M:%S} UTC"
        held = self._reasons.get(venue)
        return next(iter(held.values())) if held else None

    @property
    def reasons(self) -> Collection[str]:
        """One a venue that holds entries back."""
        venues = sorted({*self._reasons, *self._bans.standing})
        return [reason for venue in venues if (reason := self.reason(venue)) is not None]
