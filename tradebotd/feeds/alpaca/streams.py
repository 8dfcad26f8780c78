"""Data streams of the symbols that are followed: connected for ever, and never believed blindly.

A11: a connection a feed; a second one of the same key is refused. A connection may answer pings and
tell nothing: so each stream is judged by its own usual rate, the subscription is asked for again
from time to time, and a symbol that was not heard of for a while counts as not told.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

import anyio
import orjson
import structlog

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.alpaca.client import Keys
from tradebotd.feeds.alpaca.messages import (
    Event,
    Failed,
    Halt,
    Minute,
    Subscribed,
    Success,
    Trade,
    Withdrawn,
    event_of,
)
from tradebotd.feeds.stream_watch import LIVE_SECONDS, OnSilent, StreamWatch, TradedSymbols
from tradebotd.net.answers import Source
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import (
    LostBecause,
    MisshapenError,
    NetError,
    StreamLostError,
    StreamRefusedError,
)
from tradebotd.net.reconnecting import stay_connected
from tradebotd.net.silence import ALARM_SECONDS
from tradebotd.net.websocket import Connection, StreamLimits, connect
from tradebotd.ports.clock import HostClock

ANSWER_SECONDS: Final = 10.0
ASKED_EVERY: Final = 15.0  # seconds: whether the provider still answers on the stream
LOOK_EVERY: Final = 1.0
MINUTE: Final = 60.0  # seconds: a bar is due so long after the one before
MOST_PATIENCE: Final = 600.0  # seconds for which nothing at all may be told, once that was usual
MOST_BAD: Final = 100  # messages of one connection that could not be read

OpenStream = Callable[[str], AbstractAsyncContextManager[Connection]]  # of a path
_log = structlog.get_logger(__name__)


class StreamFailedError(NetError):
    """Error that the stream itself has told; *code*: the provider's."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is told: of a trade and its age, of minutes, of names of which something was missed.

    *is_open*: whether trades of a name are expected now. *silent*: streams that are, with words.
    """

    trade: Callable[[str, Decimal, timedelta], None]
    minute: Callable[[str, Candle], None]
    revised: Callable[[str, Candle], None]
    connected: Callable[[Sequence[str]], None]
    is_open: Callable[[str], bool]
    silent: OnSilent


@dataclass(slots=True, eq=False)
class _Plan:
    """One connection: its path, and what it has to carry. `waits_for`: the next step, and since."""

    path: str
    channels: facts.Channels
    connection: Connection | None = None
    waits_for: str | None = None
    waits_since: float = 0.0
    subscribed: bool = False
    patience: float = ALARM_SECONDS  # until something must have been told
    bad: int = 0
    late: int = 0

    def streams(self) -> dict[str, float]:
        """Return its streams, and within how many seconds the first message of each is due."""
        bars = {f"{name}.bars": MINUTE + self.patience for name in self.channels.bars}
        return bars | {f"{name}.trades": self.patience for name in self.channels.trades}


class DataStreams:
    """Streams of one key. *most_traded*: symbols whose trades its plan streams, None: all."""

    def __init__(
        self,
        name: FeedName,
        feed: facts.DataFeed,
        open_stream: OpenStream,
        keys: Keys,
        *,
        host: HostClock,
        random: Random,
        most_traded: int | None = None,
    ) -> None:
        self._name, self._feed, self._open, self._keys = name, feed, open_stream, keys
        self._host, self._random, self._most_traded = host, random, most_traded
        self._redact = keys.redactor()
        self._watch = StreamWatch(name, host, facts.meanwhile)
        self._traded = TradedSymbols(host)
        self._plan_of: dict[str, _Plan] = {}
        self._halted: dict[str, datetime] = {}  # since when

    async def run(self, names: Sequence[str], heard: Heard) -> None:
        """Follow the symbols that the provider calls *names*, until it is cancelled."""
        plans = self._planned(names)
        self._plan_of = {name: plan for plan in plans for name in plan.channels.bars}
        self._traded.begin(self._plan_of)
        self._halted.clear()
        self._watch.begin(heard.silent)
        for plan in plans:
            self._watch.expect(plan.streams())  # one that is never connected is silent, too

        def is_due(stream: str) -> bool:
            name = stream.rpartition(".")[0]
            return heard.is_open(name) and name not in self._halted

        async with anyio.create_task_group() as tasks:
            for plan in plans:
                tasks.start_soon(self._keep, plan, heard)
            tasks.start_soon(self._watch.run, is_due)

    def is_live(self, name: str) -> bool:
        """Return whether its prices are told just now."""
        plan = self._plan_of.get(name)
        return plan is not None and plan.subscribed and self._traded.is_fresh(name)

    def polled(self, name: str, price: Decimal) -> None:
        """Compare a price that was asked for: the connection of a mute stream is opened anew."""
        plan = self._plan_of.get(name)
        if plan is None or not plan.subscribed or name not in plan.channels.trades:
            return
        if self._traded.contradicts(name, price):
            self._lose(plan, f"mute: {name} is traded, and nothing is told of it")

    def _planned(self, names: Sequence[str]) -> list[_Plan]:
        paths: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            path = facts.stream_path(name, self._feed)
            if path is not None:
                paths.setdefault(path, []).append(name)
        return [
            _Plan(path, facts.Channels(some, self._within_plan(path, some)))
            for path, some in paths.items()
        ]

    def _within_plan(self, path: str, names: Sequence[str]) -> Sequence[str]:
        most = None if path == facts.CRYPTO_STREAM else self._most_traded
        if most is None or len(names) <= most:
            return names
        _log.warning(
            "trades not all streamed", feed=self._name, streamed=most, polled=len(names) - most
        )
        return names[:most]

    async def _keep(self, plan: _Plan, heard: Heard) -> None:
        async def use(connection: Connection) -> None:
            await self._use(plan, connection, heard)

        async def lost(error: NetError) -> None:
            _log.warning("price stream lost", feed=self._name, path=plan.path, reason=str(error))
            code = getattr(error, "code", None)
            if isinstance(error, StreamRefusedError):
                code = error.status
            if code is not None and (pause := facts.waits_after(code)):
                await self._host.sleep(pause)

        await stay_connected(
            lambda: self._open(plan.path),
            use,
            lost=lost,
            backoff=Backoff(self._random),
            host=self._host,
        )

    async def _use(self, plan: _Plan, connection: Connection, heard: Heard) -> None:
        """Use one connection until it ends. Raises NetError."""
        plan.connection, plan.bad, plan.late = connection, 0, 0
        for name in plan.channels.bars:
            self._halted.pop(name, None)  # the end of a halt may have been told meanwhile
        self._wait_for(plan, "connected")
        failure: NetError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._attend, plan, connection)
                try:
                    await self._read(plan, connection, heard)
                except NetError as error:
                    failure = error  # raised below, outside the group of tasks
                tasks.cancel_scope.cancel()
        finally:
            plan.connection, plan.subscribed = None, False
        if failure is not None:
            raise failure

    def _wait_for(self, plan: _Plan, step: str | None) -> None:
        plan.waits_for, plan.waits_since = step, self._host.monotonic()

    async def _say(self, connection: Connection, words: object) -> None:
        """Send *words*. Of a connection that has ended the reader tells, once it has read why."""
        with suppress(StreamLostError):
            await connection.send(orjson.dumps(words).decode())

    async def _subscribe(self, plan: _Plan, connection: Connection) -> None:
        self._wait_for(plan, "subscription")
        crypto = plan.path == facts.CRYPTO_STREAM
        await self._say(connection, facts.subscription(plan.channels, crypto=crypto))

    async def _attend(self, plan: _Plan, connection: Connection) -> None:
        """End a connection that does not answer, or tells nothing of what it should.

        A subscription that is told again is answered like the first one: so it is asked whether
        the other side still speaks, in a quiet market, too.
        """
        while connection.lost is None:
            await self._host.sleep(LOOK_EVERY)
            waited = self._host.monotonic() - plan.waits_since
            if plan.waits_for is not None and waited > ANSWER_SECONDS:
                self._lose(plan, f"no {plan.waits_for} within {ANSWER_SECONDS:g} s")
            elif plan.waits_for is None and waited > ASKED_EVERY:
                try:
                    await self._subscribe(plan, connection)
                except NetError as error:
                    self._lose(plan, str(error))
            self._judge(plan)

    def _judge(self, plan: _Plan) -> None:
        """Open a connection anew that is silent as a whole; of one stream alone polling judges."""
        if not plan.subscribed:
            return
        quiet = self._watch.quiet_for(plan.streams())
        if quiet > LIVE_SECONDS:
            plan.patience = min(MOST_PATIENCE, 2 * plan.patience)  # it may be a quiet market
            self._lose(plan, f"nothing was told for {quiet:.0f} s")

    async def _read(self, plan: _Plan, connection: Connection, heard: Heard) -> None:
        while True:
            for message in await connection.receive_all():
                source = Source(f"{self._name}: {plan.path}", message, redact=self._redact)
                try:
                    told = source.json().items()
                except MisshapenError as error:
                    self._bad(plan, error)
                    continue
                for each in told:
                    try:
                        event = event_of(each)
                    except MisshapenError as error:
                        self._bad(plan, error)
                        continue
                    await self._take(plan, connection, event, heard)

    async def _take(self, plan: _Plan, connection: Connection, event: Event, heard: Heard) -> None:
        """Take an event. Raises StreamFailedError, NotSentError."""
        match event:
            case Success(word="connected"):
                self._wait_for(plan, "authenticated")
                key_id, secret = self._keys
                await self._say(connection, {"action": "auth", "key": key_id, "secret": secret})
            case Success(word="authenticated"):
                await self._subscribe(plan, connection)
            case Success() | None:
                pass
            case Subscribed():
                self._subscribed(plan, event, heard)
            case Failed():
                self._failed(plan, event)
            case _:
                self._told(plan, event, heard)

    def _subscribed(self, plan: _Plan, event: Subscribed, heard: Heard) -> None:
        """Take what is told from now on. Raises StreamFailedError where something lacks."""
        lacks = {*plan.channels.bars} - {*event.channels.bars}
        lacks |= {*plan.channels.trades} - {*event.channels.trades}
        if lacks:
            raise StreamFailedError(f"{self._name}: {plan.path} does not tell {min(lacks)}", 0)
        self._wait_for(plan, None)
        if plan.subscribed:
            return
        plan.subscribed = True
        self._watch.expect(plan.streams())
        _log.info(
            "price stream connected",
            feed=self._name, path=plan.path, names=len(plan.channels.bars),
        )  # fmt: skip
        heard.connected(plan.channels.bars)

    def _failed(self, plan: _Plan, event: Failed) -> None:
        words = f"{self._name}: {plan.path}: {event.words[:200]} ({event.code})"
        if event.code == facts.TOO_MANY_SYMBOLS and plan.channels.trades:
            # The plan has fewer: bars are told without a limit, and prices are polled.
            count = len(plan.channels.trades) // 2
            self._watch.drop(f"{name}.trades" for name in plan.channels.trades[count:])
            plan.channels = plan.channels._replace(trades=plan.channels.trades[:count])
        raise StreamFailedError(words, event.code)

    def _told(self, plan: _Plan, event: Trade | Minute | Withdrawn | Halt, heard: Heard) -> None:
        name = event.name
        if self._plan_of.get(name) is not plan:
            return
        match event:
            case Trade():
                self._traded_now(plan, event, heard)
            case Minute(revised=True):
                heard.revised(name, event.candle)
            case Minute():
                self._traded_after(name, event.candle.ts)
                self._watch.heard(f"{name}.bars")
                heard.minute(name, event.candle)
            case Withdrawn():
                _log.info("trade withdrawn", feed=self._name, symbol=name)
                self._traded.distrust(name)
            case Halt(begins=True):
                self._halted[name] = event.at
                _log.warning("trading halted", feed=self._name, symbol=name, reason=event.words)
            case Halt():
                self._halted.pop(name, None)
                _log.warning("trading resumed", feed=self._name, symbol=name, reason=event.words)

    def _traded_after(self, name: str, at: datetime) -> None:
        """End the halt of *name* where it was traded since: its end may not have been told."""
        since = self._halted.get(name)
        if since is not None and at > since:
            del self._halted[name]
            _log.warning("trading resumed", feed=self._name, symbol=name, reason="it is traded")

    def _traded_now(self, plan: _Plan, trade: Trade, heard: Heard) -> None:
        self._traded_after(trade.name, trade.at)
        self._watch.heard(f"{trade.name}.trades")
        age = self._host.now() - trade.at
        if facts.is_late(age):
            plan.late += 1
            if plan.late == 1:  # said once
                _log.warning("price stream late", feed=self._name, symbol=trade.name, at=trade.at)
            return
        plan.patience = ALARM_SECONDS
        if trade.price is None:
            return
        self._traded.traded(trade.name)
        heard.trade(trade.name, trade.price, age)

    def _bad(self, plan: _Plan, error: MisshapenError) -> None:
        """Leave a message out. Raises the error where there are too many."""
        plan.bad += 1
        if plan.bad == 1:  # said once
            _log.warning("stream message not read", feed=self._name, reason=str(error))
        if plan.bad > MOST_BAD:
            raise error

    def _lose(self, plan: _Plan, why: str) -> None:
        if plan.connection is not None:
            plan.connection.lose(LostBecause.CLOSED, why)


def stream_opener(
    name: FeedName,
    ws_url: str,
    keys: Keys,
    limits: StreamLimits = StreamLimits(),  # noqa: B008 - immutable
) -> OpenStream:
    """Return what opens the stream of a path, below *ws_url*."""

    def open_stream(path: str) -> AbstractAsyncContextManager[Connection]:
        return connect(name, f"{ws_url}{path}", limits=limits, redact=keys.redactor())

    return open_stream
