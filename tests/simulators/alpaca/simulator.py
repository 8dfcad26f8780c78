"""The simulator as a server's application: exchange, gate, endpoints, streams, words of control."""

import json
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from tests.simulators.alpaca.data_stream import DataStreams
from tests.simulators.alpaca.endpoints import Data, Trading
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.gate import Gate
from tests.simulators.alpaca.market import Bar
from tests.simulators.alpaca.order_stream import OrderStream
from tests.simulators.alpaca.orders import Status
from tests.simulators.alpaca.refusals import not_found
from tests.simulators.alpaca.terms import Terms
from tests.simulators.alpaca.told_ledger import ledger_of
from tests.simulators.alpaca.wording import moment_of
from tests.simulators.shared.answers import Scene

WORDS: Final = {
    ("GET", "/v2/orders"): "orders",
    ("DELETE", "/v2/orders"): "cancel_all",
    ("GET", "/v2/orders:by_client_order_id"): "find.by_client_id",
}
ORDER_WORDS: Final = {"GET": "find.by_id", "PATCH": "replace", "DELETE": "cancel"}


async def operation_of(request: web.Request) -> str:
    """The word for what *request* asks: `place.TYPE` or `place.TYPE.CLASS`, `cancel`, `replace`, `find` …"""
    if (request.method, request.path) == ("POST", "/v2/orders"):
        try:
            body = json.loads(await request.read())
            kind, group = body.get("type"), body.get("order_class")
        except (ValueError, AttributeError):
            return "place"
        return f"place.{kind}.{group}" if group not in {None, "", "simple"} else f"place.{kind}"
    if request.path.startswith("/v2/orders/"):
        return ORDER_WORDS.get(request.method, "")
    return WORDS.get((request.method, request.path), "")


async def no_such_order(request: web.Request) -> web.Response:
    """Alpaca's answer for an order that it does not know."""
    name = request.match_info.get("order_id") or request.query.get("client_order_id", "")
    return web.json_response(not_found(f"order not found for {name}").body, status=404)


class Simulator:
    """Alpaca for one account. *exchange* and *gate* are there once `build` was given a scene."""

    exchange: Exchange
    gate: Gate

    def __init__(self, terms: Terms | None = None) -> None:
        self.terms = terms or Terms()

    def build(self, scene: Scene) -> web.Application:
        """The application for `served`; trading, market data and streams share its port."""
        self.exchange = Exchange(scene.clock, self.terms)
        self.exchange.served_by(scene.clock)
        self.gate = Gate(self.terms, scene.clock)
        scene.operation_of = operation_of
        scene.not_found = no_such_order
        scene.controls |= self._controls()
        app = web.Application(middlewares=[self.gate.middleware])
        app.add_routes(Trading(self.exchange).routes())
        app.add_routes(Data(self.exchange).routes())
        orders = OrderStream(self.exchange, self.gate, scene)
        data = DataStreams(self.exchange, self.gate, scene)
        app.add_routes(
            [
                web.get("/stream", orders.connect),
                web.get("/v2beta1/events/activities", orders.activities),
                web.get("/v2/{feed:iex|sip|delayed_sip|boats|overnight|test}", data.connect),
                web.get("/v1beta3/crypto/us", data.connect),
                web.get("/v1beta2/crypto", data.connect),
            ]
        )
        return app

    def _controls(self) -> dict[str, Any]:
        """Words of `POST /_control`: what tests in another process tell the exchange."""

        async def quote(told: dict[str, Any]) -> None:
            self.exchange.quote(**told)

        async def trade(told: dict[str, Any]) -> None:
            self.exchange.trade(**told)

        async def bar(told: dict[str, Any]) -> None:
            symbol, feed = told.pop("symbol"), told.pop("feed", "sip")
            at = moment_of(told.pop("at"))
            trades = int(told.pop("trades", 1))
            figures = {name: Decimal(str(value)) for name, value in told.items()}
            self.exchange.bar(symbol, Bar(at=at, trades=trades, **figures), feed)

        async def transfer(told: dict[str, Any]) -> None:
            self.exchange.transfer(told["amount"])

        async def dividend(told: dict[str, Any]) -> None:
            self.exchange.dividend(told["symbol"], told["a_share"])

        async def halt(told: dict[str, Any]) -> None:
            self.exchange.halt(told["symbol"], halted=told.get("halted", True))

        async def mark(told: dict[str, Any]) -> None:
            self.exchange.mark(told["order_id"], Status(told["status"]))

        async def violations(_: dict[str, Any]) -> list[tuple[str, str]]:
            return self.gate.violations

        async def ledger(_: dict[str, Any]) -> dict[str, Any]:
            self.exchange.catch_up()
            return ledger_of(self.exchange.desk)

        return {
            "ledger": ledger,
            "quote": quote,
            "trade": trade,
            "bar": bar,
            "transfer": transfer,
            "dividend": dividend,
            "halt": halt,
            "mark": mark,
            "violations": violations,
        }
