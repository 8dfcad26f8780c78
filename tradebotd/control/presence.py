"""That a daemon runs which holds the account behind a socket's path, also while the file is gone.

A name in the kernel (an abstract socket) that nobody can delete, and that ends with the process:
`tradebotctl` asks it whose process it is, and nothing else is answered there.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


class Presence:
    """Raises OSError: somebody else has the name, or there are no such sockets here."""

    def __init__(self, name: bytes) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(name)
            self._listener.listen()
            self._listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        except OSError:
            self._listener.close()
            raise

    def hang_up(self) -> None:
        """Whoever has asked knows already: the kernel has told."""
        with suppress(OSError):
            while True:
                self._listener.accept()[0].close()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def present(name: bytes) -> Iterator[Presence | None]:
    """None where it could not be: `tradebotctl` then knows less, and nothing else is lost."""
    try:
        presence = Presence(name)
    except OSError as error:
        log.warning("only the control socket says that we are here", error=str(error))
        yield None
        return
    try:
        yield presence
    finally:
        presence.close()


def name_of(path: Path) -> bytes:
    """Whatever way the path was written; `tradebotd/cli/client.py` makes the same. Blocks."""
    return b"\0tradebotd/" + sha256(os.fsencode(os.path.realpath(path))).hexdigest().encode()
