"""What still ends a position when nothing can be sent: what rests at its venue."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Open positions, in words."""

    resting: Sequence[str] = ()
    unguarded: Sequence[str] = ()

    def words(self) -> str:
        if not self.resting and not self.unguarded:
            return "no position is open"
        told = f"resting at the venue: {', '.join(self.resting) or 'nothing'}"
        if self.unguarded:
            told += f"; nothing guards {', '.join(self.unguarded)}"
        return told
