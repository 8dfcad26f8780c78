"""Recorded candles for tests: real ones where they are at hand, seeded synthetic ones elsewhere."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

# What the recorded files are known for: first minute, price, whether it trades around the clock.
_SHAPES = {
    "BTCPERP": (datetime(2021, 12, 31, 23, 1, tzinfo=UTC), 46_319.0, 1.0, True),
    "SPY": (datetime(2013, 10, 4, 8, 6, tzinfo=UTC), 167.65, 0.01, False),
    "DE30EUR": (datetime(2019, 2, 20, 0, 15, tzinfo=UTC), 11_316.7, 0.1, False),
    "SX5E": (datetime(2024, 7, 29, 7, 2, tzinfo=UTC), 4_873.8, 0.01, False),
}
_FALLBACK = (datetime(2022, 12, 13, tzinfo=UTC), 100.0, 0.01, True)


def recorded_csv(symbol: str, directory: Path, *, minutes: int | None = None) -> Path:
    """`SYMBOL_1m.csv` in *directory*: the first *minutes* rows of the recording, or invented."""
    target = directory / f"{symbol}_1m.csv"
    folder = os.environ.get("TRADEBOTD_TEST_DATA")
    source = Path(folder) / target.name if folder else None
    if source is not None and source.exists():
        lines = source.read_text().splitlines(keepends=True)
        target.write_text("".join(lines if minutes is None else lines[: minutes + 1]))
    else:
        write_synthetic_csv(target, symbol, minutes=minutes or 2_880)
    return target


def write_synthetic_csv(target: Path, symbol: str, *, minutes: int, seed: int = 1) -> None:
    """A random walk with holes: a few missing minutes, and nights for what does not trade then."""
    start, price, tick, always = _SHAPES.get(symbol, _FALLBACK)
    chance = Random(f"{seed}:{symbol}")
    digits = len(f"{tick:f}".rstrip("0").partition(".")[2])
    ts, lines = start, ["ts,open,high,low,close,volume\n"]
    while len(lines) <= minutes:
        if chance.random() > 0.01 and (always or 7 <= ts.hour < 22):
            steps = [price * (1 + chance.gauss(0, 0.0006)) for _ in range(4)]
            walk = [round(max(tick, round(step / tick) * tick), digits) for step in (price, *steps)]
            stamp = ts.isoformat().replace("+00:00", "Z")
            volume = round(chance.expovariate(0.01), 3)
            lines.append(f"{stamp},{walk[0]},{max(walk)},{min(walk)},{walk[-1]},{volume}\n")
            price = walk[-1]
        ts += timedelta(minutes=1)
    target.write_text("".join(lines))
