"""Signed requests to a Binance interface, each sent once, and what became of them.

A request waits for its turn at the gate and for a connection. Then, with nothing waited for in
between, it is checked whether it may still leave, stamped with the venue's time, and signed.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import OutcomeUnknownError, VenueError, VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.net.errors import NoAnswerError, NotSentError
from tradebotd.net.gate import Turn
from tradebotd.net.http import Answer, HttpClient, Unsigned
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import SendBlockedBy, check_may_leave, not_blocked
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.calls import Call
from tradebotd.venues.binance.errors import Meaning, Refusal, ban_end, error_of, meaning_of
from tradebotd.venues.binance.limits import Limits, retry_after
from tradebotd.venues.binance.payload import MalformedAnswerError, Node, Source, read, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.signing import Signer, encoded, signed_query

log = structlog.get_logger(__name__)

KEY_HEADER: Final = "X-MBX-APIKEY"
WAIT_TO_ACT: Final = 2.0  # seconds at the gate: then an order's row does not allow it any more
WAIT_TO_ASK: Final = 5.0
WARM_SECONDS: Final = 15.0  # a connection that rested for longer is not trusted with an order
TIMESTAMP: Final = -1021
MATCHING_ENGINE_TIMESTAMPS: Final = frozenset({TIMESTAMP, -4188, -5028})


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """API key, and what signs with it."""

    name: str
    signer: Signer


class RestInterface:
    """Implements `calls.Interface`.

    *asks* and *acts*: two clients, so that no order waits for a connection behind a question.
    *failed*: beginnings of texts with which a 5xx says that nothing was executed.
    """

    def __init__(
        self,
        *,
        venue: VenueName,
        asks: HttpClient,
        acts: HttpClient,
        key: Key,
        limits: Limits,
        time: ServerTime,
        time_call: Call,
        host: HostClock,
        receive_window: timedelta,
        secrets: Collection[str] = (),
        failed: Collection[str] = (),
    ) -> None:
        self._venue, self._asks, self._acts = venue, asks, acts
        self._key, self._limits, self._time, self._host = key, limits, time, host
        self._time_call = time_call
        self._window = str(receive_window // timedelta(milliseconds=1))
        self._secrets, self._failed = tuple(secrets), failed
        self._one_asks = anyio.Lock()

    async def ask(
        self,
        call: Call,
        params: Mapping[str, str] | None = None,
        *,
        order: ClientOrderId | None = None,
        send_blocked_by: SendBlockedBy = not_blocked,
        priority: Priority | None = None,
    ) -> Node:
        told = await self.answer(
            call, params, order=order, send_blocked_by=send_blocked_by, priority=priority
        )
        if isinstance(told, Refusal):
            raise self.error_of(told, order)
        return told

    async def answer(
        self,
        call: Call,
        params: Mapping[str, str] | None = None,
        *,
        order: ClientOrderId | None = None,
        send_blocked_by: SendBlockedBy = not_blocked,
        priority: Priority | None = None,
    ) -> Node | Refusal:
        assert_no_connection_held(f"{self._venue} is asked: {call.path}")
        if call.signed and self._time.is_due:
            await self.learn_time()
        told = await self._sent(call, params or {}, order, send_blocked_by, priority)
        source = Source(self._venue, call.path, told.status, told.body, self._secrets)
        if 200 <= told.status < 300:
            return read(source)
        refusal = refusal_of(source, told.headers)
        self._heed(refusal, acts=call.acts)
        return refusal

    def error_of(
        self, refusal: Refusal, order: ClientOrderId | None = None, name: str | None = None
    ) -> VenueError:
        now = self._host.now()
        return error_of(refusal, now, order=order, failed=self._failed, name=name)

    async def learn_time(self) -> None:
        """Ask for the venue's time; of several who want it one asks. Raises VenueError."""
        async with self._one_asks:
            if self._time.is_due:
                await self.ask_time()

    async def keep_warm(self) -> None:
        """Ask for the time by the client that acts, so that an order finds a connection open.

        Connecting takes as long as several answers do, with TLS. What goes wrong is no news here.
        """
        while True:
            try:
                await self.ask_time(acts=True)
            except VenueError as error:
                log.debug("venue not reached", venue=self._venue, error=str(error))
            await anyio.sleep(WARM_SECONDS)

    async def ask_time(self, *, acts: bool = False) -> Node:
        """Ask for the venue's time, and learn it."""
        sent: list[float] = []
        told = await self._sent(
            self._time_call,
            {},
            None,
            lambda: sent.append(self._host.monotonic()),  # directly before the bytes leave
            None,
            acts=acts,
        )
        answered = self._host.monotonic()
        source = Source(self._venue, self._time_call.path, told.status, told.body, self._secrets)
        if told.status != 200:
            refusal = refusal_of(source, told.headers)
            self._heed(refusal, acts=False)
            raise self.error_of(refusal)
        time = read(source)
        self._time.learn(time.instant("serverTime"), sent[0], answered)
        return time

    async def _sent(
        self,
        call: Call,
        params: Mapping[str, str],
        order: ClientOrderId | None,
        send_blocked_by: SendBlockedBy,
        priority: Priority | None,
        *,
        acts: bool = False,
    ) -> Answer:
        """Send the request when its turn has come. Raises VenueError where no answer came.

        *acts*: by the client of orders, whatever the call does.
        """
        if priority is None:
            priority = Priority.EXIT if call.acts else Priority.READ
        wait = WAIT_TO_ACT if call.acts else WAIT_TO_ASK
        try:
            async with self._limits.gate.turn(
                self._limits.costs(call), priority, wait=wait, acts=call.acts
            ) as turn:
                client = self._acts if call.acts or acts else self._asks
                answer = await client.request(
                    call.method,
                    call.path,
                    sign_now=self._signing(call, params, turn, send_blocked_by),
                )
                succeeded = 200 <= answer.status < 300
                turn.settle(self._limits.spent(call, succeeded=succeeded))
        except NotSentError as error:
            # An end of a ban is the one that the venue has told; the gate's own pauses are none.
            until = self._limits.ban_ends_at if error.banned else None
            raise VenueUnavailableError(str(error), until, banned=error.banned) from error
        except NoAnswerError as error:
            if order is not None:
                log.warning("no answer to an order", order=order, error=str(error))
                raise OutcomeUnknownError(order) from error
            raise VenueUnavailableError(str(error)) from error
        self._limits.observe(answer.headers)
        if succeeded:
            self._limits.gate.answered()
        return answer

    def _signing(
        self,
        call: Call,
        params: Mapping[str, str],
        turn: Turn,
        send_blocked_by: SendBlockedBy,
    ) -> Callable[[Unsigned], Unsigned]:
        """Return what is done when nothing is waited for any more."""

        def sign(unsigned: Unsigned) -> Unsigned:
            turn.check()
            check_may_leave(send_blocked_by)
            if not call.signed:
                return unsigned._replace(query=encoded(params))
            stamp = {"timestamp": str(to_ms(self._time.now())), "recvWindow": self._window}
            query = signed_query({**params, **stamp}, self._key.signer)
            return unsigned._replace(
                query=query, headers={**unsigned.headers, KEY_HEADER: self._key.name}
            )

        return sign

    def _heed(self, refusal: Refusal, *, acts: bool) -> None:
        """Let the gate and the clock know what a refusal says to all calls."""
        if refusal.code in MATCHING_ENGINE_TIMESTAMPS:
            self._time.doubt()
        match meaning_of(refusal, acts=acts, failed=self._failed):
            case Meaning.RATE_LIMITED:
                self._limits.ban(str(refusal), ban_end(refusal, self._host.now()))
            case Meaning.TOO_MANY_ORDERS:
                self._limits.hold_orders(refusal.retry_after)
            case _:
                self._limits.gate.answered()


def refusal_of(source: Source, headers: Mapping[str, str]) -> Refusal:
    """Return the refusal of an answer that is no success, whatever its body is."""
    after = retry_after(headers)
    try:
        told = read(source)
        code, words = told.integer("code"), told.text("msg")
    except MalformedAnswerError:
        return Refusal(status=source.status, code=None, words=source.excerpt(), retry_after=after)
    words = Source(
        source.venue, source.path, source.status, words.encode(), source.secrets
    ).excerpt()
    return Refusal(status=source.status, code=code, words=words, retry_after=after, told=told)
