"""Floor-trader pivots: follow a price that breaks a level, or fade one that is rejected at it.

`breakout`: buy when the close crosses above R1 (R2, PP), sell when it crosses below S1 (S2, PP).
`reversal`: buy when the candle reached S1 (S2) and closed above it again, sell when it reached R1
(R2) and closed below it. Levels are those of the session that the candle belongs to (M10).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal

from tradebotd.domain.candle import Candle
from tradebotd.domain.levels import PivotLevels
from tradebotd.domain.signal import Signal, SignalKind

_CANDLES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PivotLevelsParams:
    """Parameters. `band`: the pair of levels; `tolerance`: a fraction of a level.

    A close must lie that far beyond the level to have crossed it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    mode: Literal["breakout", "reversal"] = "breakout"
    band: Literal["pp", "1", "2"] = "1"
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in {"breakout", "reversal"}:
            raise ValueError(f"mode must be breakout or reversal, was {self.mode}")
        if self.band not in {"pp", "1", "2"}:
            raise ValueError(f"band must be pp, 1 or 2, was {self.band}")
        if self.mode == "reversal" and self.band == "pp":
            raise ValueError("band pp has one level: a reversal needs two, 1 or 2")
        if not 0 <= self.tolerance < 0.1:
            raise ValueError(f"tolerance must be from 0 to below 0.1, was {self.tolerance}")


class PivotLevelsStrategy:
    Params: ClassVar[type[PivotLevelsParams]] = PivotLevelsParams
    needs_levels = True

    def __init__(self, params: PivotLevelsParams) -> None:
        self.params = params

    @property
    def lookback(self) -> int:
        return _CANDLES

    def decide(self, candles: Sequence[Candle], levels: PivotLevels | None) -> Signal:
        if levels is None:
            return Signal(kind=SignalKind.NONE, reason="no levels of this session")
        before, now = candles[-2], candles[-1]
        support, resistance = self._band(levels)
        above = resistance * (1 + self.params.tolerance)
        below = support * (1 - self.params.tolerance)
        if self.params.mode == "breakout":
            kind, reason = self._breakout(before, now, below, above)
        else:
            kind, reason = self._reversal(now, support, resistance)
        return Signal(kind=kind, reason=reason, indicators=asdict(levels))

    def _band(self, levels: PivotLevels) -> tuple[float, float]:
        match self.params.band:
            case "pp":
                return levels.pp, levels.pp
            case "1":
                return levels.s1, levels.r1
            case "2":
                return levels.s2, levels.r2

    def _breakout(
        self, before: Candle, now: Candle, below: float, above: float
    ) -> tuple[SignalKind, str]:
        if before.close <= above < now.close:
            return SignalKind.BUY, f"closed above {self._name('R')}"
        if before.close >= below > now.close:
            return SignalKind.SELL, f"closed below {self._name('S')}"
        return SignalKind.NONE, "no level crossed"

    def _reversal(self, now: Candle, support: float, resistance: float) -> tuple[SignalKind, str]:
        tolerance = self.params.tolerance
        if now.low <= support and now.close > support * (1 + tolerance):
            return SignalKind.BUY, f"turned back at {self._name('S')}"
        if now.high >= resistance and now.close < resistance * (1 - tolerance):
            return SignalKind.SELL, f"turned back at {self._name('R')}"
        return SignalKind.NONE, "no level reached"

    def _name(self, letter: str) -> str:
        return "PP" if self.params.band == "pp" else f"{letter}{self.params.band}"
