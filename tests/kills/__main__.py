"""`python -m tests.kills --kills 1000 --results FILE`: SIGKILL at that many steps; resumable."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.database import temporary_cluster
from tests.kills.campaign import Campaign
from tests.kills.scenarios import REHEARSED, SCENARIOS
from tests.kills.vendors.scenarios import VENDORS
from tradebotd.domain.decimals import forbid_floats

OF_VENUES = {"paper": SCENARIOS, "rehearsal": REHEARSED, **VENDORS}


def main() -> int:
    options = _options()
    done = _done(options.results)
    wanted = [options.only] if options.only is not None else range(options.kills)
    numbers = [number for number in wanted if number not in done]
    home = Path(tempfile.mkdtemp(prefix="tb-kills-"))
    began = time.monotonic()
    try:
        with temporary_cluster() as server:
            known = {
                name: each for venue in options.venue for name, each in OF_VENUES[venue].items()
            }
            names = options.scenarios or list(known)
            campaign = Campaign(server, home, [known[name] for name in names])
            campaign.rehearse()
            workers = [
                _worker(campaign, numbers[start :: options.jobs], options.results)
                for start in range(options.jobs)
            ]
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return _report(options, set(wanted), codes, time.monotonic() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many (numbered from 0)")
    parser.add_argument(
        "--jobs", type=int, default=4, help="at once; a start waits more than it works"
    )
    parser.add_argument("--results", type=Path, default=Path("kills.jsonl"), help="appended to")
    parser.add_argument(
        "--venue",
        nargs="+",
        choices=list(OF_VENUES),
        default=["paper"],
        help="all but paper: through an adapter, in a process that is not killed; rehearsal is"
        " that of tests/rehearsal, the others are the vendors' simulators",
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        choices=[name for known in OF_VENUES.values() for name in known],
        help="default: all of the venues",
    )
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this one alone, once more")
    return parser.parse_args()


def _done(results: Path) -> set[int]:
    if not results.exists():
        return set()
    return {json.loads(line)["number"] for line in results.read_text().splitlines()}


def _worker(campaign: Campaign, numbers: list[int], results: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for number in numbers:
            verdict = campaign.kill(number)
            with results.open("a") as file:
                file.write(verdict.as_json() + "\n")
            for violation in verdict.violations:
                sys.stdout.write(f"kill {number} ({verdict.scenario}): {violation}\n")
                sys.stdout.flush()
        code = 0
    finally:
        os._exit(code)


def _report(options: argparse.Namespace, wanted: set[int], codes: list[int], seconds: float) -> int:
    results: Path = options.results
    rows = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    rows = [row for row in rows if row["number"] in wanted]
    bad = [row["number"] for row in rows if row["violations"] or not row["killed"]]
    kills = sum(row["killed"] for row in rows)
    by_scenario = Counter(row["scenario"] for row in rows)
    print(
        f"{len(rows)} of {len(wanted)} runs, {kills} kills, {len(bad)} with violations or unkilled,"
        f" {seconds:.0f} s"
    )
    print(", ".join(f"{name} {count}" for name, count in sorted(by_scenario.items())))
    if bad:
        named = f"--scenarios {' '.join(options.scenarios)} " if options.scenarios else ""
        again = f"--venue {' '.join(options.venue)} {named}--only {bad[0]} --results /dev/null"
        print(f"again: python -m tests.kills {again}")
    return 0 if len(rows) == len(wanted) and not bad and not any(codes) else 1


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
