"""Answers of venues for entries: asked before an entry is queued, never while others wait."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import DatabaseUnavailableError, EntryPostponedError
from tradebotd.domain.ids import VenueName
from tradebotd.storage.equity import Flows
from tradebotd.trading.account import venue_accounts
from tradebotd.trading.account.venue_accounts import VenueAccounts, VenueAnswer

Answers = Mapping[VenueName, VenueAnswer]
NONE: Final[Answers] = {}


class SharedAnswers:
    """Answers that concurrent entries share; what our own trades moved since corrects them.

    *shares*: off where effects must repeat (speed 0): then each entry has answers of its own.
    """

    def __init__(
        self,
        accounts: VenueAccounts,
        names: Collection[VenueName],
        read_flows: Callable[[], Awaitable[Flows]],
        *,
        shares: bool,
    ) -> None:
        self._accounts = accounts
        self._names = names
        self._read_flows = read_flows
        self._shares = shares
        self._asking: dict[VenueName, anyio.Lock] = defaultdict(anyio.Lock)

    async def ask(
        self, venue: VenueName, overtaken: Answers = NONE
    ) -> dict[VenueName, VenueAnswer]:
        """Return answers for an entry at *venue*; one that stays silent is left out.

        *overtaken*: answers that do not hold any more. Raises EntryPostponedError where *venue*
        itself is silent, DatabaseUnavailableError.
        """
        if self._shares:
            await self._refresh(venue, overtaken)
        else:
            await self._ask(sorted(self._names), venue_accounts.ASK_SECONDS)
        reason = self._accounts.silence_reason(venue)
        if reason is not None:
            raise no_answer(venue, reason)
        speaking = (each for each in self._names if self._accounts.silence_reason(each) is None)
        latest = ((each, self._accounts.latest(each)) for each in speaking)
        return {name: answer for name, answer in latest if answer is not None}

    def usable(self, flows: Flows, own: Answers) -> dict[VenueName, VenueAnswer]:
        """Return by which answer each venue counts; *own*: what the entry was answered.

        A calm answer of a moment ago goes before a newer one that may count an entry twice.
        """
        found: dict[VenueName, VenueAnswer] = {}
        oldest = anyio.current_time() - venue_accounts.USABLE_SECONDS
        for name in self._names:
            answers = [own.get(name)]
            if self._shares:
                latest = self._accounts.latest(name)
                shared = latest if latest is not None and latest.cautious else None
                answers = [self._accounts.latest_calm(name), shared, *answers]
            for answer in answers:
                if answer is None or answer.mixed or (self._shares and answer.at < oldest):
                    continue
                if answer.holds(name, flows):
                    found[name] = answer
                    break
        return found

    async def _refresh(self, venue: VenueName, overtaken: Answers) -> None:
        """Ask the venues whose answers are old or overtaken, concurrently, each once for all."""
        began, failures = anyio.current_time(), list[DatabaseUnavailableError]()

        async def refresh(name: VenueName) -> None:
            seconds = venue_accounts.ASK_SECONDS if name == venue else venue_accounts.SHORT_SECONDS
            try:
                async with self._asking[name]:
                    if self._must_ask(name, overtaken.get(name), began):
                        await self._ask([name], seconds)
            except DatabaseUnavailableError as error:
                failures.append(error)

        old = [each for each in self._names if self._must_ask(each, overtaken.get(each), began)]
        async with anyio.create_task_group() as asking:
            for name in sorted(old):
                asking.start_soon(refresh, name)
        if failures:
            raise failures[0]

    def _must_ask(self, name: VenueName, overtaken: VenueAnswer | None, began: float) -> bool:
        """Return whether to ask: what somebody else has asked since *began* is as good."""
        if self._accounts.was_silent_recently(name):
            return False
        latest = self._accounts.latest(name)
        if latest is None or latest is overtaken:
            return True
        age = anyio.current_time() - latest.at
        is_fresh = latest.cautious and age <= venue_accounts.SHARED_SECONDS
        return not (is_fresh or latest.at > began)

    async def _ask(self, names: Collection[VenueName], seconds: float) -> None:
        before = await self._read_flows()
        asked = await self._accounts.ask(names, seconds)
        flows = await self._read_flows()
        for name, account in asked.items():
            self._accounts.remember(name, account, before, flows, heard=False)


def no_answer(venue: VenueName, reason: str) -> EntryPostponedError:
    return EntryPostponedError(DenialRule.VENUE_SILENT, reason, shown=f"{venue} does not answer")
