"""Positions that the filters in force do not sell: no dust, unless they are a mere remainder."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.instruments import alert, changes, telling, told
from tests.fakes.resting import at_venue, guard, one, open_resting_harness, stops, sweep
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

D = Decimal
WRONG = [
    {"lot_size": D(10)},
    {"min_quantity": D(1000)},
    {"min_notional": D(10**9)},
]


async def told_twice(harness: TradingHarness, **filters: Any) -> None:
    await told(harness, **filters)
    harness.clock.advance(timedelta(minutes=1))
    await harness.path.instruments.run()


@pytest.mark.parametrize("filters", WRONG)
async def test_filters_that_shut_a_position_in_are_asked_for_again(
    database: Database, filters: dict[str, Any]
) -> None:
    """M4.6, M5.4: what one answer says alone is not in force, and an alert says so."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    known = harness.symbols[SYMBOL].instrument
    result = await told(harness, **filters)
    assert harness.symbols[SYMBOL].instrument == known
    assert list(result.refused)
    said = (await alert(harness, "instrument_contradicts"))["message"]
    assert next(iter(filters)) in said
    harness.clock.advance(timedelta(seconds=59))
    await harness.path.instruments.run()
    assert harness.symbols[SYMBOL].instrument == known

    harness.clock.advance(timedelta(seconds=1))
    await harness.path.instruments.run()
    assert harness.symbols[SYMBOL].instrument == harness.venue.filters[SYMBOL] != known
    assert await harness.open_alerts() == ["instrument_changed"]


