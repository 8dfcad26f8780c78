"""Ids of orders come in blocks, each once, and ascend within the process."""

from typing import cast

import anyio

from tradebotd.domain.ids import OrderId
from tradebotd.storage import orders
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.order_ids import AT_ONCE, OrderIds


class FirstAnsweredLast:
    """A sequence whose first question is answered behind the second one."""

    def __init__(self) -> None:
        self.asked = 0
        self.answered = anyio.Event()

    async def fetch(self, _: str, count: int) -> list[tuple[int]]:
        first = self.asked * count + 1
        self.asked += 1
        if first == 1:
            await self.answered.wait()
        return [(each,) for each in range(first, first + count)]


async def test_ids_ascend_whoever_is_answered_first() -> None:
    """I1: of tasks that draw blocks at the same moment none goes back behind another one."""
    ids, taken, sequence = OrderIds(), list[OrderId](), FirstAnsweredLast()
    connection = cast(Connection, sequence)

    async def take() -> None:
        taken.append(await ids.take(connection))
        sequence.answered.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(take)
    for _ in range(2 * AT_ONCE):
        taken.append(await ids.take(connection))

    assert taken == sorted(set(taken))


async def test_no_other_process_has_the_same_ids(database: Database) -> None:
    one, other = OrderIds(), OrderIds()
    async with database.connection() as connection:
        taken = [await each.take(connection) for each in (one, other, one, other)]
        assert await orders.next_id(connection) > max(taken)

    assert len(set(taken)) == 4
