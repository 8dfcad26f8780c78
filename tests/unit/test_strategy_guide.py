"""docs/strategies.md: its files are taken as they stand there."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tradebotd.daemon.wiring.files import load
from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import SignalKind
from tradebotd.strategies.base import AnyStrategy
from tradebotd.strategies.evaluation import evaluate
from tradebotd.strategies.validation import made_up_candles

GUIDE = ROOT / "docs" / "strategies.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def strategy(tmp_path: Path) -> AnyStrategy:
    (tmp_path / "my_strategy.py").write_text(block("python"))
    (tmp_path / "config.toml").write_text(block("toml"))
    _, files = load(tmp_path / "config.toml")
    return files.strategies[BotName("mine")]


def test_the_strategy_of_the_guide_passes_check_and_signals_both_ways(
    strategy: AnyStrategy,
) -> None:
    """M4.5: a new user's first strategy, from the very text of the guide."""
    candles = made_up_candles(200)
    kinds = {
        evaluate(strategy, candles[end - strategy.lookback : end]).kind
        for end in range(strategy.lookback, len(candles))
    }
    assert kinds == {SignalKind.BUY, SignalKind.SELL, SignalKind.NONE}


def test_its_signal_is_what_its_words_say(strategy: AnyStrategy) -> None:
    """M4.5: by hand: fourteen closes of 100 and one of 99 lie 0.93 % above it on average."""
    flat = [Candle(each.ts, 100, 100, 100, 100, 1) for each in made_up_candles(15)]
    fallen = [*flat[:-1], Candle(flat[-1].ts, 100, 100, 99, 99, 1)]
    said = evaluate(strategy, fallen)
    assert said.kind is SignalKind.BUY
    assert said.indicators["average"] == pytest.approx(1499 / 15)
    assert evaluate(strategy, flat).kind is SignalKind.NONE
