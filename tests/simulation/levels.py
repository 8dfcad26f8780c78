"""Where a position's exits lie, from its fills, its plan and the prices that were shown. No code of ours in it.

Where the daemon may have seen one thing or another (which fills had come, which price was the best so
far), every level that follows from one of them is a candidate.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from math import ceil, floor
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.exit_plan import ExitPlan

MOST_FILLS: Final = 6
SLIGHTLY: Final = Fraction(1, 10**18)  # a quotient of 28 digits, on the tick or beside it
REMEMBERED: Final = 21  # periods: what an average of ranges still remembers


@dataclass(frozen=True, slots=True)
class Side:
    """*sign*: 1 of a long. A level is rounded in its favour: a long's up to the tick."""

    sign: int
    tick: Fraction

    def on_tick(self, raw: Fraction) -> set[Fraction]:
        found = set()
        for each in (raw * (1 - SLIGHTLY), raw, raw * (1 + SLIGHTLY)):
            ticks = each / self.tick
            found.add((ceil(ticks) if self.sign > 0 else floor(ticks)) * self.tick)
        return found

    def beyond(self, entry: Fraction, fraction: Fraction) -> set[Fraction]:
        """*fraction* of *entry* away, in favour where it is positive."""
        return self.on_tick(entry * (1 + self.sign * fraction))

    def has_met_stop(self, price: Fraction, level: Fraction) -> bool:
        return (level - price) * self.sign >= 0

    def has_met_target(self, price: Fraction, level: Fraction) -> bool:
        return (price - level) * self.sign >= 0

    def best(self, prices: Iterable[Fraction]) -> Fraction:
        return max(prices, key=lambda each: each * self.sign)


def averages(fills: Sequence[tuple[Fraction, Fraction]]) -> set[Fraction]:
    """Of (quantity, price): of any of them that may have been known at some time."""
    whole = [each for each in fills if each[0] > 0]
    if len(whole) > MOST_FILLS:
        parts: Iterable[Sequence[tuple[Fraction, Fraction]]] = (
            whole[:count] for count in range(1, len(whole) + 1)
        )
    else:
        parts = (part for count in range(1, len(whole) + 1) for part in combinations(whole, count))
    zero = Fraction(0)
    return {sum((q * p for q, p in part), zero) / sum((q for q, _ in part), zero) for part in parts}


def stops(plan: ExitPlan, side: Side, entries: Iterable[Fraction]) -> Iterator[Fraction]:
    for entry in entries:
        if plan.stop_loss is not None:
            yield from side.beyond(entry, -Fraction(plan.stop_loss))
        if plan.stop_loss_atr is not None and plan.atr is not None:
            yield from side.on_tick(
                entry - side.sign * Fraction(plan.stop_loss_atr) * Fraction(plan.atr)
            )


def secured(
    plan: ExitPlan, side: Side, entries: Iterable[Fraction], shown: Sequence[Fraction]
) -> Iterator[Fraction]:
    """The break-even stops that a price has earned."""
    if plan.break_even is None or not shown:
        return
    best = side.best(shown)
    for entry in entries:
        earned = side.beyond(entry, Fraction(plan.break_even.at))
        if any(side.has_met_target(best, each) for each in earned):
            yield from side.beyond(entry, Fraction(plan.break_even.lock))


def trailing(plan: ExitPlan, side: Side, bests: Iterable[Fraction]) -> Iterator[Fraction]:
    for best in bests:
        if plan.trailing_stop is not None:
            yield from side.on_tick(best * (1 - side.sign * Fraction(plan.trailing_stop)))
        if plan.trailing_stop_atr is not None and plan.atr is not None:
            yield from side.on_tick(
                best - side.sign * Fraction(plan.trailing_stop_atr) * Fraction(plan.atr)
            )


def targets(plan: ExitPlan, side: Side, entries: Iterable[Fraction]) -> Iterator[Fraction]:
    for entry in entries:
        if plan.take_profit is not None:
            yield from side.beyond(entry, Fraction(plan.take_profit))
        if plan.take_profit_atr is not None and plan.atr is not None:
            yield from side.on_tick(
                entry + side.sign * Fraction(plan.take_profit_atr) * Fraction(plan.atr)
            )


def steps(
    plan: ExitPlan, side: Side, entries: Iterable[Fraction], number: int
) -> Iterator[Fraction]:
    """Of the ladder's step *number*, counted from 1."""
    if 0 < number <= len(plan.ladder):
        for entry in entries:
            yield from side.beyond(entry, Fraction(plan.ladder[number - 1].at))


def average_range(candles: Sequence[Candle], period: int) -> float | None:
    """Wilder's: the mean of the first *period* true ranges, then each new one a *period*th part."""
    recent = candles[-REMEMBERED * period :]
    if len(recent) <= period:
        return None
    ranges = [
        max(now.high, before.close) - min(now.low, before.close) for before, now in pairwise(recent)
    ]
    average = sum(ranges[:period]) / period
    for each in ranges[period:]:
        average = (average * (period - 1) + each) / period
    return average
