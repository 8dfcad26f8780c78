"""`python -m tests.ambiguous --jobs 2 --results FILE`: every ambiguous outcome at every venue; resumable."""

import argparse
from collections import Counter
from functools import partial

from tests.ambiguous.cases import VENUES, Case, Kind, all_cases, case_of
from tests.ambiguous.scenario import MARGIN, play
from tests.venue_core.campaign import add_options, run
from tradebotd.domain.decimals import forbid_floats


def main() -> int:
    options = _options()
    names = [str(case) for case in _wanted(options)]
    rows = run(names, partial(play, margin=None if options.hour else MARGIN), options)
    if rows is None:
        return 1
    outcomes = Counter(row.outcome for row in rows)
    print("after a minute: " + ", ".join(f"{name} {n}" for name, n in sorted(outcomes.items())))
    return 1 if any(row.violations for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ambiguous", description=__doc__)
    parser.add_argument(
        "--venue", choices=VENUES, action="append", help="this one; may be repeated"
    )
    parser.add_argument("--kind", choices=list(Kind), action="append", help="of order; likewise")
    parser.add_argument("--only", metavar="CASE", action="append", help="VENUE/KIND/FAULT/TRUTH")
    parser.add_argument(
        "--hour",
        action="store_true",
        help="seek what can rest for the hour that the venues ask for, not for minutes",
    )
    add_options(parser, "ambiguous.jsonl")
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


if __name__ == "__main__":
    forbid_floats()
    raise SystemExit(main())
