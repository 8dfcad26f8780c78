"""Kills a daemon at one step, starts it again until it has ended, and looks at the books."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.database import PostgresServer
from tests.kills.books import OnPaper
from tests.kills.rehearsed import rehearsed
from tests.kills.scenarios import Scenario, Traded
from tests.kills.victim import Stop, run_daemon
from tradebotd.config.model import Config
from tradebotd.daemon.wiring.files import LoadedFiles, load

RUN_SECONDS = 600  # of the slowest machine
NEAR_BEFORE, NEAR_AFTER = 60, 120
ATTEMPTS = 5  # to kill, of each number


class Beside(Protocol):
    """The venue of one kill: what is in the file of it, a daemon's life there, and its judgement."""

    @property
    def traded(self) -> Traded | None: ...

    async def run(self, life: Callable[[], Awaitable[object]]) -> None:
        """In the daemon's process."""
        ...

    def while_dead(self, chance: random.Random) -> None:
        """What happens between a kill and the next start."""
        ...

    async def judge(self, dsn: str) -> tuple[list[str], dict[str, Any]]:
        """What is wrong, and how much there was to look at."""
        ...


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One undisturbed run: how many steps it takes, and at which of them something happened."""

    steps: int
    hot: list[int]


@dataclass(slots=True)
class Verdict:
    number: int
    scenario: str
    stops: list[Stop]
    killed: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=str)


class Campaign:
    """*number* says everything: the scenario, the steps at which it is killed."""

    def __init__(self, server: PostgresServer, home: Path, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = scenarios
        self._server = server
        self._home = home
        self._rehearsals: dict[str, Rehearsal] = {}

    def rehearse(self) -> None:
        """Run each scenario undisturbed, all at once. Raises RuntimeError for one that goes wrong."""
        pids = {each.name: _forked(partial(self._rehearse, each)) for each in self._scenarios}
        failed = [name for name, pid in pids.items() if _ended(pid)]
        if failed:
            raise RuntimeError(f"{', '.join(failed)}: wrong without any kill; see above")
        for scenario in self._scenarios:
            marks = json.loads(self._marks(scenario).read_text())
            self._rehearsals[scenario.name] = Rehearsal(**marks)

    def _marks(self, scenario: Scenario) -> Path:
        return self._home / f"rehearsal_{scenario.name}" / "marks.json"

    def _rehearse(self, scenario: Scenario) -> None:
        marks = self._marks(scenario)
        folder = marks.parent
        with (
            _Database(self._server, f"rehearsal_{scenario.name}") as dsn,
            _venue(scenario) as beside,
        ):
            config, files = load(scenario.write(folder, dsn, beside.traded))
            code = _child(partial(_run, config, files, folder, None, marks, beside))
            if code != 0:
                raise RuntimeError(f"{scenario.name}: exit {code}\n{_tail(folder)}")
            found, _ = asyncio.run(beside.judge(dsn))
            if found:
                raise RuntimeError(f"{scenario.name}, undisturbed: {found}")

    def kill(self, number: int) -> Verdict:
        """Kill at steps drawn by *number*; draw anew while every process outlives its own.

        Beside a venue that answers in its own time no run has as many steps as the rehearsal. A run
        without a kill that goes wrong is a violation, too, and so is a number that never kills.
        """
        chance = random.Random(number)
        scenario = self._scenarios[number % len(self._scenarios)]
        verdict = self._killed(number, 0, scenario, chance)
        for attempt in range(1, ATTEMPTS):
            if verdict.killed or verdict.violations:
                return verdict
            verdict = self._killed(number, attempt, scenario, chance)
        if not verdict.killed:
            verdict.violations.append(f"no process was killed in {ATTEMPTS} runs")
        return verdict

    def _killed(
        self, number: int, attempt: int, scenario: Scenario, chance: random.Random
    ) -> Verdict:
        rehearsal = self._rehearsals[scenario.name]
        draw = _draw if scenario.repeats_itself else _draw_behind
        stops = [draw(chance, rehearsal)]
        while chance.random() < 0.3:  # killed again while it puts things in order
            stops.append(draw(chance, rehearsal))
        verdict = Verdict(number, scenario.name, stops)
        folder, began = self._home / f"kill_{number}_{attempt}", time.monotonic()
        with _Database(self._server, f"kill_{number}") as dsn, _venue(scenario) as beside:
            config, files = load(scenario.write(folder, dsn, beside.traded))
            for stop in [*stops, None]:
                code = _child(partial(_run, config, files, folder, stop, None, beside))
                if code == -signal.SIGKILL:
                    verdict.killed += 1
                    beside.while_dead(chance)
                elif code != 0:
                    verdict.violations.append(f"exit {code}: {_tail(folder)}")
                    break
            found, verdict.figures = asyncio.run(beside.judge(dsn))
            verdict.violations += found
        verdict.seconds = round(time.monotonic() - began, 2)
        return verdict


def _draw(chance: random.Random, rehearsal: Rehearsal) -> Stop:
    """Three of four near something that matters, the others anywhere."""
    if rehearsal.hot and chance.random() < 0.75:
        near = chance.choice(rehearsal.hot) + chance.randint(-NEAR_BEFORE, NEAR_AFTER)
        return Stop(max(1, min(near, rehearsal.steps)))
    return Stop(chance.randint(1, rehearsal.steps))


def _draw_behind(chance: random.Random, rehearsal: Rehearsal) -> Stop:
    """Three of four right behind something that matters, the others anywhere."""
    if rehearsal.hot and chance.random() < 0.75:
        after = chance.randint(1, len(rehearsal.hot))
        return Stop(chance.randint(1, NEAR_AFTER), after)
    return Stop(chance.randint(1, rehearsal.steps))


def _run(
    config: Config,
    files: LoadedFiles,
    folder: Path,
    stop: Stop | None,
    marks: Path | None,
    beside: Beside,
) -> None:
    run_daemon(config, files, folder / "daemon.log", stop=stop, marks=marks, beside=beside.run)


def _venue(scenario: Scenario) -> AbstractContextManager[Beside]:
    if scenario.kind == "paper":
        return nullcontext(OnPaper())
    if scenario.kind == "rehearsal":
        return rehearsed(scenario)
    from tests.kills.vendors.beside import at_vendor  # noqa: PLC0415 - simulators are not for all

    return at_vendor(scenario)


def _child(work: Callable[[], None]) -> int:
    """The exit code of *work* in a forked child; minus the signal that ended it."""

    def bounded() -> None:
        signal.alarm(RUN_SECONDS)
        work()

    return _ended(_forked(bounded))


def _forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - whatever it was, the parent is told
            import traceback  # noqa: PLC0415

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _tail(folder: Path) -> str:
    return (folder / "daemon.log").read_text()[-1500:]


class _Database:
    """A migrated copy for one kill, gone afterwards."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server, self._name = server, name

    def __enter__(self) -> str:
        server = self._server
        create = f"CREATE DATABASE {self._name} TEMPLATE tradebotd_template {server.strategy}"
        asyncio.run(server.run(create))
        return server.dsn(self._name)

    def __exit__(self, *_: object) -> None:
        asyncio.run(self._server.run(f"DROP DATABASE {self._name} WITH (FORCE)"))
