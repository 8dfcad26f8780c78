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

    *stops*: how often entries were stopped until now. *is_passing*: whether the gate is closed only
    temporarily. A halt that was lifted again while an account was read has voided the decision all
    the same.
    """

    def __init__(
        self,
        blocked_by: Callable[[], str | None],
        is_passing: Callable[[], bool],
        stops: Callable[[], object],
        sendings: Sendings,
    ) -> None:
        self._blocked_by = blocked_by
        self._is_passing = is_passing
        self._stops = stops
        self._begun_at = stops()
        self._sendings = sendings

    def send_blocked_by(self) -> str | None:
        """Return why the entry must not be sent at this moment; None while it may."""
        reason = self._blocked_by()
        if reason is None and self._stops() != self._begun_at:
            return "entries were stopped meanwhile"
        return reason

    def check(self) -> None:
        """Check that the entry may still be sent.

        Raises OrderDeniedError; EntryPostponedError where the reason is temporary.
        """
        reason = self.send_blocked_by()
        if self._blocked_by() is not None and self._is_passing():
            raise EntryPostponedError(
                DenialRule.ENTRIES_STOPPED, "entries are stopped for a while", shown=str(reason)
            )
        if reason is not None:
            raise OrderDeniedError(
                DenialRule.ENTRIES_STOPPED,
                "it was decided before entries were stopped",
                shown=reason,
            )

    @contextmanager
    def sending(self) -> Iterator[None]:
        with self._sendings.one():
            yield
