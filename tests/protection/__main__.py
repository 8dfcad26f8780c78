"""`python -m tests.protection --venue spot|usdm|alpaca --seeds N [--first N] [--results FILE]`."""

import argparse
import logging
from collections import defaultdict
from functools import partial
from typing import Final

import structlog

from tests.database import PostgresServer
from tests.protection.campaign import Plan
from tests.protection.seed import ONE_WAY, run_alone
from tests.venue_core.campaign import Verdict, add_options, run
from tradebotd.domain.decimals import forbid_floats

VENUES: Final = ("spot", "usdm", "alpaca")
P99, WORST = 1.0, 5.0


def main() -> int:
    options = _options()
    logging.disable(logging.INFO)
    seeds = range(options.first, options.first + options.seeds)
    names = [f"{venue}/{seed}" for seed in seeds for venue in options.venue or VENUES]
    play = partial(_play, rounds=options.rounds, plan=options.plan, trace=options.trace)
    rows = run(names, play, options)
    return 1 if rows is None else _report(rows)


def _play(
    name: str, server: PostgresServer, *, rounds: int, plan: Plan | None, trace: bool
) -> Verdict:
    if trace:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    venue, _, seed = name.partition("/")
    outcome = run_alone(server, venue, int(seed), rounds=rounds, plan=plan, one_way=ONE_WAY)
    return Verdict(name, outcome.wrong, details=outcome.as_json())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.protection", description=__doc__)
    parser.add_argument(
        "--venue", choices=VENUES, action="append", help="this one; may be repeated"
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many, at each venue")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--rounds", type=int, default=2, help="positions a symbol, a seed")
    parser.add_argument(
        "--plan", type=_plan, help="STEP,STEP:ENDING for all, instead of drawn ones"
    )
    add_options(parser, "protection.jsonl")
    return parser.parse_args()


def _plan(text: str) -> Plan:
    steps, _, ending = text.partition(":")
    return [step for step in steps.split(",") if step], ending or "stopped"


def _report(rows: list[Verdict]) -> int:
    """Print the figures; 1 where they are beyond the bounds, or something went wrong."""
    spells: dict[str, list[float]] = defaultdict(list)
    positions: list[float] = []
    counted: list[float] = []
    for row in rows:
        for after, seconds in row.details.get("spells", ()):
            spells[after].append(seconds)
        positions += row.details.get("positions", ())
        counted += row.details.get("counted", ())
    every = [seconds for each in spells.values() for seconds in each]
    print(f"spells, by the ledger: {len(every)}, {figures(every)}")
    print(f"positions, by the ledger: {len(positions)}, {figures(positions)}")
    print(f"positions, as counted: {len(counted)}, {figures(counted)}")
    for after, each in sorted(spells.items()):
        print(f"  after {after}: {len(each)}, {figures(each)}")
    beyond = percentile(every, 0.99) > P99 or max(counted, default=0) > WORST
    return int(beyond or any(row.violations for row in rows))


def figures(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    shares = ", ".join(f"p{share:.0%} {percentile(seconds, share):.3f}" for share in (0.5, 0.99))
    return f"{shares.replace('%', '')}, longest {max(seconds):.3f} s"


def percentile(seconds: list[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
