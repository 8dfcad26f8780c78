"""`python -m tests.ambiguous --jobs 2 --results FILE`: every ambiguous outcome at every venue; resumable."""

import argparse
import asyncio
import json
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from tests.ambiguous.cases import VENUES, Case, Kind, all_cases, case_of
from tests.ambiguous.scenario import MARGIN, Verdict, play
from tests.database import PostgresServer, temporary_cluster
from tradebotd.domain.decimals import forbid_floats

SILENT = 50


def main() -> int:
    options = _options()
    level = 0 if options.trace else SILENT
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    wanted = _wanted(options)
    done = _rows(options.results)
    began = time.monotonic()
    left = [case for case in wanted if str(case) not in done]
    with temporary_cluster() as server:
        workers = [
            _worker(server, left[number :: options.jobs], options, number)
            for number in range(options.jobs)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    return _report(options.results, wanted, codes, time.monotonic() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ambiguous", description=__doc__)
    parser.add_argument(
        "--venue", choices=VENUES, action="append", help="this one; may be repeated"
    )
    parser.add_argument("--kind", choices=list(Kind), action="append", help="of order; likewise")
    parser.add_argument("--only", metavar="CASE", action="append", help="VENUE/KIND/FAULT/TRUTH")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--results", type=Path, default=Path("ambiguous.jsonl"), help="appended to")
    parser.add_argument(
        "--hour",
        action="store_true",
        help="seek what can rest for the hour that the venues ask for, not for minutes",
    )
    parser.add_argument("--trace", action="store_true", help="write what the daemon logs")
    return parser.parse_args()


def _wanted(options: argparse.Namespace) -> list[Case]:
    if options.only:
        return [case_of(name) for name in options.only]
    return [
        case
        for case in all_cases()
        if (not options.venue or case.venue in options.venue)
        and (not options.kind or case.kind in options.kind)
    ]


def _rows(results: Path) -> dict[str, dict[str, Any]]:
    if not results.is_file():
        return {}
    return {row["case"]: row for row in map(json.loads, results.read_text().splitlines())}


def _worker(
    server: PostgresServer, cases: Sequence[Case], options: argparse.Namespace, number: int
) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        asyncio.set_event_loop(None)
        server.prefix = f"worker_{number}"
        for case in cases:
            _write(options.results, _played(case, server, None if options.hour else MARGIN))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _played(case: Case, server: PostgresServer, margin: timedelta | None) -> Verdict:
    try:
        return play(case, server, margin)
    except Exception as error:  # noqa: BLE001 - it is a finding, and the others go on
        told = "".join(traceback.format_exception(error))[-2000:]
        return Verdict(str(case), [f"a crash: {told}"])


def _write(results: Path, verdict: Verdict) -> None:
    with results.open("a") as file:
        file.write(json.dumps(verdict.as_row()) + "\n")
    for violation in verdict.violations:
        sys.stdout.write(f"{verdict.case}: {violation}\n")
    sys.stdout.flush()


def _report(results: Path, wanted: list[Case], codes: list[int], seconds: float) -> int:
    known = _rows(results)
    rows = [known[str(case)] for case in wanted if str(case) in known]
    bad = [row for row in rows if row["violations"]]
    statuses = Counter(row["at_a_minute"] for row in rows)
    print(f"{len(rows)} of {len(wanted)} cases, {len(bad)} with violations, {seconds:.0f} s")
    print("at a minute: " + ", ".join(f"{name} {n}" for name, n in sorted(statuses.items())))
    return 0 if len(rows) == len(wanted) and not bad and not any(codes) else 1


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
