"""Text for what a bot is doing or waiting for. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from tradebotd.domain.bot import BotSpec

SIGNAL: Final = "waits for a signal"
SETTLED: Final = {
    "pending": "waits for its first cycle",
    "running": SIGNAL,
    "waiting (no signal)": SIGNAL,
    "waiting (position_closed)": SIGNAL,
    "waiting (warming up)": "warming up: waits for candles",
    "waiting (no fresh candle)": "waits for a fresh candle",
    "waiting (no fresh price)": "waits for a fresh price",
    "waiting (market closed)": "waits for the market to open",
    "waiting (order pending)": "waits for an order's answer",
    "waiting (entry resting)": "waits for its entry to fill",
    "waiting (configuration changed)": SIGNAL,
}
AS_IT_IS: Final = ("paused", "stopped", "error")


def doing(
    row: Mapping[str, Any], *, held: bool, trades: int, spec: BotSpec | None, halted: bool
) -> str:
    """Describe a bot. *row*: of `reports.bots`; *trades*: its day's entries, as limited."""
    status = str(row["status"])
    if row["orphaned"]:
        kept: str | None = "not configured"
    elif status.startswith(AS_IT_IS):
        kept = status
    elif halted:
        kept = "halted"
    else:
        kept = None
    if held:
        unusual = None if status in SETTLED else status
        return ", ".join(word for word in ("in position", kept or unusual) if word)
    return kept or _waits(status, trades, spec)


def _waits(status: str, trades: int, spec: BotSpec | None) -> str:
    most = None if spec is None else spec.limits.max_daily_trades
    if most is not None and trades >= most:
        return f"waits for its next day ({trades} of {most} entries)"
    if status in SETTLED:
        return SETTLED[status]
    return f"{SIGNAL} ({_reason(status)})"


def _reason(status: str) -> str:
    """Return what last prevented an entry: `max_exposure` of `waiting (max_exposure)`."""
    return status.partition("(")[2].removesuffix(")") or status
