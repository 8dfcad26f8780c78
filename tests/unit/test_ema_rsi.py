from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.signal import SignalKind
from tradebotd.strategies.ema_rsi import EmaRsi, EmaRsiParams
from tradebotd.strategies.evaluation import evaluate
from tradebotd.strategies.registry import load_strategy

START = datetime(2022, 3, 1, tzinfo=UTC)


def candles(closes: list[float]) -> list[Candle]:
    step = timedelta(minutes=1)
    return [Candle(START + i * step, c, c, c, c, 1.0) for i, c in enumerate(closes)]


def walk(seed: int, count: int = 400) -> list[float]:
    chance, price, closes = Random(seed), 100.0, []
    for _ in range(count):
        price *= 1 + chance.gauss(0, 0.002)
        closes.append(round(price, 2))
    return closes


def plain_ema(closes: list[float], period: int) -> list[float]:
    """Seeded with the simple average of the first *period*, as TA-Lib and everybody does."""
    value = sum(closes[:period]) / period
    found = [value]
    for close in closes[period:]:
        value += (close - value) * 2 / (period + 1)
        found.append(value)
    return found


def plain_rsi(closes: list[float], period: int, smoothing: str) -> float:
    changes = [b - a for a, b in pairwise(closes)]
    if smoothing == "sma":
        changes = changes[-period:]
    up = sum(max(c, 0) for c in changes[:period]) / period
    down = sum(max(-c, 0) for c in changes[:period]) / period
    for change in changes[period:]:
        up = (up * (period - 1) + max(change, 0)) / period
        down = (down * (period - 1) + max(-change, 0)) / period
    return 100 * up / (up + down) if up + down else 0.0


@given(seed=st.integers(0, 10**6), smoothing=st.sampled_from(["wilder", "sma"]))
@settings(max_examples=60, deadline=None)
def test_indicators_agree_with_the_plain_formulas(seed: int, smoothing: Any) -> None:
    """M4.4: values agree to 1e-9, with Wilder's RSI and with simple averages."""
    strategy = EmaRsi(EmaRsiParams(smoothing=smoothing))
    closes = walk(seed)

    found = strategy.decide(candles(closes)).indicators

    window = closes[-strategy.lookback :]
    assert found["ema_fast"] == pytest.approx(plain_ema(window, 8)[-1], rel=1e-9, abs=1e-9)
    assert found["ema_slow"] == pytest.approx(plain_ema(window, 21)[-1], rel=1e-9, abs=1e-9)
    assert found["rsi"] == pytest.approx(plain_rsi(window, 7, smoothing), rel=1e-9, abs=1e-9)


def test_the_window_is_long_enough_to_forget_what_came_before_it() -> None:
    """M4.4: within 1e-9 of the whole history, so a start in the middle decides the same."""
    strategy, closes = EmaRsi(EmaRsiParams()), walk(3, 3000)
    found = strategy.decide(candles(closes)).indicators
    assert found["ema_slow"] == pytest.approx(plain_ema(closes, 21)[-1], rel=1e-9)
    assert found["rsi"] == pytest.approx(plain_rsi(closes, 7, "wilder"), rel=1e-7)


@pytest.mark.parametrize("mode", ["cross", "level"])
def test_signals_follow_the_averages_and_the_filter(mode: Any) -> None:
    """M4.4: buy on a cross above unless overbought, sell below unless oversold; level: no cross."""
    params = EmaRsiParams(mode=mode, oversold=35, overbought=65)
    strategy, closes = EmaRsi(params), walk(11, 2500)
    seen: set[tuple[SignalKind, bool]] = set()
    for end in range(strategy.lookback, len(closes)):
        window = closes[end - strategy.lookback : end]
        signal = strategy.decide(candles(window))
        fast, slow = plain_ema(window, 8), plain_ema(window, 21)
        rsi = plain_rsi(window, 7, "wilder")
        rises = fast[-1] > slow[-1] and (mode == "level" or fast[-2] <= slow[-2])
        falls = fast[-1] < slow[-1] and (mode == "level" or fast[-2] >= slow[-2])
        expected = SignalKind.NONE
        if rises and rsi < 65:
            expected = SignalKind.BUY
        elif falls and rsi > 35:
            expected = SignalKind.SELL
        assert signal.kind is expected, signal
        seen.add((expected, rises or falls))
    filtered = (SignalKind.NONE, True)
    assert {(SignalKind.BUY, True), (SignalKind.SELL, True), filtered} <= seen


