"""Questions to Alpaca about its markets: within the key's limit, repeated once where that may help.

The limit is that of the key at the data host, whoever asks: a venue's adapter with the same key
counts in the same window.
"""

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Final, NamedTuple, Protocol

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.asking import Told, answered, asked
from tradebotd.net.allow_list import AllowList
from tradebotd.net.gate import Gate, Turn
from tradebotd.net.http import Answer, HttpClient, Timeouts
from tradebotd.net.limited import Call, LimitedClient
from tradebotd.net.rate_limit import Costs, Priority
from tradebotd.net.redaction import Redactor
from tradebotd.ports.clock import HostClock

ALLOWED: Final = AllowList(
    [
        ("GET", each)
        for each in (
            *(facts.STOCK_BARS, facts.STOCK_TRADES),
            *(facts.CRYPTO_BARS, facts.CRYPTO_TRADES),
        )
    ]
)


class Limits(Protocol):
    """Window of one key at the data host, as its headers tell it."""

    @property
    def gate(self) -> Gate: ...

    @property
    def name(self) -> str: ...

    @property
    def costs(self) -> Costs: ...

    def take_note(self, answer: Answer, turn: Turn) -> None: ...


class Keys(NamedTuple):
    """API key and its secret: in headers and in the first message of a stream, never in a URL."""

    key_id: str
    secret: str

    def headers(self) -> dict[str, str]:
        return {facts.KEY_ID: self.key_id, facts.SECRET: self.secret}

    def redactor(self) -> Redactor:
        return Redactor([self.key_id, self.secret])


class Kind(NamedTuple):
    """Kind of question. *patience*: seconds that it waits for its turn, at most."""

    priority: Priority
    timeouts: Timeouts
    patience: float


SERIES: Final = Kind(Priority.READ, Timeouts(connect=3.0, answer=30.0), 60.0)
PRICES: Final = Kind(Priority.PROTECTIVE, Timeouts(connect=3.0, answer=10.0), 2.0)


class Refusal(NamedTuple):
    """What is said instead of an answer."""

    status: int
    told: str

    @property
    def is_of_a_name(self) -> bool:
        """Whether one of the symbols may be the reason, so that the others are asked for alone."""
        return self.status in {400, 422}


class Client:
    """Client that raises FeedError alone, with feed, path, status and how the answer begins."""

    def __init__(
        self,
        name: FeedName,
        base_url: str,
        keys: Keys,
        *,
        limits: Limits,
        host: HostClock,
        random: Random,
    ) -> None:
        self.name = name
        self._limits, self._host, self._random = limits, host, random
        self._http = HttpClient(
            name, base_url, ALLOWED, headers=keys.headers(), redact=keys.redactor()
        )
        self._client = LimitedClient(self._http, limits.gate, limits.take_note)

    async def close(self) -> None:
        await self._http.close()

    def budget(self) -> tuple[int, int]:
        """Return the key's limit a minute, and what is left: the least of its windows, for each.

        Others with the key spend from its own window, and not from that of `most`. Raises
        LookupError.
        """
        told = (self._limits.gate.limits.window(each) for each in self._limits.costs)
        windows = [window for window in told if window is not None]
        if not windows:
            raise LookupError("the gate has no window of the key")
        at = self._host.monotonic()
        left = min(each.limit - each.own(at) - each.others(at) for each in windows)
        return min(each.limit for each in windows), max(0, left)

    async def bars(self, query: Mapping[str, str], *, crypto: bool) -> Told:
        """Ask for one answer's bars."""
        path = facts.CRYPTO_BARS if crypto else facts.STOCK_BARS
        told = await self._ask(path, SERIES, query)
        if isinstance(told, Refusal):
            raise FeedError(told.told)
        return told

    async def trades(self, query: Mapping[str, str], *, crypto: bool) -> Told | Refusal:
        """Ask for latest trades; a refusal of the symbols is the caller's."""
        return await self._ask(facts.CRYPTO_TRADES if crypto else facts.STOCK_TRADES, PRICES, query)

    async def _ask(self, path: str, kind: Kind, query: Mapping[str, str]) -> Told | Refusal:
        return await asked(
            partial(self._ask_once, path, kind, query),
            feed=self.name,
            path=path,
            host=self._host,
            random=self._random,
        )

    async def _ask_once(self, path: str, kind: Kind, query: Mapping[str, str]) -> Told | Refusal:
        """Send one request. Raises AgainError, NetError."""
        call = Call(costs=self._limits.costs, priority=kind.priority, wait=kind.patience)
        answer, source = await answered(
            self._client, path, call, query=query, timeouts=kind.timeouts
        )
        if answer.status >= 400:
            return Refusal(answer.status, source.told("a refusal"))
        return Told(source.json(), source)
