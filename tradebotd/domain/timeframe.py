"""Timeframes and the UTC grid of their candles."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Timeframe(StrEnum):
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def seconds(self) -> int:
        return _SECONDS[self]

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=_SECONDS[self])

    def floor(self, instant: datetime) -> datetime:
        """Return the open time of the period that contains *instant*."""
        return instant - (instant - EPOCH) % self.duration

    def is_on_grid(self, instant: datetime) -> bool:
        return not (instant - EPOCH) % self.duration


_SECONDS: Final = {
    Timeframe.M1: 60,
    Timeframe.M5: 300,
    Timeframe.M15: 900,
    Timeframe.H1: 3_600,
    Timeframe.H4: 14_400,
    Timeframe.D1: 86_400,
}
