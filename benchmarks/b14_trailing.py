"""B14: 100 positions that trail, answers in 300 ms: until every resting stop has moved.

The sweep that begins it is B3's case at the same time, at another venue: 100 more positions on 50
symbols, 10 of them below their stop. It must keep its time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

import anyio

from benchmarks.b3_slow_venue import ANSWER_SECONDS, SEED
from benchmarks.beside import OldCheckout
from benchmarks.cluster import Cluster
from benchmarks.entry_case import EntryCase, Others, entry_case
from benchmarks.measure import Limit, Options, Row, run_on_loop
from benchmarks.trading_case import (
    BELOW_THE_STOP,
    INSERT_OPEN,
    PRICE,
    VENUE,
    SlowVenue,
    bot_specs,
    market_symbols,
)
from tradebotd.clocks.host import host_now
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import Replacement, VenueTraits
from tradebotd.storage.postgres.database import Database

TRAILING: Final = 100
PLAN: Final = ExitPlan(stop_loss=Decimal("0.05"), trailing_stop=Decimal("0.05"))
RISEN: Final = Decimal(105)
MOVED: Final = Decimal("99.75")
LONGEST_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.005


@dataclass(slots=True)
class Figures:
    """Figures of one way to replace an order: seconds, and calls of the venue for each stop."""

    moved: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)
    swept: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = {each: Figures() for each in Replacement}

    async def rounds() -> None:
        for _ in range(options.rounds):
            for replacement, found in figures.items():
                async with cluster.opened() as opened:
                    await _round(await _case(opened, replacement), found)

    run_on_loop(rounds)
    rows = [row for replacement, found in figures.items() for row in _rows(replacement, found)]
    if options.beside is not None:
        old = OldCheckout(options.beside).measured(cluster, "trailing", TRAILING, ANSWER_SECONDS)
        rows.append(_faster(figures[Replacement.REPLACE], old["seconds"]))
    return rows


async def _case(opened: Database, replacement: Replacement) -> EntryCase:
    """Bots at a venue with books; B3's at another one are known, and hold nothing yet."""
    symbols = market_symbols(SEED.symbols)
    prices = {each.symbol: PRICE for each in symbols}
    prices |= {each.symbol: BELOW_THE_STOP for each in symbols[: SEED.symbols_to_close]}
    return await entry_case(
        opened,
        bots=TRAILING,
        seconds=0,
        traits=VenueTraits(resting_stops=True, replacement=replacement),
        plan=PLAN,
        others=Others(
            venues={VENUE: SlowVenue(ANSWER_SECONDS, prices)},
            symbols=symbols,
            specs=bot_specs(symbols, SEED.positions_each),
        ),
    )


async def _open_others(case: EntryCase) -> None:
    """B3's positions are there, and have no price yet."""
    specs = bot_specs(market_symbols(SEED.symbols), SEED.positions_each)
    names, traded = [spec.name for spec in specs], [spec.symbol for spec in specs]
    async with case.database.transaction(durable=True) as connection:
        hour_ago = host_now() - timedelta(hours=1)
        await connection.execute(INSERT_OPEN, names, traded, VENUE, hour_ago)
    await case.path.exits.load(host_now())


async def _round(case: EntryCase, figures: Figures) -> None:
    exits = case.path.exits
    with anyio.fail_after(LONGEST_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exits.run)
            await case.run(SignalKind.BUY)
            await _until(lambda: len(case.venue.stops()) == TRAILING)
            await _open_others(case)
            await anyio.sleep(1)  # until each has been looked at once more
            case.venue.seconds = ANSWER_SECONDS
            for each in case.stream.symbols:
                if exits.on_tick(Tick(host_now(), each.symbol, RISEN)) is not None:
                    raise AssertionError("a rising price has met something")
            case.traffic.forget()
            began = time.perf_counter()
            tasks.start_soon(_sweep, case, figures)
            await _until(lambda: _guarded(case, alone=False) == TRAILING)
            figures.moved.append(time.perf_counter() - began)
            await _until(lambda: _guarded(case, alone=True) == TRAILING)
            figures.calls.append(case.traffic.calls / TRAILING)
            figures.statements.append(len(case.traffic.statements) / TRAILING)
            tasks.cancel_scope.cancel()


def _guarded(case: EntryCase, *, alone: bool) -> int:
    """Positions with a stop where the price has moved it; *alone*: and no other one beside it."""
    stops = case.venue.stops().values()
    return sum(each == [MOVED] if alone else MOVED in each for each in stops)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the venue has no event of it
        await anyio.sleep(LOOK_SECONDS)


async def _sweep(case: EntryCase, figures: Figures) -> None:
    began = time.perf_counter()
    result = await case.path.exits.sweep(host_now())
    figures.swept.append(time.perf_counter() - began)
    if result.closed != SEED.closes or result.failed:
        raise AssertionError(f"{result}")


def _rows(replacement: Replacement, figures: Figures) -> list[Row]:
    times = tuple(ANSWER_SECONDS for _ in figures.moved)
    return [
        Row(
            budget="B14",
            work=f"{TRAILING} resting stops have moved, by `{replacement}`",
            unit="s",
            rounds=tuple(figures.moved),
            floors=times,
            floor="one answer",
            limit=Limit(sense="at most", value=3),
        ),
        Row(
            budget="B14",
            work="a sweep that closes 10 of 100 others meanwhile",
            unit="s",
            rounds=tuple(figures.swept),
            floors=tuple(2 * each for each in times),
            floor="two answers",
            limit=Limit(sense="at most", value=1.5),
        ),
        Row(
            budget="B14",
            work="calls of the venue for each stop",
            unit="calls",
            rounds=tuple(figures.calls),
        ),
        Row(
            budget="B14",
            work="statements for each stop, those of the sweep included",
            unit="statements",
            rounds=tuple(figures.statements),
        ),
    ]


def _faster(figures: Figures, old_seconds: float) -> Row:
    return Row(
        budget="B14",
        work="`replace`: faster than e543b7c, which was run once beside it",
        unit="times",
        rounds=tuple(old_seconds / each for each in figures.moved),
        note=f"there the last one had moved after {old_seconds:.1f} s",
    )
