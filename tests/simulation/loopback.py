"""Connections within one process: what one end has sent and the other has not got yet.

A venue's adapter and its simulator talk over real sockets of the loopback, in one loop whose time is
virtual. Time must not pass while bytes are under way, and which of two sockets is read first must not
depend on the kernel: so bytes are counted, and connections have numbers.
"""

import array
import fcntl
import itertools
import socket
import termios
from collections import Counter
from collections.abc import Iterable
from selectors import SelectorKey
from typing import Any, Final

End = tuple[str, int]
Ready = tuple[SelectorKey, int]
LONGEST: Final = 2000  # looks of a millisecond each, for bytes that the kernel holds


class CountedSocket(socket.socket):
    """One end of a connection of the loopback."""

    def __init__(self, plain: socket.socket, wire: "Loopback") -> None:
        timeout = plain.gettimeout()
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.settimeout(timeout)
        self.here: End = self.getsockname()
        self.there: End = self.getpeername()
        self.number = next(wire.numbers)
        self._wire = wire
        wire.opened(self)

    def send(self, *args: Any) -> int:
        count = super().send(*args)
        self._wire.under_way[self.here, self.there] += count
        return count

    def recv(self, *args: Any) -> bytes:
        data = super().recv(*args)
        self._wire.under_way[self.there, self.here] -= len(data)
        return data

    def recv_into(self, *args: Any) -> int:
        count = super().recv_into(*args)
        self._wire.under_way[self.there, self.here] -= count
        return count

    def close(self) -> None:
        self._wire.closed(self)
        super().close()

    def waiting(self) -> int:
        """Bytes that have come, and that nobody has read."""
        found = array.array("i", [0])
        fcntl.ioctl(self.fileno(), termios.FIONREAD, found)
        return found[0]


class Loopback:
    """*outside*: descriptors of what is no part of it, such as a database."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.under_way: Counter[tuple[End, End]] = Counter()
        self.outside: set[int] = set()
        self._ends: dict[tuple[End, End], CountedSocket] = {}
        self._by_descriptor: dict[int, CountedSocket] = {}

    def opened(self, end: CountedSocket) -> None:
        self._ends[end.here, end.there] = end
        self._by_descriptor[end.fileno()] = end

    def closed(self, end: CountedSocket) -> None:
        if self._ends.pop((end.here, end.there), None) is None:
            return
        self._by_descriptor.pop(end.fileno(), None)
        self.under_way.pop((end.there, end.here), None)
        if (end.there, end.here) not in self._ends:
            self.under_way.pop((end.here, end.there), None)

    def is_moving(self) -> bool:
        """Whether the kernel still has to deliver something that was sent."""
        for (here, there), count in self.under_way.items():
            if count <= 0:
                continue
            end = self._ends.get((there, here))
            if end is not None and end.fileno() >= 0 and end.waiting() < count:
                return True
        return False

    def of_it(self, ready: Iterable[Ready]) -> list[Ready]:
        """Those of *ready* that belong here, in the order in which they were opened."""
        mine = [each for each in ready if each[0].fd not in self.outside]
        return sorted(mine, key=lambda each: self._number(each[0].fd))

    def _number(self, descriptor: int) -> int:
        end = self._by_descriptor.get(descriptor)
        return 0 if end is None else end.number
