"""B13: 100 bots that all enter at one minute's end, a venue that answers in 300 ms.

From the start of the job until the last entry left. Then two more rounds in which not all of them
fit, one into the cash and one into the exposure: what was sent must fit together.
"""

import time
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from benchmarks.beside import OldCheckout
from benchmarks.cluster import Cluster
from benchmarks.entry_case import NO_LIMITS, NOTIONAL, STEP, EntryCase, entry_case
from benchmarks.measure import Limit, Options, Row, run_on_loop
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.signal import SignalKind
from tradebotd.trading.prices.fresh_prices import FRESH

BOTS: Final = 100
MANY: Final = 300
ANSWER_SECONDS: Final = 0.3
FITTING: Final = 60
SCARCE: Final = NOTIONAL * FITTING + NOTIONAL / 2
ENOUGH: Final = NOTIONAL * BOTS * 2
TIMES: Final = 15


@dataclass(slots=True)
class Burst:
    seconds: list[float] = field(default_factory=list)
    account_calls: list[float] = field(default_factory=list)
    price_ages: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Figures(Burst):
    """`many`: bots whose burst outlasts whatever is shared for a moment."""

    many: Burst = field(default_factory=Burst)
    within_cash: list[float] = field(default_factory=list)
    within_exposure: list[float] = field(default_factory=list)
    old_seconds: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds() -> None:
        for _ in range(options.rounds):
            async with cluster.opened() as opened:
                case = await entry_case(opened, bots=BOTS, seconds=ANSWER_SECONDS)
                await _round(case, figures)
        async with cluster.opened() as opened:
            case = await entry_case(opened, bots=MANY, seconds=ANSWER_SECONDS)
            await _round(case, figures.many)
        async with cluster.opened() as opened:
            case = await entry_case(opened, bots=BOTS, seconds=ANSWER_SECONDS, cash=SCARCE)
            figures.within_cash.append(await _fitting(case, SCARCE))
        async with cluster.opened() as opened:
            share = replace(NO_LIMITS, max_exposure=SCARCE / ENOUGH)
            case = await entry_case(
                opened, bots=BOTS, seconds=ANSWER_SECONDS, cash=ENOUGH, limits=share
            )
            figures.within_exposure.append(await _fitting(case, SCARCE))

    run_on_loop(rounds)
    if options.beside is not None:
        old = OldCheckout(options.beside).measured(cluster, "entries", BOTS, ANSWER_SECONDS)
        figures.old_seconds.append(old["seconds"])
    return _rows(figures)


async def _round(case: EntryCase, figures: Burst) -> None:
    async with case.stream.flowing():
        began = time.perf_counter()
        await case.run(SignalKind.BUY)
    if len(case.venue.sent) != len(case.specs):
        raise AssertionError(f"{len(case.venue.sent)} entries were sent")
    figures.seconds.append(max(each.at for each in case.venue.sent) - began)
    figures.account_calls.append(case.traffic.asked["account"])
    figures.price_ages.append(_oldest_price(case))


def _oldest_price(case: EntryCase) -> float:
    """Seconds between a price and the departure of the order that it sized, the longest."""
    ages = []
    for each in case.venue.sent:
        steps = (NOTIONAL / each.request.quantity / STEP).quantize(
            Decimal(1), rounding=ROUND_HALF_EVEN
        )
        ages.append(each.at - case.stream.at[steps * STEP])
    oldest = max(ages)
    if oldest > FRESH.total_seconds():
        raise AssertionError(f"an entry was sized by a price of {oldest:.1f} s ago")
    return oldest


async def _fitting(case: EntryCase, most: Decimal) -> int:
    """Count what was entered; that all of them fit, says the venue's own ledger."""
    async with case.stream.flowing():
        await case.run(SignalKind.BUY)
    reports = case.venue.orders.values()
    refused = [each for each in reports if each.status is OrderStatus.REJECTED]
    spent = sum((each.quantity * each.price for each in case.venue.fills), Decimal(0))
    risen = case.stream.price / min(case.stream.at)
    if refused or spent > most * risen or case.venue.balances["USDT"] < 0:
        raise AssertionError(f"{spent} was spent of {most}, and {len(refused)} were refused")
    return len(case.venue.fills)


def _rows(figures: Figures) -> list[Row]:
    rows = [
        Row(
            budget="B13",
            work=f"{BOTS} bots enter at one minute's end: the last entry has left",
            unit="s",
            rounds=tuple(figures.seconds),
            floors=tuple(2 * ANSWER_SECONDS for _ in figures.seconds),
            floor="two answers",
            limit=Limit(sense="at most", value=3),
        ),
        Row(
            budget="B13",
            work="account calls meanwhile",
            unit="calls",
            rounds=tuple(figures.account_calls),
        ),
        Row(
            budget="B13",
            work="the oldest price that sized one, when it left",
            unit="s",
            rounds=tuple(figures.price_ages),
            limit=Limit(sense="at most", value=FRESH.total_seconds()),
        ),
        Row(
            budget="B13",
            work=f"{MANY} bots, once: the last entry has left",
            unit="s",
            rounds=tuple(figures.many.seconds),
            note=f"no budget: {figures.many.account_calls[0]} account calls meanwhile",
        ),
        _fitting_row("cash", figures.within_cash),
        _fitting_row("exposure", figures.within_exposure),
    ]
    if figures.old_seconds:
        faster = tuple(figures.old_seconds[0] / each for each in figures.seconds)
        rows.append(
            Row(
                budget="B13",
                work="faster than e543b7c, which was run once beside it",
                unit="times",
                rounds=faster,
                limit=Limit(sense="at least", value=TIMES),
                note=f"its last entry left after {figures.old_seconds[0]:.1f} s",
            )
        )
    return rows


def _fitting_row(what: str, found: list[float]) -> Row:
    """More would have been an error; fewer is caution that costs the bots their entries."""
    return Row(
        budget="B13",
        work=f"entries where {FITTING}.5 fit into the {what}: never more",
        unit="entries",
        rounds=tuple(found),
        limit=Limit(sense="at most", value=FITTING),
    )
