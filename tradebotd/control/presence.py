"""Presence of a running daemon behind a socket's path, also while the socket file is gone.

The name is an abstract socket, which cannot be deleted and ends with the process. `tradebotctl`
asks the kernel which process owns it; the socket itself answers nothing.
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
    """Owner of the abstract name. Raises OSError: the name is taken, or not supported here."""

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
        """Close pending connections: the kernel has already named the process to each client."""
        with suppress(OSError):
            while True:
                self._listener.accept()[0].close()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def present(name: bytes) -> Iterator[Presence | None]:
    """Hold the name during the block. Yields None if that fails: only a hint is lost."""
    try:
        presence = Presence(name)
    except OSError as error:
        log.warning("presence socket not opened", error=str(error))
        yield None
        return
    try:
        yield presence
    finally:
        presence.close()


def name_of(path: Path) -> bytes:
    """Return the name of *path*, in whatever form it is written. Blocks.

    The same rule is in `tradebotd/cli/client.py`.
    """
    return b"\0tradebotd/" + sha256(os.fsencode(os.path.realpath(path))).hexdigest().encode()
