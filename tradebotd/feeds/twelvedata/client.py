"""Questions to Twelve Data: within the credits, and repeated once where that may help."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final, NamedTuple

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.asking import AgainError, asked
from tradebotd.feeds.twelvedata import facts
from tradebotd.feeds.twelvedata.credits import Credits
from tradebotd.feeds.twelvedata.refusals import Refusal, Why, refusal_of
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError, NoAnswerError, NotSentError
from tradebotd.net.http import HttpClient, Timeouts
from tradebotd.net.rate_limit import Priority
from tradebotd.net.redaction import Redactor
from tradebotd.ports.clock import HostClock

ALLOWED: Final = AllowList([("GET", "/time_series"), ("GET", "/price")])
_FOR_ALL: Final = {Why.MINUTE, Why.DAY, Why.KEY, Why.SERVER}


class Call(NamedTuple):
    """A call and its bounds. *patience*: seconds that it waits for credits, at most."""

    path: str
    priority: Priority
    timeouts: Timeouts
    patience: float


SERIES: Final = Call("/time_series", Priority.READ, Timeouts(connect=3.0, answer=30.0), 20.0)
PRICES: Final = Call("/price", Priority.PROTECTIVE, Timeouts(connect=3.0, answer=10.0), 2.0)


class Told(NamedTuple):
    """An answer of the feed, and where it came from."""

    answer: Value
    source: Source
    refusal: Refusal | None


def http_client(
    name: FeedName, key: str, *, base_url: str | None = None, timeouts: Timeouts = SERIES.timeouts
) -> HttpClient:
    return HttpClient(
        name,
        base_url or facts.PRODUCTION,
        ALLOWED,
        headers=facts.key_headers(key),
        timeouts=timeouts,
        redact=Redactor([key]),
    )


class Client:
    """Client that raises FeedError alone, with feed, path, status and how the answer begins."""

    def __init__(
        self,
        name: FeedName,
        http: HttpClient,
        credits_: Credits,
        host: HostClock,
        random: Random,
    ) -> None:
        self.name = name
        self.credits = credits_
        self._http = http
        self._host = host
        self._random = random

    async def close(self) -> None:
        await self._http.close()

    async def ask(self, call: Call, names: Sequence[str], query: Mapping[str, str]) -> Told:
        """Ask about *names*, in one request. Refusals of single ones are left to the caller."""
        query = {"symbol": ",".join(names), **query}
        return await asked(
            partial(self._ask, call, query, facts.cost(len(names))),
            feed=self.name,
            path=call.path,
            host=self._host,
            random=self._random,
        )

    async def _ask(self, call: Call, query: Mapping[str, str], cost: int) -> Told:
        """Send one request. Raises AgainError, NetError and FeedError."""
        try:
            async with self.credits.turn(cost, call.priority, wait=call.patience) as turn:
                answer = await self._http.request(
                    "GET", call.path, query=query, timeouts=call.timeouts
                )
        except NoAnswerError as error:
            raise AgainError(str(error)) from error
        except NotSentError as error:
            if error.until is not None:  # no credits, or none before an instant
                raise FeedError(f"{self.name}: {call.path}: {error}") from error
            raise AgainError(str(error)) from error
        self.credits.observe(answer.headers)
        source = Source(
            f"{self.name}: GET {call.path}", answer.body, answer.status, self._http.redact
        )
        try:
            value = source.json()
            refusal = refusal_of(value)
        except MisshapenError as error:
            if answer.status >= 500:
                raise AgainError(str(error)) from error
            raise
        if refusal is None and answer.status >= 500:
            raise AgainError(str(source.misshapen("which is a failure")))
        if refusal is None and answer.status >= 400:
            raise source.misshapen("which is a refusal without a reason")
        if refusal is not None and refusal.why in _FOR_ALL:
            self._refused(refusal, call, source)
        turn.answered()
        return Told(value, source, refusal)

    def _refused(self, refusal: Refusal, call: Call, source: Source) -> None:
        """Raise what a refusal means that is not of a symbol."""
        told = str(source.misshapen(f"a refusal: {refusal.why}"))
        if refusal.why is Why.DAY:
            self.credits.day_spent(refusal.why)
            raise FeedError(told)
        if refusal.why is Why.MINUTE:
            until = self.credits.minute_spent(refusal.why)
            pause = until - self._host.now()
            if pause <= timedelta(seconds=call.patience):
                raise AgainError(told, max(0.0, pause.total_seconds()))
            raise FeedError(told)
        if refusal.why is Why.SERVER:
            raise AgainError(told)
        raise FeedError(told)
