"""The data streams: /v2/{feed} for stocks, crypto's, in JSON and in MessagePack."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

from aiohttp import web

from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.gate import Gate
from tests.simulators.alpaca.market import (
    Happening,
    Quote,
    Trade,
    TradingStatus,
    Withdrawal,
)
from tests.simulators.alpaca.market_answers import (
    bar_json,
    quote_json,
    status_json,
    trade_json,
    withdrawal_json,
)
from tests.simulators.alpaca.messagepack import UnreadableError, packed, unpacked
from tests.simulators.alpaca.order_stream import beside, has_keys
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.streams import Message, Stream

CHANNELS: Final = {
    "t": "trades",
    "q": "quotes",
    "b": "bars",
    "u": "updatedBars",
    "d": "dailyBars",
    "s": "statuses",
}
WITH_TRADES: Final = {"c": "corrections", "x": "cancelErrors"}  # whoever has the trades has these
OTHER_CHANNELS: Final = ("lulds", "orderbooks")
COUNTED: Final = ("trades", "quotes")
PAID_FEEDS: Final = frozenset({"sip", "boats", "overnight"})
SLOW: Final = 5_000  # events that wait for a client before it is called slow
ERRORS: Final = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
}
ENDING: Final = frozenset({402, 404, 406, 407, 409})


class DataStreams:
    """A11: one connection a feed."""

    def __init__(self, exchange: Exchange, gate: Gate, scene: Scene) -> None:
        self._exchange, self._gate, self._scene = exchange, gate, scene
        self._open: Counter[str] = Counter()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        feed = request.match_info.get("feed", "crypto")
        stream = await self._scene.streams.accept(request)
        speaks_msgpack = "msgpack" in request.headers.get("Content-Type", "")
        session = Session(self._exchange, self._gate, stream, feed, speaks_msgpack=speaks_msgpack)
        self._open[feed] += 1
        try:
            await session.run(has_keys(request), is_second=self._open[feed] > 1)
        finally:
            self._open[feed] -= 1
            socket = self._scene.streams.leave(stream)
        return socket


class Session:
    """One connection's conversation."""

    def __init__(
        self,
        exchange: Exchange,
        gate: Gate,
        stream: Stream,
        feed: str,
        *,
        speaks_msgpack: bool,
    ) -> None:
        self._exchange, self._gate, self._stream, self._feed = exchange, gate, stream, feed
        self._msgpack = speaks_msgpack
        self._authenticated = asyncio.Event()
        self._wanted: dict[str, list[str]] = {}
        self._waiting: asyncio.Queue[Happening] = asyncio.Queue(SLOW)
        self._slow = False

    async def run(self, keys: tuple[str | None, str | None], *, is_second: bool) -> None:
        await self._say([{"T": "success", "msg": "connected"}])
        if is_second:
            await self._fail(406)
            return
        followers = self._exchange.desk.market
        followers.follow(self._hear)
        if keys[0] is not None:
            await self._authenticate(*keys)
        try:
            await beside(self._send_happenings, self._answer)
        finally:
            followers.leave(self._hear)

    def _hear(self, happening: Happening) -> None:
        if not self._wants(happening):
            return
        if self._waiting.full():
            self._slow = True
        else:
            self._waiting.put_nowait(happening)

    def _wants(self, happening: Happening) -> bool:
        if happening.feed not in {None, self._feed}:
            return False
        if ("/" in happening.symbol) != (self._feed == "crypto"):
            return False
        symbols = self._wanted.get(_channel_of(happening.kind), [])
        return happening.symbol in symbols or "*" in symbols

    async def _send_happenings(self) -> None:
        try:
            async with asyncio.timeout(self._exchange.terms.auth_timeout):
                await self._authenticated.wait()
        except TimeoutError:
            await self._fail(404)
            return
        while True:
            happening = await self._waiting.get()
            if self._slow:
                await self._fail(407)
                return
            channel = f"{_channel_of(happening.kind)}.{happening.symbol}"
            await self._say([self._told(happening)], channel)

    async def _answer(self) -> None:
        async for message in self._stream.asked():
            asked = self._read(message)
            if asked is None:
                await self._fail(400)
                continue
            match asked.get("action"):
                case "auth":
                    await self._authenticate(asked.get("key"), asked.get("secret"))
                case "subscribe" | "unsubscribe" if not self._authenticated.is_set():
                    await self._fail(401)
                case "subscribe":
                    await self._subscribe(asked)
                case "unsubscribe":
                    self._unsubscribe(asked)
                    await self._tell_subscriptions()
                case _:
                    await self._fail(400)

    async def _authenticate(self, key: str | None, secret: str | None) -> None:
        if self._authenticated.is_set():
            await self._fail(403)
            return
        try:
            self._gate.check_keys(key, secret)
        except RequestRefusedError:
            await self._fail(402)
            return
        if self._feed in PAID_FEEDS and self._exchange.terms.plan == "free":
            await self._fail(409)
            return
        self._authenticated.set()
        await self._say([{"T": "success", "msg": "authenticated"}])

    async def _subscribe(self, asked: dict[str, Any]) -> None:
        wanted = {name: list(symbols) for name, symbols in self._wanted.items()}
        for name in (*CHANNELS.values(), *OTHER_CHANNELS):
            of_channel = wanted.setdefault(name, [])
            for symbol in asked.get(name) or []:
                if symbol not in of_channel:
                    of_channel.append(symbol)
        count = sum(len(wanted[name]) for name in COUNTED)
        if self._exchange.terms.plan == "free" and count > self._exchange.terms.channels:
            await self._fail(405)
            return
        self._wanted = wanted
        await self._tell_subscriptions()

    def _unsubscribe(self, asked: dict[str, Any]) -> None:
        for name, symbols in self._wanted.items():
            gone = set(asked.get(name) or [])
            self._wanted[name] = [each for each in symbols if each not in gone]

    async def _tell_subscriptions(self) -> None:
        channels = (*CHANNELS.values(), *OTHER_CHANNELS)
        told = {name: self._wanted.get(name, []) for name in channels}
        told |= {name: self._wanted.get("trades", []) for name in WITH_TRADES.values()}
        await self._say([{"T": "subscription", **told}])

    async def _fail(self, code: int) -> None:
        await self._say([{"T": "error", "code": code, "msg": ERRORS[code]}])
        if code in ENDING:
            await self._stream.close(1000)

    def _told(self, happening: Happening) -> dict[str, Any]:
        crypto = self._feed == "crypto"
        data = happening.data
        if isinstance(data, Quote):
            told = quote_json(data, crypto=crypto)
        elif isinstance(data, Trade):
            told = trade_json(data, crypto=crypto)
        elif isinstance(data, Withdrawal):
            told = withdrawal_json(data)
        elif isinstance(data, TradingStatus):
            told = status_json(data)
        else:
            told = bar_json(data, crypto=crypto)
        if self._msgpack:
            told["t"] = data.at
        return {"T": happening.kind, "S": happening.symbol, **told}

    def _read(self, message: Message) -> dict[str, Any] | None:
        try:
            if self._msgpack and isinstance(message, bytes):
                asked = unpacked(message)
            else:
                asked = json.loads(message)
        except (UnreadableError, ValueError):
            return None
        return asked if isinstance(asked, dict) else None

    async def _say(self, messages: list[dict[str, Any]], channel: str = "") -> None:
        frame: Message = packed(messages) if self._msgpack else json.dumps(messages)
        await self._stream.send(frame, channel)


def _channel_of(kind: str) -> str:
    return "trades" if kind in WITH_TRADES else CHANNELS[kind]
