"""Take-profits in steps, stops at break even and by a range: on ticks alone, in the sweep alone."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import assert_one_truth, open_resting_harness, restart, stops, sweep
from tests.fakes.resting import one as resting_one
from tests.fakes.trading import NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec, SizingKind, SizingRule
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage import open_positions, positions
from tradebotd.storage.postgres.database import Database

STEPS = (
    LadderStep(at=Decimal("0.02"), share=Decimal("0.5")),
    LadderStep(at=Decimal("0.04"), share=Decimal("0.3")),
)
LADDER = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.06"), ladder=STEPS)
EVEN = ExitPlan(
    stop_loss=Decimal("0.05"), break_even=BreakEven(at=Decimal("0.03"), lock=Decimal("0.01"))
)


async def by_tick(harness: TradingHarness, price: str, symbol: str = SYMBOL) -> None:
    await harness.stream(price, symbol)


async def by_sweep(harness: TradingHarness, price: str, symbol: str = SYMBOL) -> None:
    """No tick was acted on: the safety net alone."""
    harness.tick(price, symbol)
    await harness.protection.sweep(harness.clock.now())


Way = Callable[..., Awaitable[None]]
ways = pytest.mark.parametrize("way", [by_tick, by_sweep])


def futures(plan: ExitPlan) -> BotSpec:
    return spec(exits=plan, position_type=PositionType.FUTURES, allow_short=True)


@ways
@pytest.mark.parametrize(
    ("side", "prices"),
    [
        (PositionSide.LONG, ("102", "104", "106")),
        (PositionSide.SHORT, ("98", "96", "94")),
    ],
)
async def test_a_ladder_is_climbed_step_by_step(
    database: Database, way: Way, side: PositionSide, prices: tuple[str, ...]
) -> None:
    """M4.7: shares of what was entered; the rest ends at the take-profit. Each step once."""
    harness = await open_harness(database, futures(LADDER))
    await harness.enter(side=side)
    left = []
    for price in prices:
        await way(harness, price)
        await way(harness, price)
        left.append((await harness.position())["quantity"])

    assert left == [Decimal("0.5"), Decimal("0.2"), 0]
    assert (await harness.position())["close_reason"] == "take_profit"
    steps = [row["ladder_step"] for row in await harness.orders()]
    assert steps == [None, 1, 2, None]
    assert await harness.broken_books() == []


async def test_a_price_that_jumps_over_steps_takes_them_one_after_the_other(
    database: Database,
) -> None:
    """M4.7: no step twice, and none left out."""
    harness = await open_harness(database, spec(exits=LADDER))
    await harness.enter()
    for _ in range(4):
        await harness.stream("107")

    assert [row["ladder_step"] for row in await harness.orders()] == [None, 1, 2, None]
    assert (await harness.position())["quantity"] == 0


async def test_a_step_below_a_lot_is_skipped(database: Database) -> None:
    """M4.7: the next one is the target."""
    steps = (LadderStep(at=Decimal("0.02"), share=Decimal("0.0001")), STEPS[1])
    harness = await open_harness(database, spec(exits=ExitPlan(ladder=steps)))
    await harness.enter()
    await harness.stream("102.5")
    position = await harness.position()
    assert (position["ladder_done"], position["take_profit"]) == (1, 104)
    assert len(harness.venue.submitted) == 1

    await harness.stream("104")
    assert (await harness.position())["quantity"] == Decimal("0.7")


HALVES = (
    LadderStep(at=Decimal("0.02"), share=Decimal("0.5")),
    LadderStep(at=Decimal("0.04"), share=Decimal("0.5")),
)


@ways
async def test_a_step_is_taken_once_its_whole_quantity_is_sold(
    database: Database, way: Way
) -> None:
    """M4.7: a part that traded leaves the target where it is; nothing is left without one."""
    harness = await open_harness(database, spec(exits=ExitPlan(ladder=HALVES)))
    await harness.enter()
    harness.venue.thin.extend([Decimal("0.1"), Decimal("0.1")])
    seen = []
    for price in ("102", "102", "101", "102", "110", "110"):
        harness.clock.advance(timedelta(seconds=5))
        await way(harness, price)
        position = await harness.position()
        seen.append((position["quantity"], position["ladder_done"], position["take_profit"]))

    assert seen[:5] == [
        (Decimal("0.9"), 0, 102),
        (Decimal("0.8"), 0, 102),
        (Decimal("0.8"), 0, 102),
        (Decimal("0.5"), 1, 104),
        (0, 1, 104),
    ]
    assert await harness.broken_books() == []


@ways
async def test_a_step_below_the_minimum_notional_joins_the_next(
    database: Database, way: Way
) -> None:
    """M4.7, M4.6: 5.10 and 5.20 of a minimum of 10 are sold together, at the second step."""
    harness = await open_harness(
        database,
        spec(
            exits=ExitPlan(ladder=HALVES),
            sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("0.1")),
        ),
    )
    harness.set_filters(min_notional=Decimal(10))
    await harness.enter()
    await way(harness, "102")
    assert len(harness.venue.submitted) == 1
    assert (await harness.position())["take_profit"] == 104

    await way(harness, "104")
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, "take_profit")
    assert harness.venue.submitted[1][1].quantity == Decimal("0.1")


async def test_a_share_that_joined_the_next_step_is_sold_with_it(database: Database) -> None:
    """M4.7: 8 % and 12 % make 20 % at the second step, the third is its own."""
    ladder = tuple(
        LadderStep(at=Decimal(at), share=Decimal(share))
        for at, share in (("0.02", "0.08"), ("0.04", "0.12"), ("0.06", "0.3"))
    )
    harness = await open_harness(database, spec(exits=ExitPlan(ladder=ladder)))
    harness.set_filters(min_notional=Decimal(10))
    await harness.enter()
    for price in ("102", "104", "106"):
        await harness.stream(price)

    assert [request.quantity for _, request in harness.venue.submitted[1:]] == [
        Decimal("0.2"),
        Decimal("0.3"),
    ]


async def test_a_step_takes_all_where_the_rest_could_not_be_sold_at_its_stop(
    database: Database,
) -> None:
    """M4.7, M4.6: 90 % of 100 would leave 9.50 at the stop, of a minimum of 10."""
    ladder = (LadderStep(at=Decimal("0.02"), share=Decimal("0.9")),)
    harness = await open_harness(
        database, spec(exits=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder))
    )
    harness.set_filters(min_notional=Decimal(10))
    await harness.enter()
    await harness.stream("102")
    assert (await harness.position())["quantity"] == 0


async def test_a_step_that_was_refused_is_not_taken(database: Database) -> None:
    """M4.7: only a fill takes a step."""
    harness = await open_harness(database, spec(exits=LADDER))
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)
    await harness.stream("102")
    assert (await harness.position())["ladder_done"] == 0

    harness.clock.advance(timedelta(seconds=1))
    await harness.stream("102")
    assert (await harness.position())["ladder_done"] == 1


@pytest.mark.parametrize("replacement", tuple(Replacement))
async def test_a_step_leaves_a_smaller_stop_at_the_venue(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: the resting stop makes way, and rests again for what is left."""
    harness = await open_resting_harness(
        database, replacement, resting_one(replacement, exits=LADDER)
    )
    await harness.enter()
    await sweep(harness, 2)
    await harness.stream("102")
    await sweep(harness, 3)

    assert stops(harness) == [(Decimal("95.00"), Decimal("0.5"))]
    assert "resting_stop_lost" not in [
        row["code"] for row in await harness.rows("SELECT code FROM alerts")
    ]
    await assert_one_truth(harness)


