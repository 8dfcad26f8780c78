"""`python -m tests.protection --venue spot|usdm|alpaca --seeds N [--first N] [--results FILE]`."""

import argparse
import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final

import structlog

from tests.database import temporary_cluster
from tests.protection.campaign import Plan, run_seed
from tests.protection.places import place_of
from tradebotd.storage.postgres.database import open_database

ONE_WAY: Final = 0.15  # seconds: 300 ms there and back
P99, WORST = 1.0, 5.0


def main() -> int:
    options = _options()
    logging.disable(logging.INFO)
    level = logging.DEBUG if options.trace else logging.ERROR
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    done = _known(options.results)
    seeds = range(options.first, options.first + options.seeds)
    with temporary_cluster() as server:
        for seed in seeds:
            if seed in done:
                continue
            outcome = asyncio.run(_one(seed, options, server))
            done[seed] = outcome
            print(json.dumps(outcome), flush=True)
            if options.results is not None:
                with options.results.open("a") as results:
                    results.write(json.dumps(outcome) + "\n")
    return _report([done[seed] for seed in seeds])


async def _one(seed: int, options: argparse.Namespace, server: Any) -> dict[str, Any]:
    async with (
        server.fresh_database() as dsn,
        open_database(dsn, pool_min=2, pool_max=10) as database,
        place_of(options.venue, ONE_WAY) as place,
    ):
        outcome = await run_seed(seed, place, database, options.rounds, options.plan)
        return outcome.as_json()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.protection", description=__doc__)
    parser.add_argument("--venue", choices=("spot", "usdm", "alpaca"), required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2, help="positions a symbol, a seed")
    parser.add_argument("--results", type=Path, help="appended to; seeds in it are not run again")
    parser.add_argument(
        "--plan", type=_plan, help="STEP,STEP:ENDING for all, instead of drawn ones"
    )
    parser.add_argument("--trace", action="store_true", help="show the daemon's log")
    return parser.parse_args()


def _plan(text: str) -> Plan:
    steps, _, ending = text.partition(":")
    return [step for step in steps.split(",") if step], ending or "stopped"


def _known(results: Path | None) -> dict[int, dict[str, Any]]:
    if results is None or not results.exists():
        return {}
    rows = (json.loads(line) for line in results.read_text().splitlines())
    return {row["seed"]: row for row in rows}


def _report(outcomes: list[dict[str, Any]]) -> int:
    """Print the figures; 1 where they are beyond the bounds, or something went wrong."""
    wrong = [f"seed {each['seed']}: {words}" for each in outcomes for words in each["wrong"]]
    lengths = {
        "spells, by the ledger": [s for each in outcomes for _, s in each["spells"]],
        "positions, by the ledger": [s for each in outcomes for s in each["positions"]],
        "positions, as counted": [s for each in outcomes for s in each["counted"]],
    }
    for what, seconds in lengths.items():
        print(f"{what}: {len(seconds)}, {figures(seconds)}")
    by_cause: dict[str, list[float]] = {}
    for each in outcomes:
        for after, seconds in each["spells"]:
            by_cause.setdefault(after, []).append(seconds)
    for after, spells in sorted(by_cause.items()):
        print(f"  after {after}: {len(spells)}, {figures(spells)}")
    for words in wrong:
        print(words)
    counted = lengths["positions, as counted"]
    return int(bool(wrong) or percentile(counted, 0.99) > P99 or max(counted, default=0) > WORST)


def figures(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    shares = ", ".join(f"p{share:.0%} {percentile(seconds, share):.3f}" for share in (0.5, 0.99))
    return f"{shares.replace('%', '')}, longest {max(seconds):.3f} s"


def percentile(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
