"""EMA crossover strategy with an RSI filter.

`cross`: buy when the fast EMA crosses above the slow one on the last closed candle, unless
RSI >= overbought; sell when it crosses below, unless RSI <= oversold. `level`: the same without
the crossing, by the position of the averages.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal

from tradebotd.domain.candle import Candle
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.strategies.indicators import (
    Floats,
    exponential_average,
    floats,
    relative_strength,
)

# An EMA forgets its start by (1 - 2/(n+1)) a candle: 10 n candles after it, less than 3e-9 is left.
# Wilder's average by (1 - 1/n): 20 n for the same.
_EMA_WARM_UP: Final = 10
_WILDER_WARM_UP: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EmaRsiParams:
    """Parameters; periods in candles, `oversold` and `overbought` on RSI's scale of 0 to 100."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    fast: int = 8
    slow: int = 21
    rsi_period: int = 7
    oversold: float = 35
    overbought: float = 65
    mode: Literal["cross", "level"] = "cross"
    smoothing: Literal["wilder", "sma"] = "wilder"

    def __post_init__(self) -> None:
        if self.fast < 2:
            raise ValueError(f"fast must be at least 2, was {self.fast}")
        if self.slow <= self.fast:
            raise ValueError(f"slow must be more than fast ({self.fast}), was {self.slow}")
        if self.slow > 500:
            raise ValueError(f"slow must be at most 500, was {self.slow}")
        if not 2 <= self.rsi_period <= 250:
            raise ValueError(f"rsi_period must be from 2 to 250, was {self.rsi_period}")
        if not 0 <= self.oversold < self.overbought <= 100:
            raise ValueError(
                "oversold and overbought must be 0 <= oversold < overbought <= 100,"
                f" were {self.oversold} and {self.overbought}"
            )
        if self.mode not in {"cross", "level"}:
            raise ValueError(f"mode must be cross or level, was {self.mode}")
        if self.smoothing not in {"wilder", "sma"}:
            raise ValueError(f"smoothing must be wilder or sma, was {self.smoothing}")


class EmaRsi:
    """Strategy with a fixed window: a decision depends on its candles, not on the start time."""

    Params: ClassVar[type[EmaRsiParams]] = EmaRsiParams

    def __init__(self, params: EmaRsiParams) -> None:
        self.params = params
        self._lookback = max(
            (_EMA_WARM_UP + 1) * params.slow + 1, (_WILDER_WARM_UP + 1) * params.rsi_period + 1
        )

    @property
    def lookback(self) -> int:
        return self._lookback

    def decide(self, candles: Sequence[Candle]) -> Signal:
        if len(candles) < self._lookback:
            return Signal(kind=SignalKind.NONE, reason="warming up")
        recent = [candle.close for candle in candles[-self._lookback :]]
        if not math.isfinite(sum(recent)):  # TA-Lib carries one NaN on to all that follow
            return Signal(kind=SignalKind.NONE, reason="a close is not finite")
        closes, params = floats(recent), self.params
        fast = exponential_average(closes, params.fast)
        slow = exponential_average(closes, params.slow)
        rsi = self._rsi(closes)
        above, was_above = fast[-1] > slow[-1], fast[-2] > slow[-2]
        below, was_below = fast[-1] < slow[-1], fast[-2] < slow[-2]
        kind, reason = self._judge(
            rises=above and (params.mode == "level" or not was_above),
            falls=below and (params.mode == "level" or not was_below),
            rsi=rsi,
        )
        indicators = {"ema_fast": fast[-1], "ema_slow": slow[-1], "rsi": rsi}
        return Signal(kind=kind, reason=reason, indicators=indicators)

    def _judge(self, *, rises: bool, falls: bool, rsi: float) -> tuple[SignalKind, str]:
        crosses = "crossed" if self.params.mode == "cross" else "is"
        if rises:
            if rsi >= self.params.overbought:
                return SignalKind.NONE, f"fast EMA {crosses} above slow, but overbought"
            return SignalKind.BUY, f"fast EMA {crosses} above slow"
        if falls:
            if rsi <= self.params.oversold:
                return SignalKind.NONE, f"fast EMA {crosses} below slow, but oversold"
            return SignalKind.SELL, f"fast EMA {crosses} below slow"
        return SignalKind.NONE, "no signal"

    def _rsi(self, closes: Floats) -> float:
        if self.params.smoothing == "wilder":
            return relative_strength(closes, self.params.rsi_period)[-1]
        changes = [
            after - before for before, after in pairwise(closes[-self.params.rsi_period - 1 :])
        ]
        gained = math.fsum(change for change in changes if change > 0)
        moved = math.fsum(map(abs, changes))
        # Like TA-Lib, 0 on flat prices, so that both agree.
        return 100 * gained / moved if moved else 0.0
