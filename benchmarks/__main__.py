"""`python -m benchmarks [B1 …]`: measures, prints a table, keeps the figures in results/."""

from tradebotd.domain.decimals import forbid_floats

forbid_floats()  # before any task or context is made, as in the daemon

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Final  # noqa: E402

from benchmarks import (  # noqa: E402
    b1_ingest,
    b2_sweep,
    b3_slow_venue,
    b4_trigger_book,
    b5_job_start,
    b6_replay,
    b7_start,
    b8_tick_to_order,
    b9_stream,
    b10_requests,
    b11_memory,
    b13_entries,
    b14_trailing,
    b15_history,
    counts,
    net_stack,
    report,
)
from benchmarks.cluster import Cluster, private_cluster  # noqa: E402
from benchmarks.measure import LEAST_ROUNDS, Options, Row  # noqa: E402

Benchmark = Callable[[Cluster, Options], list[Row]]

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "B1": b1_ingest.measure,
    "B2": b2_sweep.measure,
    "B3": b3_slow_venue.measure,
    "B4": b4_trigger_book.measure,
    "B5": b5_job_start.measure,
    "B6": b6_replay.measure,
    "B7": b7_start.measure,
    "B8": b8_tick_to_order.measure,
    "B9": b9_stream.measure,
    "B10": b10_requests.measure,
    "B11": b11_memory.measure,
    "B13": b13_entries.measure,
    "B14": b14_trailing.measure,
    "B15": b15_history.measure,
    "COUNTS": counts.measure,
    "NET": net_stack.measure,
}


def main() -> int:
    """0 also where a budget is missed: on a shared machine that is a finding, not an error."""
    parser = _parser()
    asked = parser.parse_args()
    if unknown := set(asked.budgets) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if not asked.stored:
        options = Options(rounds=asked.rounds, full=asked.full, beside=asked.beside)
        with private_cluster() as cluster:
            for budget in asked.budgets or BENCHMARKS:
                _measure(budget, cluster, options)
    results = report.stored()
    if asked.markdown:
        report.refresh_readme(results)
        print(report.markdown(results))
    else:
        wanted = asked.budgets or BENCHMARKS
        print(report.plain(one for one in results if one.budget in wanted))
    return 0


def _measure(budget: str, cluster: Cluster, options: Options) -> None:
    load, started = os.getloadavg()[0], time.monotonic()
    print(f"{budget} …", file=sys.stderr, flush=True)
    rows = BENCHMARKS[budget](cluster, options)
    seconds = time.monotonic() - started
    report.store(
        report.measured(budget, rows, seconds=seconds, load_before=load, postgres=cluster.version)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("budgets", nargs="*", metavar="B1 … COUNTS", help="default: all of them")
    parser.add_argument(
        "--rounds", type=int, default=LEAST_ROUNDS, help="default %(default)s; fewer proves little"
    )
    parser.add_argument("--full", action="store_true", help="B6 replays the whole month")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="CHECKOUT",
        help="of e543b7c, with an environment in .venv: B13, B14 and B15 measure it, too",
    )
    parser.add_argument("--stored", action="store_true", help="measure nothing, show what is kept")
    parser.add_argument(
        "--markdown", action="store_true", help="write the kept figures into benchmarks/README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
