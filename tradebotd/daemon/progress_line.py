"""Last line of a terminal: a replay's progress, kept below the scrolling log."""

import sys
from typing import TextIO

CLEAR = "\r\x1b[2K"


class ProgressLine:
    """Wrapper of a terminal's stream: output scrolls by, the status stays last."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._status = ""

    def write(self, text: str) -> int:
        if not self._status:
            return self._stream.write(text)
        self._stream.write(CLEAR + text)
        if text.endswith("\n"):
            self._stream.write(self._status)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def show(self, status: str) -> None:
        self._status = status
        self._stream.write(CLEAR + status)
        self._stream.flush()

    def finish(self) -> None:
        """Keep the last status as a line of its own."""
        if self._status:
            self._stream.write("\n")
        self._status = ""
        self._stream.flush()


def terminal_line() -> ProgressLine | None:
    """Return a progress line; None off a terminal."""
    return ProgressLine(sys.stderr) if sys.stderr.isatty() else None


def replay_status(share: float | None, market_time: str, rate: float, trades: int) -> str:
    """Format `replay 2022-01-14 07:32 ▕███████     ▏  46 %  412 candles/s  38 trades`."""
    if share is None:
        done = "no end"
    else:
        filled = round(share * 20)
        done = f"▕{'█' * filled}{' ' * (20 - filled)}▏ {share:4.0%}"
    return f"{market_time}  {done}  {rate:,.0f} candles/s  {trades} trades"
