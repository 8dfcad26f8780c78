"""Simulators on a port of the loopback: in a test's own process, or alone in one of their own."""

import argparse
import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from tests.simulators.shared.answers import CONTROL, Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Fault, Kind, fault_from
from tests.simulators.shared.listener import HOST, Listener

TICK: Final = 0.01  # seconds between two looks at what is due by the simulator's clock
PATIENCE: Final = 2.0  # seconds in which open connections may end when the server does
LARGEST: Final = 4 * 2**20  # bytes of a request

AppBuilder = Callable[[Scene], web.Application]


class Server:
    """A simulator that is served. *control_url* is on a port of its own: it is there when *http* refuses."""

    def __init__(self, scene: Scene, listener: Listener, control_port: int) -> None:
        self.scene, self.listener = scene, listener
        self.clock, self.faults, self.streams = scene.clock, scene.faults, scene.streams
        self.port = listener.port
        self.http = f"http://{HOST}:{self.port}"
        self.ws = f"ws://{HOST}:{self.port}"
        self.control_url = f"http://{HOST}:{control_port}{CONTROL}"
        self._told: deque[Fault | None] = deque()
        self._turn = asyncio.Lock()
        self._lifts: list[tuple[float, Fault]] = []
        self.faults.follow(self._told.append)

    async def met(self) -> None:
        """Have listener and streams take the faults that were set: done when this returns."""
        async with self._turn:
            while self._told:
                await self._meet(self._told.popleft())

    async def settle(self) -> None:
        """Have what is due by the simulator's clock run now, and the faults that were set act."""
        await self.clock.run_due()
        await self.met()

    async def tick(self, every: float = TICK) -> None:
        """Do by itself what is due, and lift what has lasted; until it is cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.settle()
            now = asyncio.get_running_loop().time()
            over = [each for at, each in self._lifts if at <= now]
            self._lifts = [(at, each) for at, each in self._lifts if at > now]
            for fault in over:
                await self._lift(fault)

    async def _meet(self, fault: Fault | None) -> None:
        if fault is None:
            self._lifts.clear()
            await self.listener.open()
            await self.streams.lifted()
            return
        if fault.kind is Kind.REFUSED:
            await self.listener.refuse()
        elif fault.kind is Kind.BACKLOG_FULL:
            await self.listener.fill()
        else:
            await self.streams.met(fault)
        if fault.lasts > 0:
            self._lifts.append((asyncio.get_running_loop().time() + fault.lasts, fault))

    async def _lift(self, fault: Fault) -> None:
        if fault.kind in {Kind.REFUSED, Kind.BACKLOG_FULL}:
            await self.listener.open()
        else:
            await self.streams.lifted(fault)

    async def control(self, request: web.Request) -> web.Response:
        """`{"do": "fault", "fault": {…}}`, `clear`, `met` (what faults were taken for, and when), `advance` and
        `offset` (seconds), `requests`, or a vendor's.
        """
        try:
            told: dict[str, Any] = await request.json()
            answer = await self._do(told.pop("do"), told)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"ok": answer}, dumps=lambda each: json.dumps(each, default=str))

    async def _do(self, word: str, told: dict[str, Any]) -> Any:
        match word:
            case "fault":
                self.faults.set(fault_from(told["fault"]))
                await self.met()
            case "clear":
                self.faults.clear()
                await self.met()
            case "met":
                return [
                    {"at_ms": at_ms, "fault": fault.kind, "status": fault.status, **asdict(asked)}
                    for at_ms, (fault, asked) in zip(
                        self.faults.met_ms, self.faults.met, strict=True
                    )
                ]
            case "advance":
                self.clock.advance(timedelta(seconds=told["seconds"]))
                await self.clock.run_due()
            case "offset":
                self.clock.offset = timedelta(seconds=told["seconds"])
            case "requests":
                return {f"{how} {where}": n for (how, where), n in self.scene.requests.items()}
            case _:
                return await self.scene.controls[word](told)
        return None


@asynccontextmanager
async def served(
    build: AppBuilder,
    port: int = 0,
    *,
    clock: SimulatorClock | None = None,
    tick: float = TICK,
) -> AsyncIterator[Server]:
    """The simulator that *build* makes, on *port* of the loopback (any, if it is 0), until the block is left.

    *build* is given the scene and returns the application with the vendor's routes; the faults'
    middleware and `POST /_control` are added here. *tick*: seconds of the loop between two looks at
    what is due.
    """
    scene = Scene(clock)
    app = build(scene)
    app._client_max_size = LARGEST
    app.middlewares.insert(0, scene.middleware)
    control_app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE)
    control_runner = web.AppRunner(control_app, access_log=None, shutdown_timeout=PATIENCE)
    listener = Listener(runner, port)
    control_listener = Listener(control_runner)
    server = Server(scene, listener, control_listener.port)
    for each in (app, control_app):
        each.router.add_post(CONTROL, server.control)
    await runner.setup()
    await control_runner.setup()
    try:
        await listener.open()
        await control_listener.open()
        async with _running(lambda: server.tick(tick)):
            yield server
    finally:
        await listener.close()
        await control_listener.close()
        await runner.cleanup()
        await control_runner.cleanup()


@asynccontextmanager
async def _running(loop: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """*loop* beside the block, whose error leaves it as it is; one of the loop is raised at the end."""
    running = asyncio.get_running_loop().create_task(loop())
    try:
        yield
    finally:
        failed = running.exception() if running.done() else None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if failed is not None:
        raise failed


def run_alone(build: AppBuilder, describe: Callable[[Server], str] = lambda _: "") -> None:
    """Serve the simulator until SIGINT; `--port N`. Prints its URLs as a line of JSON, then *describe*."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port

    async def alone() -> None:
        async with served(build, port) as server:
            urls = {"http": server.http, "ws": server.ws, "control": server.control_url}
            print(json.dumps(urls), flush=True)
            if more := describe(server):
                print(more, flush=True)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(alone())
