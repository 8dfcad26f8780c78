"""B3: the seed's case: 100 positions on 50 symbols, a venue that answers in 300 ms, 10 to close.

The seed did it in one transaction of 30 to 50 s. Two answers in a row are 0.6 s.
"""

from dataclasses import dataclass, field
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, run_on_loop, stopwatch
from benchmarks.trading_case import SweepCase, sweep_case
from tradebotd.clocks.host import host_now

SYMBOLS: Final = 50
POSITIONS_EACH: Final = 2
SYMBOLS_TO_CLOSE: Final = 5
CLOSES: Final = SYMBOLS_TO_CLOSE * POSITIONS_EACH
ANSWER_SECONDS: Final = 0.3


@dataclass(slots=True)
class Figures:
    seconds: list[float] = field(default_factory=list)
    longest_held_ms: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds() -> None:
        for _ in range(options.rounds):
            async with cluster.opened() as opened:
                case = await sweep_case(
                    opened,
                    symbols=SYMBOLS,
                    positions_each=POSITIONS_EACH,
                    answer_seconds=ANSWER_SECONDS,
                    to_close=SYMBOLS_TO_CLOSE,
                )
                await _round(case, figures)

    run_on_loop(rounds)
    two_answers = tuple(2 * ANSWER_SECONDS for _ in figures.seconds)
    return [
        Row(
            budget="B3",
            work=f"{SYMBOLS * POSITIONS_EACH} positions, {CLOSES} closed, answers in 300 ms",
            unit="s",
            rounds=tuple(figures.seconds),
            floors=two_answers,
            floor="two answers",
            limit=Limit(sense="at most", value=1.5),
        ),
        Row(
            budget="B3",
            work="the longest transaction",
            unit="ms",
            rounds=tuple(figures.longest_held_ms),
            limit=Limit(sense="at most", value=50),
        ),
    ]


async def _round(case: SweepCase, figures: Figures) -> None:
    with stopwatch() as elapsed:
        result = await case.protection.sweep(host_now())
    if result.closed != CLOSES or result.failed or len(case.venue.orders) != CLOSES:
        raise AssertionError(f"{result}, {len(case.venue.orders)} orders")
    figures.seconds.append(elapsed.seconds)
    figures.longest_held_ms.append(max(case.database.held_ms))
