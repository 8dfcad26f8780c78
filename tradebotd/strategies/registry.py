"""Registry of strategies: a name, `package.module:Class` or `./file.py:Class`.

A name is built in or an entry point of the group `tradebotd.strategies`.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from pydantic import ValidationError

from tradebotd.domain.errors import ConfigError, StrategyError
from tradebotd.domain.near_names import hint
from tradebotd.strategies.base import AnyStrategy
from tradebotd.strategies.evaluation import storable_error
from tradebotd.strategies.param_words import ParamsReader, problems_of
from tradebotd.strategies.validation import validate

ENTRY_POINTS: Final = "tradebotd.strategies"
# Imported when a bot names it: the first brings numpy.
BUILT_IN: Final[Mapping[str, tuple[str, str]]] = {
    "ema_rsi": ("tradebotd.strategies.ema_rsi", "EmaRsi"),
    "pivot_levels": ("tradebotd.strategies.pivot_levels", "PivotLevelsStrategy"),
}


def load_strategy(
    name: str, params: Mapping[str, Any], base_dir: Path | None = None
) -> AnyStrategy:
    """Load the strategy with checked *params*, and try it once; absent ones take its defaults.

    *base_dir* is where `./file.py` starts (the configuration's directory). Raises ConfigError
    whose problems begin with `strategy:` or `params.NAME:`.
    """
    made = _strategy_class(name, base_dir or Path())
    strategy = _shaped(_construct(made, name, _checked(made, name, params)), name)
    try:
        validate(strategy)
    except StrategyError as error:
        raise _problem(name, str(error)) from error
    return strategy


def _problem(name: str, what: str) -> ConfigError:
    return ConfigError([f"strategy: {name}: {what}"])


# The class


def _strategy_class(name: str, base_dir: Path) -> type[Any]:
    if name in BUILT_IN:
        place, class_name = BUILT_IN[name]
        built_in: type[Any] = getattr(importlib.import_module(place), class_name)
        return built_in
    place, colon, class_name = name.rpartition(":")
    if not colon:
        return _from_entry_point(name)
    if place.endswith(".py"):
        try:
            path = base_dir / Path(place).expanduser()
        except RuntimeError as error:
            raise _problem(name, f"no home is known of {Path(place).parts[0]!r}") from error
        module = _file(path, name)
    else:
        module = _module(place, name)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise _problem(name, f"{place} has no class {class_name}")
    return found


def _from_entry_point(name: str) -> type[Any]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - reads every package's metadata

    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        known = sorted({*BUILT_IN, *points})
        ways = "or write package.module:Class or ./file.py:Class"
        raise ConfigError([f"strategy: there is no {name!r}; {hint(name, known)}, {ways}"])
    try:
        found = points[name].load()
    except Exception as error:  # user code may raise anything
        raise _problem(name, storable_error(error)) from error
    if not isinstance(found, type):
        raise _problem(name, f"its entry point {points[name].value} is no class")
    return found


def _module(place: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except Exception as error:  # somebody else's module: whatever it raises is its own
        raise _problem(name, storable_error(error)) from error


def _file(path: Path, name: str) -> ModuleType:
    own = hashlib.sha256(str(path.absolute()).encode(errors="replace")).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"tradebotd_strategy_{path.stem}_{own}", path)
    if spec is None or spec.loader is None:
        raise _problem(name, f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations that are text are looked up
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        raise _problem(name, f"{path} is not there") from error
    except SyntaxError as error:
        raise _problem(name, f"line {error.lineno}: {error.msg}") from error
    except Exception as error:  # somebody else's module: whatever it raises is its own
        raise _problem(name, f"{storable_error(error)} ({path.name})") from error
    return module


# Its parameters, and itself


# Many bots share a strategy, and each is read twice: to be checked, and to run.
_reader_of = lru_cache(maxsize=64)(ParamsReader)


def _checked(made: type[Any], name: str, params: Mapping[str, Any]) -> Any:
    params_class = getattr(made, "Params", None)
    if not isinstance(params_class, type) or not is_dataclass(params_class):
        raise _problem(name, "the class has no Params (a dataclass)")
    try:
        reader = _reader_of(params_class)
    except Exception as error:  # user annotations may raise anything
        raise _problem(name, f"its Params cannot be read: {storable_error(error)}") from error
    known = [field.name for field in fields(params_class)]
    unknown = [_unknown(key, known) for key in params if key not in known]
    wrong = reader.coerced(params)
    try:
        # Params come from TOML, whose numbers with a point are Decimal here.
        checked = reader.read({key: value for key, value in params.items() if key in known})
    except ValidationError as error:
        told = {**problems_of(error), **wrong}
        raise ConfigError([*unknown, *_lines(told)]) from error
    except Exception as error:  # a user's __post_init__ may raise anything
        raise _problem(name, f"its Params cannot be made: {storable_error(error)}") from error
    if unknown or wrong:
        raise ConfigError([*unknown, *_lines(wrong)])
    return checked


def _lines(problems: Mapping[str, str]) -> list[str]:
    return [f"{path}: {words}" for path, words in problems.items()]


def _unknown(key: str, known: list[str]) -> str:
    return f"params.{key}: unknown key; {hint(key, known, nothing='it has none')}"


def _construct(made: type[Any], name: str, params: Any) -> Any:
    try:
        return made(params)
    except Exception as error:  # a user's constructor may raise anything
        raise _problem(name, f"cannot be made: {storable_error(error)}") from error


def _shaped(strategy: Any, name: str) -> AnyStrategy:
    """Return *strategy* if it has the shape of one. Raises ConfigError."""
    decide = getattr(strategy, "decide", None)
    if not callable(decide) or not hasattr(strategy, "lookback"):
        raise _problem(name, "the class needs `lookback` and `decide(candles)`")
    with_levels = bool(getattr(strategy, "needs_levels", False))
    wanted = ("candles", "levels") if with_levels else ("candles",)
    try:
        inspect.signature(decide).bind(*wanted)
    except TypeError as error:
        raise _problem(name, f"decide must take ({', '.join(wanted)}): {error}") from error
    return cast("AnyStrategy", strategy)
