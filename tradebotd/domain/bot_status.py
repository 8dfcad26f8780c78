"""Bot statuses in the words that `tradebotctl` and the table `bot_states` use.

`docs/operations.md` shows them as a table generated from this file.
"""

from dataclasses import dataclass
from typing import Final, Self

from tradebotd.domain.meaning import MeaningEnum


class BotStatusKind(MeaningEnum):
    """Status kinds, each with its *meaning* for an operator."""

    PENDING = "pending", "it has had no cycle yet, or was resumed a moment ago"
    RUNNING = "running", "it holds a position, or has just acted"
    WAITING = "waiting", "it makes no order now, and why"
    PAUSED = "paused", "it makes no entries: until it is resumed, or its day is over; exits go on"
    STOPPED = "stopped", "it is not active, or has left the configuration with nothing held"
    ORPHANED = "orphaned", "it has left the configuration and holds a position, whose exits go on"
    ERROR = "error", "its cycle did not come to an end; the next one tries again"


@dataclass(frozen=True, slots=True)
class BotStatus:
    """A bot's status; `str` gives the contract's form: `running`, `waiting (no signal)`."""

    kind: BotStatusKind
    detail: str | None = None

    def __str__(self) -> str:
        return self.kind.value if self.detail is None else f"{self.kind} ({self.detail})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text that `str` gives. Raises ValueError for anything else."""
        kind, _, rest = text.partition(" (")
        return cls(BotStatusKind.named(kind), rest.removesuffix(")") if rest else None)


def waiting(detail: str) -> BotStatus:
    return BotStatus(BotStatusKind.WAITING, detail)


def paused(detail: str) -> BotStatus:
    return BotStatus(BotStatusKind.PAUSED, detail)


def error(detail: str) -> BotStatus:
    return BotStatus(BotStatusKind.ERROR, detail)


RUNNING: Final = BotStatus(BotStatusKind.RUNNING)
STOPPED: Final = BotStatus(BotStatusKind.STOPPED)
NO_SIGNAL: Final = waiting("no signal")
MARKET_CLOSED: Final = waiting("market closed")
WARMING_UP: Final = waiting("warming up")
NO_FRESH_CANDLE: Final = waiting("no fresh candle")
ENTRY_RESTING: Final = waiting("entry resting")
ORDER_PENDING: Final = waiting("order pending")
CONFIGURATION_CHANGED: Final = waiting("configuration changed")
PAUSED_BY_USER: Final = paused("by user")
