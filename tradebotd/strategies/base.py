"""Interface of strategies: functions of closed candles to a signal, with fixed lookback."""

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from tradebotd.domain.candle import Candle
from tradebotd.domain.levels import PivotLevels
from tradebotd.domain.signal import Signal


class Strategy(Protocol):
    """Strategy: a class with a dataclass `Params` and a constructor that takes one.

    `decide` is a pure function: it reads no clock, file or socket, changes no candle, and gives the
    same answer twice. It must return within a second.
    """

    @property
    def lookback(self) -> int:
        """Number of candles for `decide`: the same live, in a replay and after a start."""
        ...

    def decide(self, candles: Sequence[Candle]) -> Signal:
        """Judge the last of *candles*: exactly `lookback` closed ones, oldest first."""
        ...


class LevelStrategy(Protocol):
    """Strategy that also needs the levels of the session of the last candle."""

    needs_levels: bool  # True

    @property
    def lookback(self) -> int: ...

    def decide(self, candles: Sequence[Candle], levels: PivotLevels | None) -> Signal:
        """Judge the last candle. *levels* None: none for that session, or not calculated yet."""
        ...


AnyStrategy = Strategy | LevelStrategy


def needs_levels(strategy: AnyStrategy) -> TypeGuard[LevelStrategy]:
    return bool(getattr(strategy, "needs_levels", False))
