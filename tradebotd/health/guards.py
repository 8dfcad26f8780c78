"""Guards of open positions when nothing can be sent: the stops that rest at venues."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Open positions in words, with and without a resting stop."""

    resting: Sequence[str] = ()
    unguarded: Sequence[str] = ()

    def describe(self) -> str:
        if not self.resting and not self.unguarded:
            return "no position is open"
        told = f"resting at the venue: {', '.join(self.resting) or 'nothing'}"
        if self.unguarded:
            told += f"; nothing guards {', '.join(self.unguarded)}"
        return told
