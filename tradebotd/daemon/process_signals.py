"""SIGTERM, SIGINT and SIGHUP from the first import to the last: no moment is left to the default.

A loop's own handlers are gone before the process is, and come after its imports; a signal then
would end the daemon with the signal's number instead of 0.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

STOP: Final = (signal.SIGTERM, signal.SIGINT)

Receiver = Callable[[int], None]


class Signals:
    """Before anybody receives them, a stop ends the process: there is nothing to put in order.

    It says so by *words*, and by *exit_code*.
    """

    def __init__(self, words: str = "nothing was started", exit_code: int = 0) -> None:
        self._words = words
        self._exit_code = exit_code
        self._receiver: Receiver = self._leave
        for number in (*STOP, signal.SIGHUP):
            signal.signal(number, self._handle)

    def receive_by(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def ignore(self) -> None:
        """What comes after the work is done changes nothing any more.

        Not even while the interpreter ends, which puts handlers written in Python back to the
        default: only what the kernel itself ignores stays ignored.
        """
        for number in (*STOP, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, _frame: object) -> None:
        self._receiver(number)

    def _leave(self, number: int) -> None:
        """Not by an exception: whatever is being imported or read may take it for its own."""
        if number in STOP:
            line = f"tradebotd: stopped by {signal.Signals(number).name}: {self._words}\n"
            os.write(2, line.encode())  # sys.stderr may be in the midst of a line
            os._exit(self._exit_code)
