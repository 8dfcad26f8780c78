"""Pauses before the next attempt to connect: they double up to a bound, each with a jitter."""

from random import Random
from typing import Final

FIRST: Final = 0.1  # seconds: what a stream tells is missed meanwhile
LONGEST: Final = 30.0
HEALTHY: Final = 60.0  # a connection that lasted so long begins anew with the first pause


class Backoff:
    """A pause is drawn from the upper half of its span: many clients do not come back at once."""

    def __init__(self, random: Random, *, first: float = FIRST, longest: float = LONGEST) -> None:
        self._random = random
        self._first = first
        self._longest = longest
        self._attempts = 0

    def pause(self) -> float:
        """Return the seconds to wait before the next attempt."""
        span = min(self._longest, self._first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return span * (0.5 + self._random.random() / 2)

    def lasted(self, seconds: float) -> None:
        """Note how long the connection has lasted that was lost now."""
        if seconds >= HEALTHY:
            self._attempts = 0
