"""Questions of one reconciliation to the venues: concurrent, and no more to a silent one."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeVar

import anyio
from anyio import current_time

from tradebotd.domain.errors import VenueError, VenueUnavailableError, describe_error
from tradebotd.domain.ids import VenueName
from tradebotd.ports.venue import Venue

T = TypeVar("T")
K = TypeVar("K")

ASK_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 60.0  # for all that one venue is asked: the others wait meanwhile

Call = Callable[[Venue], Awaitable[T]]


class VenueRound:
    """Round of questions, made anew for each reconciliation.

    A venue that did not answer in time is asked nothing more in it: however many hang, and in
    whatever phase, they cost it the time of one answer each.
    """

    def __init__(self, venues: Mapping[VenueName, Venue]) -> None:
        self._venues = venues
        self._spent: dict[VenueName, float] = {}
        self._asking: dict[VenueName, int] = {}  # questions that wait for their answers
        self._since: dict[VenueName, float] = {}  # when the first of them was asked
        self._silent: dict[VenueName, str] = {}

    def once_more(self) -> "VenueRound":
        """Return a round for a second look, in which nobody silent is asked again."""
        following = VenueRound(self._venues)
        following._silent.update(self._silent)
        return following

    async def ask(self, name: VenueName, call: Call[T]) -> T:
        """Ask one venue.

        Raises VenueError (it is not configured, or is not asked any more), TimeoutError.
        """
        if name not in self._venues:
            raise VenueUnavailableError(f"venue {name} is not configured")
        if (reason := self._silent.get(name)) is not None:
            raise VenueUnavailableError(reason)
        self._begin(name)
        try:
            with anyio.fail_after(ASK_SECONDS):
                return await call(self._venues[name])
        except TimeoutError:
            self._silent[name] = f"{name} did not answer in time"
            raise
        finally:
            self._end(name)

    def spent(self, name: VenueName) -> float:
        """Return for how many seconds the venue was asked; side by side counts once."""
        spent = self._spent.get(name, 0.0)
        return spent + current_time() - self._since[name] if self._asking.get(name) else spent

    def _begin(self, name: VenueName) -> None:
        asking = self._asking.get(name, 0)
        self._asking[name] = asking + 1
        if not asking:
            self._since[name] = current_time()

    def _end(self, name: VenueName) -> None:
        spent = self.spent(name)
        self._spent[name], self._since[name] = spent, current_time()
        self._asking[name] -= 1
        if spent > PATIENCE_SECONDS:
            self._silent.setdefault(name, f"{name} answers too slowly")

    async def ask_all(
        self, names: Iterable[VenueName], call: Call[T], failed: dict[str, str]
    ) -> dict[VenueName, T]:
        """Return the answers in the order of the names; *failed* gains the others, with why."""
        asked = sorted(set(names))
        answers: dict[VenueName, T] = {}

        async def one(name: VenueName) -> None:
            try:
                answers[name] = await self.ask(name, call)
            except (VenueError, TimeoutError) as error:
                failed[name] = describe_error(error)

        await side_by_side(asked, one)
        return {name: answers[name] for name in asked if name in answers}


async def side_by_side(names: Iterable[K], work: Callable[[K], Coroutine[Any, Any, None]]) -> None:
    """Run *work* for all names concurrently. Raises the first error, and cancels the others."""
    try:
        async with anyio.create_task_group() as working:
            for name in names:
                working.start_soon(work, name)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None  # callers handle single errors, not groups
