"""Who is told of what the recorder has committed. Told in the order in which they subscribed."""

from typing import Protocol

from tradebotd.domain.ids import PositionId
from tradebotd.domain.order import OrderReport
from tradebotd.domain.position import Position


class PositionListener(Protocol):
    """Whoever must know at once what is held: the exits."""

    def watch(self, position: Position) -> None: ...

    def forget(self, position_id: PositionId) -> None: ...

    def release(self, position_id: PositionId) -> None:
        """Its exit came to nothing: it may trigger again."""
        ...


class ExternalOrderListener(Protocol):
    async def on_external_order(self, report: OrderReport) -> None:
        """An order stream told of an order that is not ours. Raises DatabaseUnavailableError."""
        ...


class PositionListeners:
    """All of them as one `PositionListener`."""

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

    def release(self, position_id: PositionId) -> None:
        for listener in self._listeners:
            listener.release(position_id)
