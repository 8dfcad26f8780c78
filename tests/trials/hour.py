"""`python -m tests.trials.hour [--minutes 60] [--seed N]`: all venues and feeds at once, in real time.

The installed daemon in a process of its own with its own PostgreSQL and a configuration as users write
it; the simulators in processes of theirs; a market that moves by the seed so that bots enter, stops
and targets fill; funding, transfers, cuts, errors and bans. In the end entries are halted, everything
is closed, and the daemon's books are compared with the simulators' ledgers to the last digit, once
while positions are open and once when none is.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import anyio

from tests.acceptance.daemon_process import (
    BINARIES,
    DaemonProcess,
    control,
    running,
    wait_for_log,
)
from tests.trials import books, settings, told
from tests.trials.judge import Judge
from tests.trials.market import Market
from tests.trials.processes import MODULES, Told, now_ms, simulators
from tests.trials.troubles import KINDS, Troubles

VENUES: Final = ("spot", "usdm", "alpaca")
ROUND_SECONDS: Final = 600.0  # in which each trouble happens once
SETTLE_SECONDS: Final = 150.0  # in which what is in doubt is settled
SAMPLE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 4.0  # between two looks at the books: venues count what they are asked
FLATTENS: Final = 3
DISCOUNT: Final = 0.5  # of the run: from here on fees at spot are paid in BNB


class RefusedError(RuntimeError):
    """Refusal or failure of a command, with what it said."""


@dataclass
class Trial:
    """One run: its daemon, its world, and what was found."""

    folder: Path
    daemon: DaemonProcess
    say: Told
    seconds: float
    seed: int
    opening: dict[str, Any] = field(default_factory=dict)
    fared: told.Fared = field(default_factory=told.Fared)
    found: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    not_flattened: list[tuple[int, str]] = field(default_factory=list)  # when, and what was said

    @property
    def socket(self) -> Path:
        return self.folder / "var" / "tradebotd.sock"

    @property
    def dsn(self) -> str:
        place = next(self.folder.rglob(".s.PGSQL.*[0-9]")).parent
        return f"postgresql:///postgres?host={quote(str(place))}&user=tradebotd"

    async def ctl(self, *arguments: str) -> Any:
        """`tradebotctl … --json`: what it printed; raises RefusedError where it failed."""
        done = await anyio.to_thread.run_sync(lambda: control(self.socket, *arguments, "--json"))
        if done.returncode:
            raise RefusedError(done.stdout.strip() or done.stderr.strip())
        return json.loads(done.stdout)

    async def begin(self) -> None:
        """Wait until the account was looked at once: what comes in before that is its first money."""
        with anyio.fail_after(SETTLE_SECONDS):
            while (await self.ctl("status"))["equity"] is None:
                await self.have_run("equity_snapshot")

    async def have_run(self, job: str) -> None:
        """Run *job* now, unless it runs; a venue that is away fails it, and the next time does."""
        await anyio.to_thread.run_sync(lambda: control(self.socket, "jobs", "run", job, "--json"))

    async def ledgers(self) -> dict[str, Any]:
        accounts = {"spot": {"account": "demo"}}
        return {name: await self.say(name, "ledger", **accounts.get(name, {})) for name in VENUES}

    async def watch(self) -> None:
        """Sample memory and the loop's lag, until cancelled."""
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            while True:
                began = time.perf_counter()
                async with session.get("http://daemon/readyz") as answer:
                    await answer.read()
                self.fared.answered.append(time.perf_counter() - began)
                self.fared.sample_memory(self.daemon.process.pid)
                await anyio.sleep(SAMPLE_SECONDS)

    async def discount(self) -> None:
        await anyio.sleep(self.seconds * DISCOUNT)
        await self.say("spot", "commission", account="demo", pays_in_discount_asset=True)

    async def judge(self, when: str) -> None:
        """Compare until books and ledgers agree, or the time for that is over."""
        deadline = anyio.current_time() + SETTLE_SECONDS
        began = anyio.current_time()
        while True:
            # The ledgers stand still: the market does, and no entry is made.
            before = await self.ledgers()
            ours = await books.Ours.read(self.dsn)
            differences = books.compare(ours, before, self.opening)
            if not differences or anyio.current_time() > deadline:
                break
            for job in ("reconcile", "equity_snapshot"):  # it books transfers
                await self.have_run(job)
            await anyio.sleep(PAUSE_SECONDS)
        self.found += [f"{when}: {each}" for each in differences]
        self.figures[when] = books.figures(ours) | {
            "agreed_after_s": round(anyio.current_time() - began, 1)
        }

    async def keep_evidence(self) -> list[dict[str, Any]]:
        """Keep what the judge reads beside the log; return the alerts."""
        alerts = await told.kept_alerts(self.dsn)
        _write(self.folder / "alerts.jsonl", alerts)
        positions = (await books.Ours.read(self.dsn))["positions"]
        _write(self.folder / "positions.jsonl", positions)
        (self.folder / "ledgers.json").write_text(json.dumps(await self.ledgers()))
        for name in MODULES:
            _write(self.folder / f"{name}.met.jsonl", await self.say(name, "met"))
        return alerts

    async def flatten(self) -> None:
        """Close everything; what is left of it is tried again, and why is judged in the end."""
        for attempt in range(FLATTENS):
            if attempt:
                await anyio.sleep(PAUSE_SECONDS)
            try:
                await self.ctl("flatten", "--yes")
            except RefusedError as error:
                self.not_flattened.append((now_ms(), str(error)))
                self.figures.setdefault("flatten again", []).append(str(error))
            else:
                return

    def unexplained(self, judge: Judge) -> list[str]:
        """Return the flattens that failed without a trouble of the trial's."""
        return [
            f"flatten failed: {said}"
            for at_ms, said in self.not_flattened
            if not judge.explains_failure(said, at_ms)
        ]

    async def flat(self) -> None:
        """Wait until nothing is held nor ordered."""
        with anyio.move_on_after(SETTLE_SECONDS):
            while True:
                status = await self.ctl("status")
                orders = await self.ctl("orders", "--open")
                if not status["positions"] and not orders:
                    return
                await anyio.sleep(LOOK_SECONDS)
        self.found.append("not flat: positions or orders are left behind `flatten`")


