"""Order stream of Alpaca (`trade_updates`): what happens to orders between calls.

One connection an account (A11): a second one, and storms of them, are refused with 429, which is
waited out. Messages come as text or as binary frames. What an event says of an order is read from
the order in it; a fill that cannot be told for certain is asked for.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio
import orjson
import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import OrderReport
from tradebotd.net.answers import Source, Value
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import LostBecause, NetError, StreamRefusedError
from tradebotd.net.redaction import Redactor
from tradebotd.net.websocket import Connection
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Listener, StreamListener, StreamState
from tradebotd.venues.alpaca.event_lines import EventLines
from tradebotd.venues.alpaca.lookups import Lookups
from tradebotd.venues.alpaca.names import OrderNames, named_orders
from tradebotd.venues.alpaca.orders import OrderReader
from tradebotd.venues.alpaca.payload import (
    id_of,
    instant_of,
    not_negative,
    text_if_any,
)

log = structlog.get_logger(__name__)

CHANNEL: Final = "trade_updates"
ANSWER_SECONDS: Final = 10.0
ASKED_EVERY: Final = 15.0  # seconds: whether the venue still answers on the stream
LOOK_EVERY: Final = 1.0
SPEAKS_WITHIN: Final = 15.0  # seconds, of an order that was taken: or the stream is mute
STORM_SECONDS: Final = 60.0  # A11: what a 429 at the handshake is waited out for
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, before pairs are asked for again
REMEMBERED: Final = 5_000
SLACK: Final = timedelta(seconds=5)  # what the host's clock may be ahead of the venue's
FILLS: Final = frozenset({"fill", "partial_fill"})
REPLACE_REFUSED: Final = "order_replace_rejected"

OpenStream = Callable[[], AbstractAsyncContextManager[Connection]]


class StreamEndedError(VenueUnavailableError):
    """The venue has refused the stream, or its answers do not come any more."""


class OrderStream:
    def __init__(
        self,
        *,
        venue: VenueName,
        open_stream: OpenStream,
        key_id: str,
        secret: str,
        reader: OrderReader,
        names: OrderNames,
        lookups: Lookups,
        host: HostClock,
        backoff: Backoff,
        redact: Redactor,
    ) -> None:
        self._venue, self._open = venue, open_stream
        self._keys = {"key_id": key_id, "secret_key": secret}
        self._reader, self._names, self._lookups = reader, names, lookups
        self._host, self._backoff, self._redact = host, backoff, redact
        self._listener: Listener | None = None
        self._on_stream: StreamListener | None = None
        self._connected = self._lost = False
        self._heard_at: datetime | None = None  # the venue's time of what was told last
        self._lines: EventLines | None = None  # of the connection that there is
        self._answered = anyio.Event()
        self._expected: dict[str, float] = {}  # ids of orders, by when they were taken
        self._spoken: OrderedDict[str, None] = OrderedDict()  # ids of orders that it has told of
        self._told: OrderedDict[str, None] = OrderedDict()  # ids of events
        self._totals: OrderedDict[str, str] = OrderedDict()

    def listen(self, listener: Listener, on_stream: StreamListener | None) -> None:
        self._listener, self._on_stream = listener, on_stream

    def expect(self, order_id: str) -> None:
        """Expect the stream to speak of an order that was taken; it may have done so before."""
        if self._connected and order_id not in self._spoken:
            self._expected[order_id] = self._host.monotonic()

    async def run(self) -> None:
        """Keep one connection, for ever. Run again behind an error, it says what was lost."""
        if self._connected:
            await self._lose()
        while True:
            began = self._host.monotonic()
            pause = 0.0
            try:
                await self._connect()
            except StreamRefusedError as error:
                pause = STORM_SECONDS if error.status == 429 else 0.0
                log.warning("order stream refused", venue=self._venue, reason=str(error))
            except (NetError, VenueError) as error:
                log.warning("order stream lost", venue=self._venue, reason=str(error))
            if self._connected:
                with anyio.CancelScope(shield=True), anyio.move_on_after(ANSWER_SECONDS):
                    await self._lose()
            self._backoff.lasted(self._host.monotonic() - began)
            await self._host.sleep(max(pause, self._backoff.pause()))

    async def _connect(self) -> None:
        """One connection, from its handshake to its end. Raises NetError, VenueError."""
        failure: Exception | None = None
        async with self._open() as connection, anyio.create_task_group() as tasks:

            def fail(error: Exception) -> None:
                connection.lose(LostBecause.CLOSED, str(error))

            self._lines = EventLines(self.hear, tasks, self._host, fail)
            try:
                await self._authenticate(connection)
                await self._subscribed()
                tasks.start_soon(self._attend, connection)
                tasks.start_soon(self._learn_pairs)
                while True:
                    await self._take(self._read(await connection.receive()))
            except (NetError, VenueError) as error:
                failure = error  # raised below, outside the group of tasks
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _authenticate(self, connection: Connection) -> None:
        await self._say(connection, {"action": "authenticate", "data": self._keys})
        told = await self._answer_of(connection, "authorization")
        if told["status"].text() != "authorized":
            raise StreamEndedError("the order stream refuses the key")
        await self._listen(connection)
        _check_listening(await self._answer_of(connection, "listening"))

    async def _listen(self, connection: Connection) -> None:
        await self._say(connection, {"action": "listen", "data": {"streams": [CHANNEL]}})

    @staticmethod
    async def _say(connection: Connection, message: object) -> None:
        await connection.send(orjson.dumps(message).decode())

    async def _answer_of(self, connection: Connection, stream: str) -> Value:
        """Return the data of the answer on *stream*; what comes before it is taken."""
        with anyio.move_on_after(ANSWER_SECONDS):
            while True:
                told = self._read(await connection.receive())
                if told["stream"].text() == stream:
                    return told["data"]
                await self._take(told)
        raise StreamEndedError(f"{stream}: no answer within {ANSWER_SECONDS:g} s")

    async def _subscribed(self) -> None:
        """Say that the stream is there."""
        gap = self._heard_at if self._lost else None
        if self._heard_at is None:
            self._heard_at = self._host.now() - SLACK
        self._connected, self._lost = True, False
        self._expected.clear()
        if self._on_stream is not None:
            await self._on_stream(StreamState(connected=True, gap_since=gap))

    async def _lose(self) -> None:
        self._connected, self._lost = False, True
        self._totals.clear()
        untold = None if self._lines is None else self._lines.oldest
        self._lines = None
        if untold is not None and self._heard_at is not None:
            self._heard_at = min(untold, self._heard_at)
        if self._on_stream is not None:
            await self._on_stream(StreamState(connected=False, gap_since=self._heard_at))

    async def _learn_pairs(self) -> None:
        """Learn the pairs that the stream will speak of by their legs, as soon as the venue says.

        Until then a leg's pair is asked for with its event.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                await self._lookups.learn_pairs()
            except (NetError, VenueError) as error:
                log.warning("pairs not learned", venue=self._venue, error=str(error))
            else:
                return
            await self._host.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _attend(self, connection: Connection) -> None:
        """Ask from time to time whether the venue still answers, and miss what it should tell.

        A connection may be alive, answer pings, and tell nothing any more (A11): so an answer is
        asked for by listening again, and an order that was taken has to be spoken of.
        """
        asked_at = self._host.monotonic()
        try:
            while True:
                await anyio.sleep(LOOK_EVERY)
                now = self._host.monotonic()
                mute = [name for name, at in self._expected.items() if now - at > SPEAKS_WITHIN]
                if mute:
                    raise StreamEndedError(f"nothing is told of order {mute[0]}")
                if now - asked_at >= ASKED_EVERY:
                    asked_at = now
                    self._answered = anyio.Event()
                    await self._listen(connection)
                    with anyio.move_on_after(ANSWER_SECONDS) as waited:
                        await self._answered.wait()
                    if waited.cancelled_caught:
                        raise StreamEndedError("the order stream is silent")
        except (NetError, VenueError) as error:
            connection.lose(LostBecause.CLOSED, str(error))

    def _read(self, message: bytes) -> Value:
        return Source(f"{self._venue}: order stream", message, redact=self._redact).json()

    async def _take(self, told: Value) -> None:
        """Take one message. Raises MisshapenError, VenueError: the stream is opened again then."""
        match told["stream"].text():
            case "listening":
                _check_listening(told["data"])
                self._answered.set()
            case "authorization":
                if told["data"]["status"].text() != "authorized":
                    raise StreamEndedError("the order stream has revoked the key")
            case "trade_updates":
                event = told["data"]
                if self._lines is None:
                    await self.hear(event)
                else:
                    self._lines.add(id_of(event["order"]["id"]), _event_time(event), event)
            case _:
                pass

    async def hear(self, event: Value) -> None:
        """Tell what an event says of its order, once."""
        at = _event_time(event)
        event_id = text_if_any(event, "event_id")
        if event_id is not None and event_id in self._told:
            return
        for report in await self._reports(event):
            if self._listener is not None:
                await self._listener(report)
        if event_id is not None:
            _is_new(self._told, event_id)  # only now: one that has failed is told again
        at = min(at, self._host.now() + SLACK)  # a time to come would hide the next gap
        self._heard_at = at if self._heard_at is None else max(self._heard_at, at)

    async def _reports(self, event: Value) -> list[OrderReport]:
        """A5: read an event. One that nobody knows says what the order in it says, and no more."""
        order, word = event["order"], event["event"].text()
        order_id = id_of(order["id"])
        self._expected.pop(order_id, None)
        _is_new(self._spoken, order_id)
        self._names.learn_all(order, is_event=True)
        name = await self._name_of(order, order_id)
        report = await self._report(event, order, name)
        if word != REPLACE_REFUSED:
            return [report]
        refused = await self._refused(order)
        return [report] if refused is None else [report, refused]

    async def _report(self, event: Value, order: Value, name: ClientOrderId) -> OrderReport:
        """Read the order, with the fill that the event tells.

        Where that does not make up what is filled by then, events were lost or came in another
        order: all fills are asked for.
        """
        order_id, filled = id_of(order["id"]), not_negative(order["filled_qty"])
        before = self._totals.get(order_id)
        known = ZERO if before is None else Decimal(before)
        self._totals[order_id] = str(max(filled, known))
        self._totals.move_to_end(order_id)
        if len(self._totals) > REMEMBERED:
            self._totals.popitem(last=False)
        if self._names.is_replacement(order_id) or self._is_replaced(order, order_id):
            return await self._lookups.whole(order, name)  # under several ids it is one order
        if event["event"].text() in FILLS:
            quantity = not_negative(event["qty"])
            is_next = filled == known + quantity if before is not None else quantity <= filled
            if is_next and quantity:
                return self._reader.order(order, name, [self._reader.execution(event, name)])
        elif filled == known or (before is None and not filled):
            return self._reader.order(order, name)
        elif before is None:
            return self._reader.order(order, name)  # what was filled before we listened
        told = await self._lookups.by_id(order_id)
        if told is None:
            raise VenueUnavailableError(f"order {order_id} of an event is not known")
        return await self._lookups.whole(told, name)

    async def _name_of(self, order: Value, order_id: str) -> ClientOrderId:
        """Return the client id that an order has with us; of a leg its pair is asked for."""
        (_, own), *_ = named_orders(order)
        name = self._names.name(order_id)
        is_leg = text_if_any(order, "order_class") == "oco" and order.get("stop_price") is not None
        if is_leg and (name is None or name == own):
            await self._lookups.learn_pairs()
        return await self._lookups.name_of(order, own)

    def _is_replaced(self, order: Value, order_id: str) -> bool:
        """Return whether the order may have been replaced by somebody else than us."""
        by = text_if_any(order, "replaced_by")
        if by is None or order["status"].text() != "replaced":
            return False
        return self._names.promised(order_id) != by

    async def _refused(self, old: Value) -> OrderReport | None:
        """Return the order that was promised in the place of *old*, which goes on as it is."""
        new_id = self._names.promised(id_of(old["id"]))
        promised = None if new_id is None else await self._lookups.by_id(new_id)
        if new_id is None or promised is None:
            return None  # it is told by an event of its own, and by asking
        name = self._names.name(new_id) or ClientOrderId(promised["client_order_id"].text())
        return self._reader.order(promised, name)


def _check_listening(data: Value) -> None:
    """Raise StreamEndedError where the venue tells no orders on the stream, alive as it may be."""
    if CHANNEL not in {each.text() for each in data["streams"].items()}:
        raise StreamEndedError(f"the order stream does not tell {CHANNEL}")


def _event_time(event: Value) -> datetime:
    """Read when it happened: in the event where it says so, else in its order."""
    for told in (event, event["order"]):
        for name in ("timestamp", "at", "updated_at"):
            found = told.get(name)
            if found is not None:
                return instant_of(found)
    raise event.wrong("has no time")


def _is_new(known: OrderedDict[str, None], key: str) -> bool:
    if key in known:
        return False
    known[key] = None
    if len(known) > REMEMBERED:
        known.popitem(last=False)
    return True
