"""Outages that the paper venue can be told to have, so that they can be practised."""

from tradebotd.domain.errors import VenueUnavailableError


class Drills:
    """`away`: each call is answered by it, and changes nothing, until it is None again."""

    def __init__(self) -> None:
        self.away: VenueUnavailableError | None = None

    def check(self) -> None:
        """Raises VenueUnavailableError while the venue is away."""
        away = self.away
        if away is not None:
            raise VenueUnavailableError(str(away), away.until, banned=away.is_ban)
