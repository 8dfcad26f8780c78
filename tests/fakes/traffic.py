"""Counters of what one deed costs: statements and transactions, and calls of a venue."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from asyncpg.connection import LoggedQuery

from tradebotd.ports.venue import Venue
from tradebotd.storage.postgres.database import Connection, Database, Lane

# What opens and ends a transaction, or sets something for it: a round trip, and no work.
CONTROL: Final = ("BEGIN", "COMMIT", "ROLLBACK", "SET ", "SAVEPOINT", "RELEASE")
# asyncpg asks these by itself where a connection meets a type for the first time.
OF_ASYNCPG: Final = ("SELECT current_setting('jit')", "WITH RECURSIVE typeinfo_tree")
ASKS: Final = frozenset(
    {
        "account",
        "cancel",
        "fills_since",
        "find_order",
        "funding_since",
        "open_orders",
        "quotes",
        "replace",
        "submit",
        "submit_linked",
        "transfers_since",
    }
)


@dataclass(slots=True)
class Traffic:
    """`sent`: every statement in the order of its end, COPY left out; asyncpg tells none of that.

    `seconds`: from sending each until its answer was read. `asked`: calls of a venue, by name.
    """

    sent: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def statements(self) -> list[str]:
        """Those that do some work."""
        return [each for each in self.sent if not each.startswith(CONTROL)]

    @property
    def round_trips(self) -> int:
        """One a statement, once each connection has prepared it."""
        return len(self.sent)

    @property
    def transactions(self) -> int:
        """Those with a BEGIN; a lone statement is one of its own, and not among them."""
        return sum(each.startswith("BEGIN") for each in self.sent)

    @property
    def calls(self) -> int:
        return self.asked.total()

    def forget(self) -> None:
        """Begin anew, where the next deed does."""
        self.sent.clear()
        self.seconds.clear()
        self.asked.clear()

    def listing(self) -> str:
        """Every statement in short, for whoever has to find the one that is new."""
        return "\n".join(" ".join(each.split())[:100] for each in self.sent)


class CountedDatabase(Database):
    """The same pool; whatever goes over its connections is counted."""

    def __init__(self, database: Database, traffic: Traffic) -> None:
        super().__init__(database._pool)  # there is no other way to its connections
        self._traffic = traffic

    @asynccontextmanager
    async def _held(self, lane: Lane) -> AsyncIterator[Connection]:
        async with super()._held(lane) as connection:
            connection.add_query_logger(self._count)
            try:
                yield connection
            finally:
                connection.remove_query_logger(self._count)

    def _count(self, query: LoggedQuery) -> None:
        text = query.query.strip()
        if text.startswith(OF_ASYNCPG) or query.args == []:  # prepared for orders, and not run
            return
        self._traffic.sent.append(text)
        self._traffic.seconds.append(query.elapsed)


class CountedVenue:
    """The same venue; each call of it is counted by its name."""

    def __init__(self, venue: Venue, traffic: Traffic) -> None:
        self._venue = venue
        self._traffic = traffic

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._venue, name)
        return self._counted(name, found) if name in ASKS else found

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **named: Any) -> Any:
            self._traffic.asked[name] += 1
            return call(*arguments, **named)

        return ask


def counted(venue: Venue, traffic: Traffic) -> Venue:
    """*venue* with its calls counted in *traffic*."""
    return cast(Venue, CountedVenue(venue, traffic))
