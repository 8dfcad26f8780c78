"""The trading endpoints and those of market data, as routes."""

import json
from typing import Any

from aiohttp import web

from tests.simulators.alpaca import (
    account_answers,
    activities,
    changes,
    clock_answers,
    market_answers,
)
from tests.simulators.alpaca.assets import asset_json
from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.orders import order_json
from tests.simulators.alpaca.refusals import RequestRefusedError, malformed, not_found


async def body_of(request: web.Request) -> Any:
    """Raises RequestRefusedError (422) for what is no JSON."""
    try:
        return json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise malformed("request body format is invalid") from error


def is_true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "").lower() == "true"


class Trading:
    """/v2 of the trading host, the clocks and calendars of /v3."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._desk = exchange.desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/account", self.account),
            web.get("/v2/account/configurations", self.configurations),
            web.get("/v2/account/activities", self.activities),
            web.get("/v2/account/activities/{kind}", self.activities),
            web.get("/v2/positions", self.positions),
            web.delete("/v2/positions", self.close_all),
            web.get("/v2/positions/{name:.+}", self.position),
            web.delete("/v2/positions/{name:.+}", self.close),
            web.get("/v2/orders", self.orders),
            web.post("/v2/orders", self.submit),
            web.delete("/v2/orders", self.cancel_all),
            web.get("/v2/orders:by_client_order_id", self.order_by_client_id),
            web.get("/v2/orders/{order_id}", self.order),
            web.patch("/v2/orders/{order_id}", self.replace),
            web.delete("/v2/orders/{order_id}", self.cancel),
            web.get("/v2/assets", self.assets),
            web.get("/v2/assets/{name:.+}", self.asset),
            web.get("/v2/clock", self.clock),
            web.get("/v2/calendar", self.calendar),
            web.get("/v3/clock", self.clocks),
            web.get("/v3/calendar/{market}", self.calendars),
        ]

    async def account(self, _: web.Request) -> web.Response:
        self._exchange.catch_up()
        return web.json_response(account_answers.account_json(self._desk))

    async def configurations(self, _: web.Request) -> web.Response:
        return web.json_response(account_answers.configurations_json(self._desk))

    async def activities(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        query = dict(request.query)
        names = request.match_info.get("kind", query.get("activity_types", ""))
        kinds = activities.kinds_of(names, query.get("category", ""))
        return web.json_response(self._desk.activities.page(query, kinds))

    async def positions(self, _: web.Request) -> web.Response:
        self._exchange.catch_up()
        return web.json_response(account_answers.positions_json(self._desk))

    async def position(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        name = request.match_info["name"]
        return web.json_response(account_answers.position_of(self._desk, name))

    async def close(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        name = request.match_info["name"]
        return web.json_response(changes.close_position(self._desk, name, dict(request.query)))

    async def close_all(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        cancels = is_true(dict(request.query), "cancel_orders")
        return web.json_response(changes.close_all(self._desk, cancel_orders=cancels), status=207)

    async def orders(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        return web.json_response(self._desk.book.listed(dict(request.query)))

    async def submit(self, request: web.Request) -> web.Response:
        return web.json_response(self._exchange.submit(await body_of(request)))

    async def order(self, request: web.Request) -> web.Response:
        order = self._exchange.order(request.match_info["order_id"])
        nested = is_true(dict(request.query), "nested")
        return web.json_response(order_json(order, nested=nested))

    async def order_by_client_id(self, request: web.Request) -> web.Response:
        self._exchange.catch_up()
        told = request.query.get("client_order_id", "")
        return web.json_response(order_json(self._desk.book.by_client_id(told), nested=False))

    async def replace(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        return web.json_response(self._exchange.replace(request.match_info["order_id"], body))

    async def cancel(self, request: web.Request) -> web.Response:
        self._exchange.cancel(request.match_info["order_id"])
        return web.Response(status=204)

    async def cancel_all(self, _: web.Request) -> web.Response:
        self._exchange.catch_up()
        return web.json_response(changes.cancel_all(self._desk), status=207)

    async def assets(self, request: web.Request) -> web.Response:
        told = self._desk.terms.tells_easy_to_borrow
        found = self._desk.assets.matching(dict(request.query))
        return web.json_response([asset_json(each, easy_to_borrow=told) for each in found])

    async def asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        asset = self._desk.assets.get(name)
        if asset is None:
            raise not_found(f"asset not found for {name}")
        told = self._desk.terms.tells_easy_to_borrow
        return web.json_response(asset_json(asset, easy_to_borrow=told))

    async def clock(self, _: web.Request) -> web.Response:
        return web.json_response(clock_answers.clock_json(self._desk.now))

    async def calendar(self, request: web.Request) -> web.Response:
        today = self._desk.now.astimezone(NEW_YORK).date()
        return web.json_response(clock_answers.calendar_json(dict(request.query), today))

    async def clocks(self, request: web.Request) -> web.Response:
        return web.json_response(clock_answers.clocks_json(dict(request.query), self._desk.now))

    async def calendars(self, request: web.Request) -> web.Response:
        today = self._desk.now.astimezone(NEW_YORK).date()
        market = request.match_info["market"]
        return web.json_response(clock_answers.calendars_json(market, dict(request.query), today))


class Data:
    """The endpoints of the data host."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._market = exchange.desk.market

    def routes(self) -> list[web.RouteDef]:
        crypto = "/v1beta3/crypto/{loc}"
        return [
            web.get("/v2/stocks/bars", self.bars),
            web.get("/v2/stocks/quotes/latest", self.quotes),
            web.get("/v2/stocks/trades/latest", self.trades),
            web.get("/v2/stocks/bars/latest", self.newest_bars),
            web.get(f"{crypto}/bars", self.bars),
            web.get(f"{crypto}/latest/quotes", self.quotes),
            web.get(f"{crypto}/latest/trades", self.trades),
            web.get(f"{crypto}/latest/bars", self.newest_bars),
            web.get(f"{crypto}/latest/orderbooks", self.books),
        ]

    async def bars(self, request: web.Request) -> web.Response:
        desk = self._exchange.desk
        return web.json_response(
            market_answers.bars_answer(
                self._market,
                dict(request.query),
                desk.now,
                crypto=_is_crypto(request),
                plan=desk.terms.plan,
            )
        )

    async def quotes(self, request: web.Request) -> web.Response:
        crypto = _is_crypto(request)
        told = market_answers.latest_quotes(self._market, dict(request.query), crypto=crypto)
        return web.json_response(told)

    async def trades(self, request: web.Request) -> web.Response:
        crypto = _is_crypto(request)
        told = market_answers.latest_trades(self._market, dict(request.query), crypto=crypto)
        return web.json_response(told)

    async def newest_bars(self, request: web.Request) -> web.Response:
        crypto = _is_crypto(request)
        told = market_answers.latest_bars(self._market, dict(request.query), crypto=crypto)
        return web.json_response(told)

    async def books(self, request: web.Request) -> web.Response:
        _is_crypto(request)
        return web.json_response(market_answers.order_books(self._market, dict(request.query)))


def _is_crypto(request: web.Request) -> bool:
    """Whether it asks for crypto; of a location that there is (us, us-1, eu-1)."""
    location = request.match_info.get("loc")
    if location not in {None, "us", "us-1", "eu-1"}:
        raise RequestRefusedError(400, None, f"invalid location: {location}")
    return location is not None
