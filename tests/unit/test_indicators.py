"""TA-Lib's compiled half, alone and whole."""

import subprocess
import sys

import pytest

ALONE = """
import sys
from tradebotd.strategies import indicators
assert not {"talib", "pandas", "polars"} & sys.modules.keys()
"""
WHOLE = """
import numpy, pandas
import talib.abstract
closes = pandas.Series([100.0 + n % 7 for n in range(60)])
alone = indicators.exponential_average(closes.to_numpy(), 8)
plain = talib.EMA(closes.to_numpy(), 8)
assert numpy.array_equal(alone, plain, equal_nan=True)
assert isinstance(alone, numpy.ndarray)
of_series = talib.EMA(closes, 8)
assert isinstance(of_series, pandas.Series)
of_frame = talib.abstract.EMA(pandas.DataFrame({"close": closes}), 8)
assert isinstance(of_frame, pandas.Series)
assert numpy.array_equal(of_frame, plain, equal_nan=True)
assert numpy.array_equal(of_series, plain, equal_nan=True)
"""
BEFORE = "import talib\nfrom tradebotd.strategies import indicators\n"


def test_neither_pandas_nor_polars_is_imported() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)


@pytest.mark.parametrize("first", [ALONE, BEFORE])
def test_whoever_imports_talib_gets_all_of_it(first: str) -> None:
    """A strategy may pass series and frames, whether it came before us or after."""
    pytest.importorskip("pandas")
    subprocess.run([sys.executable, "-c", first + WHOLE], check=True, timeout=60)
