"""Exits above what one order may sell: they go on, for their reason, until nothing is left."""

from collections import deque
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.instruments import telling, told
from tests.fakes.trading import MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError, VenueError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.filters import LotSize
from tradebotd.domain.ids import ClientOrderId, OrderId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits import exit_parts

D = Decimal


def fixed(quantity: int) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(quantity))


async def capped(database: Database, quantity: int = 3) -> TradingHarness:
    """A position of so many coins, of which one order sells one."""
    harness = telling(await open_harness(database, spec(sizing=fixed(quantity))))
    await harness.enter()
    await told(harness)
    await told(harness, market_lot=LotSize(maximum=D(1)))
    return harness


def takes(harness: TradingHarness, parts: int, refusals: int = 1) -> None:
    """The venue takes so many orders, and refuses some after them."""
    coming = deque([False] * parts + [True] * refusals)

    async def before(_: ClientOrderId) -> None:
        if coming and coming.popleft():
            harness.venue.script.append(Behaviour.REJECT)

    harness.venue.before_submit = before


async def sold(harness: TradingHarness) -> list[Decimal]:
    return [row["quantity"] for row in await harness.orders() if row["role"] == "exit"]


@pytest.mark.parametrize("reason", [CloseReason.MANUAL, CloseReason.FLATTEN, CloseReason.SIGNAL])
async def test_a_close_goes_on_until_nothing_is_left(
    database: Database, reason: CloseReason
) -> None:
    """M5.8"""
    harness = await capped(database)
    (position,) = harness.protection.held.values()
    assert await harness.protection.close_now(position, reason) is not None
    assert (await harness.position())["close_reason"] == reason
    assert await sold(harness) == [1, 1, 1]
    assert await harness.broken_books() == []


async def test_a_stop_that_was_met_ends_all_of_it(database: Database) -> None:
    """M5.6: whatever the price does meanwhile."""
    harness = await capped(database)
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert await sold(harness) == [1, 1, 1]


async def test_a_close_that_is_cut_is_gone_on_with_by_the_sweep(database: Database) -> None:
    """M5.8: for its reason, though no level is met."""
    harness = await capped(database)
    takes(harness, 1)
    (position,) = harness.protection.held.values()
    with pytest.raises(VenueError):
        await harness.protection.close_now(position, CloseReason.MANUAL)
    assert (await harness.position())["quantity"] == 2
    harness.clock.advance(timedelta(seconds=5))
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["close_reason"] == "manual"
    assert await sold(harness) == [1, 1, 1, 1]


async def test_a_close_of_which_nothing_was_taken_is_not_gone_on_with(
    database: Database,
) -> None:
    """M5.8: who asked for it was told that it failed."""
    harness = await capped(database)
    takes(harness, 0)
    (position,) = harness.protection.held.values()
    with pytest.raises(VenueError):
        await harness.protection.close_now(position, CloseReason.MANUAL)
    harness.clock.advance(timedelta(seconds=5))
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["quantity"] == 3
    assert await sold(harness) == [1]


async def test_a_step_of_a_ladder_leaves_the_rest(database: Database) -> None:
    """M5.6: what it leaves is meant to stay."""
    plan = ExitPlan(
        stop_loss=D("0.05"),
        ladder=(LadderStep(at=D("0.01"), share=D("0.5")), LadderStep(at=D("0.1"), share=D("0.5"))),
    )
    harness = telling(await open_harness(database, spec(sizing=fixed(2), exits=plan)))
    await harness.enter()
    await told(harness)
    await told(harness, market_lot=LotSize(maximum=D(1)))
    await harness.stream("101.5")
    harness.tick("101")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["quantity"] == 1


