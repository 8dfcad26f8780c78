"""Many runs by a command of their own: several processes, one server, results in a file, resumable."""

import argparse
import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog

from tests.database import PostgresServer, temporary_cluster

SILENT: Final = 50


@dataclass
class Verdict:
    """*name*: by which it is run again. *outcome*: what it came to, in a word that is counted."""

    name: str
    violations: list[str] = field(default_factory=list)
    outcome: str = ""
    after: float | None = None  # seconds of market time
    seconds: float = 0.0  # of real time
    details: dict[str, Any] = field(default_factory=dict)  # figures that a suite adds up


Play = Callable[[str, PostgresServer], Verdict]


def add_options(parser: argparse.ArgumentParser, results: str) -> None:
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--results", type=Path, default=Path(results), help="appended to")
    parser.add_argument("--trace", action="store_true", help="write what the daemon logs")


def run(names: Sequence[str], play: Play, options: argparse.Namespace) -> list[Verdict] | None:
    """Run those that *results* does not have; all verdicts of *names*, None where some are missing."""
    done, began = _rows(options.results), time.monotonic()
    left = [name for name in names if name not in done]
    with temporary_cluster() as server:
        workers = [
            _worker(server, left[number :: options.jobs], play, options, number)
            for number in range(options.jobs)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    known = _rows(options.results)
    rows = [known[name] for name in names if name in known]
    bad = [row for row in rows if row.violations]
    print(
        f"{len(rows)} of {len(names)}, {len(bad)} with violations, {time.monotonic() - began:.0f} s"
    )
    return rows if len(rows) == len(names) and not any(codes) else None


def _rows(results: Path) -> dict[str, Verdict]:
    if not results.is_file():
        return {}
    rows = [Verdict(**json.loads(line)) for line in results.read_text().splitlines()]
    return {row.name: row for row in rows}


def _worker(
    server: PostgresServer,
    names: Sequence[str],
    play: Play,
    options: argparse.Namespace,
    number: int,
) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        asyncio.set_event_loop(None)
        server.prefix = f"worker_{number}"
        for name in names:
            if not options.trace:
                be_silent()  # a reload of the configuration has the daemon log again
            _write(options.results, played(name, play, server))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def be_silent() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(SILENT),
        processors=[_nothing],
    )


def _nothing(*_: object) -> NoReturn:
    raise structlog.DropEvent


def played(name: str, play: Play, server: PostgresServer) -> Verdict:
    """Its verdict; a crash is a violation, and the others go on."""
    began = time.perf_counter()
    try:
        verdict = play(name, server)
    except Exception as error:  # noqa: BLE001 - it is a finding
        told = "".join(traceback.format_exception(error))[-3000:]
        verdict = Verdict(name, [f"a crash: {told}"])
    verdict.seconds = round(time.perf_counter() - began, 2)
    return verdict


def _write(results: Path, verdict: Verdict) -> None:
    row: dict[str, Any] = asdict(verdict)
    with results.open("a") as file:
        file.write(json.dumps(row) + "\n")
    for violation in verdict.violations:
        sys.stdout.write(f"{verdict.name}: {violation}\n")
    sys.stdout.flush()
