"""Listeners to what the recorder has committed, notified in the order they subscribed."""

from datetime import datetime
from typing import Protocol

from tradebotd.domain.ids import PositionId
from tradebotd.domain.order import OrderReport
from tradebotd.domain.position import Position


class PositionListener(Protocol):
    """Listener that must know at once what is held: the exits."""

    def watch(self, position: Position) -> None: ...

    def forget(self, position_id: PositionId) -> None: ...

    def release(self, position_id: PositionId, at: datetime | None = None) -> None:
        """Let the position trigger again: its exit came to nothing.

        *at*: when the exit ended; None: no order of ours has.
        """
        ...


class ExternalOrderListener(Protocol):
    async def on_external_order(self, report: OrderReport) -> None:
        """Handle an order stream's report of an order that is not ours.

        Raises DatabaseUnavailableError.
        """
        ...


class PositionListeners:
    """All listeners as one `PositionListener`."""

    def __init__(self) -> None:
        self._listeners: list[PositionListener] = []

    def add(self, listener: PositionListener) -> None:
        self._listeners.append(listener)

    def watch(self, position: Position) -> None:
        for listener in self._listeners:
            listener.watch(position)

    def forget(self, position_id: PositionId) -> None:
        for listener in self._listeners:
            listener.forget(position_id)

    def release(self, position_id: PositionId, at: datetime | None = None) -> None:
        for listener in self._listeners:
            listener.release(position_id, at)
