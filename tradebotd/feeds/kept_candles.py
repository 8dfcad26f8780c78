"""Closed minutes that the streams have told, kept until they are fetched."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe

KEPT: Final = 60  # minutes of a symbol


class KeptCandles:
    def __init__(self) -> None:
        self._kept: dict[str, deque[Candle]] = {}

    def put(self, name: str, candle: Candle) -> None:
        """Keep a minute; one of a time before the last one's is none that goes on from it."""
        kept = self._kept.setdefault(name, deque(maxlen=KEPT))
        if kept and candle.ts <= kept[-1].ts:
            kept.clear()
        kept.append(candle)

    def revise(self, name: str, candle: Candle) -> None:
        """Put *candle* in the place of the minute that it revises, where that is kept."""
        kept = self._kept.get(name, deque())
        for place, each in enumerate(kept):
            if each.ts == candle.ts:
                kept[place] = candle
                return

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)

    def between(self, name: str, start: datetime, end: datetime) -> Sequence[Candle] | None:
        """Return the minutes from *start* to *end*; None where any of them is not kept."""
        found = [each for each in self._kept.get(name, ()) if start <= each.ts < end]
        return found if len(found) == (end - start) // Timeframe.M1.duration else None
