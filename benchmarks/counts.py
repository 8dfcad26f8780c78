"""Counts, and no times: what one entry, exit, sweep and reconciliation sends.

They depend on the code alone, so one more statement or one more call of a venue is seen on a busy
machine, too. tests/integration/test_statement_counts.py holds the same figures down.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.entry_case import MINUTE, EntryCase, entry_case
from benchmarks.measure import Limit, Options, Row, run_on_loop
from tests.fakes.traffic import Traffic
from tradebotd.clocks.host import host_now
from tradebotd.domain.candle import Tick
from tradebotd.domain.ids import BotName
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

BOTS: Final = 4
AIM: Final = 12
BELOW_THE_STOP: Final = Decimal(94)


@dataclass(frozen=True, slots=True)
class Deed:
    work: str
    do: Callable[[EntryCase, BotName], Awaitable[object]]
    aim: int | None = None


def measure(cluster: Cluster, options: Options) -> list[Row]:
    found: dict[str, list[Row]] = {}

    async def rounds() -> None:
        for _ in range(options.rounds):
            async with cluster.opened() as opened:
                await _round(opened, found)

    run_on_loop(rounds)
    return [_together(rows) for rows in found.values()]


async def _round(opened: Database, found: dict[str, list[Row]]) -> None:
    case = await entry_case(opened, bots=BOTS, seconds=0)
    one, two, three, four = case.specs
    for bot in (four, three):  # every kind of statement is prepared, and flows have moved
        await _enter(case, bot)
    await _count(case, Deed("one entry, another bot's before it", _enter, AIM), two, found)
    await _count(case, Deed("one exit that a tick meets", _meet, AIM), two, found)
    await case.minute(1, ends_before=-MINUTE)
    await _count(case, Deed("one exit on a signal", _leave, AIM), three, found)
    await _count(case, Deed("one cycle with nothing to do", _look), one, found)
    await _count(case, Deed("one sweep with nothing to close", _sweep), one, found)
    await _count(case, Deed("one reconciliation behind them", _reconcile), one, found)
    await _count(case, Deed("one reconciliation of a quiet venue", _reconcile), one, found)


async def _count(case: EntryCase, deed: Deed, bot: BotName, found: dict[str, list[Row]]) -> None:
    case.traffic.forget()
    await deed.do(case, bot)
    found.setdefault(deed.work, []).append(_row(deed, case.traffic))


async def _enter(case: EntryCase, bot: BotName) -> None:
    case.strategy.kind = SignalKind.BUY
    if not (await case.job.cycle.run(bot, host_now())).acted:
        raise AssertionError(f"{bot} did not enter")


async def _leave(case: EntryCase, bot: BotName) -> None:
    """A minute later: on a candle that nothing was decided on."""
    case.strategy.kind = SignalKind.SELL
    if not (await case.job.cycle.run(bot, host_now() + MINUTE)).acted:
        raise AssertionError(f"{bot} did not leave")


async def _meet(case: EntryCase, bot: BotName) -> None:
    exits, symbol = case.path.exits, case.specs[bot].symbol
    acting = exits.on_tick(Tick(host_now(), symbol, BELOW_THE_STOP))
    if acting is not None:
        await acting
    if any(each.bot == bot for each in exits.held.values()):
        raise AssertionError(f"{bot} still holds")


async def _look(case: EntryCase, bot: BotName) -> None:
    case.strategy.kind = SignalKind.NONE
    await case.job.cycle.run(bot, host_now() + MINUTE)


async def _sweep(case: EntryCase, _: BotName) -> None:
    await case.path.exits.sweep(host_now())


async def _reconcile(case: EntryCase, _: BotName) -> None:
    await case.path.reconciliation.reconciler.run()


def _row(deed: Deed, traffic: Traffic) -> Row:
    calls = [f"{name} {count}" for name, count in sorted(traffic.asked.items())]
    note = f"{traffic.round_trips} round trips, {traffic.transactions} transactions"
    return Row(
        budget="COUNTS",
        work=deed.work,
        unit="statements",
        rounds=(len(traffic.statements),),
        limit=None if deed.aim is None else Limit(sense="at most", value=deed.aim),
        note="; ".join([note, ", ".join(calls) or "no venue is called"]),
    )


def _together(rows: list[Row]) -> Row:
    """The first round's words, and every round's count: they are all the same."""
    first = rows[0]
    counts = tuple(count for row in rows for count in row.rounds)
    return Row(
        budget=first.budget,
        work=first.work,
        unit=first.unit,
        rounds=counts,
        limit=first.limit,
        note=first.note,
    )
