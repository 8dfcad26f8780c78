"""Control API of a daemon in standby: its status; every action is refused."""

from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from fastapi import Depends, FastAPI, Request, Response

from tradebotd import __version__
from tradebotd.control.errors import refuse
from tradebotd.control.handlers import NOW_HEADER
from tradebotd.control.messages.status import Healthy, Ready, Status
from tradebotd.control.wire import iso
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.refusal import RefusalCode


class Standby(Protocol):
    def status(self) -> Status: ...
    def now(self) -> datetime: ...


def create_standby_app(view: Standby) -> FastAPI:
    async def tell_time(response: Response) -> None:
        response.headers[NOW_HEADER] = iso(view.now())

    app = FastAPI(
        dependencies=[Depends(tell_time)],
        title="tradebotd standby",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )

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
