"""HTTP client of one venue or feed: one call, one request, at most one answer.

Never retried, never redirected, no proxy, no cookie. When a call returns, the venue has answered,
with whatever status; when it raises, the class of the error says whether anything has left.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlencode

import anyio

from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source
from tradebotd.net.dialling import Origin, dial, origin_of
from tradebotd.net.errors import NoAnswerError, NotSentError
from tradebotd.net.http_wire import Answer, HttpWire
from tradebotd.net.redaction import Redactor

__all__ = ["Answer", "HttpClient", "Query", "SignNow", "Timeouts", "Unsigned"]

MAX_BODY: Final = 32 * 1024 * 1024
MAX_CONNECTIONS: Final = 12
IDLE_SECONDS: Final = 20.0  # a connection that rested longer is not trusted with an order

Query = str | Mapping[str, str] | Sequence[tuple[str, str]]


class Timeouts(NamedTuple):
    """Seconds. `answer` runs from the first byte sent to the last one received, however it drips.

    A call lasts no longer than their sum.
    """

    pool: float = 2.0
    connect: float = 3.0
    answer: float = 10.0


class Unsigned(NamedTuple):
    """A request before it is signed: `query` percent-encoded, without its question mark."""

    query: str
    body: bytes
    headers: Mapping[str, str]


SignNow = Callable[[Unsigned], Unsigned]
"""Return the request as it is to leave. Never waits; what it raises ends the call, unsent.

It is called once, when nothing is waited for any more (limiter, pool, connection, TLS) and
directly before the bytes leave: the place for `check_may_leave`, timestamp and signature.
"""


class HttpClient:
    """Client of *venue* (its name in errors), below *base_url*, for the paths of *allowed*.

    It keeps up to *max_connections* open. One that acts and one that asks are better two clients:
    an order then never waits for a connection behind a read.
    """

    def __init__(
        self,
        venue: str,
        base_url: str,
        allowed: AllowList,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - immutable
        max_body: int = MAX_BODY,
        max_connections: int = MAX_CONNECTIONS,
        redact: Redactor = Redactor(),  # noqa: B008 - immutable
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.venue = venue
        self.redact = redact
        self._origin: Origin = origin_of(base_url)
        self._allowed = allowed
        self._headers = dict(headers or {})
        self._timeouts = timeouts
        self._max_body = max_body
        self._tls = tls
        self._free = anyio.Semaphore(max_connections, fast_acquire=True)
        self._idle: list[HttpWire] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is idle; calls that run end by themselves, and keep nothing open."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        sign_now: SignNow | None = None,
        timeouts: Timeouts | None = None,
    ) -> Answer:
        """Send one request, and return its answer whatever its status is.

        Raises PathNotAllowedError and NotSentError (nothing left), NoAnswerError (it may have
        arrived), and whatever *sign_now* raises (nothing left).
        """
        self._allowed.check(self.venue, method, path)
        unsigned = Unsigned(_encoded(query), body, headers or {})
        bounds = timeouts or self._timeouts
        try:
            return await self._request(method, path, unsigned, sign_now, bounds)
        except NotSentError as error:
            raise NotSentError(self._told(method, path, error)) from error
        except NoAnswerError as error:
            head = "" if error.status is None else f" (its head said {error.status})"
            text = f"{self._told(method, path, error)}{head}"
            raise NoAnswerError(text, error.status) from error

    def source(self, method: str, path: str, answer: Answer) -> Source:
        """Return *answer* as `answers` reads it, with its place in the texts of errors."""
        told = f"{self.venue}: {method} {path}"
        return Source(told, answer.body, answer.status, self.redact)

    async def _request(
        self,
        method: str,
        path: str,
        unsigned: Unsigned,
        sign_now: SignNow | None,
        bounds: Timeouts,
    ) -> Answer:
        await self._acquire(bounds.pool)
        try:
            wire = await self._wire(bounds)
            try:
                return await self._exchange(wire, method, path, unsigned, sign_now, bounds)
            finally:
                if wire.is_reusable and not self._closed:
                    wire.idle_since = anyio.current_time()
                    self._idle.append(wire)
                else:
                    await wire.close()
        finally:
            self._free.release()

    async def _acquire(self, seconds: float) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            try:
                with anyio.fail_after(seconds):
                    await self._free.acquire()
            except TimeoutError as error:
                raise NotSentError(f"no connection was free for {seconds:g} s") from error

    async def _wire(self, bounds: Timeouts) -> HttpWire:
        """An idle connection that is still whole, the youngest first, or a new one."""
        if self._closed:
            raise NotSentError("the client is closed")
        while self._idle:
            wire = self._idle.pop()
            if anyio.current_time() - wire.idle_since <= IDLE_SECONDS and not (
                wire.is_closed_by_peer()
            ):
                return wire
            await wire.close()
        return HttpWire(await dial(self._origin, seconds=bounds.connect, tls=self._tls))

    async def _exchange(
        self,
        wire: HttpWire,
        method: str,
        path: str,
        unsigned: Unsigned,
        sign_now: SignNow | None,
        bounds: Timeouts,
    ) -> Answer:
        leaving = unsigned if sign_now is None else sign_now(unsigned)
        target = self._origin.path + path + (f"?{leaving.query}" if leaving.query else "")
        request = wire.write(method, target, self._heads(method, leaving), leaving.body)
        try:
            with anyio.fail_after(bounds.answer):
                return await wire.exchange(request, max_body=self._max_body)
        except TimeoutError as error:
            raise NoAnswerError(f"no whole answer within {bounds.answer:g} s") from error

    def _heads(self, method: str, leaving: Unsigned) -> list[tuple[str, str]]:
        heads = {"host": self._origin.authority, "accept-encoding": "gzip"}
        heads |= {name.lower(): value for name, value in self._headers.items()}
        heads |= {name.lower(): value for name, value in leaving.headers.items()}
        if leaving.body or method in {"POST", "PUT", "PATCH"}:
            heads["content-length"] = str(len(leaving.body))
        return list(heads.items())

    def _told(self, method: str, path: str, error: Exception) -> str:
        return self.redact(f"{self.venue}: {method} {path}: {error}")


def _encoded(query: Query) -> str:
    if isinstance(query, str):
        return query
    return urlencode(query if isinstance(query, Mapping) else list(query), quote_via=quote)
