#!/usr/bin/env bash
# ta 0.11.0 and stockstats 0.6.10: values where there are not enough candles yet, and no sign that they are none.
#
# Expected: NaN until a window is full, as TA-Lib and pandas' own rolling do; the usual scale.
# Seen on 2026-11-29 (ta 0.11.0, stockstats 0.6.10, pandas 3.1.1, numpy 2.4.6, Python 3.11), 200 candles:
#   - ta: ATR(14) is 0.0 for its first 13 candles and ADX(14) for more than its first 26, while RSI(14)
#     and MFI(14) of the same package are NaN for theirs. A stop of "2 x ATR" lies at the entry's price.
#     Its RSI(14) begins as an exponential mean and not with Wilder's average of the first 14 changes: 52.3
#     instead of 57.3 at the 15th candle of these.
#   - stockstats: no column is ever NaN. RSI(14) is 50 at the first candle and 100 or 0 at the second, so
#     that a bot "overbought at 70" trades two candles after a start; SMA(5) of one candle is its price.
#   - stockstats: MFI runs from 0 to 1; ta and TA-Lib have it from 0 to 100.
# What follows: how many candles an indicator needs is counted outside it, and nothing before that is read.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ta==0.11.0" "stockstats==0.6.10" "pandas==3.1.1" "numpy==2.4.6"
cat >"$work/look.py" <<'PY'
import sys
import warnings

warnings.simplefilter("ignore")
import numpy as np
import pandas as pd
from stockstats import wrap
from ta.momentum import RSIIndicator
from ta.trend import ADXIndicator
from ta.volatility import AverageTrueRange
from ta.volume import MFIIndicator

close = 100 + np.cumsum(np.random.default_rng(1).normal(0, 1, 200))
frame = pd.DataFrame(
    {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10.0}
)
high, low = frame.high, frame.low
atr = AverageTrueRange(high, low, frame.close, 14).average_true_range()
adx = ADXIndicator(high, low, frame.close, 14).adx()
rsi = RSIIndicator(frame.close, 14).rsi()
mfi = MFIIndicator(high, low, frame.close, frame.volume, 14).money_flow_index()

changes = np.diff(close[:15])
gain, loss = changes[changes > 0].sum(), -changes[changes < 0].sum()
wilder = 100 * gain / (gain + loss)  # J. Welles Wilder, 1978: the first average is a plain mean

stats = wrap(frame.copy())
early, scale = stats["rsi_14"], stats["mfi_14"]
print("ta: zeros of ATR", (atr == 0).sum(), "of ADX", (adx == 0).sum(), "NaN of RSI", rsi.isna().sum())
print("ta: RSI at the 15th candle", round(rsi[14], 1), "by Wilder", round(wilder, 1))
print("stockstats: RSI", early.iloc[:3].tolist(), "NaN", early.isna().sum())
print("stockstats: MFI", round(scale.iloc[-1], 3), "ta", round(mfi.iloc[-1], 1))
sys.exit(
    0
    if (atr[:13] == 0).all()
    and (adx[:26] == 0).all()
    and rsi[:13].isna().all()
    and mfi[:13].isna().all()
    and abs(rsi[14] - wilder) > 1
    and early[0] == 50
    and early[1] in (0, 100)
    and not early.isna().any()
    and scale.max() <= 1
    else 1
)
PY
"$work/venv/bin/python" "$work/look.py"
