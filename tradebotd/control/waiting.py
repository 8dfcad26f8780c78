"""Answers of a daemon that starts or stands by: its status; whatever acts is refused."""

from datetime import datetime
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from tradebotd import __version__
from tradebotd.control.errors import refuse
from tradebotd.control.messages.status import Healthy, Ready, Status
from tradebotd.control.routing import NOW_HEADER, Api
from tradebotd.control.wire import iso
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.refusal import RefusalCode


class Waiting(Protocol):
    def status(self) -> Status: ...
    def now(self) -> datetime: ...


def create_waiting_app(view: Waiting) -> Api:
    app = Api(
        title="tradebotd, which waits",
        version=__version__,
        headers=lambda: {NOW_HEADER: iso(view.now())},
    )

    @app.get("/healthz")
    async def healthz() -> Healthy:
        return Healthy(health=view.status().health)

    @app.get("/readyz")
    async def readyz(response: Response) -> Ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Ready(state=view.status().state)

    @app.get("/v1/status")
    async def status() -> Status:
        return view.status()

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def anything_else(request: Request) -> Response:
        status = view.status()
        standby = status.state == "standby"
        words = _standing_by(status) if standby else _starting(status)
        code = RefusalCode.STANDBY if standby else RefusalCode.STARTING
        return refuse(RefusedError(code, words, f"not {request.url.path} here"))

    return app


def _starting(status: Status) -> str:
    waits = "" if status.waits_for is None else f", it waits for {status.waits_for}"
    return f"this daemon is starting{waits}; until then it only tells its status"


def _standing_by(status: Status) -> str:
    leader = status.leader
    whom = "the daemon that holds the account"
    if leader is not None:
        whom = f"process {leader.pid} on {leader.host}, which holds account {leader.account!r}"
    return f"this daemon stands by; ask {whom}"
