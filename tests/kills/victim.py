"""The daemon in a forked child, on a loop that counts its steps and kills the process at one."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVarTuple, Unpack

import anyio
import structlog

from tradebotd.config.model import Config
from tradebotd.daemon import logs
from tradebotd.daemon.lifecycle import serve
from tradebotd.daemon.process_signals import Signals
from tradebotd.daemon.wiring.files import LoadedFiles

Arguments = TypeVarTuple("Arguments")
Beside = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]

# Between a decision and a protected position, and between a price and a closed one.
HOT: Final = frozenset({"order sent", "position opened", "position closed", "order resolved"})


@dataclass(frozen=True, slots=True)
class Stop:
    """The step at which a process is killed: so many behind the start, or behind a hot step.

    *after*: how many hot steps are waited for. Beside a venue that answers in its own time no run
    has as many steps as another, and only what is counted from an order hits what becomes of it.
    """

    steps: int
    after: int = 0


class CountingLoop(asyncio.SelectorEventLoop):
    """Each callback is a step: what runs after an await, after a statement's answer, at a commit."""

    def __init__(self, stop: Stop | None) -> None:
        self.steps = 0
        self.hot: list[int] = []
        self._stop = stop
        self._stop_at = stop.steps if stop is not None and not stop.after else None
        super().__init__()

    def mark(self) -> None:
        """Something has happened that matters."""
        self.hot.append(self.steps)
        if self._stop is not None and len(self.hot) == self._stop.after:
            self._stop_at = self.steps + self._stop.steps

    def call_soon(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.steps += 1
        if self.steps == self._stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().call_soon(callback, *args, context=context)


def run_daemon(
    config: Config,
    files: LoadedFiles,
    log: Path,
    *,
    stop: Stop | None,
    marks: Path | None,
    beside: Beside,
) -> None:
    """In a child process; it leaves by itself. *marks*: where steps and hot steps are written.

    *beside*: runs it beside its venue, in whose process nothing is killed.
    """
    loops: list[CountingLoop] = []

    def make() -> CountingLoop:
        loops.append(CountingLoop(stop))
        return loops[0]

    def mark(_logger: Any, _method: str, event: Any) -> Any:
        if event.get("event") in HOT and loops:
            loops[0].mark()
        return event

    with log.open("a") as stream:
        logs.configure(level="info", log_format="json", stream=stream)
        processors = structlog.get_config()["processors"]
        structlog.configure(processors=[mark, *processors])
        life = partial(serve, config, files, None, Signals())
        anyio.run(beside, life, backend="asyncio", backend_options={"loop_factory": make})
    if marks is not None:
        marks.write_text(json.dumps({"steps": loops[0].steps, "hot": loops[0].hot}))
