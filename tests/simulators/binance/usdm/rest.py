"""REST: requests of the wire, passed through the gate, and answers on the wire."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.signing import signed_payload
from tests.simulators.binance.usdm.calls import Endpoint, Security
from tests.simulators.binance.usdm.gate import Incoming, Outcome
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.simulator import Simulator
from tests.simulators.shared.answers import ARRIVED


class Rest:
    """The REST side of a simulator, for aiohttp."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def add_routes(self, app: web.Application) -> None:
        for (method, path), endpoint in self.simulator.endpoints.items():
            app.router.add_route(method, path, self._handler(endpoint))

    async def operation_of(self, request: web.Request) -> str:
        """The word that faults match: place.market, place.limit, place.stop, cancel.order …"""
        endpoint = self.simulator.endpoints.get((request.method, request.path))
        if endpoint is None:
            return ""
        if endpoint.operation == "place":
            kind = (await self._params(request)).get("type", "")
            return f"place.{kind.lower()}"
        return endpoint.operation

    async def not_found(self, request: web.Request) -> web.Response:
        """The false "not found" of a fault: -2011 to a cancel, else -2013."""
        refusal = RefusalError(-2011 if request.method == "DELETE" else -2013)
        return web.json_response(refusal.body(), status=refusal.status)

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            outcome = await self._answer(endpoint, request)
            return web.json_response(outcome.body, status=outcome.status, headers=outcome.headers)

        return handle

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> Outcome:
        query, body = request.rel_url.raw_query_string, (await request.read()).decode()
        signed: tuple[bytes, str] | None = None
        if endpoint.security is Security.SIGNED:
            try:
                signed = signed_payload(query, body)
            except VenueError as refused:
                return Outcome(refused.body(), refused.status, {})
        incoming = Incoming(
            await self._params(request),
            request.headers.get("X-MBX-APIKEY"),
            request.remote or "",
            request.get(ARRIVED, self.simulator.venue.now_ms()),
            signed,
        )
        return self.simulator.gate.run(endpoint, incoming)

    async def _params(self, request: web.Request) -> Mapping[str, str]:
        """Query and body; the query wins where both have a name."""
        body = (await request.read()).decode()
        query = request.rel_url.raw_query_string
        return dict(parse_qsl(body, keep_blank_values=True)) | dict(parse_qsl(query, keep_blank_values=True))  # fmt: skip
