"""What a strategy is: a function from closed candles to a signal, with a memory of fixed length."""

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from tradebotd.domain.candle import Candle
from tradebotd.domain.levels import PivotLevels
from tradebotd.domain.signal import Signal


class Strategy(Protocol):
    """A class of this shape, with a dataclass `Params` and a constructor that takes one.

    `decide` is a pure function: it reads no clock, file or socket, changes no candle, and says the
    same twice. It has a second to say it.
    """

    @property
    def lookback(self) -> int:
        """How many candles `decide` looks at: the same number live, in a replay, after a start."""
        ...

    def decide(self, candles: Sequence[Candle]) -> Signal:
        """Judge the last of *candles*: exactly `lookback` closed ones, oldest first."""
        ...


class LevelStrategy(Protocol):
    """The same, with the levels of the session that the last candle belongs to."""

    needs_levels: bool  # True

    @property
    def lookback(self) -> int: ...

    def decide(self, candles: Sequence[Candle], levels: PivotLevels | None) -> Signal:
        """*levels* None: that session has none, or they are not calculated yet."""
        ...


AnyStrategy = Strategy | LevelStrategy


def needs_levels(strategy: AnyStrategy) -> TypeGuard[LevelStrategy]:
    return bool(getattr(strategy, "needs_levels", False))
