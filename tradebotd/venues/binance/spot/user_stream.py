"""User stream of Binance spot: what happens to orders between calls, by the WebSocket API.

The subscription is signed by itself (`userDataStream.subscribe.signature`), which any kind of key
can do, and which no logon of the connection can revoke. A connection lives for a day; its successor
is subscribed before it is closed, and also as soon as the server announces that it will close.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import anyio
import orjson
import structlog

from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import LostBecause, NetError, NotSentError, StreamRefusedError
from tradebotd.net.rate_limit import Priority
from tradebotd.net.websocket import Connection
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Listener, StreamListener, StreamState
from tradebotd.venues.binance.errors import Refusal, ban_end
from tradebotd.venues.binance.limits import Limits, retry_after
from tradebotd.venues.binance.payload import Node, Source, read, to_ms
from tradebotd.venues.binance.rest import TIMESTAMP, Key, RestInterface
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.signing import signed_params
from tradebotd.venues.binance.spot.order_names import OrderNames
from tradebotd.venues.binance.spot.orders import OrderReader
from tradebotd.venues.binance.spot.paths import (
    LIST_SUBSCRIPTIONS,
    SOCKET_METHODS,
    SUBSCRIBE,
)
from tradebotd.venues.binance.stream_messages import announces_shutdown, ends_stream

log = structlog.get_logger(__name__)

ORDER_EVENT: Final = "executionReport"
PATH: Final = "user stream"
LONGEST_SECONDS: Final = 23 * 3600.0  # of a connection: the venue cuts it after 24 hours
ANSWER_SECONDS: Final = 10.0
ASKED_EVERY: Final = 15.0  # seconds: whether the subscription is still there
CONNECTING_WEIGHT: Final = 2
SUBSCRIBING_WEIGHT: Final = 2
WAIT_SECONDS: Final = 60.0  # at the gate
LISTING_WEIGHT: Final = 2
STRAGGLER_SECONDS: Final = 2.0  # that a connection reads on behind its successor's subscription
DRAIN_SECONDS: Final = 30.0  # for it to tell what it has received
DRAIN_LOOK_SECONDS: Final = 0.01
TOO_MANY: Final = -1003
BANNING: Final = frozenset({403, 418, 429})
REMEMBERED: Final = 5_000  # events, by which those that two connections told are told once

OpenStream = Callable[[], AbstractAsyncContextManager[Connection]]


class StreamEndedError(VenueUnavailableError):
    """The venue has ended the stream, or its answers do not come any more."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection, from the attempt to its end.

    `settled`: it is subscribed, or has failed; `to_replace`: a successor is wanted, or it is over.
    """

    settled: anyio.Event = field(default_factory=anyio.Event)
    to_replace: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    subscribed: bool = False
    over: bool = False
    retired: bool = False  # its successor tells what it would
    connection: Connection | None = None
    tells: bool = False  # a message is taken, and is not told yet
    heard_at: datetime | None = None  # the venue's time of what it told last
    answers: dict[int, Node] = field(default_factory=dict)
    answered: anyio.Event = field(default_factory=anyio.Event)
    asked: int = 0

    @property
    def is_busy(self) -> bool:
        """Whether something has come that is not told yet."""
        waiting = 0 if self.connection is None else self.connection.waiting
        return not self.over and (self.tells or waiting > 0)


class UserStream:
    def __init__(
        self,
        *,
        venue: VenueName,
        open_stream: OpenStream,
        key: Key,
        interface: RestInterface,
        limits: Limits,
        time: ServerTime,
        reader: OrderReader,
        names: OrderNames,
        host: HostClock,
        backoff: Backoff,
        receive_window: timedelta,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._venue, self._open, self._key = venue, open_stream, key
        self._interface, self._limits, self._time = interface, limits, time
        self._reader, self._names, self._host = reader, names, host
        self._backoff, self._secrets = backoff, secrets
        self._window = receive_window // timedelta(milliseconds=1)
        self._listener: Listener | None = None
        self._on_stream: StreamListener | None = None
        self._one_tells = anyio.Lock()
        self._current: Session | None = None
        self._heard_at: datetime | None = None  # the venue's time of what was told last
        self._lost = False
        self._told: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def listen(self, listener: Listener, on_stream: StreamListener | None) -> None:
        self._listener, self._on_stream = listener, on_stream

    async def run(self) -> None:
        """Keep one subscription, for ever. Run again behind an error, it says what was lost."""
        if self._current is not None:
            self._current, self._lost = None, True
            await self._tell_state(connected=False, gap=True)
        async with anyio.create_task_group() as tasks:
            while True:
                session = Session()
                began = self._host.monotonic()
                tasks.start_soon(self._keep, session)
                await session.settled.wait()
                if session.subscribed:
                    await self._take_over(session)
                    await session.to_replace.wait()
                    if not session.over:
                        continue
                self._backoff.lasted(self._host.monotonic() - began)
                await self._host.sleep(self._backoff.pause())

    async def _take_over(self, session: Session) -> None:
        before, self._current = self._current, session
        was_lost, self._lost = self._lost, False
        if was_lost or before is None:
            await self._tell_state(connected=True, gap=was_lost)
        if before is None or before.over:
            return
        before.retired = True
        if not await self._has_drained(before):
            self._heard_at = before.heard_at
            if not session.over:
                await self._tell_state(connected=True, gap=True)

    async def _has_drained(self, session: Session) -> bool:
        """Let a connection tell all it has received, and end it; return whether it has.

        Its successor is subscribed only now, so what happened before may still be on the way. What
        both tell is told once, and nothing is ended while it is told.
        """
        await self._host.sleep(STRAGGLER_SECONDS)
        drained = False
        with anyio.move_on_after(DRAIN_SECONDS):
            while session.is_busy:  # noqa: ASYNC110 - each message makes it busy again
                await anyio.sleep(DRAIN_LOOK_SECONDS)
            drained = not session.over
        async with self._one_tells:
            session.scope.cancel()
        return drained

    async def _keep(self, session: Session) -> None:
        """One connection; all that can happen to it ends it, and is told once."""
        with session.scope:
            try:
                await self._connected(session)
            except (NetError, VenueError) as error:
                log.warning("user stream lost", venue=self._venue, reason=str(error))
                if isinstance(error, StreamRefusedError) and error.status in BANNING:
                    refusal = Refusal(
                        status=error.status,
                        code=None,
                        words=str(error),
                        retry_after=retry_after(error.headers),
                    )
                    self._limits.ban(str(refusal), ban_end(refusal, self._host.now()))
        session.over = True
        if session is self._current and not session.retired:
            self._lost = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(ANSWER_SECONDS):
                await self._tell_state(connected=False, gap=True)
        session.settled.set()
        session.to_replace.set()

    async def _connected(self, session: Session) -> None:
        if self._time.is_due:
            await self._interface.learn_time()
        weight = CONNECTING_WEIGHT + SUBSCRIBING_WEIGHT
        async with self._limits.gate.turn(
            self._limits.weighing(weight), Priority.READ, wait=WAIT_SECONDS
        ):
            pass
        failure: Exception | None = None
        async with self._open() as connection, anyio.create_task_group() as tasks:
            session.connection = connection
            tasks.start_soon(self._attend, session, connection)
            try:
                await self._read(session, connection)
            except (NetError, VenueError) as error:
                failure = error  # raised below, outside the group of tasks
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _attend(self, session: Session, connection: Connection) -> None:
        """Subscribe, and ask from time to time whether the subscription is still there.

        A connection may be alive, answer pings, and tell nothing any more: so an answer is asked
        for, and one that does not come ends the connection.
        """
        try:
            number = await self._subscribe(session, connection)
            began = self._host.monotonic()
            while True:
                await anyio.sleep(ASKED_EVERY)
                if self._host.monotonic() - began > LONGEST_SECONDS:
                    session.to_replace.set()
                told = await self._subscriptions(session, connection)
                if told is not None and number not in told:
                    raise StreamEndedError("the subscription is gone")
        except (NetError, VenueError) as error:
            connection.lose(LostBecause.CLOSED, str(error))

    async def _subscriptions(self, session: Session, connection: Connection) -> set[int] | None:
        """Return the subscriptions that there are; None where they may not be asked for now.

        Neither a ban nor a limit says anything of the stream, which goes on.
        """
        costs = self._limits.weighing(LISTING_WEIGHT)
        try:
            async with self._limits.gate.turn(costs, Priority.READ, wait=ANSWER_SECONDS) as turn:
                told = await self._call(session, connection, LIST_SUBSCRIPTIONS, {})
                turn.answered()
        except NotSentError as error:
            log.debug("user stream not looked after", venue=self._venue, reason=str(error))
            return None
        return {each.integer("subscriptionId") for each in told.items()}

    async def _subscribe(self, session: Session, connection: Connection) -> int:
        params: dict[str, str | int] = {
            "apiKey": self._key.name,
            "timestamp": to_ms(self._time.now()),
            "recvWindow": self._window,
        }
        told = await self._call(
            session, connection, SUBSCRIBE, signed_params(params, self._key.signer)
        )
        number = told.integer("subscriptionId")
        if self._heard_at is None:
            self._heard_at = self._time.now()
        session.heard_at = self._time.now()
        session.subscribed = True
        session.settled.set()
        return number

    async def _call(
        self,
        session: Session,
        connection: Connection,
        method: str,
        params: Mapping[str, str | int],
    ) -> Node:
        """Ask, and wait for the answer.

        Raises StreamEndedError, MalformedAnswerError; NotSentError for a ban, which is noted.
        """
        session.asked += 1
        number, session.answered = session.asked, anyio.Event()
        if method not in SOCKET_METHODS:
            raise ValueError(f"{method} is not on the allow-list")
        request = {"id": number, "method": method, "params": params}
        await connection.send(orjson.dumps(request).decode())
        with anyio.move_on_after(ANSWER_SECONDS):
            await session.answered.wait()
        told = session.answers.pop(number, None)
        if told is None:
            raise StreamEndedError(f"{method}: no answer within {ANSWER_SECONDS:g} s")
        if told.integer("status") != 200:
            error = told.field("error")
            code, words = error.integer("code"), error.text("msg")
            if code == TIMESTAMP:
                self._time.doubt()
            if code == TOO_MANY or told.integer("status") in BANNING:
                ends_at = _ban_end(error, self._host.now())
                self._limits.ban(f"{words} ({code})", ends_at)
                raise NotSentError(f"{method}: {words} ({code})", ends_at, banned=True)
            raise StreamEndedError(f"{method}: {words} ({code})")
        return told.field("result")

    async def _read(self, session: Session, connection: Connection) -> None:
        """Take messages until the stream is lost. Raises NetError, VenueError."""
        while True:
            session.tells = False
            body = await connection.receive()
            session.tells = True
            told = read(Source(self._venue, PATH, 200, body, self._secrets))
            if announces_shutdown(told):
                log.info("server shutdown announced", venue=self._venue)
                session.to_replace.set()
            elif (why := ends_stream(told)) is not None:
                raise StreamEndedError(why)
            elif told.has("id"):
                session.answers = {told.integer("id"): told}
                session.answered.set()
            elif told.has("event"):
                await self._hear(told.field("event"))
                session.heard_at = told.field("event").instant("E")

    async def _hear(self, event: Node) -> None:
        """Tell what an event says of an order; of what two connections told, once."""
        async with self._one_tells:
            if event.text("e") == ORDER_EVENT and self._is_news(event):
                report = self._reader.event(event)
                self._names.learn(self._symbol_of(event), report)
                if self._listener is not None:
                    await self._listener(report)
                self._remember(event)
            at = event.instant("E")
            self._heard_at = at if self._heard_at is None else max(self._heard_at, at)

    def _is_news(self, event: Node) -> bool:
        """Return whether an order's event was not told before: each execution has a number."""
        return _identity(event) not in self._told

    def _remember(self, event: Node) -> None:
        """Note that an event was told: one whose telling was cut off is news once more."""
        self._told[_identity(event)] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _symbol_of(self, event: Node) -> str:
        return self._reader.symbol_of(event.text("s"))

    async def _tell_state(self, *, connected: bool, gap: bool) -> None:
        if self._on_stream is not None:
            gap_since = self._heard_at if gap else None
            await self._on_stream(StreamState(connected=connected, gap_since=gap_since))


def _identity(event: Node) -> tuple[object, ...]:
    return (event.text("s"), event.integer("i"), event.integer("I"), event.text("X"))


def _ban_end(error: Node, now: datetime) -> datetime | None:
    """Return the end of a ban that an answer of the WebSocket API tells; None: it tells none."""
    if error.has("data") and error.field("data").has("retryAfter"):
        return error.field("data").instant("retryAfter")
    return ban_end(Refusal(status=0, code=None, words=error.text("msg")), now)
