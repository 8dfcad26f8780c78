"""Turns at a venue: everything in the process that asks one address passes through one gate.

The windows are counted in `rate_limit`, a ban is kept as `domain.venue_ban` keeps it; here calls
wait for their turn, protective ones first, and never for longer than they said.
"""

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import anyio

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.venue_ban import Probe, VenueBan, VenueBans
from tradebotd.net.errors import NotSentError
from tradebotd.net.rate_limit import Costs, Priority, RateLimit
from tradebotd.ports.clock import HostClock

MOST_WAITING: Final = 1000


@dataclass(slots=True, eq=False)
class _Waiting:
    priority: Priority
    number: int
    costs: Costs
    stirred: anyio.Event = field(default_factory=anyio.Event)
    passed: bool = False


class Turn:
    """Right to send one request, waited for by `async with`.

    A NotSentError that leaves the block gives its costs back.
    """

    __slots__ = ("_acts", "_ban", "_priority", "_probe", "_wait", "costs", "gate")

    def __init__(
        self, gate: "Gate", costs: Costs, priority: Priority, wait: float, *, acts: bool
    ) -> None:
        self.gate = gate
        self.costs = costs
        self._priority = priority
        self._wait = wait
        self._acts = acts
        self._probe: Probe | None = None
        self._ban: VenueBan | None = None  # under which the request left

    async def __aenter__(self) -> Self:
        self.gate.check_ban(acts=self._acts)
        await self.gate.wait_for_room(self.costs, self._priority, self._wait, acts=self._acts)
        self._probe = self.gate.begin()
        self._ban = self.gate.standing
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, NotSentError):
            self.settle({})
        if self._probe is not None:
            self.gate.end(self._probe)

    def check(self) -> None:
        """Raise NotSentError where a ban has come meanwhile: to be called when signing."""
        self.gate.check_ban(acts=self._acts, probe=self._probe)
        self._ban = self.gate.standing

    def answered(self) -> None:
        """Forget the ban that the request left under: one that came after it is not answered."""
        if self._ban is not None and self._ban is self.gate.standing:
            self.gate.answered()

    def settle(self, costs: Costs) -> None:
        """Say what the request was counted as in truth: nothing, where it succeeded for free."""
        self.gate.settle(self.costs, costs)
        self.costs = costs


class Gate:
    """Gate of one address of *venue*, for all its accounts, feeds and streams together."""

    def __init__(self, venue: str, host: HostClock) -> None:
        self.venue = venue
        self.limits = RateLimit()
        self._host = host
        self._name = VenueName(venue)
        self._bans = VenueBans()
        self._queue: list[_Waiting] = []
        self._count = 0

    def turn(self, costs: Costs, priority: Priority, *, wait: float, acts: bool = False) -> Turn:
        """Return a turn: entering it waits for at most *wait* seconds until *costs* may be spent.

        Entering raises NotSentError where they may not, or the venue bans us. *acts*: it sends or
        cancels an order, and does not find out whether a ban is over.
        """
        return Turn(self, costs, priority, wait, acts=acts)

    @property
    def standing(self) -> VenueBan | None:
        """Ban that stands until the venue has answered; its time may be over."""
        return self._bans.ban(self._name)

    def begin(self) -> Probe | None:
        """Note a request that may leave; None where it does not find out whether a ban is over."""
        if self._bans.ban(self._name) is None:
            return None
        return self._bans.begin(self._name, self._host.now())

    def end(self, probe: Probe) -> None:
        """Note the end of a request that was to find it out, however it ended."""
        self._bans.end(self._name, probe)

    def check_ban(self, *, acts: bool = False, probe: Probe | None = None) -> None:
        """Raise NotSentError while the venue must not be asked; its own *probe* goes on."""
        if self._bans.ban(self._name) is None:
            return
        now = self._host.now()
        ban = self._bans.holds(self._name, now, acts=acts)
        is_own = ban is not None and probe is not None and ban.probe is probe and now >= ban.until
        if ban is not None and not is_own:
            raise NotSentError(f"{self.venue}: {ban}", ban.ends_at or ban.until, banned=True)

    def ban(self, reason: str, until: datetime | None = None) -> None:
        """Ask nothing more until *until*, or, where no end is told, after pauses that grow."""
        error = VenueUnavailableError(reason, until, banned=True)
        self._bans.refused(self._name, error, self._host.now())
        for each in self._queue:
            each.stirred.set()

    def answered(self) -> None:
        """Forget a ban that is known to be over. An answer to a request says it by its turn."""
        self._bans.answered(self._name)

    def settle(self, before: Costs, after: Costs) -> None:
        """Count *after* in place of *before*."""
        now = self._host.monotonic()
        self.limits.give_back(before, now)
        self.limits.spend(after, now)
        self._let_pass()

    def observe(self, name: str, used: int, resets_at: datetime | None = None) -> None:
        """Take what an answer says to be used of a window, and when it begins anew."""
        resets_in = None if resets_at is None else (resets_at - self._host.now()).total_seconds()
        self.limits.observe(name, used, self._host.monotonic(), resets_in)

    async def wait_for_room(
        self, costs: Costs, priority: Priority, wait: float, *, acts: bool
    ) -> None:
        """Spend *costs* as soon as they fit. Raises NotSentError, as `turn` says."""
        now = self._host.monotonic()
        if not self._queue and self.limits.spend_if_free(costs, priority, now):
            return
        if len(self._queue) >= MOST_WAITING:
            raise NotSentError(f"{self.venue}: {MOST_WAITING} requests wait already")
        deadline = now + wait
        self._count += 1
        waiting = _Waiting(priority, self._count, costs)
        insort(self._queue, waiting, key=lambda each: (each.priority, each.number))
        try:
            self._let_pass()
            while not waiting.passed:
                await self._wait(waiting, deadline)
                self._let_pass()
                self.check_ban(acts=acts)
        except BaseException:
            if waiting.passed:
                self.settle(costs, {})
            raise
        finally:
            if waiting in self._queue:
                self._queue.remove(waiting)
                self._let_pass()

    async def _wait(self, waiting: _Waiting, deadline: float) -> None:
        """Wait until something changes or room may have come. Raises NotSentError at *deadline*."""
        now = self._host.monotonic()
        free_at = max(now, self.limits.free_at(waiting.costs, waiting.priority, now))
        if free_at > deadline or now >= deadline:
            names = ", ".join(sorted(self.limits.full(waiting.costs, waiting.priority, now)))
            raise NotSentError(
                f"{self.venue}: no room for a request in time (limit {names or 'taken by others'})",
                self._host.now() + timedelta(seconds=min(free_at - now, 86_400)),
            )
        pause = (free_at if free_at > now else deadline) - now
        with anyio.move_on_after(pause):
            await waiting.stirred.wait()
        waiting.stirred = anyio.Event()

    def _let_pass(self) -> None:
        """Let everybody pass for whom there is room, the most urgent first.

        Whoever lacks room in a window keeps those behind it out of that window.
        """
        now = self._host.monotonic()
        kept: set[str] = set()
        for each in list(self._queue):
            if not kept.isdisjoint(each.costs):
                continue
            if full := self.limits.full(each.costs, each.priority, now):
                kept |= full
                continue
            self.limits.spend(each.costs, now)
            self._queue.remove(each)
            each.passed = True
            each.stirred.set()


class Gates:
    """The gates of the process, one a venue's address: feeds and accounts of it share one."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._gates: dict[str, Gate] = {}

    def gate(self, venue: str) -> Gate:
        return self._gates.setdefault(venue, Gate(venue, self._host))
