"""TA-Lib's functions on float64 arrays, loaded without pandas and polars where possible.

TA-Lib imports both, if installed, to accept their series and frames: half of the daemon's start
time and a quarter of its memory, for types that are never passed here. Only its compiled module
is loaded. A later `import talib`, such as a strategy's, still gets everything.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

_PACKAGE: Final = "talib"
_COMPILED: Final = "talib._ta_lib"
_LIBRARIES: Final = ("pandas", "polars")


class _GivesTheRest:
    """Import finder that finds nothing, but notices when talib is about to be imported."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the protocol of finders
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if name == _PACKAGE:
            sys.meta_path.remove(self)
            for library in _LIBRARIES:
                self._teach(library)
        return None

    def _teach(self, library: str) -> None:
        """Register the types of *library*, as the compiled module does where it finds it."""
        try:
            module = __import__(library)
        except ImportError:
            return
        compiled, name = self._compiled, library.upper()
        setattr(compiled, f"_{name}_DATAFRAME", module.DataFrame)
        setattr(compiled, f"_{name}_SERIES", module.Series)
        if module.DataFrame not in compiled._INPUT_ARRAYS_TYPES:  # noqa: SLF001
            compiled._INPUT_ARRAYS_TYPES += (module.DataFrame,)  # noqa: SLF001


@contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Make imports of *names* fail during the block, as if they were not installed."""
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None: refused
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextmanager
def _empty_package() -> Iterator[None]:
    """Provide an empty package, in which the compiled module looks for its imports first."""
    package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
    package.__path__ = []
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]


def _compiled() -> ModuleType:
    """Load TA-Lib's compiled module the way `talib/__init__.py` of 0.8 does."""
    if _COMPILED in sys.modules:
        return sys.modules[_COMPILED]
    package = find_spec(_PACKAGE)
    where = None if package is None else package.submodule_search_locations
    spec = PathFinder.find_spec(_COMPILED, where)
    if spec is None or spec.loader is None:
        import talib  # noqa: PLC0415 - says what is missing, or is made otherwise

        return talib
    with _hidden([name for name in _LIBRARIES if name not in sys.modules]), _empty_package():
        module = module_from_spec(spec)
        sys.modules[_COMPILED] = module
        spec.loader.exec_module(module)
    module._ta_initialize()  # noqa: SLF001
    sys.meta_path.insert(0, _GivesTheRest(module))
    return module


_functions: Final[Any] = _compiled()
# As they are now: once talib is imported whole, it puts wrappers in their places.
_ema, _rsi, _atr = _functions.EMA, _functions.RSI, _functions.ATR


def exponential_average(values: Floats, period: int) -> Floats:
    averages: Floats = _ema(values, period)
    return averages


def relative_strength(values: Floats, period: int) -> Floats:
    """Return Wilder's RSI, from 0 to 100."""
    strengths: Floats = _rsi(values, period)
    return strengths


def average_true_range(highs: Floats, lows: Floats, closes: Floats, period: int) -> Floats:
    """Return the ATR with Wilder's smoothing."""
    ranges: Floats = _atr(highs, lows, closes, period)
    return ranges