@asynccontextmanager
async def world(options: argparse.Namespace, folder: Path) -> AsyncIterator[tuple[Trial, Market]]:
    with simulators(folder) as started:
        async with aiohttp.ClientSession() as session:
            say = Told(started, session)
            market = Market(options.seed, say)
            await market.begin()
            config = settings.write(folder, started)
            checked = await anyio.run_process(
                [BINARIES / "tradebotd", "check", "--config", config], check=False
            )
            if checked.returncode:
                raise RuntimeError((checked.stdout + checked.stderr).decode())
            async with anyio.create_task_group() as moving:
                moving.start_soon(market.run)
                with running(config) as daemon:
                    trial = Trial(folder, daemon, say, options.minutes * 60, options.seed)
                    trial.opening = await trial.ledgers()
                    yield trial, market
                moving.cancel_scope.cancel()


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    async with world(options, folder) as (trial, market):
        await anyio.to_thread.run_sync(wait_for_log, trial.daemon, "daemon ready")
        await trial.begin()
        file = folder / "happened.jsonl"
        troubles = Troubles(trial.say, options.seed, file, frozenset(options.troubles))
        rounds = max(1, round(trial.seconds / ROUND_SECONDS))
        async with anyio.create_task_group() as beside:
            beside.start_soon(trial.watch)
            beside.start_soon(trial.discount)
            beside.start_soon(troubles.run, trial.seconds, rounds)
            await anyio.sleep(trial.seconds)
            beside.cancel_scope.cancel()
        market.still = True
        for each in ("status", "bots", "positions", "orders"):
            await anyio.to_thread.run_sync(_keep, trial, each)
        await trial.ctl("halt", "--reason", "end of the trial")
        await trial.have_run("equity_snapshot")
        await trial.judge("open")
        await trial.flatten()
        await trial.flat()
        await trial.judge("flat")
        differences = list(trial.found)
        alerts = await trial.keep_evidence()
        ended = await anyio.to_thread.run_sync(trial.daemon.terminate)
    events = told.lines_of(trial.daemon.log_path)
    judge = Judge(folder)
    trial.found += judge.violations() + trial.unexplained(judge)
    if ended.exit_code:
        trial.found.append(f"the daemon ended with {ended.exit_code}")
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "violations": trial.found,
        "differences": differences,
        "figures": trial.figures,
        "alerts": told.counted(alerts),
        "warnings": dict(told.warnings(events)),
        "troubles": len(troubles.happened),
        "fared": trial.fared.as_json(),
        "log_lines": len(events),
        "stop_seconds": round(ended.seconds, 1),
    }


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))


def _keep(trial: Trial, command: str) -> None:
    """Keep what an owner would see then."""
    shown = control(trial.socket, command)
    (trial.folder / f"{command}.txt").write_text(shown.stdout + shown.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.hour", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of real time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, help="JSON lines, appended to")
    parser.add_argument("--keep", type=Path, help="folder for files and logs, kept")
    parser.add_argument("--troubles", nargs="*", choices=KINDS, default=KINDS, help="default: all")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tb-hour-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    try:
        verdict = anyio.run(run, options, folder)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if options.results is not None:
        with options.results.open("a") as file:
            file.write(json.dumps(verdict) + "\n")
    print(json.dumps({**verdict, "violations": len(verdict["violations"])}, indent=1))
    print(books.in_lines(verdict["violations"]) or "  books and ledgers agree")
    return 1 if verdict["violations"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
