"""The cases: what goes wrong, what is true all the same, of which order, at which venue."""

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

VENUES: Final = ("binance_spot", "binance_usdm", "alpaca")


class FaultName(StrEnum):
    CONNECT_REFUSED = "connect-refused"
    CONNECT_TIMEOUT = "connect-timeout"
    RESET_BEFORE = "reset-before"  # the connection ends before the request has left
    RESET_AFTER = "reset-after"  # the request has arrived, the connection ends without an answer
    READ_TIMEOUT = "read-timeout"
    BAD_GATEWAY = "502"
    UNKNOWN_ERROR = "503-unknown"
    TIMED_OUT = "504-1007"  # -1007 at Binance, 504 without a body elsewhere
    UNEXPECTED = "1006"  # at Alpaca its code for an internal error
    TRUNCATED = "truncated"
    INVALID_JSON = "invalid-json"
    EMPTY = "empty"


class Truth(StrEnum):
    PLACED = "placed"
    LATER = "later"  # five seconds
    NEVER = "never"


class Kind(StrEnum):
    """`STOP`: with a target, as it rests at most venues: as a pair, where one takes pairs.

    `LONE_STOP`: one without a target. It is the fifth of four, as it goes another way.
    """

    MARKET_ENTRY = "market-entry"
    LIMIT_ENTRY = "limit-entry"
    MARKET_EXIT = "market-exit"
    STOP = "stop"
    LONE_STOP = "lone-stop"


# Of which no byte arrives: what was placed all the same, or later, was placed by somebody else.
NOTHING_ARRIVES: Final = frozenset(
    {FaultName.CONNECT_REFUSED, FaultName.CONNECT_TIMEOUT, FaultName.RESET_BEFORE}
)


@dataclass(frozen=True)
class Case:
    venue: str
    kind: Kind
    fault: FaultName
    truth: Truth

    def __str__(self) -> str:
        return f"{self.venue}/{self.kind}/{self.fault}/{self.truth}"

    @property
    def is_possible(self) -> bool:
        return self.truth is Truth.NEVER or self.fault not in NOTHING_ARRIVES


def case_of(name: str) -> Case:
    """Raises ValueError for a name that is none."""
    venue, kind, fault, truth = name.split("/")
    return Case(venue, Kind(kind), FaultName(fault), Truth(truth))


def all_cases() -> list[Case]:
    """432, of four kinds of order, and the lone stops beside them."""
    return list(itertools.starmap(Case, itertools.product(VENUES, Kind, FaultName, Truth)))
