"""Questions to Binance about its markets: within its limits, repeated once where that may help."""

from collections.abc import Mapping
from random import Random
from typing import Final, NamedTuple

import structlog

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.facts import Interface
from tradebotd.feeds.binance.limits import note_limits, set_limits
from tradebotd.feeds.binance.venue_time import VenueTime
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError, NetError, NoAnswerError, NotSentError
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient, Timeouts
from tradebotd.net.limited import Call, LimitedClient
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock

ATTEMPTS: Final = 2
FIRST_PAUSE: Final = 0.2  # seconds before the second attempt; doubled before each further one
_log = structlog.get_logger(__name__)


class Question(NamedTuple):
    """A call and its bounds. *patience*: seconds that it waits for its turn, at most."""

    path: str
    weight: int
    priority: Priority
    timeouts: Timeouts
    patience: float


class Refusal(NamedTuple):
    """What the venue says instead of an answer."""

    code: int | None
    told: str


class Told(NamedTuple):
    answer: Value
    source: Source


class _AgainError(Exception):
    """Failure that a second attempt may not meet."""


SERIES: Final = Timeouts(connect=3.0, answer=30.0)
PRICES: Final = Timeouts(connect=3.0, answer=10.0)


class Client:
    """Client that raises FeedError alone, with feed, path, status and how the answer begins."""

    def __init__(
        self,
        name: FeedName,
        interface: Interface,
        base_url: str,
        *,
        gate: Gate,
        host: HostClock,
        random: Random,
    ) -> None:
        self.name = name
        self.interface = interface
        self.time = VenueTime(host)
        self._host, self._random = host, random
        paths = (
            *(interface.time, interface.klines, interface.prices),
            *(interface.symbols, interface.days, interface.trades, interface.book),
        )
        self._http = HttpClient(name, base_url, AllowList([("GET", path) for path in paths]))
        set_limits(gate, interface)
        self._clients = {
            told: LimitedClient(self._http, gate, note_limits(host, weights=told))
            for told in (True, False)
        }

    async def close(self) -> None:
        await self._http.close()

    async def klines(self, query: Mapping[str, str], limit: int) -> Told:
        """Ask for at most *limit* candles."""
        weight = facts.klines_weight(self.interface.market, limit)
        asked = Question(self.interface.klines, weight, Priority.READ, SERIES, 60.0)
        return self._accepted(await self._ask(asked, {**query, "limit": str(limit)}))

    async def prices(self, query: Mapping[str, str], *, one: bool) -> Told | Refusal:
        """Ask for last prices; a refusal of the symbols is the caller's."""
        weight = facts.prices_weight(self.interface.market, one=one)
        asked = Question(self.interface.prices, weight, Priority.PROTECTIVE, PRICES, 2.0)
        return await self._ask(asked, query)

    async def learn_time(self) -> None:
        """Ask for the venue's clock, where it was not asked for a while."""
        if not self.time.is_due:
            return
        sent = self._host.monotonic()
        asked = Question(self.interface.time, 1, Priority.READ, PRICES, 10.0)
        told = self._accepted(await self._ask(asked, {}))
        try:
            self.time.learn(told.answer["serverTime"].instant(), sent, self._host.monotonic())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def public(
        self, path: str, query: Mapping[str, str], weight: int, *, patience: float
    ) -> Told:
        """Ask for what is recorded or listed; it waits for its turn for *patience* seconds."""
        asked = Question(path, weight, Priority.READ, SERIES, patience)
        return self._accepted(await self._ask(asked, query))

    def _accepted(self, told: Told | Refusal) -> Told:
        if isinstance(told, Refusal):
            raise FeedError(told.told)
        return told

    async def _ask(self, asked: Question, query: Mapping[str, str]) -> Told | Refusal:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._ask_once(asked, query)
            except _AgainError as error:
                if attempt >= ATTEMPTS:
                    raise FeedError(str(error)) from error
                span = FIRST_PAUSE * 2.0 ** (attempt - 1)
                _log.info("feed asked again", feed=self.name, path=asked.path, reason=str(error))
                await self._host.sleep(span * (0.5 + self._random.random()))
            except NetError as error:
                raise FeedError(str(error)) from error

    async def _ask_once(self, asked: Question, query: Mapping[str, str]) -> Told | Refusal:
        """Send one request. Raises _AgainError, NetError."""
        costs = {facts.WEIGHT: asked.weight, facts.RAW: 1}
        call = Call(costs=costs, priority=asked.priority, wait=asked.patience)
        client = self._clients[facts.tells_weight(asked.path)]
        try:
            answer = await client.request(
                "GET", asked.path, call, query=query, timeouts=asked.timeouts
            )
        except NoAnswerError as error:
            raise _AgainError(str(error)) from error
        except NotSentError as error:
            if error.until is not None or error.banned:  # no room, or a ban
                raise
            raise _AgainError(str(error)) from error
        source = self._http.source("GET", asked.path, answer)
        if answer.status >= 500:
            raise _AgainError(source.told("which is a failure"))
        if answer.status >= 400:
            return _refusal(source)
        return Told(source.json(), source)


def _refusal(source: Source) -> Refusal:
    try:
        code = source.json()["code"].integer()
    except MisshapenError:
        code = None
    return Refusal(code, source.told("a refusal"))
