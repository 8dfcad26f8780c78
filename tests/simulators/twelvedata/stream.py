"""The price stream (T8): subscriptions with a list of successes and one of fails, prices, heartbeats."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from tests.simulators.shared.answers import Scene
from tests.simulators.shared.streams import Stream
from tests.simulators.twelvedata.credits import Account
from tests.simulators.twelvedata.instruments import Instrument
from tests.simulators.twelvedata.vendor import Json, TwelveData, VendorRefusalError

MOST_EVENTS: Final = 100  # of a client, in a minute
TAKEN_OVER: Final = 1008  # the close code of a connection that is one too many


@dataclass
class _Line:
    stream: Stream
    key: str
    account: Account
    symbols: dict[str, Instrument] = field(default_factory=dict)
    asked: deque[datetime] = field(default_factory=deque)


class PriceStream:
    def __init__(self, scene: Scene, vendor: TwelveData) -> None:
        self._scene, self._vendor = scene, vendor
        self._lines: list[_Line] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        key = request.query.get("apikey", "")
        try:
            account = self._vendor.account(key)
        except VendorRefusalError as error:
            return web.json_response(error.body(), status=401)
        line = _Line(await self._scene.streams.accept(request), key, account)
        self._lines.append(line)
        await self._close_older(line)
        try:
            async for message in line.stream.asked():
                await self._answer(line, message)
        finally:
            self._lines.remove(line)
        return self._scene.streams.leave(line.stream)

    async def tell(self, symbol: str, price: Decimal) -> None:
        """A trade at *price*: the last price, and an event for each subscriber."""
        self._vendor.set_prices[symbol] = price
        for line in list(self._lines):
            if symbol in line.symbols:
                event = _price(line.symbols[symbol], price, self._vendor.clock.now())
                await line.stream.send(json.dumps(event), symbol)

    async def _close_older(self, newest: _Line) -> None:
        """T8: a plan has so many connections; the older ones are closed."""
        same = [each for each in self._lines if each.key == newest.key]
        for each in same[: max(0, len(same) - newest.account.plan.connections)]:
            await each.stream.close(TAKEN_OVER, b"too many connections")

    async def _answer(self, line: _Line, message: str | bytes) -> None:
        now = self._vendor.clock.now()
        line.asked.append(now)
        while line.asked[0] <= now - timedelta(minutes=1):
            line.asked.popleft()
        if len(line.asked) > MOST_EVENTS:
            await line.stream.close(TAKEN_OVER, b"too many events")
            return
        try:
            told: Json = json.loads(message)
            action = told["action"]
        except (ValueError, KeyError, TypeError):
            await self._say(line, {"event": "message-processing", "status": "error"})
            return
        params = told.get("params") or {}
        match action:
            case "subscribe":
                await self._say(line, self._subscribe(line, params))
            case "unsubscribe":
                await self._say(line, _unsubscribe(line, params))
            case "reset":
                line.symbols.clear()
                await self._say(line, {"event": "reset-status", "status": "ok"})
            case "heartbeat":
                await self._say(line, {"event": "heartbeat", "status": "ok"})
            case _:
                await self._say(line, {"event": "message-processing", "status": "error"})

    def _subscribe(self, line: _Line, params: Json) -> Json:
        taken: list[Json] = []
        fails: list[Json] = []
        for symbol in _symbols(params):
            try:
                instrument = self._vendor.find(symbol, line.account)
            except VendorRefusalError:
                fails.append({"symbol": symbol})
                continue
            if len({*line.symbols, instrument.symbol}) > line.account.plan.symbols:
                fails.append({"symbol": symbol})
                continue
            line.symbols[instrument.symbol] = instrument
            taken.append(_named(instrument))
        status = "ok" if not fails else "warning" if taken else "error"
        return {
            "event": "subscribe-status",
            "status": status,
            "success": taken,
            "fails": fails or None,
        }

    async def _say(self, line: _Line, told: Json) -> None:
        await line.stream.send(json.dumps(told), str(told["event"]))


def _unsubscribe(line: _Line, params: Json) -> Json:
    gone = [line.symbols.pop(each, None) for each in _symbols(params)]
    success = [_named(each) for each in gone if each is not None]
    return {"event": "unsubscribe-status", "status": "ok", "success": success, "fails": None}


def _symbols(params: Json) -> list[str]:
    told: Any = params.get("symbols", "")
    if isinstance(told, list):
        return [
            str(each.get("symbol", "")) if isinstance(each, dict) else str(each) for each in told
        ]
    return [each.strip() for each in str(told).split(",") if each.strip()]


def _named(instrument: Instrument) -> Json:
    named = {"symbol": instrument.symbol, "exchange": instrument.exchange}
    return named | {"mic_code": instrument.mic_code, "country": "", "type": instrument.kind}


def _price(instrument: Instrument, price: Decimal, now: datetime) -> Json:
    event: Json = {
        "event": "price",
        "symbol": instrument.symbol,
        "exchange": instrument.exchange,
        "mic_code": instrument.mic_code,
        "type": instrument.kind,
        "timestamp": int(now.timestamp()),
        "price": float(price),
    }
    if instrument.is_pair:
        base, quote = instrument.symbol.split("/")
        return event | {"currency_base": base, "currency_quote": quote}
    return event | {"currency": instrument.currency, "day_volume": 1_000_000}
