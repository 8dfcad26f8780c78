"""Floor-trader pivot levels of one session."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PivotLevels:
    pp: float
    r1: float
    r2: float
    s1: float
    s2: float


def pivot_levels(high: float, low: float, close: float) -> PivotLevels:
    """PP = (H+L+C)/3, R1 = 2PP-L, R2 = PP+(H-L), S1 = 2PP-H, S2 = PP-(H-L). Unrounded."""
    pp = (high + low + close) / 3
    return PivotLevels(
        pp=pp,
        r1=2 * pp - low,
        r2=pp + (high - low),
        s1=2 * pp - high,
        s2=pp - (high - low),
    )
