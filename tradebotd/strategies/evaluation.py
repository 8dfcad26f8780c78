"""Evaluation of a strategy: any error or invalid answer becomes a StrategyError."""

import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import StrategyError, describe_error
from tradebotd.domain.levels import PivotLevels
from tradebotd.domain.signal import Signal, SignalKind
from tradebotd.strategies.base import AnyStrategy, Strategy, needs_levels
from tradebotd.strategies.sandbox import sandboxed


def evaluate(
    strategy: AnyStrategy,
    candles: Sequence[Candle],
    levels: PivotLevels | None = None,
    *,
    pure: bool = True,
) -> Signal:
    """Return the signal on exactly `lookback` candles. Raises StrategyError with the line."""
    said: Any
    try:
        with sandboxed(pure=pure):
            if needs_levels(strategy):
                said = strategy.decide(candles, levels)
            else:
                said = cast("Strategy", strategy).decide(candles)
    except StrategyError:
        raise
    except Exception as error:  # user code at an edge of its own: one bot's failure
        raise StrategyError(f"{storable_error(error)}{_place(error)}") from error
    if not isinstance(said, Signal):
        raise StrategyError(f"returned a {type(said).__name__} instead of a Signal")
    if not isinstance(said.kind, SignalKind):
        raise StrategyError("returned a Signal whose kind is no SignalKind")
    words: tuple[Any, ...] = (said.reason, said.path)
    if not all(isinstance(word, str) for word in words):
        raise StrategyError("returned a Signal whose reason or path is no text")
    return replace(said, reason=storable(said.reason), path=storable(said.path))


def storable_error(error: BaseException) -> str:
    return storable(describe_error(error))


def storable(text: str) -> str:
    """Return *text* as PostgreSQL accepts it: without NUL or lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _place(error: BaseException) -> str:
    """Describe where in the strategy's file the error occurred."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if frame.filename != __file__), None)
    return "" if last is None else f" ({Path(last.filename).name}, line {last.lineno})"
