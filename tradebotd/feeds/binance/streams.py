"""Market streams of the symbols that are followed: connected for ever, and never believed blindly.

A stream may be connected, answer pings, and tell nothing: so each is judged by its own usual rate,
and by what is polled meanwhile. A symbol that was not heard of for a while counts as not told.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

import anyio
import orjson
import structlog

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.quote import PriceKind
from tradebotd.feeds.batches import batched
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.events import (
    Answered,
    Event,
    Minute,
    Others,
    Shutdown,
    Trade,
    event_of,
)
from tradebotd.feeds.binance.venue_time import VenueTime
from tradebotd.feeds.stream_watch import LIVE_SECONDS, OnSilent, StreamWatch, TradedSymbols
from tradebotd.net.answers import Source
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import LostBecause, MisshapenError, NetError
from tradebotd.net.reconnecting import stay_connected
from tradebotd.net.silence import ALARM_SECONDS
from tradebotd.net.websocket import Connection, StreamLimits, connect
from tradebotd.ports.clock import HostClock

ANSWER_SECONDS: Final = 10.0
LOOK_EVERY: Final = 1.0
SHUTDOWN_PAUSE: Final = 2.0  # seconds; 300 connections in five minutes are all there may be
LEARN_EVERY: Final = 60.0  # seconds between two looks whether the venue's clock is to be asked for
MOST_PATIENCE: Final = 600.0  # seconds for which nothing at all may be told, once that was usual
LATE_FOR: Final = 2.0  # seconds behind a late trade for which what has no time is late, too
TOLD_EVERY: Final = 1.0  # seconds after which a price that stays is told again, to stay young
NAMED: Final = 3  # mute streams, in the reason for which a connection is opened anew
MOST_BAD: Final = 100  # messages of one connection that could not be read

OpenStream = Callable[[str], AbstractAsyncContextManager[Connection]]  # of a path
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is told: a trade and its age, a minute that closed, names of which something was missed.

    *is_open*: whether trades of a name are expected now. *silent*: streams that are, with words.
    *kinds*: wanted of a name beside the last price, which *other* is told.
    """

    trade: Callable[[str, Decimal, timedelta], None]
    minute: Callable[[Minute], None]
    connected: Callable[[Sequence[str]], None]
    is_open: Callable[[str], bool]
    silent: OnSilent
    kinds: Callable[[str], frozenset[PriceKind]]
    other: Callable[[str, PriceKind, Decimal], None]


@dataclass(slots=True, eq=False)
class _Plan:
    """One connection: its path, and the streams that it has to carry."""

    path: str
    streams: tuple[str, ...]
    names: tuple[str, ...]
    connection: Connection | None = None
    waiting: dict[int, tuple[str, ...]] = field(default_factory=dict)
    subscribed: bool = False
    over: bool = False  # a successor is wanted
    patience: float = ALARM_SECONDS  # until something must have been told
    patience_of: dict[str, float] = field(default_factory=dict)  # of streams that were mute alone
    bad: int = 0
    late: int = 0
    late_at: float = float("-inf")
    others: dict[tuple[str, PriceKind], Decimal] = field(default_factory=dict)  # not told yet
    told: dict[tuple[str, PriceKind], tuple[Decimal, float]] = field(default_factory=dict)


