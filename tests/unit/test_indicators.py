"""TA-Lib's C library, asked without its Python package, says the very same."""

import math
import subprocess
import sys
from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebotd.strategies import indicators
from tradebotd.strategies.indicators import floats

ALONE = """
import sys
from tradebotd.strategies import indicators
assert not {"talib", "numpy", "pandas", "polars"} & sys.modules.keys()
"""
WHOLE = """
import numpy, pandas
import talib.abstract
closes = pandas.Series([100.0 + n % 7 for n in range(60)])
alone = numpy.array(indicators.exponential_average(indicators.floats(closes), 8))
plain = talib.EMA(closes.to_numpy(), 8)
assert numpy.array_equal(alone, plain, equal_nan=True)
of_series = talib.EMA(closes, 8)
assert isinstance(of_series, pandas.Series)
of_frame = talib.abstract.EMA(pandas.DataFrame({"close": closes}), 8)
assert isinstance(of_frame, pandas.Series)
assert numpy.array_equal(of_frame, plain, equal_nan=True)
assert numpy.array_equal(of_series, plain, equal_nan=True)
"""
BEFORE = "import talib\nfrom tradebotd.strategies import indicators\n"
SET = """
import talib
talib.set_unstable_period("EMA", 5)
from tradebotd.strategies import indicators
assert talib.get_unstable_period("EMA") == 5
"""

PRICES = st.one_of(
    st.floats(0.01, 1e6), st.sampled_from([0.0, math.nan, math.inf, -math.inf, 1e308])
)


def test_no_library_of_arrays_is_imported() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)


@pytest.mark.parametrize("first", [ALONE, BEFORE])
def test_whoever_imports_talib_gets_all_of_it(first: str) -> None:
    """A strategy may pass series and frames, whether it came before us or after."""
    pytest.importorskip("pandas")
    subprocess.run([sys.executable, "-c", first + WHOLE], check=True, timeout=60)


def test_what_a_strategy_has_set_stays_set() -> None:
    subprocess.run([sys.executable, "-c", SET], check=True, timeout=60)


@given(
    known=st.lists(PRICES, min_size=1, max_size=120),
    unknown=st.integers(0, 5),
    period=st.integers(2, 40),
)
@settings(max_examples=300, deadline=None)
def test_every_bit_is_that_of_the_python_package(
    known: list[float], unknown: int, period: int
) -> None:
    """M4.4: with prices that are no numbers at the start, in the midst or at the end as well."""
    talib: Any = pytest.importorskip("talib")
    numpy: Any = pytest.importorskip("numpy")
    closes = floats([math.nan] * unknown + known)
    highs, lows = floats([each + 0.5 for each in closes]), floats([each - 0.25 for each in closes])
    theirs = [numpy.array(each) for each in (highs, lows, closes)]

    for ours, packages in (
        (indicators.exponential_average(closes, period), talib.EMA(theirs[2], period)),
        (indicators.relative_strength(closes, period), talib.RSI(theirs[2], period)),
        (indicators.average_true_range(highs, lows, closes, period), talib.ATR(*theirs, period)),
    ):
        assert numpy.array_equal(numpy.array(ours), packages, equal_nan=True)


@pytest.mark.parametrize("period", [-1, 0, 100_001, 2**32 + 8])
def test_a_period_that_talib_does_not_take_is_refused(period: int) -> None:
    """Not cut down to a C int."""
    with pytest.raises(ValueError, match="period"):
        indicators.exponential_average(floats(range(60)), period)


def test_inputs_are_equally_long_and_not_empty() -> None:
    """What is read beyond its end would be anything."""
    long, short = floats(range(60)), floats(range(59))

    for inputs in ((long, short, long), (short, long, long), (long, long, short)):
        with pytest.raises(ValueError, match="as many of each"):
            indicators.average_true_range(*inputs, 14)
    with pytest.raises(ValueError, match="one at least"):
        indicators.relative_strength(array("d"), 14)
