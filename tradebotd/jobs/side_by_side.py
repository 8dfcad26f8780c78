"""Items of a run, a few at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import anyio

from tradebotd.domain.errors import TradebotError

AT_ONCE: Final = 4

_Item = TypeVar("_Item")


async def side_by_side(act: Callable[[_Item], Awaitable[None]], items: Sequence[_Item]) -> None:
    """Do *act* for each of *items*. Raises what the first failing one raised, the others ended."""
    turn = anyio.CapacityLimiter(AT_ONCE)
    errors: list[TradebotError | TimeoutError] = []

    async def one(item: _Item) -> None:
        async with turn:
            try:
                await act(item)
            except (TradebotError, TimeoutError) as error:  # raised below, outside the group
                errors.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for item in items:
            tasks.start_soon(one, item)
    if errors:
        raise errors[0]
