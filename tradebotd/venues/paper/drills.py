"""Drills: states that the paper venue can be told to be in, so that they can be practised."""

from decimal import Decimal

from tradebotd.domain.errors import VenueUnavailableError


class Drills:
    """`away`: each call is answered by it, and changes nothing, until it is None again.

    `buying_power` and `hedge_mode`: what its account says besides.
    """

    def __init__(self) -> None:
        self.away: VenueUnavailableError | None = None
        self.buying_power: dict[str, Decimal] = {}
        self.hedge_mode = False

    def check(self) -> None:
        """Raises VenueUnavailableError while the venue is away."""
        away = self.away
        if away is not None:
            raise VenueUnavailableError(str(away), away.until, banned=away.is_ban)
