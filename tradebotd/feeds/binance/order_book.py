"""Local order books, kept by a snapshot and the events behind it: pure, one class a rule.

The rules of spot (S15) and of USDT-M (F19) differ in what they drop, in where they begin, and in
how they see that something is missing. A book that cannot go on says so; then a new snapshot is
fetched, while the events that come meanwhile are kept, up to a bound.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

Level = tuple[Decimal, Decimal]  # price and quantity; a quantity of zero removes the price
MOST_WAITING: Final = 10_000  # events without a snapshot


class State(StrEnum):
    WAITING = "waiting"  # for a snapshot
    SYNCED = "synced"


@dataclass(frozen=True, slots=True)
class Snapshot:
    last_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class DepthEvent:
    """`U`, `u` and, of USDT-M, `pu`."""

    first_id: int
    last_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    previous_id: int | None = None


class Top(NamedTuple):
    bids: list[Level]
    asks: list[Level]


class _Book:
    """Book of one symbol. It needs a snapshot whenever `state` is waiting."""

    def __init__(self) -> None:
        self.state = State.WAITING
        self.last_id = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._waiting: deque[DepthEvent] = deque()

    def take(self, event: DepthEvent) -> bool:
        """Take an event. Return False where the book needs a (new) snapshot."""
        if self.state is State.WAITING:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
            self._waiting.append(event)
            return False
        if self._is_old(event):
            return True
        if not self._goes_on(event):
            self.begin_anew()
            self._waiting.append(event)
            return False
        self._apply(event)
        return True

    def begin(self, snapshot: Snapshot) -> bool:
        """Begin with a snapshot and the events behind it. Return False where another is needed."""
        if self._is_too_old(snapshot, self._waiting[0] if self._waiting else None):
            return False
        self._bids, self._asks = _levels(snapshot.bids), _levels(snapshot.asks)
        self.last_id = snapshot.last_id
        events, self._waiting = self._waiting, deque()
        self.state = State.SYNCED
        self._begun()
        while events:
            if not self.take(events.popleft()):
                self._waiting.extend(events)
                return False
        return True

    def begin_anew(self) -> None:
        """Forget everything: events were missed, or the stream was away."""
        self.state = State.WAITING
        self._bids, self._asks = {}, {}
        self._waiting.clear()

    def top(self, levels: int) -> Top | None:
        """Return the best *levels* of each side, best first; None while it waits for a snapshot."""
        if self.state is State.WAITING:
            return None
        bids = sorted(self._bids.items(), reverse=True)[:levels]
        return Top(bids, sorted(self._asks.items())[:levels])

    def _apply(self, event: DepthEvent) -> None:
        _change(self._bids, event.bids)
        _change(self._asks, event.asks)
        self.last_id = event.last_id

    def _begun(self) -> None:
        """Note that the next event is the first one behind a snapshot."""

    def _is_too_old(self, snapshot: Snapshot, first: DepthEvent | None) -> bool:
        raise NotImplementedError

    def _is_old(self, event: DepthEvent) -> bool:
        raise NotImplementedError

    def _goes_on(self, event: DepthEvent) -> bool:
        raise NotImplementedError


class SpotBook(_Book):
    """S15: fetch the snapshot again while its id is less than the first event's `U`; drop events
    with `u` <= its id; then resync where `U` > local + 1.
    """

    def _is_too_old(self, snapshot: Snapshot, first: DepthEvent | None) -> bool:
        return first is not None and snapshot.last_id < first.first_id

    def _is_old(self, event: DepthEvent) -> bool:
        return event.last_id <= self.last_id

    def _goes_on(self, event: DepthEvent) -> bool:
        return event.first_id <= self.last_id + 1


class UsdmBook(_Book):
    """F19: drop events with `u` < the snapshot's id; the first one has `U` <= id <= `u`; then each
    `pu` is the previous `u`, or the book is out of step.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_first = True

    def _begun(self) -> None:
        self._is_first = True

    def _is_too_old(self, snapshot: Snapshot, first: DepthEvent | None) -> bool:
        return first is not None and snapshot.last_id < first.first_id

    def _is_old(self, event: DepthEvent) -> bool:
        return self._is_first and event.last_id < self.last_id

    def _goes_on(self, event: DepthEvent) -> bool:
        if not self._is_first:
            return event.previous_id == self.last_id
        self._is_first = False
        return event.first_id <= self.last_id <= event.last_id


def _levels(told: Iterable[Level]) -> dict[Decimal, Decimal]:
    return {price: quantity for price, quantity in told if quantity}


def _change(side: dict[Decimal, Decimal], told: Iterable[Level]) -> None:
    for price, quantity in told:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


BOOKS: Final[Mapping[str, type[_Book]]] = {"spot": SpotBook, "usdm": UsdmBook}
