"""`python -m tests.halts --seeds 200 --jobs 2 --results FILE`: commands while an entry waits; resumable."""

import argparse
from collections import Counter

from tests.ambiguous.cases import VENUES
from tests.halts.scenario import play
from tests.venue_core.campaign import add_options, run
from tradebotd.domain.decimals import forbid_floats


def main() -> int:
    options = _options()
    seeds = range(options.first, options.first + options.seeds)
    names = [f"{venue}/{seed}" for seed in seeds for venue in options.venue or VENUES]
    rows = run(options.only or names, play, options)
    if rows is None:
        return 1
    outcomes = Counter(row.outcome for row in rows)
    print(", ".join(f"{name} {n}" for name, n in sorted(outcomes.items())))
    return 1 if any(row.violations for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.halts", description=__doc__)
    parser.add_argument(
        "--venue", choices=VENUES, action="append", help="this one; may be repeated"
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many, at each venue")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--only", metavar="VENUE/SEED", action="append", help="this one alone")
    add_options(parser, "halts.jsonl")
    return parser.parse_args()


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
