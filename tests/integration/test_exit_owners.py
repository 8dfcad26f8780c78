"""One owner of a position at a time: tick, sweep and operator never act on what is not so any more."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.position import CloseReason
from tradebotd.domain.quote import Quote
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import SendBlockedBy, not_blocked
from tradebotd.risk.limits import ApprovedOrder
from tradebotd.storage import positions
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.exit_groups import GroupUse
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.placement import Prepared
from tradebotd.trading.exits.exit_changes import Holding, Level
from tradebotd.trading.exits.exit_intents import ExitIntent, rejudged
from tradebotd.trading.prices.fresh_prices import FRESH

SECOND = "ETHUSDT"
WIDE = ExitPlan(stop_loss=Decimal("0.05"), trailing_stop=Decimal("0.2"))
SIDES = (PositionSide.LONG, PositionSide.SHORT)
sides = pytest.mark.parametrize("side", SIDES)

Meanwhile = Callable[[], Awaitable[object]]


def both_ways(name: str = BOT, symbol: str = SYMBOL, plan: ExitPlan = WIDE) -> BotSpec:
    return spec(name, symbol, exits=plan, position_type=PositionType.FUTURES, allow_short=True)


def mirrored(side: PositionSide, price: str) -> str:
    """*price* of a long, around 100."""
    return price if side is PositionSide.LONG else str(200 - Decimal(price))


def id_of(harness: TradingHarness, symbol: str = SYMBOL) -> PositionId:
    return next(key for key, each in harness.protection.held.items() if each.symbol == symbol)


async def row_of(harness: TradingHarness, symbol: str = SYMBOL) -> dict[str, object]:
    return await harness.row("SELECT * FROM positions WHERE symbol = $1", symbol)


async def two_positions(
    database: Database, side: PositionSide, plan: ExitPlan = WIDE
) -> TradingHarness:
    """The price of the second is older than what a sweep may act on."""
    harness = await open_harness(
        database, both_ways(plan=plan), both_ways("two", SECOND, ExitPlan(stop_loss=Decimal("0.5")))
    )
    await harness.enter(side=side)
    await harness.enter("two", side=side)
    harness.clock.advance(FRESH + timedelta(seconds=10))
    return harness


class SlowQuotes:
    """A sweep that waits for the price of another symbol: `asked`, then nothing until `answer`."""

    def __init__(self, harness: TradingHarness) -> None:
        self.asked, self.answer, self.is_over = anyio.Event(), anyio.Event(), False
        self._real = harness.venue.quotes
        harness.venue.quotes = self.quotes  # type: ignore[method-assign]

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        self.asked.set()
        try:
            await self.answer.wait()
        finally:
            self.is_over = True
        return await self._real(symbols)


async def during_a_sweep(harness: TradingHarness, meanwhile: Meanwhile) -> None:
    slow = SlowQuotes(harness)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.protection.sweep, harness.clock.now())
        await slow.asked.wait()
        await meanwhile()
        slow.answer.set()


@sides
async def test_a_step_of_a_ladder_is_sold_at_its_own_price_alone(
    database: Database, side: PositionSide
) -> None:
    """M4.7: a sweep that waited judges the position as it is then, not as it was read."""
    ladder = (
        LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),
        LadderStep(at=Decimal("0.10"), share=Decimal("0.3")),
    )
    harness = await two_positions(
        database, side, ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder)
    )
    harness.tick(mirrored(side, "101"))
    slow, sent, go = SlowQuotes(harness), anyio.Event(), anyio.Event()
    submit = harness.venue.submit

    async def submit_late(
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        report = await submit(client_order_id, request, send_blocked_by=send_blocked_by)
        sent.set()
        await go.wait()
        return report

    harness.venue.submit = submit_late  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.stream, mirrored(side, "102.5"))
        await sent.wait()
        tasks.start_soon(harness.protection.sweep, harness.clock.now())
        await slow.asked.wait()
        go.set()
        while (await row_of(harness))["ladder_done"] == 0:
            await anyio.lowlevel.checkpoint()
        slow.answer.set()

    held = await row_of(harness)
    assert (held["quantity"], held["ladder_done"]) == (Decimal("0.7"), 1)
    exits = [each for each in await harness.orders() if each["role"] == "exit"]
    assert [(each["quantity"], each["ladder_step"]) for each in exits] == [(Decimal("0.3"), 1)]


@sides
async def test_an_exit_of_a_step_that_was_taken_meanwhile_is_denied(
    database: Database, side: PositionSide
) -> None:
    """M4.7: by construction, in the transaction that makes the order; whoever judged it."""
    ladder = (
        LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),
        LadderStep(at=Decimal("0.03"), share=Decimal("0.3")),
    )
    harness = await open_harness(
        database, both_ways(plan=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder))
    )
    await harness.enter(side=side)
    judged = harness.protection.held[id_of(harness)]
    price = Decimal(mirrored(side, "104"))
    level = Decimal(mirrored(side, "102"))
    first = ExitIntent(position=judged, reason=CloseReason.TAKE_PROFIT, level=level, price=price)
    await harness.stream(str(price))

    with pytest.raises(OrderDeniedError, match="position_changed"):
        rejudged(first, harness.protection.held[id_of(harness)], harness.clock.now())
    assert (await row_of(harness))["ladder_done"] == 1


@sides
async def test_a_stop_moved_by_an_operator_during_a_sweep_stays_moved(
    database: Database, side: PositionSide
) -> None:
    """M4.7: memory takes no older version in the place of a newer one."""
    harness = await two_positions(database, side)
    harness.tick(mirrored(side, "101"))
    stop = Decimal(mirrored(side, "90"))

    await during_a_sweep(
        harness, lambda: harness.exit_changes.set(id_of(harness), stop_loss=Level(price=stop))
    )

    assert (await row_of(harness))["stop_loss"] == stop
    assert harness.protection.held[id_of(harness)].stop_loss == stop
    harness.clock.advance(timedelta(seconds=1))
    await harness.stream(mirrored(side, "94.9"))
    assert (await row_of(harness))["closed_at"] is None
    await harness.stream(mirrored(side, "90"))
    assert (await row_of(harness))["close_reason"] == "stop_loss"


@sides
async def test_a_position_closed_during_a_sweep_is_not_watched_again(
    database: Database, side: PositionSide
) -> None:
    """M4.7: what is closed does not come back, in this sweep or in the next ones."""
    harness = await two_positions(database, side)
    harness.tick(mirrored(side, "101"))
    position_id = id_of(harness)

    await during_a_sweep(
        harness,
        lambda: harness.protection.close_now(
            harness.protection.held[position_id], CloseReason.MANUAL
        ),
    )

    assert position_id not in harness.protection.held
    assert harness.protection.protected_by(position_id) == "none"


async def test_a_row_read_before_the_close_brings_nothing_back(database: Database) -> None:
    """M4.7: whoever tells of it, however late."""
    harness = await open_harness(database)
    await harness.enter()
    old = harness.protection.held[id_of(harness)]
    await harness.protection.close_now(old, CloseReason.MANUAL)

    harness.protection.watch(replace(old, version=old.version + 5))

    assert harness.protection.held == {}
    await harness.stream("90")
    assert [each["role"] for each in await harness.orders()] == ["entry", "exit"]


@sides
async def test_who_has_a_price_does_not_wait_for_anothers(
    database: Database, side: PositionSide
) -> None:
    """I4: a quote that does not come holds up its own symbol."""
    harness = await two_positions(database, side)
    harness.tick(mirrored(side, "94"))
    slow = SlowQuotes(harness)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.protection.sweep, harness.clock.now())
        await slow.asked.wait()
        while (await row_of(harness))["closed_at"] is None:
            await anyio.lowlevel.checkpoint()
        assert not slow.is_over
        slow.answer.set()

    assert (await row_of(harness))["close_reason"] == "stop_loss"


@sides
async def test_a_trailing_stop_that_was_taken_away_stays_away(
    database: Database, side: PositionSide
) -> None:
    """M4.7: what the sweep had remembered to store followed from a plan that is gone."""
    plan = ExitPlan(stop_loss=Decimal("0.2"), trailing_stop=Decimal("0.02"))
    harness = await open_harness(database, both_ways(plan=plan))
    await harness.enter(side=side)
    harness.clock.advance(timedelta(seconds=5))
    harness.tick(mirrored(side, "110"))
    await harness.protection.sweep(harness.clock.now())
    assert harness.protection.held[id_of(harness)].trailing_stop == (
        Decimal("107.80") if side is PositionSide.LONG else Decimal("91.80")
    )

    await harness.exit_changes.set(id_of(harness), trailing_stop=Level())
    for price in ("109", "107"):
        harness.clock.advance(timedelta(seconds=5))
        harness.tick(mirrored(side, price))
        await harness.protection.sweep(harness.clock.now())

    row = await row_of(harness)
    assert (row["trailing_stop"], row["closed_at"]) == (None, None)
    harness.tick(mirrored(side, "80"))
    await harness.protection.sweep(harness.clock.now())
    assert (await row_of(harness))["close_reason"] == "stop_loss"


@sides
async def test_stops_are_stored_only_over_the_version_they_were_computed_from(
    database: Database, side: PositionSide
) -> None:
    """M4.7: and a stop that is not there is not made by one that moved."""
    plan = ExitPlan(stop_loss=Decimal("0.2"), trailing_stop=Decimal("0.02"))
    harness = await open_harness(database, both_ways(plan=plan))
    await harness.enter(side=side)
    held = harness.protection.held[id_of(harness)]
    best, trailing = Decimal(mirrored(side, "110")), Decimal(mirrored(side, "108"))

    async def store(version: int) -> dict[str, object]:
        async with harness.database.connection() as connection:
            moved = (held.id, version, best, None, trailing)
            await positions.update_trails(connection, [moved])
        return await row_of(harness)

    assert (await store(held.version + 1))["best_price"] == 100
    await harness.execute("UPDATE positions SET trailing_stop = NULL")
    row = await store(held.version)
    assert (row["best_price"], row["trailing_stop"]) == (best, None)


@sides
async def test_break_even_reaches_the_table(database: Database, side: PositionSide) -> None:
    """M4.7: of shorts, too; the next daemon starts from it."""
    plan = ExitPlan(
        stop_loss=Decimal("0.05"), break_even=BreakEven(at=Decimal("0.03"), lock=Decimal("0.01"))
    )
    harness = await open_harness(database, both_ways(plan=plan))
    await harness.enter(side=side)
    await harness.stream(mirrored(side, "103"))
    await harness.protection.sweep(harness.clock.now())

    assert (await row_of(harness))["stop_loss"] == Decimal(mirrored(side, "101"))
    after = await open_harness(
        database, *harness.specs.values(), restarted=True, venue=harness.venue
    )
    await after.protection.load(after.clock.now())
    await after.stream(mirrored(side, "101"))
    assert (await row_of(after))["close_reason"] == "stop_loss"


@sides
async def test_a_version_that_moves_keeps_what_the_ticks_have_moved(
    database: Database, side: PositionSide
) -> None:
    """M4.7: a change of the row that memory is not told of (funding) delays no stop."""
    plan = ExitPlan(trailing_stop=Decimal("0.02"))
    harness = await open_harness(database, both_ways(plan=plan))
    await harness.enter(side=side)
    await harness.stream(mirrored(side, "110"))
    await harness.execute("UPDATE positions SET version = version + 1")

    await harness.stream(mirrored(side, "107"))

    assert (await row_of(harness))["close_reason"] == "trailing_stop"


async def test_the_best_price_is_stored_again_after_the_version_moved(database: Database) -> None:
    """M4.7: what was not stored over another version is stored over that one."""
    harness = await open_harness(database, spec(exits=ExitPlan(trailing_stop=Decimal("0.02"))))
    await harness.enter()
    await harness.stream("110")
    await harness.execute("UPDATE positions SET version = version + 1")
    for _ in range(2):
        await harness.protection.sweep(harness.clock.now())

    row = await row_of(harness)
    assert (row["best_price"], row["trailing_stop"]) == (110, Decimal("107.80"))


async def test_an_exit_is_made_from_the_position_as_it_is_committed(database: Database) -> None:
    """M5.4: what was read a moment earlier may be more than is held by then."""
    harness = await open_harness(database, both_ways())
    await harness.enter()
    prepare, tries = harness.placement.prepare_exits, list[Decimal]()

    async def prepare_late(
        approved: Sequence[ApprovedOrder],
        use: GroupUse,
        linked_id: str | None = None,
        decision: DecisionRecord | None = None,
    ) -> list[Prepared]:
        tries.append(approved[0].intent.request.quantity)
        if len(tries) == 1:
            await harness.execute(
                "UPDATE positions SET quantity = 0.4, exit_quantity = 0.6, version = version + 1"
            )
            harness.venue.positions[SYMBOL] = Decimal("0.4")
        return await prepare(approved, use, linked_id, decision)

    harness.placement.prepare_exits = prepare_late  # type: ignore[method-assign]
    await harness.protection.close_now(harness.protection.held[id_of(harness)], CloseReason.MANUAL)

    assert tries == [1, Decimal("0.4")]
    assert [request.quantity for _, request in harness.venue.submitted] == [1, Decimal("0.4")]


@sides
async def test_an_operator_who_lets_a_position_live_is_heard_before_its_exit_is_sent(
    database: Database, side: PositionSide
) -> None:
    """M4.7: the holding time was over when it was judged, and is not when the order is made."""
    harness = await open_harness(
        database, both_ways(plan=replace(WIDE, max_holding=timedelta(minutes=1)))
    )
    await harness.enter(side=side)
    judged = harness.protection.held[id_of(harness)]
    changed = await harness.exit_changes.set(judged.id, max_holding=Holding(timedelta(hours=1)))
    late = harness.clock.now() + timedelta(minutes=2)

    with pytest.raises(OrderDeniedError, match="position_changed"):
        rejudged(ExitIntent(position=judged, reason=CloseReason.MAX_HOLDING), changed, late)


@sides
async def test_a_stop_that_moved_towards_the_price_still_ends_it(
    database: Database, side: PositionSide
) -> None:
    """M4.7: by the level that is in force now."""
    harness = await open_harness(database, both_ways())
    await harness.enter(side=side)
    judged = harness.protection.held[id_of(harness)]
    level, tighter = (Decimal(mirrored(side, price)) for price in ("95", "97"))
    changed = await harness.exit_changes.set(judged.id, stop_loss=Level(price=tighter))
    each = ExitIntent(position=judged, reason=CloseReason.STOP_LOSS, level=level, price=level)

    again = rejudged(each, changed, harness.clock.now())

    assert (again.reason, again.level, again.position) == (
        CloseReason.STOP_LOSS,
        tighter,
        changed,
    )


@pytest.mark.parametrize("leverage", [1, 10])
async def test_an_exit_carries_the_leverage_of_its_position(
    database: Database, leverage: int
) -> None:
    """M5.7: in our books, which reckon margins by it; no order tells it to the venue."""
    plan = ExitPlan(stop_loss=Decimal("0.05"))
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, leverage=leverage, exits=plan)
    )
    await harness.enter()
    await harness.stream("95")

    assert [order["leverage"] for order in await harness.orders()] == [leverage, leverage]
