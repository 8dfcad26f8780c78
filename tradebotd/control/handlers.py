"""Control API under /v1: GET reads, POST acts; long actions stream one JSON object per line."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from anyio.abc import TaskGroup
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from tradebotd import __version__
from tradebotd.control.messages.bots import Bot, BotDetail
from tradebotd.control.messages.daemon import EntryGateState, Flattened, HaltRequest, Reloaded
from tradebotd.control.messages.jobs import DeadLetter, Discarded, Job, JobRun, RunRequest, Switched
from tradebotd.control.messages.market import (
    Candle,
    FeedCredits,
    Levels,
    Symbol,
    SymbolResumed,
    WatchlistEntry,
)
from tradebotd.control.messages.orders import Fill, Order, OrderDetail
from tradebotd.control.messages.positions import AdoptWish, ExitWish, Position, Trade
from tradebotd.control.messages.status import HealthState, Healthy, Ready, State, Status
from tradebotd.control.routing import CLOCK_HEADER, NOW_HEADER, Api, APIRouter
from tradebotd.control.streaming import Progress, stream_run
from tradebotd.control.wire import iso

MAX_ROWS = 10_000
Limit = Annotated[int, Field(ge=1, le=MAX_ROWS)]


class DaemonControl(Protocol):
    """Interface of the daemon to the control API; the daemon implements it and is never imported.

    Raises RefusedError (unknown names, wrong state), DatabaseUnavailableError, ConfigError.
    """

    async def status(self) -> Status: ...
    async def health(self) -> HealthState: ...
    def state(self) -> State: ...
    def now(self) -> datetime:
        """Return the daemon's clock: market time in a replay."""
        ...

    def is_simulated(self) -> bool:
        """Return whether the clock is another one than the host's."""
        ...

    async def jobs(self) -> list[Job]: ...
    async def job_history(self, name: str, limit: int) -> list[JobRun]: ...
    async def run_job(self, name: str, params: Mapping[str, str], progress: Progress) -> JobRun:
        """Run a job to its end; *progress* is called from time to time."""
        ...

    async def start_job(self, name: str, params: Mapping[str, str]) -> JobRun:
        """Start a job and return at once, with status `running`."""
        ...

    async def switch_job(self, name: str, *, enabled: bool) -> Switched: ...

    async def dead_letters(self) -> list[DeadLetter]: ...
    async def retry_dead_letter(self, letter_id: int, progress: Progress) -> JobRun: ...
    async def discard_dead_letter(self, letter_id: int) -> Discarded: ...

    async def bots(self) -> list[Bot]: ...
    async def bot(self, name: str) -> BotDetail: ...
    async def run_bot(self, name: str, progress: Progress) -> JobRun: ...
    async def pause_bot(self, name: str) -> Bot: ...
    async def resume_bot(self, name: str) -> Bot: ...

    async def positions(self) -> list[Position]: ...
    async def close_position(self, position_id: int) -> Trade:
        """Close a position and return the resulting trade."""
        ...

    async def set_exits(self, position_id: int, wish: ExitWish) -> Position: ...
    async def adopt(self, wish: AdoptWish) -> Position: ...

    async def orders(self, *, open_only: bool, unknown_only: bool, limit: int) -> list[Order]: ...
    async def order(self, order_id: int) -> OrderDetail: ...
    async def fills(self, limit: int) -> list[Fill]: ...
    async def trades(self, since: datetime | None, limit: int) -> list[Trade]: ...

    async def symbols(self) -> list[Symbol]: ...
    async def budget(self) -> list[FeedCredits]:
        """Return the credits of each feed that has any, by name."""
        ...

    async def candles(self, symbol: str, timeframe: str, limit: int) -> list[Candle]:
        """Return the latest *limit* candles, oldest first."""
        ...

    async def levels(self, symbol: str) -> Levels: ...

    async def universe(self) -> list[WatchlistEntry]:
        """Return the latest watchlist, best first; empty before the first one."""
        ...

    async def resume_symbol(self, symbol: str) -> SymbolResumed: ...

    async def halt(self, reason: str | None) -> EntryGateState:
        """Halt entries; if halted already, *reason* replaces the current one, None keeps it."""
        ...

    async def resume(self) -> EntryGateState: ...
    async def reload(self) -> Reloaded: ...
    async def flatten(self, progress: Progress) -> Flattened:
        """Flatten as far as possible, even if the operator disconnects meanwhile."""
        ...


def create_app(control: DaemonControl, tasks: TaskGroup) -> Api:
    """Create the API. *tasks* runs streamed actions: a client that disconnects stops no job."""

    def headers() -> dict[str, str]:
        clock = "market" if control.is_simulated() else "wall"
        return {NOW_HEADER: iso(control.now()), CLOCK_HEADER: clock}

    app = Api(title="tradebotd", version=__version__, headers=headers)
    app.include_router(_probes(control))
    app.include_router(_jobs(control, tasks), prefix="/v1")
    app.include_router(_bots(control, tasks), prefix="/v1")
    app.include_router(_books(control), prefix="/v1")
    app.include_router(_market(control), prefix="/v1")
    app.include_router(_acts(control, tasks), prefix="/v1")
    return app


def _router() -> APIRouter:
    """Return a router. Names are `{name:path}`: one with a slash is unknown, not another path."""
    return APIRouter()


