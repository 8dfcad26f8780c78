"""Weights of Binance's public calls that the schedule decides on, and the limits of a minute."""

from collections.abc import Mapping
from typing import Final

MINUTE_LIMITS: Final[Mapping[str, int]] = {"spot": 6_000, "usdm": 2_400}


def trades_weight(market: str) -> int:
    """Weight of one call of aggTrades, up to 1,000 trades."""
    return 4 if market == "spot" else 20


def book_weight(market: str, levels: int) -> int:
    """Weight of one call of depth, by the levels that are asked for."""
    steps = (
        ((100, 5), (500, 25), (1_000, 50))
        if market == "spot"
        else ((50, 2), (100, 5), (500, 10), (1_000, 20))
    )
    return next((weight for most, weight in steps if levels <= most), 250)
