"""Sandbox for a strategy in our event loop: it has one second, and no access to the outside.

The alarm interrupts Python code in the main thread between two of its instructions; code that
stays inside one C call is reported when it returns. What Python audits (files, sockets,
processes; sleeping in its newer versions) is refused while a strategy decides.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from tradebotd.domain.errors import StrategyError

DECIDE_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 0.05  # code that swallows the first interruption is interrupted again

# https://docs.python.org/3/library/audit_events.html
_REFUSED: Final = (
    *("open", "socket.", "subprocess.", "os.", "shutil.", "tempfile.", "glob.", "sqlite3."),
    *("time.sleep", "urllib.", "http.", "ftplib.", "smtplib.", "pty.", "signal.", "webbrowser."),
)


class _InterruptedError(BaseException):
    """Interruption that is no Exception: a strategy's own `except Exception` must not catch it."""


class _Confinement:
    """State of the sandbox: with one event loop there is one strategy at a time."""

    def __init__(self) -> None:
        self.running = False
        self.hooked = False
        self.reached: str | None = None

    def on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self.running:
            raise _InterruptedError

    def on_event(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if self.running and event.startswith(_REFUSED):
            self.reached = event
            raise _InterruptedError


_confinement: Final = _Confinement()


@contextmanager
def sandboxed(seconds: float = DECIDE_SECONDS, *, pure: bool = True) -> Iterator[None]:
    """Raise StrategyError if the block takes longer, or reaches outside (*pure*).

    Off the main thread there is no alarm: the time is checked afterwards.
    """
    one = _confinement
    if pure and not one.hooked:
        sys.addaudithook(one.on_event)  # for the life of the process; Python has no way back
        one.hooked = True
    one.reached = None
    began = time.perf_counter()
    interruptible = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGALRM, one.on_alarm) if interruptible else None
    left, interval = (
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS) if interruptible else (0, 0)
    )
    try:
        one.running = True
        try:
            yield
        finally:
            one.running = False
    except _InterruptedError:
        raise StrategyError(_why(one.reached, seconds)) from None
    finally:
        if interruptible:
            elapsed = time.perf_counter() - began
            signal.setitimer(
                signal.ITIMER_REAL, max(left - elapsed, 1e-6) if left else 0.0, interval
            )
            signal.signal(signal.SIGALRM, former or signal.SIG_DFL)
    if time.perf_counter() - began > seconds:
        raise StrategyError(_why(None, seconds))


def _why(reached: str | None, seconds: float) -> str:
    if reached is None:
        return f"took longer than {seconds:g} s to decide"
    return f"is not pure: it reached outside ({reached}) while it decided"
