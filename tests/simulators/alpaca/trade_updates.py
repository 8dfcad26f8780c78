"""Trade updates: the events of orders, as /stream tells them."""

import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.simulators.alpaca.orders import Order, order_json
from tests.simulators.alpaca.wording import stamp
from tests.simulators.shared.money import text

Listener = Callable[[dict[str, Any]], None]


class TradeUpdates:
    """All events so far, in order, and who hears of new ones.

    A5: `accepted` and `restated` are among them, and `order_replace_rejected`,
    `order_cancel_rejected`, `done_for_day`, which alpaca-py's list does not have.
    """

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._listeners: list[Listener] = []

    def follow(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def tell(self, event: str, order: Order, at: datetime, **more: Any) -> None:
        update = {
            "event": event,
            "event_id": f"{len(self.told):026d}",
            "at": stamp(at),
            "timestamp": stamp(at),
            "order": order_json(order, nested=True),
            **more,
        }
        self.told.append(update)
        for listener in tuple(self._listeners):
            listener(update)

    def execution(
        self,
        order: Order,
        at: datetime,
        *,
        price: Decimal,
        quantity: Decimal,
        position: Decimal,
    ) -> str:
        """Tell a fill or a partial fill; its execution id."""
        execution = str(uuid.uuid4())
        self.tell(
            "partial_fill" if order.is_open else "fill",
            order,
            at,
            execution_id=execution,
            price=text(price),
            qty=text(quantity),
            position_qty=text(position),
        )
        return execution

    def events(self, order_id: str = "") -> list[str]:
        """The names of the events of one order, or of all."""
        return [each["event"] for each in self.told if order_id in {"", each["order"]["id"]}]
