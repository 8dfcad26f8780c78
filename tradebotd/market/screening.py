"""Screening of a market: a drawn sample, limits of price, turnover and volatility, and a rank."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import NamedTuple

from tradebotd.domain.public_market import DayFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenRules:
    """Limits of what enters the watchlist; None: no limit. *turnover* in the quote asset, a day.

    *volatility*: the day's range, as a fraction of the price.
    """

    sample: int = 500
    size: int = 50
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    min_turnover: Decimal | None = None
    min_volatility: Decimal | None = None
    max_volatility: Decimal | None = None


class Screened(NamedTuple):
    """Names that passed, best first, and how many failed for which reason."""

    ranked: Sequence[tuple[str, DayFigures]]
    refused: Mapping[str, int]


def draw(candidates: Iterable[str], size: int, seed: int) -> list[str]:
    """Return a sample: lists from outside are sorted, so that their head is all of one letter.

    The same names and seed give the same sample, in whatever order they came.
    """
    names = sorted(set(candidates))
    Random(seed).shuffle(names)  # noqa: S311 - a sample, no secret
    return names[:size]


def screen(figures: Mapping[str, DayFigures], rules: ScreenRules) -> Screened:
    """Screen by the limits, and rank by turnover."""
    refused: Counter[str] = Counter()
    passed: list[tuple[str, DayFigures]] = []
    for name, day in figures.items():
        reason = _refusal(day, rules)
        if reason is None:
            passed.append((name, day))
        else:
            refused[reason] += 1
    passed.sort(key=lambda each: (-each[1].turnover, each[0]))
    if len(passed) > rules.size:
        refused["beyond_size"] = len(passed) - rules.size
    return Screened(passed[: rules.size], refused)


def _refusal(day: DayFigures, rules: ScreenRules) -> str | None:
    checks = (
        ("price_too_low", _is_below(day.price, rules.min_price)),
        ("price_too_high", _is_above(day.price, rules.max_price)),
        ("turnover_too_low", _is_below(day.turnover, rules.min_turnover)),
        ("volatility_too_low", _is_below(day.volatility, rules.min_volatility)),
        ("volatility_too_high", _is_above(day.volatility, rules.max_volatility)),
    )
    return next((reason for reason, fails in checks if fails), None)


def _is_below(value: Decimal, limit: Decimal | None) -> bool:
    return limit is not None and value < limit


def _is_above(value: Decimal, limit: Decimal | None) -> bool:
    return limit is not None and value > limit