def _probes(control: DaemonControl) -> APIRouter:
    router = _router()

    @router.get("/healthz")
    async def healthz(response: Response) -> Healthy:
        """Return 200 unless health is critical, else 503."""
        health = await control.health()
        if health == "critical":
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Healthy(health=health)

    @router.get("/readyz")
    async def readyz(response: Response) -> Ready:
        """Return 200 once the daemon trades or could (running, halted), else 503."""
        state = control.state()
        if state not in {"running", "halted"}:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return Ready(state=state)

    @router.get("/v1/status")
    async def status() -> Status:
        return await control.status()

    return router


def _jobs(control: DaemonControl, tasks: TaskGroup) -> APIRouter:
    router = _router()

    @router.get("/jobs")
    async def jobs() -> list[Job]:
        return await control.jobs()

    @router.get("/jobs/{name:path}/history")
    async def history(name: str, limit: Limit = 20) -> list[JobRun]:
        return await control.job_history(name, limit)

    @router.post("/jobs/{name:path}/run", response_model=JobRun)
    async def run(name: str, wish: RunRequest | None = None) -> Any:
        """Stream `{"progress": …}` lines, the run as the last; one document if detached."""
        wish = wish or RunRequest()
        if wish.detach:
            return await control.start_job(name, wish.params)
        return await stream_run(
            tasks, lambda progress: control.run_job(name, wish.params, progress)
        )

    @router.post("/jobs/{name:path}/enable")
    async def enable(name: str) -> Switched:
        return await control.switch_job(name, enabled=True)

    @router.post("/jobs/{name:path}/disable")
    async def disable(name: str) -> Switched:
        return await control.switch_job(name, enabled=False)

    @router.get("/dead-letters")
    async def dead_letters() -> list[DeadLetter]:
        return await control.dead_letters()

    @router.post("/dead-letters/{letter_id}/retry", response_model=JobRun)
    async def retry(letter_id: int) -> Any:
        return await stream_run(
            tasks, lambda progress: control.retry_dead_letter(letter_id, progress)
        )

    @router.post("/dead-letters/{letter_id}/discard")
    async def discard(letter_id: int) -> Discarded:
        return await control.discard_dead_letter(letter_id)

    return router


def _bots(control: DaemonControl, tasks: TaskGroup) -> APIRouter:
    router = _router()

    @router.get("/bots")
    async def bots() -> list[Bot]:
        return await control.bots()

    @router.get("/bots/{name:path}")
    async def bot(name: str) -> BotDetail:
        return await control.bot(name)

    @router.post("/bots/{name:path}/run", response_model=JobRun)
    async def run_bot(name: str) -> Any:
        return await stream_run(tasks, lambda progress: control.run_bot(name, progress))

    @router.post("/bots/{name:path}/pause")
    async def pause(name: str) -> Bot:
        return await control.pause_bot(name)

    @router.post("/bots/{name:path}/resume")
    async def resume(name: str) -> Bot:
        return await control.resume_bot(name)

    return router


def _books(control: DaemonControl) -> APIRouter:
    router = _router()

    @router.get("/positions")
    async def positions() -> list[Position]:
        return await control.positions()

    @router.post("/positions/{position_id}/close")
    async def close(position_id: int) -> Trade:
        return await control.close_position(position_id)

    @router.post("/positions/{position_id}/exits")
    async def set_exits(position_id: int, wish: ExitWish) -> Position:
        return await control.set_exits(position_id, wish)

    @router.post("/positions/adopt")
    async def adopt(wish: AdoptWish) -> Position:
        return await control.adopt(wish)

    @router.get("/orders")
    async def orders(
        *,
        open: bool = False,  # noqa: A002
        unknown: bool = False,
        limit: Limit = 100,
    ) -> list[Order]:
        return await control.orders(open_only=open, unknown_only=unknown, limit=limit)

    @router.get("/orders/{order_id}")
    async def order(order_id: int) -> OrderDetail:
        return await control.order(order_id)

    @router.get("/fills")
    async def fills(limit: Limit = 100) -> list[Fill]:
        return await control.fills(limit)

    @router.get("/trades")
    async def trades(since: AwareDatetime | None = None, limit: Limit = 100) -> list[Trade]:
        return await control.trades(since, limit)

    return router


def _market(control: DaemonControl) -> APIRouter:
    router = _router()

    @router.get("/symbols")
    async def symbols() -> list[Symbol]:
        return await control.symbols()

    @router.get("/budget")
    async def budget() -> list[FeedCredits]:
        return await control.budget()

    @router.post("/symbols/{symbol:path}/resume")
    async def resume_symbol(symbol: str) -> SymbolResumed:
        return await control.resume_symbol(symbol)

    @router.get("/candles/{symbol:path}/{timeframe}")
    async def candles(symbol: str, timeframe: str, limit: Limit = 20) -> list[Candle]:
        return await control.candles(symbol, timeframe, limit)

    @router.get("/levels/{symbol:path}")
    async def levels(symbol: str) -> Levels:
        return await control.levels(symbol)

    @router.get("/universe")
    async def universe() -> list[WatchlistEntry]:
        return await control.universe()

    return router


def _acts(control: DaemonControl, tasks: TaskGroup) -> APIRouter:
    router = _router()

    @router.post("/halt")
    async def halt(wish: HaltRequest | None = None) -> EntryGateState:
        return await control.halt((wish or HaltRequest()).reason)

    @router.post("/resume")
    async def resume() -> EntryGateState:
        return await control.resume()

    @router.post("/flatten", response_model=Flattened)
    async def flatten() -> Any:
        """Stream `{"progress": …}` lines; the last line says what was done and what is left."""
        return await stream_run(tasks, control.flatten)

    @router.post("/reload")
    async def reload() -> Reloaded:
        return await control.reload()

    return router