class MarketStreams:
    def __init__(
        self,
        name: FeedName,
        market: facts.MarketName,
        open_stream: OpenStream,
        *,
        time: VenueTime,
        learn_time: Callable[[], Awaitable[None]],
        host: HostClock,
        random: Random,
        most_streams: int = facts.MOST_STREAMS,
    ) -> None:
        self._name, self._market, self._open = name, market, open_stream
        self._time, self._learn_time = time, learn_time
        self._host, self._random = host, random
        self._most = most_streams
        self._watch = StreamWatch(name, host, facts.meanwhile)
        self._traded = TradedSymbols(host)
        self._plan_of: dict[str, _Plan] = {}
        self._name_of: dict[str, str] = {}  # by stream
        self._plans: list[_Plan] = []
        self._asked = 0

    async def run(self, names: Sequence[str], heard: Heard) -> None:
        """Follow the symbols that the venue calls *names*, until it is cancelled."""
        streams = {name: facts.streams_of(self._market, name, heard.kinds(name)) for name in names}
        self._name_of = {each: name for name, some in streams.items() for each in some}
        self._plans = self._planned(streams)
        self._plan_of = {
            name: plan
            for plan in self._plans
            for name in plan.names
            if facts.trade_stream(name) in plan.streams
        }
        self._traded.begin(self._plan_of)
        self._watch.begin(heard.silent)
        for plan in self._plans:
            self._expect(plan)  # one that is never connected is silent, too

        def is_due(stream: str) -> bool:
            return heard.is_open(self._name_of[stream])

        async with anyio.create_task_group() as tasks:
            for plan in self._plans:
                tasks.start_soon(self._keep, plan, heard)
            tasks.start_soon(self._watch.run, is_due)

    def is_live(self, name: str) -> bool:
        """Return whether its prices are told just now."""
        plan = self._plan_of.get(name)
        return plan is not None and plan.subscribed and self._traded.is_fresh(name)

    def polled(self, name: str, price: Decimal) -> None:
        """Compare a price that was asked for: the connection of a mute stream is opened anew."""
        plan = self._plan_of.get(name)
        if plan is None or not plan.subscribed or not self._traded.contradicts(name, price):
            return
        self._lose(plan, f"mute: {name} is traded, and nothing is told of it")

    def _planned(self, streams: Mapping[str, Sequence[str]]) -> list[_Plan]:
        """Plan the streams of a symbol side by side where one route carries them."""
        routes: dict[str, list[tuple[str, str]]] = {}
        for name, some in streams.items():
            for stream in some:
                routes.setdefault(facts.route_of(self._market, stream), []).append((name, stream))
        return [
            _Plan(path, tuple(s for _, s in some), tuple(dict.fromkeys(n for n, _ in some)))
            for path, all_ in routes.items()
            for some in batched(all_, self._most)
        ]

    async def _keep(self, plan: _Plan, heard: Heard) -> None:
        async def use(connection: Connection) -> None:
            await self._use(plan, connection, heard)

        async def lost(error: NetError) -> None:
            _log.warning("price stream lost", feed=self._name, path=plan.path, reason=str(error))

        await stay_connected(
            lambda: self._open(plan.path),
            use,
            lost=lost,
            backoff=Backoff(self._random),
            host=self._host,
        )

    async def _use(self, plan: _Plan, connection: Connection, heard: Heard) -> None:
        """Use one connection; returns when a successor is wanted. Raises NetError."""
        plan.connection, plan.over, plan.bad, plan.late = connection, False, 0, 0
        plan.others.clear()
        plan.waiting = {}
        await self._learn()
        failure: NetError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._attend, plan, connection)
                try:
                    await self._subscribe(plan, connection)
                    await self._read(plan, connection, heard)
                except NetError as error:
                    failure = error  # raised below, outside the group of tasks
                tasks.cancel_scope.cancel()
        finally:
            plan.connection, plan.subscribed = None, False
        if failure is not None and not plan.over:
            raise failure

    async def _subscribe(self, plan: _Plan, connection: Connection) -> None:
        for some in batched(plan.streams, facts.PARAMS_AT_ONCE):
            self._asked += 1
            plan.waiting[self._asked] = some
            asked = {"method": "SUBSCRIBE", "params": some, "id": self._asked}
            await connection.send(orjson.dumps(asked).decode())

    async def _attend(self, plan: _Plan, connection: Connection) -> None:
        """End a connection that does not answer, or is as old as the venue lets it become."""
        began = learnt = self._host.monotonic()
        life = facts.LIFE_SECONDS * (1 - 0.04 * self._random.random())  # not all at once
        while True:
            await self._host.sleep(LOOK_EVERY)
            age = self._host.monotonic() - began
            if plan.waiting and age > ANSWER_SECONDS:
                self._lose(plan, f"SUBSCRIBE not answered within {ANSWER_SECONDS:g} s")
            self._judge(plan)
            if age > life:
                plan.over = True
                self._lose(plan, "it is as old as it may become")
                return
            if connection.lost is not None:
                return
            if age + began - learnt > LEARN_EVERY:
                learnt = age + began
                await self._learn()

    async def _learn(self) -> None:
        """Ask for the venue's clock where that is due; without it the last one is counted on."""
        try:
            await self._learn_time()
        except FeedError as error:
            _log.warning("venue clock not had", feed=self._name, reason=str(error))

    async def _read(self, plan: _Plan, connection: Connection, heard: Heard) -> None:
        place = f"{self._name}: {plan.path}"
        while True:
            for message in await connection.receive_all():
                source = Source(place, message)
                try:
                    event = event_of(source)
                except MisshapenError as error:
                    self._bad(plan, error)
                    continue
                if isinstance(event, Shutdown):
                    _log.info("server shutdown announced", feed=self._name, path=plan.path)
                    await self._host.sleep(SHUTDOWN_PAUSE)
                    return
                self._take(plan, event, heard, source)
            self._tell_others(plan, heard)

    def _take(self, plan: _Plan, event: Event, heard: Heard, source: Source) -> None:
        match event:
            case Trade():  # nearly every one
                self._traded_now(plan, event, heard)
            case Answered():
                self._answered(plan, event, heard, source)
            case Minute():
                if event.name in self._traded:
                    self._watch.heard(event.stream)
                    if event.candle is not None:
                        heard.minute(event)
            case Others():
                self._note_others(plan, event)
            case Shutdown() | None:
                pass

    def _answered(self, plan: _Plan, event: Answered, heard: Heard, source: Source) -> None:
        """Take the answer to a SUBSCRIBE. Raises MisshapenError where it is a refusal."""
        if event.refusal is not None:
            raise source.misshapen(f"which refuses what was subscribed: {event.refusal}")
        if event.number is None or plan.waiting.pop(event.number, None) is None or plan.waiting:
            return
        self._expect(plan)
        plan.subscribed = True
        _log.info("price stream connected", feed=self._name, path=plan.path, names=len(plan.names))
        heard.connected([name for name in plan.names if self._plan_of[name] is plan])

    def _expect(self, plan: _Plan) -> None:
        self._watch.expect(dict.fromkeys(plan.streams, plan.patience))

    def _traded_now(self, plan: _Plan, trade: Trade, heard: Heard) -> None:
        if trade.name not in self._traded:
            return
        self._watch.heard(trade.stream)
        age = self._time.now() - trade.at
        if facts.is_late(age):
            plan.late += 1
            plan.late_at = self._host.monotonic()
            if plan.late == 1:  # said once
                _log.warning("price stream late", feed=self._name, symbol=trade.name, at=trade.at)
            return
        self._traded.traded(trade.name)
        plan.patience = ALARM_SECONDS
        heard.trade(trade.name, trade.price, age)

    def _note_others(self, plan: _Plan, event: Others) -> None:
        """Keep the newest price of each kind of what has come together; old ones are none of now.

        Where the message has no time, it is as late as the trades beside it.
        """
        if event.name not in self._traded:
            return
        self._watch.heard(event.stream)
        now = self._host.monotonic()
        if event.at is None:
            is_late = now - plan.late_at < LATE_FOR
        else:
            is_late = facts.is_late(self._time.now() - event.at)
        if is_late:
            return
        plan.patience = ALARM_SECONDS
        plan.patience_of.pop(event.stream, None)
        for kind, price in event.prices.items():
            plan.others[event.name, kind] = price

    def _tell_others(self, plan: _Plan, heard: Heard) -> None:
        """Tell prices that have changed, and each second those that have not."""
        now = self._host.monotonic()
        for key, price in plan.others.items():
            before, at = plan.told.get(key, (None, now))
            if price != before or now - at >= TOLD_EVERY:
                plan.told[key] = (price, now)
                heard.other(*key, price)
        plan.others.clear()

    def _bad(self, plan: _Plan, error: MisshapenError) -> None:
        """Leave a message out. Raises the error where there are too many."""
        plan.bad += 1
        if plan.bad == 1:  # said once
            _log.warning("stream message not read", feed=self._name, reason=str(error))
        if plan.bad > MOST_BAD or plan.waiting:
            raise error

    def _judge(self, plan: _Plan) -> None:
        """Open a connection anew that is silent as a whole, or mute in a price that nothing else
        tells; of trades alone polling judges.
        """
        if not plan.subscribed:
            return
        quiet = self._watch.quiet_for(plan.streams)
        if quiet > LIVE_SECONDS:
            plan.patience = min(MOST_PATIENCE, 2 * plan.patience)  # it may be a quiet market
            self._lose(plan, f"nothing was told for {quiet:.0f} s")
        elif quiet == 0 and (mute := [each for each in plan.streams if self._is_mute(plan, each)]):
            for each in mute:
                patience = plan.patience_of.get(each, ALARM_SECONDS)
                plan.patience_of[each] = min(MOST_PATIENCE, 2 * patience)
            self._lose(plan, f"mute: nothing was told of {', '.join(mute[:NAMED])}, but of others")

    def _is_mute(self, plan: _Plan, stream: str) -> bool:
        """Return whether a stream of bids, asks or marks was silent for longer than its patience.

        The mark is told each second; a book may stay for long where nothing is traded.
        """
        if not facts.is_of_other_prices(stream):
            return False
        patience = plan.patience_of.get(stream, ALARM_SECONDS)
        if facts.is_of_book(stream) and not self._traded.is_fresh(self._name_of[stream]):
            patience = MOST_PATIENCE
        return self._watch.quiet_for([stream]) > patience

    def _lose(self, plan: _Plan, why: str) -> None:
        if plan.connection is not None:
            plan.connection.lose(LostBecause.CLOSED, why)


def stream_opener(
    name: FeedName,
    ws_url: str,
    limits: StreamLimits = StreamLimits(),  # noqa: B008 - immutable
) -> OpenStream:
    """Return what opens the combined stream of a path, below *ws_url*."""

    def open_stream(path: str) -> AbstractAsyncContextManager[Connection]:
        return connect(name, f"{ws_url}{path}", limits=limits)

    return open_stream
