"""Pass of one entry from its decision until it has left: a stop in between voids it for good."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, OrderDeniedError


class Sendings:
    """Entries that are being sent at this moment; a flatten waits for their end."""

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
        """Wait until none is being sent. The caller sets the time limit."""
        while self._count:
            await self._ended.wait()


class EntryPass:
    """Pass of an entry, given when the gate lets it in.

    *stops*: how often entries were stopped until now. *passes*: whether the gate is closed only
    temporarily. A halt that was lifted again while an account was read has voided the decision all
    the same.
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
        """Return why the entry must not be sent at this moment; None while it may."""
        why = self._why_not()
        if why is None and self._stops() != self._begun_at:
            return "entries were stopped meanwhile"
        return why

    def check(self) -> None:
        """Check that the entry may still be sent.

        Raises OrderDeniedError; EntryPostponedError where the reason is temporary.
        """
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
