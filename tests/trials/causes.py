"""What a trial has done to a daemon, where and when: by it alone is what the daemon then said explained.

A trouble that waits for a request (an answer that is lost, a 502) counts from the moment at which a
simulator has met one with it, not from the moment at which it was set.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.trials.settings import FEEDS, VENUES

Row = dict[str, Any]

# How long after it a trouble shows: seconds.
SHOWS: Final = {
    "failure": 20.0,  # a job logs its failure when it ends, with its four attempts behind it
    "unanswered": 5.0,
    "banned": 75.0,  # what names no end is waited out for a minute
    "ban": 25.0,  # 12 seconds, and one question behind them
    "cut": 45.0,
    "mute": 45.0,  # 15 seconds, new connections, the minute's candle
    "cancelled outside": 60.0,
}
PLACES: Final = {  # of troubles that no request meets, by their names' ends
    "418 spot": "spot",
    "streams of spot": "spot",
    "streams of usdm": "usdm",
    "streams of alpaca": "alpaca",
    "listen key of usdm": "usdm",
    "what rests in BTCUSDT at spot": "spot",
}
STATUSES: Final = {502: "failure", 503: "unanswered", 429: "banned"}
ORDER_NAME: Final = re.compile(r"\btb[a-z2-7]{15,}\b")


@dataclass(frozen=True)
class Cause:
    """*place*: a simulator; *until_ms*: to when it may show."""

    kind: str
    place: str
    at_ms: int
    until_ms: int

    def covers(self, at_ms: int, late: float = 0.0) -> bool:
        """Return whether it may show then. *late*: so many seconds later than others."""
        return self.at_ms <= at_ms <= self.until_ms + 1000 * late


def causes(happened: Iterable[Row], met: Mapping[str, Iterable[Row]]) -> list[Cause]:
    """Return all causes. *met*: by simulator, the faults that requests have met."""
    return sorted([*_done(happened), *_met(met)], key=lambda cause: cause.at_ms)


def _done(happened: Iterable[Row]) -> Iterator[Cause]:
    for row in happened:
        kind, name = row["kind"], row["name"]
        began, until = row["began_ms"], row["at_ms"] + round(1000 * SHOWS.get(kind, 0))
        if name in PLACES:
            yield Cause(kind, PLACES[name], began, until)
        elif kind == "mute":
            yield from (Cause(kind, place, began, until) for place in ("spot", "usdm"))


def _met(met: Mapping[str, Iterable[Row]]) -> Iterator[Cause]:
    for place, rows in met.items():
        for row in rows:
            kind = "unanswered" if row["fault"] == "reset" else STATUSES.get(row["status"])
            if row["fault"] in {"answer", "reset"} and kind is not None:
                at_ms = row["at_ms"]
                yield Cause(kind, place, at_ms, at_ms + round(1000 * SHOWS[kind]))


def places_of(text: str, positions: Mapping[str, str], orders: Mapping[str, str]) -> set[str]:
    """Return the simulators that *text* is about, by the names of anything that it tells."""
    words = set(re.findall(r"[\w-]+", text))
    found = {place for name, place in (VENUES | FEEDS).items() if name in words}
    found |= {orders[name] for name in ORDER_NAME.findall(text) if name in orders}
    numbers = re.findall(r"\bposition (\d+)\b", text) + re.findall(r"^(\d+): ", text)
    return found | {positions[number] for number in numbers if number in positions}


def parts_of(error: str) -> list[str]:
    """Return what failed, each with its reason, of a job's `N of M failed: …`."""
    head = re.match(r"(\d+) of \d+ failed: ", error)
    if head is None:
        return [error]
    parts = error[head.end() :].split("; ")
    joined: list[str] = []
    for part in parts:  # a reason may have a semicolon of its own
        if joined and not re.match(r"[\w ./-]+: ", part):
            joined[-1] += f"; {part}"
        else:
            joined.append(part)
    return joined
