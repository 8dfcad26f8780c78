#!/usr/bin/env bash
# TA-Lib 0.8.2: a market that does not move is both oversold and overbought; MAX and MIN pass over a NaN.
#
# Expected: NaN or the middle of the scale where nothing has moved (0 / 0); NaN wherever the window
#   holds a NaN, as SMA does (which then stays NaN to the end).
# Seen on 2026-11-28 (TA-Lib 0.8.2 with C library 0.8.1, numpy 2.4.6, Python 3.11), 40 equal prices:
#   - RSI, CMO, MFI, STOCH, STOCHRSI, ULTOSC are 0.0 (of these RSI, MFI, STOCH, STOCHRSI, ULTOSC: the
#     far end of "oversold"), and WILLR is 0.0, which is the far end of "overbought".
#   - MFI is 0.0 also for prices that rise every minute, where the volume is 0.
#   - one NaN makes every later SMA NaN, while MAX and MIN answer on as if that price had not been.
# What follows: a halted symbol "signals" by level; an oscillator is asked only where something moved,
#   and a series is checked for NaN before it is handed over.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ta-lib==0.8.2" "numpy==2.4.6"
cat >"$work/look.py" <<'PY'
import sys

import numpy as np
import talib

flat, volume = np.full(40, 100.0), np.full(40, 10.0)
rising = flat + np.arange(40.0)
seen = {
    "RSI": talib.RSI(flat, 14)[-1],
    "CMO": talib.CMO(flat, 14)[-1],
    "MFI": talib.MFI(flat, flat, flat, volume, 14)[-1],
    "MFI rising, no volume": talib.MFI(rising, rising, rising, np.zeros(40), 14)[-1],
    "STOCH": talib.STOCH(flat, flat, flat)[0][-1],
    "STOCHRSI": talib.STOCHRSI(flat)[0][-1],
    "ULTOSC": talib.ULTOSC(flat, flat, flat)[-1],
    "WILLR": talib.WILLR(flat, flat, flat, 14)[-1],
}
gap = rising.copy()
gap[20] = np.nan
averages = talib.SMA(gap, 5)
highest, lowest = talib.MAX(gap, 5), talib.MIN(gap, 5)
for what, value in seen.items():
    print(f"{what}: {value}")
print("SMA from the gap on:", averages[20:], "MAX:", highest[20:25], "MIN:", lowest[20:25])
sys.exit(
    0
    if all(value == 0.0 for value in seen.values())
    and np.isnan(averages[20:]).all()
    and not np.isnan(highest[20:]).any()
    and not np.isnan(lowest[20:]).any()
    else 1
)
PY
"$work/venv/bin/python" "$work/look.py"
