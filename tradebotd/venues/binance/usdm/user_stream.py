"""User stream of Binance USDT-M: what happens to orders between calls, by a listen key.

F11: on `/private` alone; an address without a route stays silent without an error. A connection
lives for a day; its successor listens before it is closed. The order of events of two kinds is not
promised, so none is taken for the state of an order because it came last.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.order import OrderReport
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import LostBecause, NetError, StreamRefusedError
from tradebotd.net.websocket import Connection
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Listener, StreamListener, StreamState
from tradebotd.venues.binance.errors import Refusal, ban_end
from tradebotd.venues.binance.limits import Limits, retry_after
from tradebotd.venues.binance.payload import Node, Source, read
from tradebotd.venues.binance.rest import RestInterface
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.stream_messages import announces_shutdown
from tradebotd.venues.binance.usdm.events import is_news_of, key_has_expired, misnamed, told_of
from tradebotd.venues.binance.usdm.expectations import Expectations
from tradebotd.venues.binance.usdm.listen_key import ListenKey
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import OrderReader

log = structlog.get_logger(__name__)

PATH: Final = "user stream"
ROUTE: Final = "/private/ws/"
LONGEST_SECONDS: Final = 23 * 3600.0  # of a connection: the venue cuts it after 24 hours
LOOK_EVERY: Final = 1.0
CLOSING_SECONDS: Final = 10.0
STRAGGLER_SECONDS: Final = 2.0  # that a connection reads on behind its successor's beginning
DRAIN_SECONDS: Final = 30.0  # for it to tell what it has received
DRAIN_LOOK_SECONDS: Final = 0.01
BANNING: Final = frozenset({403, 418, 429})
REMEMBERED: Final = 5_000  # events, by which those that two connections told are told once

OpenStream = Callable[[str], AbstractAsyncContextManager[Connection]]


class StreamEndedError(VenueUnavailableError):
    """The venue has ended the stream, or tells nothing by it any more."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection, from the attempt to its end.

    `settled`: it listens, or has failed; `to_replace`: a successor is wanted, or it is over.
    """

    settled: anyio.Event = field(default_factory=anyio.Event)
    to_replace: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    listens: bool = False
    over: bool = False
    retired: bool = False  # its successor tells what it would
    connection: Connection | None = None
    tells: bool = False  # a message is taken, and is not told yet
    heard_at: datetime | None = None  # the venue's time of what it told last

    @property
    def is_busy(self) -> bool:
        """Whether something has come that is not told yet."""
        waiting = 0 if self.connection is None else self.connection.waiting
        return not self.over and (self.tells or waiting > 0)


class UserStream:
    """*open_stream* opens the stream of a path, which has the listen key in it."""

    def __init__(
        self,
        *,
        venue: VenueName,
        open_stream: OpenStream,
        interface: RestInterface,
        limits: Limits,
        time: ServerTime,
        reader: OrderReader,
        names: OrderNames,
        expectations: Expectations,
        host: HostClock,
        backoff: Backoff,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._venue, self._open = venue, open_stream
        self._interface, self._limits = interface, limits
        self._time, self._host = time, host
        self._reader, self._names, self._expectations = reader, names, expectations
        self._backoff, self._secrets = backoff, secrets
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
        """Keep one stream, for ever. Run again behind an error, it says what was lost."""
        if self._current is not None:
            self._current, self._lost = None, True
            await self._tell_state(connected=False, gap=True)
        async with anyio.create_task_group() as tasks:
            while True:
                session = Session()
                began = self._host.monotonic()
                tasks.start_soon(self._keep, session)
                await session.settled.wait()
                if session.listens:
                    await self._take_over(session)
                    await session.to_replace.wait()
                    if not session.over:
                        continue
                self._backoff.lasted(self._host.monotonic() - began)
                await self._host.sleep(self._backoff.pause())

    async def _take_over(self, session: Session) -> None:
        before, self._current = self._current, session
        was_lost, self._lost = self._lost, False
        if was_lost:
            self._expectations.forget()  # whoever hears of the gap asks what became of it
        if was_lost or before is None:
            await self._tell_state(connected=True, gap=was_lost)
        if before is None or before.over:
            return
        before.retired = True
        if not await self._has_drained(before):
            self._heard_at = before.heard_at
            self._expectations.forget()
            if not session.over:
                await self._tell_state(connected=True, gap=True)

    async def _has_drained(self, session: Session) -> bool:
        """Let a connection tell all it has received, and end it; return whether it has.

        Its successor hears events only now, so what happened before may still be on the way. What
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
                self._heed(error)
        session.over = True
        if session is self._current and not session.retired:
            self._lost = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSING_SECONDS):
                await self._tell_state(connected=False, gap=True)
        session.settled.set()
        session.to_replace.set()

    def _heed(self, error: NetError | VenueError) -> None:
        """Let the gate know of a ban that the handshake has told: nobody knocks during one."""
        if isinstance(error, StreamRefusedError) and error.status in BANNING:
            refusal = Refusal(
                status=error.status,
                code=None,
                words=str(error),
                retry_after=retry_after(error.headers),
            )
            self._limits.ban(str(refusal), ban_end(refusal, self._host.now()))

    async def _connected(self, session: Session) -> None:
        if self._time.is_due:
            await self._interface.learn_time()
        key = await ListenKey.start(self._interface, self._host)
        failure: Exception | None = None
        async with self._open(key.text) as connection, anyio.create_task_group() as tasks:
            if self._heard_at is None:
                self._heard_at = self._time.now()
            session.connection, session.heard_at = connection, self._time.now()
            session.listens = True
            session.settled.set()
            tasks.start_soon(self._attend, session, connection, key)
            try:
                await self._read(session, connection, (*self._secrets, key.text))
            except (NetError, VenueError) as error:
                failure = error  # raised below, outside the group of tasks
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _attend(self, session: Session, connection: Connection, key: ListenKey) -> None:
        """Keep the key alive, have a successor in time, and end a stream that has become mute."""
        began = self._host.monotonic()
        while True:
            await self._host.sleep(LOOK_EVERY)
            if self._host.monotonic() - began > LONGEST_SECONDS:
                session.to_replace.set()
            if (why := await key.keep()) is not None:
                connection.lose(LostBecause.CLOSED, why)
                return
            if session is self._current and (order := self._expectations.overdue()) is not None:
                connection.lose(LostBecause.CLOSED, f"nothing was told of {order}, which is taken")
                return

    async def _read(
        self, session: Session, connection: Connection, secrets: tuple[str, ...]
    ) -> None:
        """Take messages until the stream is lost. Raises NetError, VenueError."""
        while True:
            session.tells = False
            body = await connection.receive()
            session.tells = True
            told = read(Source(self._venue, PATH, 200, body, secrets))
            if announces_shutdown(told):
                log.info("server shutdown announced", venue=self._venue)
                session.to_replace.set()
                continue
            event = told.field("data") if told.has("stream") else told
            if not event.has("e"):
                continue  # an answer to nothing that we have asked
            if key_has_expired(event):
                raise StreamEndedError("its listen key has expired")
            await self._hear(event)
            session.heard_at = event.instant("E")

    async def _hear(self, event: Node) -> None:
        """Tell what an event says of an order; of what two connections told, once."""
        async with self._one_tells:
            told = told_of(event, self._reader)
            if told is not None and told.identity not in self._told:
                report = told.report
                self._expectations.heard(report.client_order_id)
                wrong = misnamed(told, self._names)
                is_news = is_news_of(told, self._names)
                self._names.learn(told.symbol, report)
                if is_news:
                    await self._tell(report)
                self._remember(told.identity)
                if wrong is not None:  # its fills are asked for, and have the right name then
                    raise StreamEndedError(f"{wrong} was told, which is {report.client_order_id}")
            at = event.instant("E")
            self._heard_at = at if self._heard_at is None else max(self._heard_at, at)

    async def _tell(self, report: OrderReport) -> None:
        if self._listener is not None:
            await self._listener(report)

    def _remember(self, identity: tuple[object, ...]) -> None:
        """Note that an event was told: one whose telling was cut off is news once more."""
        self._told[identity] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    async def _tell_state(self, *, connected: bool, gap: bool) -> None:
        if self._on_stream is not None:
            gap_since = self._heard_at if gap else None
            await self._on_stream(StreamState(connected=connected, gap_since=gap_since))
