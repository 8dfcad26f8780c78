"""TA-Lib's functions, asked of its C library.

Its Python package imports numpy, and pandas and polars where it can, to take their arrays, series
and frames as well: a fifth of the daemon's start and of its memory, for what is never passed here.
A strategy that imports talib gets all of it.
"""

import ctypes
import math
import sys
from array import array
from collections.abc import Callable, Iterable
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

_PACKAGE: Final = "talib"
_COMPILED: Final = "talib._ta_lib"
_GOOD: Final = 0
_DOUBLE: Final = ctypes.sizeof(ctypes.c_double)
_LONGEST_PERIOD: Final = 100_000  # of TA-Lib's own; a C int would be cut without a word

_UNKNOWN: Final = array("d", [math.nan])

Floats: TypeAlias = "array[float]"


def _library() -> ctypes.CDLL:
    """The package's compiled half, opened without being imported: it leads to the C library.

    Raises ImportError.
    """
    package = find_spec(_PACKAGE)
    where = None if package is None else package.submodule_search_locations
    spec = PathFinder.find_spec(_COMPILED, where)
    if spec is None or spec.origin is None:
        raise ImportError(f"{_COMPILED} is not installed, or built otherwise", name=_COMPILED)
    try:
        library = ctypes.CDLL(spec.origin)
        # Once: it forgets what a strategy has set by the package, which does it as well.
        code = _GOOD if _COMPILED in sys.modules else library.TA_Initialize()
    except (OSError, AttributeError) as error:
        raise ImportError(f"{spec.origin}: {error}", name=_COMPILED) from error
    if code != _GOOD:
        raise ImportError(f"{spec.origin}: TA_Initialize ended with {code}", name=_COMPILED)
    return library


_compiled: Final = _library()


def _function(name: str, inputs: int) -> Callable[..., int]:
    """`name(first, last, input…, period, &begins, &count, output)`, as in its ta_func.h.

    Raises ImportError.
    """
    try:
        function: Any = getattr(_compiled, name)
    except AttributeError as error:
        raise ImportError(f"TA-Lib has no {name}", name=_COMPILED) from error
    whole, wholes, doubles = ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_void_p
    function.restype = whole
    function.argtypes = [whole, whole, *[doubles] * inputs, whole, wholes, wholes, doubles]
    found: Callable[..., int] = function
    return found


_ema: Final = _function("TA_EMA", 1)
_rsi: Final = _function("TA_RSI", 1)
_atr: Final = _function("TA_ATR", 3)


def floats(values: Iterable[float]) -> Floats:
    """*values* as the functions below take them."""
    return array("d", values)


def exponential_average(values: Floats, period: int) -> Floats:
    return _over(_ema, (values,), period)


def relative_strength(values: Floats, period: int) -> Floats:
    """Return Wilder's RSI, from 0 to 100."""
    return _over(_rsi, (values,), period)


def average_true_range(highs: Floats, lows: Floats, closes: Floats, period: int) -> Floats:
    """Return the ATR with Wilder's smoothing."""
    return _over(_atr, (highs, lows, closes), period)


def _over(function: Callable[..., int], inputs: tuple[Floats, ...], period: int) -> Floats:
    """One value for each, NaN while it warms up, as the Python package has it.

    Raises ValueError when TA-Lib does not take the period, or the inputs are not equally long.
    """
    size = len(inputs[0])
    for each in inputs:
        if len(each) != size or not size:
            raise ValueError(f"{len(each)} and {size} values: as many of each, and one at least")
    if not 1 <= period <= _LONGEST_PERIOD:
        raise ValueError(f"a period is from 1 to {_LONGEST_PERIOD}, was {period}")
    skipped = _unknown_at_first(inputs, size)
    output = array("d", bytes(size * _DOUBLE))
    begins, count = ctypes.c_int(), ctypes.c_int()
    code = function(
        0,
        size - skipped - 1,
        *[each.buffer_info()[0] + skipped * _DOUBLE for each in inputs],
        period,
        ctypes.byref(begins),
        ctypes.byref(count),
        output.buffer_info()[0],
    )
    if code != _GOOD:
        raise ValueError(f"TA-Lib ended with {code} for a period of {period}")
    known = count.value
    return _UNKNOWN * (size - known) + output[:known]


def _unknown_at_first(inputs: tuple[Floats, ...], size: int) -> int:
    """Count the first that have no value; the last one counts as if it had."""
    for place in range(size - 1):
        for each in inputs:
            if each[place] != each[place]:
                break
        else:
            return place
    return size - 1
