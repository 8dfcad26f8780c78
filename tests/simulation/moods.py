"""A strategy that draws its word from the seed and the candle: the same in every life."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import Signal, SignalKind


@dataclass
class Moods:
    seed: int
    bot: BotName
    lookback: int = 2
    silent: bool = False

    def decide(self, candles: Sequence[Candle]) -> Signal:
        word = SignalKind.NONE if self.silent else word_of(self.seed, self.bot, candles[-1].ts)
        return Signal(kind=word, reason=f"in the mood to {word}", indicators={})


def word_of(seed: int, bot: str, candle: datetime) -> SignalKind:
    """A bot has a side that it prefers, and turns now and then."""
    prefers = random.Random(f"{seed} {bot}").choice([SignalKind.BUY, SignalKind.SELL])
    drawn = random.Random(f"{seed} {bot} {candle.isoformat()}")
    return drawn.choice([prefers, SignalKind.BUY, SignalKind.SELL, SignalKind.NONE])
