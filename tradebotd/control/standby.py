"""Control API of a daemon in standby: its status; every action is refused."""

from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from tradebotd import __version__
from tradebotd.control.errors import refuse
from tradebotd.control.messages.status import Healthy, Ready, Status
from tradebotd.control.routing import Api
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.refusal import RefusalCode


class Standby(Protocol):
    def status(self) -> Status: ...
    def now(self) -> datetime: ...


def create_standby_app(view: Standby) -> Api:
    app = Api(title="tradebotd standby", version=__version__, now=view.now)

    @app.get("/healthz")
    async def healthz() -> Healthy:
        return Healthy(health=view.status().health)

    @app.get("/readyz")
    async def readyz(response: Response) -> Ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Ready(state="standby")

    @app.get("/v1/status")
    async def status() -> Status:
        return view.status()

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def anything_else(request: Request) -> Response:
        return refuse(
            RefusedError(RefusalCode.STANDBY, _only_status(view), f"not {request.url.path} here")
        )

    return app


def _only_status(view: Standby) -> str:
    leader = view.status().leader
    whom = "the daemon that holds the account"
    if leader is not None:
        whom = f"process {leader.pid} on {leader.host}, which holds account {leader.account!r}"
    return f"this daemon stands by; ask {whom}"
