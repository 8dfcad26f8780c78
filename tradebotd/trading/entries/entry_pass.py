"""One entry from its decision until it has left: what stops entries meanwhile stops it for good."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, OrderDeniedError


class Sendings:
    """Entries that are being sent at this moment: who empties an account waits for their end."""

    def __init__(self) -> None:
        self._count = 0
        self._ended = anyio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._ended.set()
                self._ended = anyio.Event()

    async def ended(self) -> None:
        """None is under way. The caller sets the limit."""
        while self._count:
            await self._ended.wait()


class EntryPass:
    """Given when the gate lets an entry in. *stops*: how often entries were stopped until now.
    *passes*: whether what closes the gate is nobody's will.

    A halt that was lifted again while an account was read has made the decision void all the same.
    """

    def __init__(
        self,
        why_not: Callable[[], str | None],
        passes: Callable[[], bool],
        stops: Callable[[], object],
        sendings: Sendings,
    ) -> None:
        self._why_not = why_not
        self._passes = passes
        self._stops = stops
        self._begun_at = stops()
        self._sendings = sendings

    def why_not(self) -> str | None:
        """Why it must not be sent at this moment; None while it may."""
        why = self._why_not()
        if why is None and self._stops() != self._begun_at:
            return "entries were stopped meanwhile"
        return why

    def check(self) -> None:
        """Raises OrderDeniedError; EntryPostponedError by what passes."""
        why = self.why_not()
        if self._why_not() is not None and self._passes():
            raise EntryPostponedError(
                DenialRule.ENTRIES_STOPPED, "entries are stopped for a while", shown=str(why)
            )
        if why is not None:
            raise OrderDeniedError(
                DenialRule.ENTRIES_STOPPED, "it was decided before entries were stopped", shown=why
            )

    @contextmanager
    def sending(self) -> Iterator[None]:
        with self._sendings.one():
            yield
