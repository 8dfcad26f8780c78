"""B2: the sweep over 10,000 open positions on 1,000 symbols, nothing to close.

The floor is one SELECT of the same rows on one connection, decoded by asyncpg and no further.
"""

import gc
from dataclasses import dataclass, field
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, run_on_loop, stopwatch
from benchmarks.trading_case import SweepCase, stream_prices, sweep_case
from tradebotd.clocks.host import host_now
from tradebotd.storage import open_positions

SYMBOLS: Final = 1_000
POSITIONS_EACH: Final = 10
POSITIONS: Final = SYMBOLS * POSITIONS_EACH


@dataclass(slots=True)
class Figures:
    """Milliseconds, and calls."""

    from_memory: list[float] = field(default_factory=list)
    from_venue: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    longest_held: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds() -> None:
        async with cluster.opened() as opened:
            case = await sweep_case(
                opened, symbols=SYMBOLS, positions_each=POSITIONS_EACH, answer_seconds=0, to_close=0
            )
            await _round(case, Figures())  # plans and caches are warm in a daemon
            for _ in range(options.rounds):
                await _round(case, figures)

    run_on_loop(rounds)
    return _rows(figures)


def _rows(figures: Figures) -> list[Row]:
    floors = tuple(figures.floors)
    times = Limit(sense="at most", value=2.5, of="ratio")
    return [
        Row(
            budget="B2",
            work=f"sweep of {POSITIONS:,} positions, prices from the stream",
            unit="ms",
            rounds=tuple(figures.from_memory),
            floors=floors,
            floor="one SELECT",
            limit=times,
        ),
        Row(
            budget="B2",
            work="the same, prices from the venue",
            unit="ms",
            rounds=tuple(figures.from_venue),
            floors=floors,
            floor="one SELECT",
            limit=times,
        ),
        Row(
            budget="B2",
            work="quote calls at the one venue in such a sweep",
            unit="calls",
            rounds=tuple(figures.calls),
            limit=Limit(sense="at most", value=1),
        ),
        Row(
            budget="B2",
            work="longest time that a connection was held",
            unit="ms",
            rounds=tuple(figures.longest_held),
            limit=Limit(sense="at most", value=50),
        ),
    ]


async def _round(case: SweepCase, figures: Figures) -> None:
    case.database.held_ms.clear()
    _forget_prices(case)
    case.venue.quote_calls = 0
    figures.from_venue.append(await _swept(case))
    figures.calls.append(case.venue.quote_calls)
    figures.floors.append(await _one_select(case))
    stream_prices(case)
    figures.from_memory.append(await _swept(case))
    figures.longest_held.append(max(case.database.held_ms))


async def _swept(case: SweepCase) -> float:
    gc.collect()
    with stopwatch() as elapsed:
        result = await case.protection.sweep(host_now())
    if (result.checked, result.closed) != (POSITIONS, 0) or result.failed:
        raise AssertionError(f"{result.checked} checked, {result.closed} closed, {result.failed}")
    return elapsed.seconds * 1000


async def _one_select(case: SweepCase) -> float:
    """Time one SELECT, unwatched: the floor holds its connection as long as it likes."""
    held = list(case.database.held_ms)
    gc.collect()
    async with case.database.connection() as connection:
        with stopwatch() as elapsed:
            rows = await connection.fetch(open_positions.SELECT_OPEN_PAGE, 0, POSITIONS)
    case.database.held_ms[:] = held
    if len(rows) != POSITIONS:
        raise AssertionError(f"{len(rows)} rows")
    return elapsed.seconds * 1000


def _forget_prices(case: SweepCase) -> None:
    case.prices._last.clear()  # noqa: SLF001 - as after a stream that was cut
