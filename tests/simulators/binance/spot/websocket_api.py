"""The WebSocket API: the same calls as REST, sessions, and the user data stream."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from tests.simulators.binance.connections import Attempts
from tests.simulators.binance.errors import VenueError, refusal
from tests.simulators.binance.limits import ORDERS
from tests.simulators.binance.outbox import Outbox
from tests.simulators.binance.signing import as_text, websocket_payload
from tests.simulators.binance.spot.calls import Endpoint, names
from tests.simulators.binance.spot.gateway import BY_METHOD, Answer, Asked, Gateway
from tests.simulators.binance.spot.units import event_in_microseconds
from tests.simulators.binance.spot.user_streams import Subscriptions
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.faults import Asked as FaultAsked
from tests.simulators.shared.faults import Fault, Kind

CONNECTING_WEIGHT = 2
SESSION_WEIGHT = 2
LOGON = Endpoint(
    "WS", "", lambda _: None, SESSION_WEIGHT, names(""), "USER_STREAM", "session.logon"
)
RETIRED = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")  # S14
ILLEGAL_ID = (dict, list, bool, float)


@dataclass
class Session:
    """One connection of the WebSocket API."""

    gateway: Gateway
    outbox: Outbox
    address: str
    shows_limits: bool = True
    microseconds: bool = False
    key_name: str | None = None
    authorized_ms: int | None = None
    subscriptions: Subscriptions = field(default_factory=Subscriptions)

    def hear(self, account: str, event: dict[str, Any]) -> None:
        """Send *account*'s event, in the envelope of its subscription."""
        number = self.subscriptions.of(account)
        if number is not None:
            self._tell(number, event)

    def shut_down(self, now_ms: int) -> None:
        """S7: the WebSocket API's shape has no subscription."""
        self.outbox.put(json.dumps({"event": {"e": "serverShutdown", "E": now_ms}}), "shutdown")

    def read(self, text: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
        """Read one request: itself, its method, its parameters; raises -1135 for what is none."""
        try:
            request = json.loads(text)
        except ValueError:
            raise refusal(-1135) from None
        if not isinstance(request, dict) or isinstance(request.get("id"), ILLEGAL_ID):
            raise refusal(-1135)
        params = request.get("params") or {}
        if not isinstance(params, dict):
            raise VenueError(-1135, "JSON sent for parameter 'params' is not valid")
        method = str(request.get("method", "")).removeprefix("v3/")
        return request, method, params

    def answer(self, request: dict[str, Any], method: str, params: dict[str, Any]) -> str:
        """Answer one request; S8: a session whose key became invalid is revoked with its next one."""
        answer = self._answer(method, params)
        shown = params.get("returnRateLimits", self.shows_limits)
        body: dict[str, Any] = {"id": request.get("id"), "status": answer.status}
        if answer.error is None:
            body["result"] = answer.body
        else:
            body["error"] = answer.error.body()
            if self.key_name and answer.error.code == -2015 and "signature" not in params:
                body["id"] = None
                self._log_out()
        if shown:
            body["rateLimits"] = self._limits(method, answer)
        return json.dumps(body, ensure_ascii=False)

    def _answer(self, method: str, params: dict[str, Any]) -> Answer:
        own = {
            "session.logon": self._log_on,
            "session.logout": lambda _: self._log_out(),
            "session.status": lambda _: self._status(),
            "session.subscriptions": lambda _: self.subscriptions.rows(),
            "userDataStream.subscribe": lambda _: self._subscribe(),
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }
        handler = own.get(method)
        try:
            if handler is not None:
                self.gateway.venue.limits.arrive(self.address, SESSION_WEIGHT)
                return Answer(200, handler(params))
        except VenueError as error:
            return Answer(error.status, error.body(), error=error)
        if method in RETIRED or method not in BY_METHOD:
            unknown = refusal(-1020)
            return Answer(unknown.status, unknown.body(), error=unknown)
        return self.gateway.answer(self._asked(BY_METHOD[method], params))

    def _asked(self, endpoint: Endpoint, params: Mapping[str, Any]) -> Asked:
        """Read a request's parameters; signed ones name their key, or use the session's."""
        sent = {name: as_text(value) for name, value in params.items()}
        sent.pop("returnRateLimits", None)
        key_name = sent.pop("apiKey", None)
        asked = Asked(
            endpoint,
            {name: value for name, value in sent.items() if name != "signature"},
            self.address,
            key_name,
            websocket_payload({k: v for k, v in params.items() if k != "returnRateLimits"}),
            sent.get("signature", ""),
            microseconds=self.microseconds,
        )
        if endpoint.security != "NONE" and key_name is None and self.key_name is not None:
            return replace(asked, key_name=self.key_name, account="session")
        return asked

    def _log_on(self, params: dict[str, Any]) -> Any:
        """S6: sessions are for Ed25519 keys only."""
        asked = self._asked(LOGON, params)
        key = self.gateway.authenticate(replace(asked, account=""))
        if not key.public_key:
            # Code and text are reported by users; the documents have none for this.
            raise VenueError(-4056, "HMAC_SHA256 API key is not supported.")
        self.key_name, self.authorized_ms = key.name, self.gateway.venue.now_ms()
        return self._status()

    def _log_out(self) -> Any:
        """S8: the session's subscription ends; those by signature stay."""
        self.key_name = self.authorized_ms = None
        for number in self.subscriptions.of_session():
            self._end(number)
        return self._status()

    def _status(self) -> dict[str, Any]:
        return {
            "apiKey": self.key_name,
            "authorizedSince": self.authorized_ms,
            "connectedSince": self.outbox.connected_ms,
            "returnRateLimits": self.shows_limits,
            "serverTime": self.gateway.venue.now_ms(),
            "userDataStream": bool(self.subscriptions.rows()),
        }

    def _subscribe(self) -> Any:
        if self.key_name is None:
            raise refusal(-1002)
        key = self.gateway.venue.keys.get(self.key_name, self.address, "enableReading")
        number = self.subscriptions.open(key.account, by_session=True)
        return {"subscriptionId": number}

    def _subscribe_signed(self, params: dict[str, Any]) -> Any:
        asked = self._asked(LOGON, params)
        key = self.gateway.authenticate(asked)
        return {"subscriptionId": self.subscriptions.open(key.account, by_session=False)}

    def _unsubscribe(self, params: dict[str, Any]) -> Any:
        wanted = params.get("subscriptionId")
        for number in self.subscriptions.chosen(wanted):
            self._end(number)
        return {}

    def _end(self, number: int) -> None:
        """S8: a subscription that ends says so."""
        self.subscriptions.close(number)
        now = self.gateway.venue.now_ms()
        self._tell(number, {"e": "eventStreamTerminated", "E": now})

    def _tell(self, number: int, event: dict[str, Any]) -> None:
        shown = event_in_microseconds(event) if self.microseconds else event
        text = json.dumps({"subscriptionId": number, "event": shown}, ensure_ascii=False)
        self.outbox.put(text, event["e"])

    def _limits(self, method: str, answer: Answer) -> list[dict[str, Any]]:
        limits = self.gateway.venue.limits
        counts = answer.account and method.startswith(("order.place", "orderList.place"))
        rows = limits.rows(self.address, answer.account if counts else "")
        return rows if counts else [row for row in rows if row["rateLimitType"] != ORDERS]


@dataclass
class WebSocketApi:
    """All connections of the WebSocket API."""

    gateway: Gateway
    scene: Scene
    attempts: Attempts
    open: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gateway.venue.user_followers.append(self._happened)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        venue, address = self.gateway.venue, request.remote or ""
        try:
            self.attempts.connect(address)
            venue.limits.arrive(address, CONNECTING_WEIGHT)
        except VenueError as error:
            return web.json_response(error.body(), status=error.status, headers=error.headers)
        stream = await self.scene.streams.accept(request)
        outbox = Outbox(stream, venue.now_ms)
        session = Session(
            self.gateway,
            outbox,
            address,
            shows_limits=request.query.get("returnRateLimits", "true") != "false",
            microseconds=request.query.get("timeUnit", "").upper() == "MICROSECOND",
        )
        self.open.append(session)
        running = [asyncio.ensure_future(each) for each in (outbox.write(), outbox.keep())]
        try:
            async for message in stream.asked():
                await self._converse(session, str(message))
        finally:
            self.open.remove(session)
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return self.scene.streams.leave(stream)

    def shut_down(self) -> None:
        for session in list(self.open):
            session.shut_down(self.gateway.venue.now_ms())

    async def ping(self) -> None:
        for session in list(self.open):
            await session.outbox.stream.ping(str(self.gateway.venue.now_ms()).encode())

    async def _converse(self, session: Session, text: str) -> None:
        """Answer one message on its way through the faults: theirs is method `WS`."""
        await self.scene.clock.run_due()
        try:
            request, method, params = session.read(text)
        except VenueError as error:
            body = {"id": None, "status": error.status, "error": error.body()}
            session.outbox.put(json.dumps(body), "answer")
            return
        word = _word(method, params)
        symbol, path = str(params.get("symbol", "")), session.outbox.stream.path
        fault = self.scene.faults.take(FaultAsked("WS", path, word, symbol=symbol))

        async def answer() -> str:
            return session.answer(request, method, params)

        if fault is None:
            session.outbox.put(await answer(), "answer")
            return
        await asyncio.sleep(fault.delay)
        truth = await self.scene.faults.execute(fault, answer)
        await _spoilt(session, fault, request, truth)

    def _happened(self, account: str, event: dict[str, Any]) -> None:
        for session in list(self.open):
            session.hear(account, event)


async def _spoilt(
    session: Session, fault: Fault, request: dict[str, Any], truth: str | None
) -> None:
    if fault.kind is Kind.RESET:
        await session.outbox.stream.close(0)
    elif fault.kind is Kind.ANSWER:
        body = {"id": request.get("id"), "status": fault.status, "error": fault.body}
        session.outbox.put(json.dumps(body), "answer")
    elif fault.kind in {Kind.TRUNCATED, Kind.INVALID_JSON} and truth:
        session.outbox.put(truth[: int(len(truth) * fault.keep)], "answer")
    elif fault.kind is Kind.DELAY and truth:
        session.outbox.put(truth, "answer")


def _word(method: str, params: Mapping[str, Any]) -> str:
    """Name what is asked as `operation_of` does for REST."""
    endpoint = BY_METHOD.get(method)
    word = endpoint.word if endpoint else method
    return f"place.{str(params.get('type', '')).lower()}" if word == "place" else word
