"""Files as freqtrade and ccxt leave them: made by the same calls of pandas and json as theirs.

freqtrade (2026.9) keeps a frame of `date` (UTC) and five columns of floats, a file a pair and
timeframe: PAIR-TIMEFRAME.feather by default; json, jsongz and parquet by `--data-format-ohlcv`. ccxt's
(4.5) `fetch_ohlcv` returns lists of [ms, open, high, low, close, volume], of which people keep JSON, or
CSV by pandas or the csv module.
"""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from tradebotd.domain.candle import Candle

Write = Callable[[Path, Sequence[Candle]], None]
_COLUMNS: Final = ["date", "open", "high", "low", "close", "volume"]
_CCXT: Final = ["timestamp", "open", "high", "low", "close", "volume"]


def ccxt_lists(candles: Sequence[Candle]) -> list[list[float]]:
    """What `fetch_ohlcv` returns."""
    return [
        [int(c.ts.timestamp() * 1000), c.open, c.high, c.low, c.close, c.volume] for c in candles
    ]


def frame(candles: Sequence[Candle]) -> pd.DataFrame:
    """freqtrade's, as it makes one from what ccxt returns."""
    made = pd.DataFrame(ccxt_lists(candles), columns=_COLUMNS)
    made["date"] = pd.to_datetime(made["date"], unit="ms", utc=True).dt.floor("1min")
    return made.astype(dict.fromkeys(_COLUMNS[1:], "float"))


def freqtrade_feather(path: Path, candles: Sequence[Candle]) -> None:
    frame(candles).to_feather(path, compression_level=9, compression="lz4")


def freqtrade_parquet(path: Path, candles: Sequence[Candle]) -> None:
    frame(candles).to_parquet(path)


def freqtrade_json(path: Path, candles: Sequence[Candle]) -> None:
    """Without names: rows in the order of the columns, times in milliseconds."""
    made = frame(candles)
    made["date"] = made["date"].dt.as_unit("ms").astype("int64")
    packed = "gzip" if path.name.endswith(".gz") else None
    made.to_json(path, orient="values", compression=packed)


def ccxt_json(path: Path, candles: Sequence[Candle]) -> None:
    path.write_text(json.dumps(ccxt_lists(candles)))


def ccxt_csv_of_pandas(path: Path, candles: Sequence[Candle]) -> None:
    pd.DataFrame(ccxt_lists(candles), columns=_CCXT).to_csv(path, index=False)


def ccxt_csv_with_dates(path: Path, candles: Sequence[Candle]) -> None:
    """The tutorials' frame: `pd.to_datetime(…, unit="ms")` has no zone."""
    made = pd.DataFrame(ccxt_lists(candles), columns=_CCXT)
    made["timestamp"] = pd.to_datetime(made["timestamp"], unit="ms")
    made.to_csv(path, index=False)


def ccxt_csv_without_names(path: Path, candles: Sequence[Candle]) -> None:
    """The lists as they are, as ccxt's own example writes them: no header."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(ccxt_lists(candles))
