"""From the configuration to a strategy: a name, `package.module:Class`, `./file.py:Class`."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from tradebotd.domain.errors import ConfigError
from tradebotd.strategies.base import Strategy
from tradebotd.strategies.ema_rsi import EmaRsi

BUILT_IN: Final[Mapping[str, type[Any]]] = {"ema_rsi": EmaRsi}


def load_strategy(name: str, params: Mapping[str, Any], base_dir: Path | None = None) -> Strategy:
    """The strategy *name* with checked *params*; absent ones take the strategy's defaults.

    *base_dir* is where `./file.py` starts (the configuration's directory). Raises ConfigError.
    """
    made = _strategy_class(name, base_dir or Path())
    params_class = getattr(made, "Params", None)
    if params_class is None:
        raise ConfigError([f"strategy {name}: the class has no Params (a dataclass)"])
    try:
        # Params come from TOML, whose numbers with a point are Decimal here.
        checked = TypeAdapter(params_class).validate_python(dict(params))
    except ValidationError as error:
        raise ConfigError(_problems(error)) from error
    strategy = made(checked)
    if not callable(getattr(strategy, "decide", None)) or not hasattr(strategy, "lookback"):
        raise ConfigError([f"strategy {name}: the class needs `lookback` and `decide(candles)`"])
    return cast("Strategy", strategy)


def _strategy_class(name: str, base_dir: Path) -> type[Any]:
    if name in BUILT_IN:
        return BUILT_IN[name]
    place, colon, class_name = name.rpartition(":")
    if not colon:
        known = ", ".join(sorted(BUILT_IN))
        raise ConfigError(
            [f"strategy {name} is unknown: {known}, package.module:Class or ./file.py:Class"]
        )
    module = _file(base_dir / place, name) if place.endswith(".py") else _module(place, name)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise ConfigError([f"strategy {name}: {place} has no class {class_name}"])
    return found


def _module(place: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except (ImportError, SyntaxError, ValueError) as error:
        raise ConfigError([f"strategy {name}: {type(error).__name__}: {error}"]) from error


def _file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tradebotd_strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError([f"strategy {name}: {path} is not a Python file"])
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, ImportError, SyntaxError) as error:
        raise ConfigError([f"strategy {name}: {type(error).__name__}: {error}"]) from error
    return module


def _problems(error: ValidationError) -> list[str]:
    """`params.slow: slow must be more than fast (8), was 5`."""
    lines = []
    for detail in error.errors():
        path = ".".join(["params", *(str(part) for part in detail["loc"])])
        message = (
            "unknown key" if detail["type"] == "unexpected_keyword_argument" else detail["msg"]
        )
        lines.append(f"{path}: {message.removeprefix('Value error, ')}")
    return lines
