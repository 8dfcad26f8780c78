"""A desk at the simulated venue, without a server: signs requests and hands them to the gateway."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.simulators.binance.signing import ApiKey
from tests.simulators.binance.spot.gateway import Answer, Gateway, read_rest
from tests.simulators.binance.spot.venue import Venue

START = 1_700_000_040_000  # the begin of a minute and of ten seconds


@dataclass
class ByHand:
    """A clock that stands until it is moved."""

    ms: int = START

    def now_ms(self) -> int:
        return self.ms

    def advance(self, ms: int) -> None:
        self.ms += ms


FUNDS = {"USDT": "100000", "BTC": "2", "ETH": "10", "BNB": "5"}


@dataclass
class Desk:
    """One trader's requests; BTCUSDT stands at 60,000.00 / 60,000.01, ten a side."""

    clock: ByHand = field(default_factory=ByHand)
    name: str = "trader"
    venue: Venue = field(init=False)

    def __post_init__(self) -> None:
        self.venue = Venue(self.clock)
        self.gateway = Gateway(self.venue)
        self.open(self.name)
        self.venue.move("BTCUSDT", "60000")

    def open(self, name: str, group: int = -1) -> None:
        self.venue.open_account(name, FUNDS, group)
        self.venue.add_key(ApiKey(f"key{name}", name, secret=name))

    def ask(
        self,
        method: str,
        path: str,
        *,
        by: str = "",
        signed: bool = True,
        headers: Any = None,
        **params: Any,
    ) -> Answer:
        """Send one request as *by* (the desk's own trader); the answer with its status."""
        who = by or self.name
        if signed:
            params = {"timestamp": self.clock.now_ms()} | params
        query = urlencode(params)
        if signed:
            signature = hmac.new(who.encode(), query.encode(), hashlib.sha256).hexdigest()
            query += f"&signature={signature}"
        known = {"X-MBX-APIKEY": f"key{who}"} | (headers or {})
        asked = read_rest(method, path, query, "", known, "127.0.0.1")
        assert asked is not None
        return self.gateway.answer(asked)

    def get(self, path: str, **params: Any) -> Any:
        return self._body(self.ask("GET", path, **params))

    def public(self, path: str, **params: Any) -> Any:
        return self._body(self.ask("GET", path, signed=False, **params))

    def place(self, side: str, kind: str, quantity: str = "0.1", **params: Any) -> Any:
        return self._body(self.try_place(side, kind, quantity, **params))

    def try_place(self, side: str, kind: str, quantity: str = "0.1", **params: Any) -> Answer:
        if kind in {"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"}:
            params.setdefault("timeInForce", "GTC")
        order = {"symbol": "BTCUSDT", "side": side, "type": kind} | params
        if "quoteOrderQty" not in params:
            order["quantity"] = quantity
        return self.ask("POST", "/api/v3/order", **order)

    def cancel(self, **params: Any) -> Any:
        return self._body(self.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", **params))

    def query(self, order_id: int, symbol: str = "BTCUSDT") -> Any:
        return self.get("/api/v3/order", symbol=symbol, orderId=order_id)

    def balance(self, asset: str, by: str = "") -> tuple[str, str]:
        """Free and locked."""
        held = self.venue.accounts[by or self.name].balances[asset]
        return f"{held.free.normalize():f}", f"{held.locked.normalize():f}"

    def events(self, kind: str = "executionReport", by: str = "") -> list[dict[str, Any]]:
        told = self.venue.accounts[by or self.name].events
        return [event for event in told if event["e"] == kind]

    def code(self, answer: Answer) -> int:
        assert answer.status != 200, answer.body
        return int(answer.body["code"])

    def _body(self, answer: Answer) -> Any:
        assert answer.status == 200, answer.body
        return answer.body