async def test_a_second_look_that_says_something_else_is_a_first_one(database: Database) -> None:
    """M4.6: what is good again is in force at once."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    for lot in (10, 20, 10):
        await told(harness, lot_size=D(lot))
        harness.clock.advance(timedelta(minutes=2))
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.001")
    await told(harness, lot_size=D("0.01"))
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.01")
    assert await harness.open_alerts() == ["instrument_changed"]


async def test_a_lot_that_grows_beyond_belief_is_asked_for_again(database: Database) -> None:
    """M4.6: while something is open in the symbol; else it is in force at once."""
    bot = spec(sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(5)))
    harness = telling(await open_harness(database, bot))
    await told(harness)
    await harness.enter()
    await told(harness, lot_size=D("0.101"))
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.001")
    await told(harness, lot_size=D("0.1"))
    assert harness.symbols[SYMBOL].instrument.lot_size == D("0.1")


@pytest.mark.parametrize("filters", WRONG)
@pytest.mark.parametrize("replacement", [Replacement.REPLACE, Replacement.CANCEL_FIRST])
async def test_a_whole_position_that_filters_shut_in_stays_open_with_its_stop(
    database: Database, filters: dict[str, Any], replacement: Replacement
) -> None:
    """M5.4: said by name; it ends as ever once the filters are right again."""
    harness = telling(await open_resting_harness(database, replacement))
    await harness.enter()
    await sweep(harness, times=2)
    await told(harness)
    await told_twice(harness, **filters)
    await sweep(harness, times=8)
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (1, None)
    assert stops(harness) == [(D(95), D(1))]
    assert at_venue(harness) == 1
    (held,) = harness.protection.held.values()
    assert guard(harness) == "both"

    harness.tick("94")
    for reason in (CloseReason.MANUAL, CloseReason.FLATTEN, CloseReason.SIGNAL):
        with pytest.raises(OrderDeniedError) as denied:
            await harness.protection.close_now(held, reason)
        assert denied.value.rule is DenialRule.BELOW_VENUE_MINIMUM
    assert stops(harness) == [(D(95), D(1))]
    harness.tick("100")
    usual = {"lot_size": D("0.001"), "min_quantity": D(0), "min_notional": D(0)}
    await told_twice(harness, **{name: usual[name] for name in filters})
    await sweep(harness, times=2)
    assert "exit_refused" not in await harness.open_alerts()
    assert stops(harness) == [(D(95), D(1))]
    assert len([row for row in await harness.orders() if row["role"] == "exit"]) == 1


@pytest.mark.parametrize("filters", WRONG)
async def test_an_exit_that_filters_shut_in_is_refused_by_name(
    database: Database, filters: dict[str, Any]
) -> None:
    """M5.4: nothing is sent meanwhile, and nothing is written off."""
    harness = telling(await open_harness(database))
    await harness.enter()
    await told(harness)
    await told_twice(harness, **filters)
    await harness.stream("94")
    await sweep(harness, times=5)
    assert (await harness.position())["close_reason"] is None
    assert len(await harness.orders()) == 1
    assert "below_venue_minimum" in (await alert(harness, "exit_refused"))["message"]

    harness.tick("94")
    changes(harness, lot_size=D("0.001"), min_quantity=D(0), min_notional=D(0))
    await harness.path.instruments.run()
    harness.clock.advance(timedelta(seconds=31))
    harness.tick("94")
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_worthwhile_part_of_a_ladder_is_no_remainder(database: Database) -> None:
    """M5.4: less was sold than is left."""
    plan = ExitPlan(
        stop_loss=D("0.05"),
        ladder=(LadderStep(at=D("0.01"), share=D("0.3")), LadderStep(at=D("0.1"), share=D("0.7"))),
    )
    harness = telling(await open_harness(database, spec(exits=plan)))
    await harness.enter()
    await told(harness)
    harness.set_filters(lot_size=D("0.3"))
    await harness.stream("101.5")
    assert (await harness.position())["quantity"] == D("0.7")
    harness.set_filters(lot_size=D(10))
    await harness.stream("94")
    await sweep(harness, times=3)
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (D("0.7"), None)


async def test_a_fill_under_a_wrong_lot_writes_nothing_off(database: Database) -> None:
    """M5.4: what is left of a ladder's step is less than the lot that is told now."""
    plan = ExitPlan(
        stop_loss=D("0.05"),
        ladder=(LadderStep(at=D("0.01"), share=D("0.3")), LadderStep(at=D("0.1"), share=D("0.7"))),
    )
    bot = one(Replacement.REPLACE, exits=plan)
    harness = telling(await open_resting_harness(database, Replacement.REPLACE, bot))
    await harness.enter()
    sold = harness.venue.submit

    async def submit(*args: Any, **kwargs: Any) -> Any:
        report = await sold(*args, **kwargs)
        harness.set_filters(lot_size=D(10))
        return report

    harness.venue.submit = submit  # type: ignore[method-assign]
    await harness.stream("101.5")
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (D("0.7"), None)


async def test_a_remainder_that_could_be_sold_once_is_written_off_and_told(
    database: Database,
) -> None:
    """M5.4: a tenth is left of a ladder, when the least becomes a half."""
    plan = ExitPlan(
        stop_loss=D("0.05"),
        ladder=(LadderStep(at=D("0.01"), share=D("0.9")), LadderStep(at=D("0.1"), share=D("0.1"))),
    )
    bot = one(Replacement.REPLACE, exits=plan)
    harness = telling(await open_resting_harness(database, Replacement.REPLACE, bot))
    await harness.enter()
    await sweep(harness, times=2)
    await told(harness)
    await harness.stream("101.5")
    harness.tick("101")
    await sweep(harness, times=3)
    assert stops(harness) == [(D(95), D("0.1"))]
    await told_twice(harness, min_quantity=D("0.5"))
    harness.tick("101")
    await sweep(harness)
    position = await harness.position()
    assert (position["close_reason"], position["dust"]) == ("take_profit", D("0.1"))
    assert stops(harness) == []
    said = await alert(harness, "dust_written_off")
    assert "0.1 BTCUSDT, worth 10.1 at 101" in said["message"]
    assert await harness.broken_books() == []
