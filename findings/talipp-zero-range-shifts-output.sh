#!/usr/bin/env bash
# talipp 2.7.0: a candle at which CCI, VTX or ROC divides by zero is kept as input and has no output,
# so every later output stands one place too early, for as long as the indicator lives.
#
# Expected: None for what cannot be computed, and as many outputs as candles; or the candle refused whole,
#   so that it may be added again.
# Seen on 2026-11-29 (talipp 2.7.0, Python 3.11): six candles at one price, then 40 that move.
#   - CCI(5) raises ZeroDivisionError at three of them, VTX(5) at one; both keep the candle:
#     46 inputs stand beside 43 and 45 outputs, which never meet again. ROC(3) does so at a price of 0.
#   - RSI, STOCHRSI and STOCH do not raise on the still candles: they are 100, "overbought" (TA-Lib 0.8.2
#     says 0, "oversold", of the same candles).
#   - with input_sampling, a candle that comes late is appended behind newer ones as a candle of its own.
# What follows: an indicator that has raised is made anew from its candles; only its last output is read,
#   never one by the candle's number; and a series is put in order before it is handed over.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "talipp==2.7.0"
cat >"$work/look.py" <<'PY'
import math
import sys
from datetime import UTC, datetime, timedelta

from talipp.indicators import ATR, CCI, ROC, RSI, Stoch, StochRSI, VTX
from talipp.input import SamplingPeriodType
from talipp.ohlcv import OHLCV

still = [OHLCV(100.0, 100.0, 100.0, 100.0, 1.0)] * 6
moving = [
    OHLCV(price, price + 1, price - 1, price, 1.0)
    for price in (100 + 5 * math.sin(step) for step in range(40))
]


def missing(indicator, values):
    """How many outputs are missing once all *values* were added, whatever was raised."""
    raised = 0
    for value in values:
        try:
            indicator.add(value)
        except ZeroDivisionError:
            raised += 1
    return raised, len(values) - len(indicator)


seen = {
    "CCI": missing(CCI(5), still + moving),
    "VTX": missing(VTX(5), still + moving),
    "ROC": missing(ROC(3), [0.0] * 4 + [bar.close for bar in moving]),
}
for name, (raised, short) in seen.items():
    print(f"{name}: raised {raised} times, {short} outputs fewer than candles")

closes = [100.0] * 40
top = {
    "RSI": RSI(14, closes)[-1],
    "StochRSI": StochRSI(14, 14, 3, 3, closes)[-1].k,
    "Stoch": Stoch(14, 3, still * 6)[-1].k,
}
print("a market that stands still:", top)

start = datetime(2026, 1, 1, tzinfo=UTC)
sampled = ATR(3, input_sampling=SamplingPeriodType.MIN_5)
for minute in (0, 1, 5, 6, 10, 3):  # the last one comes late
    sampled.add(OHLCV(100.0, 101.0, 99.0, 100.0, 1.0, start + timedelta(minutes=minute)))
times = [bar.time.minute for bar in sampled.input_values]
print("minutes of the sampled candles:", times)

sys.exit(
    0
    if seen == {"CCI": (3, 3), "VTX": (1, 1), "ROC": (4, 4)}
    and set(top.values()) == {100.0}
    and times == [1, 6, 10, 3]
    else 1
)
PY
"$work/venv/bin/python" "$work/look.py"
