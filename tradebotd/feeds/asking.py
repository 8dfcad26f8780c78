"""Questions of a feed that is outside: asked again once where that may help."""

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final, NamedTuple, TypeVar

import structlog

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import NetError, NoAnswerError, NotSentError
from tradebotd.net.http import Answer, Timeouts
from tradebotd.net.limited import Call, LimitedClient
from tradebotd.ports.clock import HostClock

ATTEMPTS: Final = 2
FIRST_PAUSE: Final = 0.2  # seconds before the second attempt; doubled before each further one

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class AgainError(Exception):
    """Failure that a second attempt may not meet; *pause*: seconds before it, None: the usual."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Told(NamedTuple):
    """An answer of a feed, and where it came from."""

    answer: Value
    source: Source


async def asked(
    ask_once: Callable[[], Awaitable[T]],
    *,
    feed: FeedName,
    path: str,
    host: HostClock,
    random: Random,
) -> T:
    """Return what *ask_once* does; it is called again where it raises AgainError.

    Raises FeedError alone.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return await ask_once()
        except AgainError as error:
            if attempt >= ATTEMPTS:
                raise FeedError(str(error)) from error
            pause = error.pause
            if pause is None:
                pause = FIRST_PAUSE * 2.0 ** (attempt - 1) * (0.5 + random.random())
            _log.info("feed asked again", feed=feed, path=path, reason=str(error))
            await host.sleep(pause)
        except NetError as error:
            raise FeedError(str(error)) from error


async def answered(
    client: LimitedClient,
    path: str,
    call: Call,
    *,
    query: Mapping[str, str],
    timeouts: Timeouts,
) -> tuple[Answer, Source]:
    """Send one GET, within the limits of *client*.

    Raises AgainError, NetError: what is not sent for want of room, or in a ban, is not sent again.
    """
    try:
        answer = await client.request("GET", path, call, query=query, timeouts=timeouts)
    except NoAnswerError as error:
        raise AgainError(str(error)) from error
    except NotSentError as error:
        if error.until is not None or error.banned:
            raise
        raise AgainError(str(error)) from error
    source = client.client.source("GET", path, answer)
    if answer.status >= 500:
        raise AgainError(source.told("which is a failure"))
    return answer, source
