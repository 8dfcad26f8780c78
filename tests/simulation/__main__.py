"""`python -m tests.simulation --seeds 10000 --jobs 2 --results FILE`: many seeds, one server; resumable."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from tests.database import TEMPLATE, temporary_cluster
from tests.simulation.database import Server
from tests.simulation.driver import Verdict, run_seed
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Plan, draw
from tests.simulation.rehearsed import ON, rehearse
from tests.simulation.reset import Reset
from tests.simulation.switches import Draw, parse
from tests.simulation.vendors.kinds import VENDORS, at_vendor
from tradebotd.domain.decimals import forbid_floats
from tradebotd.storage.postgres.database import SERVER_SETTINGS, _prepare_connection


def main() -> int:
    options = _options()
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of names would have another order each time
        os.execve(  # noqa: S606
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    structlog.configure(
        logger_factory=structlog.ReturnLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(50),
    )
    wanted = list(range(options.first, options.first + options.seeds))
    if options.only is not None:
        wanted = [options.only]
    done = _rows(options.results)
    seeds = [seed for seed in wanted if seed not in done]
    began = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(temporary_cluster())
        workers = []
        for number in range(options.jobs):
            name = f"simulation_{number}"
            asyncio.run(server.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            mine = seeds[number :: options.jobs]
            workers.append(_worker(server.dsn(name), mine, options))
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    return _report(options.results, wanted, codes, time.monotonic() - began)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--results", type=Path, default=Path("seeds.jsonl"), help="appended to")
    parser.add_argument("--only", type=int, metavar="SEED", help="this one alone, once more")
    parser.add_argument(
        "--venue",
        choices=["simulated", "rehearsal", *VENDORS],
        default="simulated",
        help="rehearsal: through the adapter of tests/rehearsal, with what that venue can and cannot;"
        " a vendor: the real adapter at its simulator, over sockets of the loopback",
    )
    parser.add_argument("--trace", action="store_true", help="write what happened to stderr")
    parser.add_argument(
        "--draw",
        nargs="+",
        default=["landed"],
        metavar="NAME",
        help="what is drawn: landed (what the suite draws), all, none, names, no-NAME without one",
    )
    options = parser.parse_args()
    options.draw = parse(options.draw)
    return options


def _rows(results: Path) -> dict[int, dict[str, Any]]:
    if not results.is_file():
        return {}
    return {row["seed"]: row for row in map(json.loads, results.read_text().splitlines())}


def _worker(dsn: str, seeds: list[int], options: argparse.Namespace) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        run(dsn, seeds, options)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent is told
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        os._exit(code)


def run(dsn: str, seeds: list[int], options: argparse.Namespace) -> None:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)

    async def all_of_them() -> None:
        await loop.prepare()
        loop.asked_outside += 1
        connections = [await _connect(dsn) for _ in range(2)]
        loop.asked_outside -= 1
        if options.venue in VENDORS:
            loop.watch_loopback()
        server = Server(loop, connections[0])
        reset = Reset(loop, connections[0])
        for seed in seeds:
            await reset.clean()
            plan = _plan(seed, options.draw, options.venue)
            verdict, record = await run_seed(plan, loop, server, connections[1], keep=options.trace)
            _write(options.results, verdict, options.venue)
            if options.trace:
                sys.stderr.write("\n".join(record.lines) + "\n")

    loop.run_until_complete(all_of_them())


def _plan(seed: int, on: frozenset[Draw], venue: str) -> Plan:
    if venue in VENDORS:
        return at_vendor(venue, seed, on)
    return rehearse(draw(seed, on, ON)) if venue == "rehearsal" else draw(seed, on)


async def _connect(dsn: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        dsn,
        password="",
        server_settings=SERVER_SETTINGS,
        statement_cache_size=500,
        max_cached_statement_lifetime=0,
    )
    await _prepare_connection(connection)
    return connection


def _write(results: Path, verdict: Verdict, venue: str) -> None:
    with results.open("a") as file:
        file.write(json.dumps(verdict.as_row()) + "\n")
    for violation in verdict.violations:
        sys.stdout.write(f"seed {verdict.seed}: {violation}\n")
    if verdict.violations:
        sys.stdout.write(
            f"again: python -m tests.simulation --venue {venue} --only {verdict.seed} --trace"
            " --results /dev/null\n"
        )
    sys.stdout.flush()


def _report(results: Path, wanted: list[int], codes: list[int], seconds: float) -> int:
    if not results.is_file():  # such as /dev/null: what there was has been printed
        return max(codes)
    known = _rows(results)
    rows = [known[seed] for seed in wanted if seed in known]
    bad = [row["seed"] for row in rows if row["violations"]]
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row["counts"])
    print(f"{len(rows)} of {len(wanted)} seeds, {len(bad)} with violations, {seconds:.0f} s")
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 0 if len(rows) == len(wanted) and not bad and not any(codes) else 1


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
