"""Ids of new orders, drawn in blocks: a row costs no question of its own for them."""

from typing import Final

from tradebotd.domain.ids import OrderId
from tradebotd.storage import orders
from tradebotd.storage.postgres.database import Connection

AT_ONCE: Final = 32


class OrderIds:
    """Ids that ascend within the process; what a process leaves of its block stays unused."""

    def __init__(self) -> None:
        self._left: list[OrderId] = []  # descending
        self._last = 0

    async def take(self, connection: Connection) -> OrderId:
        while not self._left:
            drawn = await orders.next_ids(connection, AT_ONCE)
            # Of two tasks that have drawn at once the later may have been answered first.
            usable = {each for each in (*self._left, *drawn) if each > self._last}
            self._left = sorted(usable, reverse=True)
        taken = self._left.pop()
        self._last = taken
        return taken
