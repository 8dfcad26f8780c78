"""Questions to Binance about its markets: within its limits, repeated once where that may help."""

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Final, NamedTuple

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.asking import Told, answered, asked
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.facts import Interface
from tradebotd.feeds.binance.limits import note_limits, set_limits
from tradebotd.feeds.binance.venue_time import VenueTime
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient, Timeouts
from tradebotd.net.limited import Call, LimitedClient
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock


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
        question = Question(self.interface.klines, weight, Priority.READ, SERIES, 60.0)
        return self._accepted(await self._ask(question, {**query, "limit": str(limit)}))

    async def prices(self, query: Mapping[str, str], *, one: bool) -> Told | Refusal:
        """Ask for last prices; a refusal of the symbols is the caller's."""
        weight = facts.prices_weight(self.interface.market, one=one)
        question = Question(self.interface.prices, weight, Priority.PROTECTIVE, PRICES, 2.0)
        return await self._ask(question, query)

    async def learn_time(self) -> None:
        """Ask for the venue's clock, where it was not asked for a while."""
        if not self.time.is_due:
            return
        sent = self._host.monotonic()
        question = Question(self.interface.time, 1, Priority.READ, PRICES, 10.0)
        told = self._accepted(await self._ask(question, {}))
        try:
            self.time.learn(told.answer["serverTime"].instant(), sent, self._host.monotonic())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def public(
        self, path: str, query: Mapping[str, str], weight: int, *, patience: float
    ) -> Told:
        """Ask for what is recorded or listed; it waits for its turn for *patience* seconds."""
        question = Question(path, weight, Priority.READ, SERIES, patience)
        return self._accepted(await self._ask(question, query))

    def _accepted(self, told: Told | Refusal) -> Told:
        if isinstance(told, Refusal):
            raise FeedError(told.told)
        return told

    async def _ask(self, question: Question, query: Mapping[str, str]) -> Told | Refusal:
        return await asked(
            partial(self._ask_once, question, query),
            feed=self.name,
            path=question.path,
            host=self._host,
            random=self._random,
        )

    async def _ask_once(self, question: Question, query: Mapping[str, str]) -> Told | Refusal:
        """Send one request. Raises AgainError, NetError."""
        costs = {facts.WEIGHT: question.weight, facts.RAW: 1}
        call = Call(costs=costs, priority=question.priority, wait=question.patience)
        client = self._clients[facts.tells_weight(question.path)]
        answer, source = await answered(
            client, question.path, call, query=query, timeouts=question.timeouts
        )
        if answer.status >= 400:
            return _refusal(source)
        return Told(source.json(), source)


def _refusal(source: Source) -> Refusal:
    try:
        code = source.json()["code"].integer()
    except MisshapenError:
        code = None
    return Refusal(code, source.told("a refusal"))
