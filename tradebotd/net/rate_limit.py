"""Count of what a venue may still be asked: pure, with the time passed in.

A window counts what was spent within its length up to now, wherever the venue's own windows begin:
so no window of the venue's can hold more than its limit. Part of each is kept for calls that
protect what we hold. What answers report as used beyond our own count is somebody else's at the
same address, and counts as spent, too.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

RESERVE: Final = 0.2  # of each limit, for protective calls
BUCKETS: Final = 1000  # a window remembers at most so many instants: a day's orders are many
NEVER: Final = math.inf

Costs = Mapping[str, int]  # by the name of the window


class Priority(IntEnum):
    """Order in which calls pass. Protective: a stop, or the exit of an unprotected position."""

    PROTECTIVE = 0
    EXIT = 1
    ENTRY = 2
    READ = 3

    def share_of_reserve(self) -> float:
        """The part of the reserve that such a call may use."""
        return {Priority.PROTECTIVE: 1.0, Priority.EXIT: 0.5}.get(self, 0.0)


@dataclass(slots=True)
class Window:
    """`limit` of what may be spent within `seconds`, by one address or account."""

    limit: int
    seconds: float
    reserve: float = RESERVE
    _spent: deque[tuple[float, int]] = field(default_factory=deque)
    _sum: int = 0
    _told: int = 0  # used by everybody, as the last answer had it, and what we spent after it
    _told_until: float = -math.inf  # when the venue's window has certainly ended
    _others: int = 0

    def cap(self, priority: Priority) -> int:
        """So much may be spent when a call of *priority* has passed; one at least."""
        free = 1 - self.reserve * (1 - priority.share_of_reserve())
        return max(1, math.floor(self.limit * free + 1e-9))

    def own(self, now: float) -> int:
        """What we have spent within the window that ends now."""
        while self._spent and self._spent[0][0] + self.seconds <= now:
            self._sum -= self._spent.popleft()[1]
        return self._sum

    def others(self, now: float) -> int:
        """What others have certainly spent, by the last answer that told."""
        return self._others if now < self._told_until else 0

    def free_at(self, cost: int, priority: Priority, now: float) -> float:
        """The first instant at which *cost* fits, if nothing else is spent, or NEVER."""
        if cost == 0:
            return now
        room = self.cap(priority) - cost
        if room < 0:
            return NEVER
        told_over = now < self._told_until and self._told > room
        earliest = self._told_until if told_over else now
        excess = self.own(now) - room
        for at, weight in self._spent:
            if excess <= 0:
                break
            excess -= weight
            earliest = max(earliest, at + self.seconds)
        return earliest

    def spend(self, cost: int, now: float) -> None:
        if cost == 0:
            return
        self.own(now)
        if self._spent and len(self._spent) >= BUCKETS and self._is_close(now):
            cost_before = self._spent.pop()[1]  # both are counted until the later one is over
            self._spent.append((now, cost_before + cost))
        else:
            self._spent.append((now, cost))
        self._sum += cost
        self._told += cost

    def give_back(self, cost: int, now: float) -> None:
        """Undo a spending that did not happen, from the latest on; never more than there is."""
        left = min(cost, self.own(now))
        self._sum -= left
        self._told -= left
        while left > 0:
            at, weight = self._spent.pop()
            if weight > left:
                self._spent.append((at, weight - left))
            left -= min(weight, left)

    def observe(self, used: int, now: float, resets_in: float | None = None) -> None:
        """Take what an answer says to be used of the venue's present window, by everybody."""
        self._told = used
        self._others = max(0, used - self.own(now))
        lasts = self.seconds if resets_in is None else min(max(0.0, resets_in), self.seconds)
        self._told_until = now + lasts

    def _is_close(self, now: float) -> bool:
        return now - self._spent[-1][0] < self.seconds / BUCKETS


class RateLimit:
    """Windows by name: those of an address, and those of its accounts (named after them).

    A window that nobody has told a limit of does not limit.
    """

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    def window(self, name: str) -> Window | None:
        return self._windows.get(name)

    def set_limit(self, name: str, limit: int, seconds: float, *, reserve: float = RESERVE) -> None:
        """Say the limit of a window for the first time, or anew: what was spent stays counted.

        Raises ValueError for one that would never let anything pass.
        """
        if limit < 1 or not 0 < seconds < math.inf or not 0 <= reserve < 1:
            raise ValueError(f"{name}: {limit} in {seconds} s is no limit")
        window = self._windows.get(name)
        if window is None:
            self._windows[name] = Window(limit, seconds, reserve)
        else:
            window.limit, window.seconds, window.reserve = limit, seconds, reserve

    def free_at(self, costs: Costs, priority: Priority, now: float) -> float:
        """The first instant at which *costs* fit into all windows, if nothing else is spent."""
        return max((self._free_at(*each, priority, now) for each in costs.items()), default=now)

    def full(self, costs: Costs, priority: Priority, now: float) -> set[str]:
        """Names of the windows into which *costs* do not fit now."""
        return {
            name for name, cost in costs.items() if self._free_at(name, cost, priority, now) > now
        }

    def spend_if_free(self, costs: Costs, priority: Priority, now: float) -> bool:
        """Spend *costs* where they fit into all windows; return whether they do."""
        for name, cost in costs.items():
            if self._free_at(name, cost, priority, now) > now:
                return False
        self.spend(costs, now)
        return True

    def spend(self, costs: Costs, now: float) -> None:
        for name, cost in costs.items():
            if (window := self._windows.get(name)) is not None:
                window.spend(cost, now)

    def give_back(self, costs: Costs, now: float) -> None:
        """Undo `spend`, of a request that has not left or was not counted."""
        for name, cost in costs.items():
            if (window := self._windows.get(name)) is not None:
                window.give_back(cost, now)

    def observe(self, name: str, used: int, now: float, resets_in: float | None = None) -> None:
        """Take what an answer reports as used; a window without a limit is not kept."""
        if (window := self._windows.get(name)) is not None and used >= 0:
            window.observe(used, now, resets_in)

    def others(self, now: float) -> dict[str, int]:
        """What other processes at this address have spent, by window, where it is not zero."""
        return {
            name: spent for name, each in self._windows.items() if (spent := each.others(now)) > 0
        }

    def _free_at(self, name: str, cost: int, priority: Priority, now: float) -> float:
        window = self._windows.get(name)
        return now if window is None else window.free_at(cost, priority, now)
