"""Result of a pull: what was stored, left out and refused, by symbol."""

from dataclasses import dataclass, field

from tradebotd.domain.ids import FeedName
from tradebotd.market.writer import WriteCounts


@dataclass(slots=True)
class PullResult:
    """Result of a pull over its symbols. `attempted` counts stored, skipped and bad rows."""

    counts: WriteCounts = field(default_factory=WriteCounts)
    rolled_up: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # new quarantine rows by symbol
    reasons: dict[str, str] = field(default_factory=dict)  # the first of them
    outliers: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # symbols without any candles
    answered: int = 0  # symbols whose feed answered, even without new candles
    feeds: dict[str, FeedName] = field(default_factory=dict)  # source of candles by symbol

    def add(self, other: "PullResult") -> None:
        """Add the result of a pull of other symbols."""
        self.counts += other.counts
        self.rolled_up += other.rolled_up
        self.rejected |= other.rejected
        self.reasons |= other.reasons
        self.outliers |= other.outliers
        self.errors |= other.errors
        self.answered += other.answered
        self.feeds |= other.feeds

    def quarantined(self, symbol: str) -> str:
        """Describe how much of *symbol* was quarantined."""
        count, reason = self.rejected[symbol], self.reasons[symbol]
        return f"{count} {'row' if count == 1 else 'rows'} quarantined, the first: {reason}"