async def test_a_signal_is_made_again_while_something_is_left(database: Database) -> None:
    """M4.2: in parts whose fills are not told at once."""
    harness = telling(await open_harness(database, spec(sizing=fixed(3))))
    await harness.candles(100, 100, 100)
    harness.says(SignalKind.BUY, SignalKind.SELL)
    harness.clock.advance(MINUTE)
    await harness.candles(100)
    await harness.run()
    await told(harness)
    await told(harness, market_lot=LotSize(maximum=D(1)))
    takes(harness, 1, refusals=2)
    await harness.minute()
    await harness.run()
    assert (await harness.position())["quantity"] == 2
    harness.says(SignalKind.SELL)
    await harness.run()
    assert (await harness.position())["quantity"] == 2
    harness.says(SignalKind.SELL)
    await harness.run()
    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, "signal")


async def test_a_decision_is_not_carried_out_while_a_part_is_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4.2: on the same candle, where one call sells one part."""
    monkeypatch.setattr(exit_parts, "MOST_PARTS", 0)
    harness = telling(await open_harness(database, spec(sizing=fixed(3))))
    await harness.candles(100, 100)
    harness.says(SignalKind.BUY)
    await harness.run()
    await told(harness)
    await told(harness, market_lot=LotSize(maximum=D(1)))
    await harness.minute()
    harness.says(SignalKind.SELL, SignalKind.SELL, SignalKind.SELL)
    for left in (2, 1, 0):
        await harness.run()
        assert (await harness.position())["quantity"] == left
    assert (await harness.position())["close_reason"] == "signal"


async def test_flatten_goes_on_while_it_sells(database: Database) -> None:
    """M4, deliver 6: each of 9 parts is a round of its own, where no close sells more."""
    harness = await capped(database, 9)

    class OnePart:
        async def close_now(self, position: Position, reason: CloseReason) -> OrderId | None:
            takes(harness, 1)
            return await harness.protection.close_now(position, reason)

        async def clear_orphaned_exits(self) -> None:
            pass

    harness.flatten._closer = OnePart()
    harness.flatten._host = ShiftedHost()
    result = await harness.flatten.run(lambda _: None)
    assert result.remaining == []
    assert (await harness.position())["close_reason"] == "flatten"


# By another price than ours


async def test_an_exit_that_is_too_much_by_the_average_is_halved(database: Database) -> None:
    """M4.6: 3 are worth 282 by the last price and 300 by the average, of 290 that one may be."""
    harness = telling(await open_harness(database, spec(sizing=fixed(3))))
    await harness.enter()
    await told(harness)
    await told(harness, max_notional=D(290), average_minutes=5)
    harness.venue.averages[SYMBOL] = D(100)
    await harness.stream("94")
    assert (await harness.position())["quantity"] == 3
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert await sold(harness) == [3, D("1.5"), D("1.5")]


@pytest.mark.parametrize("told_average", [True, False])
async def test_what_is_too_little_by_the_last_price_alone_is_no_dust(
    database: Database,
    told_average: bool,  # noqa: FBT001 - a case
) -> None:
    """M4.6: 47 by the last price, 95 by the average, of a minimum of 50."""
    harness = telling(await open_harness(database))
    harness.set_filters(min_notional=D(50), average_minutes=5)
    await harness.enter()
    harness.venue.averages[SYMBOL] = D(95)
    harness.venue.reads_fail = not told_average
    harness.tick("47")
    (position,) = harness.protection.held.values()
    with pytest.raises(OrderDeniedError) as denied:
        await harness.protection.close_now(position, CloseReason.MANUAL)
    assert (await harness.position())["close_reason"] is None
    if not told_average:
        assert denied.value.rule is DenialRule.BELOW_VENUE_MINIMUM
        return
    await harness.stream("47")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_what_is_too_little_by_both_is_dust(database: Database) -> None:
    """M4.6"""
    harness = telling(await open_harness(database))
    harness.set_filters(min_notional=D(50), average_minutes=5)
    await harness.enter()
    harness.venue.averages[SYMBOL] = D(48)
    await harness.stream("47")  # tried at its level once
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("47")
    assert (await harness.position())["close_reason"] == "dust"
