"""SIGTERM, SIGINT and SIGHUP from the first import to the last: the default never applies.

An event loop's handlers come after its imports and go before the process ends; a signal outside
them would end the daemon with the signal's number instead of 0.
"""

import os
import signal
from collections.abc import Callable
from typing import Final

STOP: Final = (signal.SIGTERM, signal.SIGINT)

Receiver = Callable[[int], None]


class Signals:
    """Handlers of the signals. Until a receiver is set, a stop ends the process with a message.

    Nothing has to be cleaned up then; *words* is the message, *exit_code* the code.
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
        """Ignore further signals, since the work is done.

        The kernel itself must ignore them: the interpreter resets handlers written in Python to the
        default when it ends.
        """
        for number in (*STOP, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, _frame: object) -> None:
        self._receiver(number)

    def _leave(self, number: int) -> None:
        """End the process; an exception might be caught by whatever is being imported or read."""
        if number in STOP:
            line = f"tradebotd: stopped by {signal.Signals(number).name}: {self._words}\n"
            os.write(2, line.encode())  # sys.stderr may be in the midst of a line
            os._exit(self._exit_code)
