"""B3: the seed's case: 100 positions on 50 symbols, a venue that answers in 300 ms, 10 to close.

The seed did it in one transaction of 30 to 50 s. Two answers in a row are 0.6 s. Then the same of
10,000 positions on 1,000 symbols, 100 of them to close: twelve orders at a time are nine answers
in a row, and one for the quotes.
"""

from dataclasses import dataclass, field
from math import ceil
from typing import Final, NamedTuple

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, run_on_loop, stopwatch
from benchmarks.trading_case import SweepCase, sweep_case
from tradebotd.clocks.host import host_now
from tradebotd.trading.exits.market_exits import CLOSES_AT_ONCE

ANSWER_SECONDS: Final = 0.3


class Size(NamedTuple):
    symbols: int
    positions_each: int
    symbols_to_close: int
    limit: float  # seconds

    @property
    def positions(self) -> int:
        return self.symbols * self.positions_each

    @property
    def closes(self) -> int:
        return self.symbols_to_close * self.positions_each

    @property
    def answers(self) -> int:
        """Return how many answers of the venue must follow each other."""
        return 1 + ceil(self.closes / CLOSES_AT_ONCE)


SEED: Final = Size(symbols=50, positions_each=2, symbols_to_close=5, limit=1.5)
MANY: Final = Size(symbols=1_000, positions_each=10, symbols_to_close=10, limit=5.0)


@dataclass(slots=True)
class Figures:
    seconds: list[float] = field(default_factory=list)
    longest_held_ms: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    return [
        row
        for size in (SEED, MANY)
        for row in _rows(size, run_on_loop(lambda: _rounds(cluster, size, options.rounds)))  # noqa: B023
    ]


def _rows(size: Size, figures: Figures) -> list[Row]:
    answers = tuple(size.answers * ANSWER_SECONDS for _ in figures.seconds)
    return [
        Row(
            budget="B3",
            work=f"{size.positions:,} positions, {size.closes} closed, answers in 300 ms",
            unit="s",
            rounds=tuple(figures.seconds),
            floors=answers,
            floor=f"{size.answers} answers",
            limit=Limit(sense="at most", value=size.limit),
        ),
        Row(
            budget="B3",
            work="the longest transaction",
            unit="ms",
            rounds=tuple(figures.longest_held_ms),
            limit=Limit(sense="at most", value=50),
        ),
    ]


async def _rounds(cluster: Cluster, size: Size, rounds: int) -> Figures:
    figures = Figures()
    for _ in range(rounds):
        async with cluster.opened() as opened:
            case = await sweep_case(
                opened,
                symbols=size.symbols,
                positions_each=size.positions_each,
                answer_seconds=ANSWER_SECONDS,
                to_close=size.symbols_to_close,
            )
            await _round(case, size, figures)
    return figures


async def _round(case: SweepCase, size: Size, figures: Figures) -> None:
    with stopwatch() as elapsed:
        result = await case.protection.sweep(host_now())
    if result.closed != size.closes or result.failed or len(case.venue.orders) != size.closes:
        raise AssertionError(f"{result}, {len(case.venue.orders)} orders")
    figures.seconds.append(elapsed.seconds)
    figures.longest_held_ms.append(max(case.database.held_ms))
