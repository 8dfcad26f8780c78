"""Credits of a key: those of the minute wait their turn, those of the UTC day are counted."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Final

from tradebotd.feeds.twelvedata.facts import next_day, next_minute
from tradebotd.net.errors import NotSentError
from tradebotd.net.gate import Gate, Turn
from tradebotd.net.rate_limit import Priority, Window
from tradebotd.ports.clock import HostClock
from tradebotd.ports.feed import FeedBudget

MINUTE: Final = "credits of a minute"
_USED: Final = "api-credits-used"
_LONGEST: Final = 9  # digits of a count


class Credits:
    """Credits of one key, by the host's clock. What other programs use is seen in the headers."""

    def __init__(self, gate: Gate, a_minute: int, a_day: int | None, host: HostClock) -> None:
        self._gate = gate
        self._a_day = a_day
        self._host = host
        self._day: date = host.now().date()
        self._used = 0
        self._spent_until = host.now()  # as the provider has said
        gate.limits.set_limit(MINUTE, a_minute, 60.0)

    @asynccontextmanager
    async def turn(self, cost: int, priority: Priority, *, wait: float) -> AsyncIterator[Turn]:
        """Wait at most *wait* seconds for *cost* credits. Raises NotSentError without them.

        They are of the day on which the turn has come, which may have begun meanwhile.
        """
        self._check_day(cost)
        async with self._gate.turn({MINUTE: cost}, priority, wait=wait) as turn:
            self._check_day(cost)
            self._used += cost  # what is refused is counted there, too
            day = self._day
            try:
                yield turn
            except NotSentError:
                self._turn_day()
                if self._day == day:
                    self._used -= cost
                raise

    def _check_day(self, cost: int) -> None:
        """Raise NotSentError where the day has not *cost* credits left."""
        self._turn_day()
        if self._a_day is not None and self._used + cost > self._a_day:
            until = next_day(self._host.now())
            raise NotSentError(f"the {self._a_day} credits of the day are spent", until)

    def at_once(self, priority: Priority) -> int:
        """So many credits may be spent by one call, at most."""
        return self._window().cap(priority)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Take what an answer says to be used of the present minute."""
        told = headers.get(_USED, "")
        if told.isdecimal() and len(told) <= _LONGEST:
            self._gate.observe(MINUTE, int(told), next_minute(self._host.now()))

    def minute_spent(self, reason: str) -> datetime:
        """Ask nothing before the next minute."""
        until = self._spent_until = next_minute(self._host.now())
        self._gate.ban(reason, until)
        return until

    def day_spent(self, reason: str) -> datetime:
        """Ask nothing before the next UTC day."""
        until = self._spent_until = next_day(self._host.now())
        self._gate.ban(reason, until)
        return until

    def budget(self) -> FeedBudget:
        """Return what is left; nothing while the provider has refused for want of credits."""
        self._turn_day()
        now, at = self._host.now(), self._host.monotonic()
        window = self._window()
        minute = max(0, window.limit - window.own(at) - window.others(at))
        day = None if self._a_day is None else max(0, self._a_day - self._used)
        if now < self._spent_until:
            minute = 0
            day = 0 if self._spent_until == next_day(now) else day
        return FeedBudget(window.limit, minute, next_minute(now), self._a_day, day, next_day(now))

    def _window(self) -> Window:
        window = self._gate.limits.window(MINUTE)
        if window is None:
            raise LookupError("the gate has no window of credits")
        return window

    def _turn_day(self) -> None:
        today = self._host.now().date()
        if today != self._day:
            self._day, self._used = today, 0
