"""What a strategy is: a function from closed candles to a signal, with a memory of fixed length."""

from collections.abc import Sequence
from typing import Protocol

from tradebotd.domain.candle import Candle
from tradebotd.domain.signal import Signal


class Strategy(Protocol):
    """A class of this shape, with a dataclass `Params` and a constructor that takes one."""

    @property
    def lookback(self) -> int:
        """How many candles `decide` looks at: the same number live, in a replay, after a start."""
        ...

    def decide(self, candles: Sequence[Candle]) -> Signal:
        """Judge the last of *candles*: closed ones, oldest first. Raises nothing on fewer."""
        ...
