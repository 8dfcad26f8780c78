"""The pivot strategy on levels worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.levels import PivotLevels, pivot_levels
from tradebotd.domain.signal import SignalKind
from tradebotd.strategies.pivot_levels import PivotLevelsParams, PivotLevelsStrategy
from tradebotd.strategies.registry import load_strategy

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
# H 110, L 90, C 100: PP 100, R1 110, R2 120, S1 90, S2 80.
LEVELS = pivot_levels(110, 90, 100)
BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE


def candles(*rows: tuple[float, float, float]) -> list[Candle]:
    """(low, high, close) each."""
    return [
        Candle(NOW + i * timedelta(minutes=1), close, high, low, close, 1.0)
        for i, (low, high, close) in enumerate(rows)
    ]


def strategy(**params: object) -> PivotLevelsStrategy:
    return PivotLevelsStrategy(PivotLevelsParams(**params))  # type: ignore[arg-type]


def test_the_levels_are_those_of_the_formula() -> None:
    """M10: by hand."""
    assert PivotLevels(pp=100, r1=110, r2=120, s1=90, s2=80) == LEVELS


@pytest.mark.parametrize(
    ("band", "before", "now", "kind"),
    [
        ("1", 109.0, 111.0, BUY),
        ("1", 110.0, 110.5, BUY),  # on the level is not above it yet
        ("1", 109.0, 110.0, NONE),
        ("1", 111.0, 112.0, NONE),  # above it already
        ("1", 91.0, 89.0, SELL),
        ("1", 89.0, 88.0, NONE),
        ("1", 89.0, 111.0, BUY),
        ("2", 119.0, 121.0, BUY),
        ("2", 109.0, 111.0, NONE),
        ("2", 81.0, 79.0, SELL),
        ("pp", 99.0, 101.0, BUY),
        ("pp", 101.0, 99.0, SELL),
    ],
)
def test_a_breakout_is_a_close_beyond_the_level_and_one_before_it(
    band: str, before: float, now: float, kind: SignalKind
) -> None:
    """M4.5"""
    said = strategy(band=band).decide(candles((before, before, before), (now, now, now)), LEVELS)
    assert said.kind is kind
    assert said.indicators["r1"] == 110


@pytest.mark.parametrize(
    ("low", "high", "close", "kind"),
    [
        (89.0, 92.0, 91.0, BUY),
        (90.0, 92.0, 91.0, BUY),
        (90.5, 92.0, 91.0, NONE),  # not reached
        (88.0, 90.0, 89.0, NONE),  # reached, and not turned back
        (108.0, 111.0, 109.0, SELL),
        (108.0, 112.0, 111.0, NONE),
    ],
)
def test_a_reversal_is_a_level_reached_and_left_again(
    low: float, high: float, close: float, kind: SignalKind
) -> None:
    """M4.5"""
    said = strategy(mode="reversal").decide(candles((100, 100, 100), (low, high, close)), LEVELS)
    assert said.kind is kind


def test_a_tolerance_asks_for_more_than_a_touch() -> None:
    """M4.5: one percent beyond 110 is 111.1."""
    cautious = strategy(tolerance=0.01)
    for close, kind in ((111.0, NONE), (111.2, BUY)):
        assert cautious.decide(candles((109, 109, 109), (close, close, close)), LEVELS).kind is kind


def test_without_levels_there_is_no_signal_and_it_says_why() -> None:
    """M4.5, M10: the first session has none."""
    said = strategy().decide(candles((100, 100, 100), (200, 200, 200)), None)
    assert (said.kind, said.reason) == (NONE, "no levels of this session")


closes = st.floats(50, 150, allow_nan=False).map(lambda value: round(value, 2))


@given(before=closes, now=closes, band=st.sampled_from(["pp", "1", "2"]))
def test_longs_and_shorts_are_mirrored(before: float, now: float, band: str) -> None:
    """M4.5: around PP = 100 of symmetric levels."""
    usual = strategy(band=band).decide(candles((before, before, before), (now, now, now)), LEVELS)
    a, b = round(200 - before, 2), round(200 - now, 2)
    mirrored = strategy(band=band).decide(candles((a, a, a), (b, b, b)), LEVELS)
    assert mirrored.kind is {BUY: SELL, SELL: BUY, NONE: NONE}[usual.kind]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"mode": "both"}, "params.mode: not allowed; one of 'breakout' or 'reversal'"),
        ({"mode": "reversal", "band": "pp"}, "params: band pp has one level"),
        ({"tolerance": 0.5}, "params: tolerance must be from 0 to below 0.1, was 0.5"),
        ({"bands": "1"}, "params.bands: unknown key; did you mean 'band'?"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, object], problem: str) -> None:
    """M4.5"""
    with pytest.raises(ConfigError) as error:
        load_strategy("pivot_levels", params)
    assert problem in str(error.value)
