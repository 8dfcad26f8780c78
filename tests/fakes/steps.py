"""Cuts a coroutine off at its n-th wait, whichever that is."""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")


@dataclass
class Steps(Generic[T]):
    """Awaits *work*; `at_step` is called when it waits for the *stop*-th time."""

    work: Awaitable[T]
    stop: int
    at_step: Callable[[], object]

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self.work.__await__()
        count, error, value = 0, None, None
        while True:
            try:
                waited = inner.send(value) if error is None else inner.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
            count += 1
            if count == self.stop:
                self.at_step()
            error = value = None
            try:
                value = yield waited
            except BaseException as thrown:  # noqa: BLE001 - a cancellation goes on inwards
                error = thrown


async def cancelled_at(step: int, work: Awaitable[Any]) -> bool:
    """Whether *work* waited that often. What is shielded goes on to its end all the same."""
    reached = False
    with anyio.CancelScope() as scope:

        def cut() -> None:
            nonlocal reached
            reached = True
            scope.cancel()

        await Steps(work, step, cut)
    return reached