def test_a_mode_of_level_always_has_a_side_but_cross_does_not() -> None:
    """M4.4"""
    rising = candles([100 * 1.0001**i * (1.001 if i % 2 else 1) for i in range(400)])
    assert EmaRsi(EmaRsiParams(mode="level", overbought=99)).decide(rising).kind is SignalKind.BUY
    assert EmaRsi(EmaRsiParams(overbought=99)).decide(rising).reason == "no signal"


def test_fewer_candles_than_the_lookback_are_a_warm_up() -> None:
    """M4.2: the reason for doing nothing is told."""
    strategy = EmaRsi(EmaRsiParams())
    signal = strategy.decide(candles(walk(1, strategy.lookback - 1)))
    assert (signal.kind, signal.reason) == (SignalKind.NONE, "warming up")


def test_one_nan_is_told_and_poisons_nothing() -> None:
    """M4.4: TA-Lib would carry it on to the end."""
    closes = walk(1)
    closes[-100] = float("nan")
    signal = EmaRsi(EmaRsiParams()).decide(candles(closes))
    assert (signal.kind, signal.indicators) == (SignalKind.NONE, {})


def test_flat_prices_are_no_signal() -> None:
    """M4.4: no division by zero."""
    for smoothing in ("wilder", "sma"):
        strategy = load_strategy("ema_rsi", {"smoothing": smoothing})
        signal = evaluate(strategy, candles([100.0] * 400))
        assert (signal.kind, signal.indicators["rsi"]) == (SignalKind.NONE, 0.0)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"fast": 30}, "params: slow must be more than fast (30), was 21"),
        ({"fast": 1}, "params: fast must be at least 2, was 1"),
        ({"oversold": 70}, "oversold and overbought must be 0 <= oversold < overbought"),
        ({"fats": 8}, "params.fats: unknown key"),
        ({"mode": "both"}, "params.mode: not allowed; one of 'cross' or 'level'"),
        ({"rsi_period": 0}, "rsi_period must be from 2 to 250"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, Any], problem: str) -> None:
    """M4.4: checked when the configuration is read."""
    with pytest.raises(ConfigError) as error:
        load_strategy("ema_rsi", params)
    assert problem in str(error.value)


def test_numbers_of_the_configuration_are_taken_as_they_come() -> None:
    """M4.4: TOML numbers with a point are Decimal."""
    strategy = load_strategy("ema_rsi", {"oversold": Decimal("30.5"), "slow": 50})
    assert isinstance(strategy, EmaRsi)
    assert strategy.params.oversold == 30.5
    assert strategy.lookback > 10 * 50


OWN = """
from dataclasses import dataclass
from tradebotd.domain.signal import Signal, SignalKind

@dataclass(frozen=True)
class Params:
    level: int = 3

class Mine:
    Params = Params
    lookback = 1
    def __init__(self, params): self.params = params
    def decide(self, candles): return Signal(kind=SignalKind.BUY, reason=str(self.params.level))
"""


def test_a_strategy_may_come_from_a_file_or_a_module(tmp_path: Path) -> None:
    """M4.5: without touching the package."""
    (tmp_path / "my_strategy.py").write_text(OWN)
    mine = load_strategy("./my_strategy.py:Mine", {"level": 4}, tmp_path)
    assert evaluate(mine, []).reason == "4"
    assert isinstance(load_strategy("tradebotd.strategies.ema_rsi:EmaRsi", {}), EmaRsi)


@pytest.mark.parametrize(
    "name", ["nope", "no.such.module:X", "./no.py:X", "tradebotd.strategies.ema_rsi:Nope"]
)
def test_an_unknown_strategy_is_a_configuration_error(name: str, tmp_path: Path) -> None:
    """M4.5"""
    with pytest.raises(ConfigError, match="strategy"):
        load_strategy(name, {}, tmp_path)
