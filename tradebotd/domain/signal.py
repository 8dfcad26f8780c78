"""Signals of a strategy."""

from dataclasses import dataclass, field
from enum import StrEnum


class SignalKind(StrEnum):
    BUY = "buy"
    SELL = "sell"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A side and a reason; indicators are recorded but never become a price."""

    kind: SignalKind
    reason: str
    indicators: dict[str, float] = field(default_factory=dict)
    path: str = "primary"  # which path decided: "primary", or the name of a fallback