@ways
async def test_break_even_moves_the_stop_once_it_was_earned_and_survives_a_restart(
    database: Database, way: Way
) -> None:
    """M4.7: it only ever tightens; stored, so that a restart changes nothing."""
    harness = await open_harness(database, spec(exits=EVEN))
    await harness.enter()
    await way(harness, "103")
    await way(harness, "102")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["stop_loss"] == 101

    after = await restart(harness)
    await after.protection.load(NOON)
    await way(after, "101")
    assert (await after.position())["close_reason"] == "stop_loss"


@ways
async def test_a_range_measured_at_the_entry_makes_the_distances(
    database: Database, way: Way
) -> None:
    """M4.7: absolute distances, from the plan that is stored with the position."""
    plan = ExitPlan(stop_loss_atr=Decimal(2), trailing_stop_atr=Decimal(3), atr=Decimal("1.5"))
    harness = await open_harness(database)
    await harness.enter()
    async with database.transaction() as connection:
        (held,) = await open_positions.select_open_page(connection, PositionId(0))
        ranged = replace(
            held,
            exits=plan,
            stop_loss=Decimal(97),
            take_profit=None,
            trailing_stop=Decimal("95.5"),
            version=held.version + 1,
        )
        await positions.update_plan(connection, ranged)
    harness.protection.watch(ranged)
    await way(harness, "103")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["trailing_stop"] == Decimal("98.5")

    await way(harness, "98.5")
    assert (await harness.position())["close_reason"] == "trailing_stop"


@pytest.mark.parametrize("alone", ["ticks", "sweep"])
async def test_a_hundred_positions_by_ticks_alone_and_by_the_sweep_alone(
    database: Database, alone: str
) -> None:
    """2.3, M1.3: each does the whole job: steps, break even, trailing, stops."""
    plans = (
        LADDER,
        EVEN,
        ExitPlan(trailing_stop=Decimal("0.02")),
        ExitPlan(stop_loss=Decimal("0.01")),
    )
    specs = [spec(f"b{n}", f"S{n}USDT", exits=plans[n % 4]) for n in range(100)]
    harness = await open_harness(database, *specs)
    for each in specs:
        await harness.enter(each.name)
    for price in ("102", "104", "106.5", "101", "98.5"):
        for each in specs:
            if alone == "ticks":
                await harness.stream(price, each.symbol)
            else:
                harness.tick(price, each.symbol)
        if alone == "sweep":
            await harness.protection.sweep(harness.clock.now())

    reasons = await harness.rows(
        "SELECT close_reason, count(*) AS n FROM trades GROUP BY 1 ORDER BY 1"
    )
    assert [(row["close_reason"], row["n"]) for row in reasons] == [
        ("stop_loss", 50),
        ("take_profit", 25),
        ("trailing_stop", 25),
    ]
    assert await harness.broken_books() == []
    assert len(harness.venue.submitted) == 100 + 75 + 25 * 3
