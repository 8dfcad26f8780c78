"""`python -m tests.protection --venue spot|usdm|alpaca --seeds N [--first N] [--results FILE]`."""

import argparse
import asyncio
import logging
from collections import defaultdict
from functools import partial
from typing import Final

import structlog
from structlog.typing import EventDict

from tests.database import PostgresServer
from tests.protection.plan import Plan, plan_of
from tests.protection.seed import ONE_WAY, run_alone
from tests.protection.witness import Spell
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
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
            processors=[_with_time, structlog.processors.KeyValueRenderer(key_order=["at"])],
        )
    venue, _, seed = name.partition("/")
    outcome = run_alone(server, venue, int(seed), rounds=rounds, plan=plan, one_way=ONE_WAY)
    return Verdict(name, outcome.wrong, details=outcome.as_json())


def _with_time(_: object, __: str, event: EventDict) -> EventDict:
    """Add the seconds of the run, which has a time of its own."""
    event["at"] = f"{asyncio.get_running_loop().time():.3f}"
    return event


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.protection", description=__doc__)
    parser.add_argument(
        "--venue", choices=VENUES, action="append", help="this one; may be repeated"
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many, at each venue")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--rounds", type=int, default=2, help="positions a symbol, a seed")
    parser.add_argument(
        "--plan", type=plan_of, help="ENTRY > STEP, STEP > ENDING for all, instead of drawn ones"
    )
    add_options(parser, "protection.jsonl")
    return parser.parse_args()


def _report(rows: list[Verdict]) -> int:
    """Print the figures; 1 where they are beyond the bounds or missing, or something went wrong."""
    spells = [Spell(**each) for row in rows for each in row.details.get("spells", ())]
    told = [each.seconds for each in spells if each.is_told]
    known = [each.own for each in spells if not each.untold and not each.lost]
    print(
        f"spells, but for seconds without a process, and lost answers: {len(known)}, {figures(known)}"
    )
    print(f"  told, and answered: {len(told)}, {figures(told)}")
    for what in ("refused", "late", "lost", "deaf", "down"):
        some = [each.own for each in spells if getattr(each, what) and not each.untold]
        print(f"  {what}: {len(some)}, {figures(some)}")
    untold = [each.own for each in spells if each.untold]
    print(f"spells whose event was lost without a sign: {len(untold)}, {figures(untold)}")
    for what in ("positions", "counted"):
        seconds = [each for row in rows for each in row.details.get(what, ())]
        print(f"{what}, in all: {len(seconds)}, {figures(seconds)}")
    causes: dict[str, list[float]] = defaultdict(list)
    for spell in spells:
        causes[spell.after].append(spell.own)
    for after, each in sorted(causes.items()):
        print(f"  after {after}: {len(each)}, {figures(each)}")
    if not told:
        print("no spell was told and answered: there is nothing to judge by")
    beyond = percentile(told, 0.99) > P99 or max(known, default=0) > WORST
    return int(not told or beyond or any(row.violations for row in rows))


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
