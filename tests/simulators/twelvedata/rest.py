"""The vendor's HTTP: keys by header or parameter, errors inside 200, batches, credits in headers."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from tests.simulators.shared.answers import Scene
from tests.simulators.twelvedata.credits import Account
from tests.simulators.twelvedata.stream import PriceStream
from tests.simulators.twelvedata.vendor import Json, TwelveData, VendorRefusalError

CALLS: Final = ("time_series", "price", "quote")
SCHEME: Final = "apikey "
NOT_FOUND: Final = {
    "code": 404,
    "message": "**symbol** or **figi** parameter is missing or invalid.",
    "status": "error",
}


def build(scene: Scene, vendor: TwelveData | None = None) -> web.Application:
    """The application of *vendor* (a usual one, if it is None)."""
    simulated = vendor or TwelveData(scene.clock)
    rest, stream = Rest(simulated), PriceStream(scene, simulated)

    async def not_found(_: web.Request) -> web.Response:
        return web.json_response(NOT_FOUND, status=200 if simulated.error_status_200 else 404)

    async def price(told: dict[str, Any]) -> None:
        await stream.tell(told["symbol"], Decimal(str(told["price"])))

    scene.not_found = not_found
    scene.controls["price"] = price
    app = web.Application()
    for call in CALLS:
        app.router.add_get(f"/{call}", rest.call)
    app.router.add_get("/api_usage", rest.usage)
    app.router.add_get("/technical_indicators", rest.indicators)
    app.router.add_post("/batch", rest.batch)
    app.router.add_get("/v1/quotes/price", stream.serve)
    return app


class Rest:
    def __init__(self, vendor: TwelveData) -> None:
        self._vendor = vendor

    async def call(self, request: web.Request) -> web.Response:
        asked = request.query
        try:
            account = self._vendor.account(_key(request))
        except VendorRefusalError as error:
            return self._refused(error, {})
        try:
            body, is_batch = self._vendor.answer(request.path.strip("/"), asked, account)
        except VendorRefusalError as error:
            return self._refused(error, account.headers())
        headers = account.headers() | ({"Is_batch": "true"} if is_batch else {})
        if asked.get("format", "JSON").upper() == "CSV" and "values" in body:
            return web.Response(
                body=_csv(body, asked.get("delimiter", ";")).encode(),
                content_type="text/csv",  # without a charset: the vendor's client compares the whole
                headers=headers,
            )
        return web.json_response(body, headers=headers)

    async def usage(self, request: web.Request) -> web.Response:
        try:
            account = self._vendor.account(_key(request))
        except VendorRefusalError as error:
            return self._refused(error, {})
        told = account.usage(self._vendor.clock.now())
        return web.json_response(told, headers=account.headers())

    async def indicators(self, _: web.Request) -> web.Response:
        """What the vendor's Python client reads when it is made."""
        return web.json_response({"data": {}, "status": "ok"})

    async def batch(self, request: web.Request) -> web.Response:
        """T10: several calls in one; each has a status of its own."""
        try:
            account = self._vendor.account(_key(request))
            told = json.loads(await request.read())
        except VendorRefusalError as error:
            return self._refused(error, {})
        except ValueError:
            return self._refused(VendorRefusalError(400, "The request body is invalid."), {})
        data = {name: self._part(each, account) for name, each in told.items()}
        body = {"code": 200, "status": "success", "data": data}
        return web.json_response(body, headers=account.headers())

    def _part(self, told: Json, account: Account) -> Json:
        split = urlsplit(told["url"])
        call, asked = split.path.strip("/"), dict(parse_qsl(split.query))
        if call not in CALLS:
            return {"response": VendorRefusalError(404, f"no {call}").body(), "status": "error"}
        try:
            body, _ = self._vendor.answer(call, asked, account)
        except VendorRefusalError as error:
            return {"response": error.body(), "status": "error"}
        return {"response": body, "status": "success"}

    def _refused(self, error: VendorRefusalError, headers: Mapping[str, str]) -> web.Response:
        """An error: inside HTTP 200, or with its own status; plan gates have theirs (T7)."""
        own = error.code in {403, 404} and "plan" in error.message
        status = 200 if self._vendor.error_status_200 and not own else error.code
        return web.json_response(error.body(), status=status, headers=headers)


def _key(request: web.Request) -> str:
    """T11: `Authorization: apikey KEY`; the parameter is taken, too."""
    header = request.headers.get("Authorization", "")
    if header.startswith(SCHEME):
        return header.removeprefix(SCHEME)
    return request.query.get("apikey", "")


def _csv(body: Json, delimiter: str) -> str:
    rows = body["values"]
    lines = [delimiter.join(rows[0])]
    lines += [delimiter.join(each.values()) for each in rows]
    return "\n".join(lines)
