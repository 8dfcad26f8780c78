"""Agreement of books and venues: whether anything can have changed since it was last found.

A comparison costs a dozen statements, every minute, mostly on unchanged data. It depends on what we
have written durably (money, orders, holdings: every one of our commits that must not be lost), on
what the venues say they hold, and on nothing else: where neither has changed, the comparison could
only end as it did.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tradebotd.domain.ids import VenueName
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.postgres.database import Database

# In full all the same: an operator may change the database. Funding is asked for as often.
IN_FULL_EVERY: Final = timedelta(minutes=15)


class _Agreed(NamedTuple):
    state: int
    accounts: Mapping[VenueName, VenueAccount]
    at: datetime


class Agreement:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._last: _Agreed | None = None

    def may_stand(self) -> bool:
        """Return whether it may stand, before venues are asked: nothing written since, recent."""
        last = self._last
        return (
            last is not None
            and last.state == self._database.durable_state
            and last.at <= self._clock.now() < last.at + IN_FULL_EVERY
        )

    def stands(self, accounts: Mapping[VenueName, VenueAccount]) -> bool:
        """Return whether it stands: all venues answer as before, nothing was written meanwhile."""
        return self._last is not None and self.may_stand() and self._last.accounts == accounts

    def keep(self, state: int | None, accounts: Mapping[VenueName, VenueAccount]) -> None:
        """Keep an agreement of everything. *state*: the database's before the books were read."""
        if state is not None and state == self._database.durable_state:
            self._last = _Agreed(state, dict(accounts), self._clock.now())
        else:
            self._last = None

    def invalidate(self) -> None:
        self._last = None
