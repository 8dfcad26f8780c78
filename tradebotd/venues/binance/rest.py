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
from tradebotd.net.limited import Call as Place
from tradebotd.net.limited import LimitedClient
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import SendBlockedBy, check_may_leave, not_blocked
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.calls import Call
from tradebotd.venues.binance.errors import Meaning, Refusal, ban_end, error_of, meaning_of
from tradebotd.venues.binance.limits import Limits, retry_after
from tradebotd.venues.binance.payload import MalformedAnswerError, Node, Source, read, to_ms
from tradebotd.venues.binance.server_time import OneAsks, ServerTime
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
    *failed*: beginnings of texts with which the venue says under 503 that nothing was executed.
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
        self._venue = venue
        self._asks, self._acts = (LimitedClient(each, limits.gate) for each in (asks, acts))
        self._key, self._limits, self._time, self._host = key, limits, time, host
        self._time_call = time_call
        self._window = str(receive_window // timedelta(milliseconds=1))
        self._secrets, self._failed = tuple(secrets), failed
        self._one_asks = OneAsks(self._ask_time)

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
        if priority is None:
            priority = Priority.EXIT if call.acts else Priority.READ
        if call.signed:
            await self._have_time(call, priority)
        told = await self._sent(call, params or {}, order, send_blocked_by, priority)
        return told if isinstance(told, Refusal) else read(told)

    def error_of(
        self,
        refusal: Refusal,
        order: ClientOrderId | None = None,
        name: str | None = None,
        *,
        cancels: bool = False,
    ) -> VenueError:
        now, failed = self._host.now(), self._failed
        return error_of(refusal, now, order=order, failed=failed, name=name, cancels=cancels)

    async def learn_time(self) -> None:
        """Ask for the venue's time, unless it is known well enough. Raises VenueError."""
        if self._time.is_due:
            await self._one_asks.ask(Priority.READ)

    async def _have_time(self, call: Call, priority: Priority) -> None:
        """Ask for the venue's time where a timestamp needs it. Raises VenueError, for a question.

        A time that is merely old keeps no order waiting, and one that cannot be learnt stops none:
        a timestamp that is off is refused, and nothing is executed then (S18).
        """
        if call.acts and not self._time.is_unsure:
            return
        if not call.acts and not self._time.is_due:
            return
        try:
            if not call.acts:
                await self._one_asks.ask(priority)
                return
            with anyio.move_on_after(WAIT_TO_ACT):
                await self._one_asks.ask(priority)
        except VenueError as error:
            if not call.acts and self._time.is_unsure:
                raise
            log.warning("venue time not learnt", venue=self._venue, error=str(error))

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

    async def _ask_time(self, priority: Priority) -> None:
        """Ask as one call of *priority* would: an order's question by the client of orders."""
        try:
            await self.ask_time(acts=priority < Priority.READ, priority=priority)
        except VenueError:
            self._time.not_told()
            raise

    async def ask_time(self, *, acts: bool = False, priority: Priority = Priority.READ) -> Node:
        """Ask for the venue's time, and learn it. *acts*: by the client of orders."""
        sent: list[float] = []
        told = await self._sent(
            self._time_call,
            {},
            None,
            lambda: sent.append(self._host.monotonic()),  # directly before the bytes leave
            priority,
            acts=acts,
        )
        answered = self._host.monotonic()
        if isinstance(told, Refusal):
            raise self.error_of(told)
        time = read(told)
        self._time.learn(time.instant("serverTime"), sent[0], answered)
        return time

    async def _sent(
        self,
        call: Call,
        params: Mapping[str, str],
        order: ClientOrderId | None,
        send_blocked_by: SendBlockedBy,
        priority: Priority,
        *,
        acts: bool = False,
    ) -> Source | Refusal:
        """Send the request when its turn has come. Raises VenueError where no answer came.

        *acts*: by the client of orders, whatever the call does.
        """
        refused: list[Refusal] = []

        def take_note(answer: Answer, turn: Turn) -> None:
            if (refusal := self._noted(call, answer, turn)) is not None:
                refused.append(refusal)

        try:
            answer = await (self._acts if call.acts or acts else self._asks).request(
                call.method,
                call.path,
                Place(
                    costs=self._limits.costs(call),
                    priority=priority,
                    wait=WAIT_TO_ACT if call.acts or acts else WAIT_TO_ASK,
                    acts=call.acts,
                ),
                sign_now=self._signing(call, params, send_blocked_by),
                take_note=take_note,
            )
        except NotSentError as error:
            # An end of a ban is the one that the venue has told; the gate's own pauses are none.
            until = self._limits.ban_ends_at if error.banned else None
            raise VenueUnavailableError(str(error), until, banned=error.banned) from error
        except NoAnswerError as error:
            if order is not None:
                log.warning("no answer to an order", order=order, error=str(error))
                raise OutcomeUnknownError(order) from error
            raise VenueUnavailableError(str(error)) from error
        return refused[0] if refused else self._source(call, answer)

    def _noted(self, call: Call, answer: Answer, turn: Turn) -> Refusal | None:
        """Let gate and clock know what an answer says to all calls; return its refusal, if any."""
        succeeded = 200 <= answer.status < 300
        turn.settle(self._limits.spent(call, succeeded=succeeded))
        if call.tells_weight:
            self._limits.observe(answer.headers)
        if succeeded:
            turn.answered()
            return None
        refusal = refusal_of(self._source(call, answer), answer.headers)
        if refusal.code in MATCHING_ENGINE_TIMESTAMPS:
            self._time.doubt()
        match meaning_of(refusal, acts=call.acts, failed=self._failed):
            case Meaning.RATE_LIMITED:
                self._limits.ban(str(refusal), ban_end(refusal, self._host.now()))
            case Meaning.TOO_MANY_ORDERS:
                self._limits.hold_orders(refusal.retry_after)
            case _:
                turn.answered()
        return refusal

    def _source(self, call: Call, answer: Answer) -> Source:
        return Source(
            self._venue,
            call.path,
            answer.status,
            answer.body,
            self._secrets,
            hidden=call.secret,
        )

    def _signing(
        self,
        call: Call,
        params: Mapping[str, str],
        send_blocked_by: SendBlockedBy,
    ) -> Callable[[Unsigned], Unsigned]:
        """Return what is done when nothing is waited for any more."""

        def sign(unsigned: Unsigned) -> Unsigned:
            check_may_leave(send_blocked_by)
            if not call.signed:
                named = {KEY_HEADER: self._key.name} if call.keyed else {}
                return unsigned._replace(
                    query=encoded(params), headers={**unsigned.headers, **named}
                )
            stamp = {"timestamp": str(to_ms(self._time.now())), "recvWindow": self._window}
            query = signed_query({**params, **stamp}, self._key.signer)
            return unsigned._replace(
                query=query, headers={**unsigned.headers, KEY_HEADER: self._key.name}
            )

        return sign


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
