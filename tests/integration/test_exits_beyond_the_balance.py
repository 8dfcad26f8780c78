"""Exits of more than the venue has: made anew for what is free there, never for more than is ours."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.instruments import alert, told
from tests.fakes.instruments import telling as tells
from tests.fakes.resting import one, open_resting_harness, stops, sweep, traits
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

D = Decimal
CODE = "exit_exceeds_balance"


def fixed(quantity: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(quantity))


async def sold(harness: TradingHarness) -> list[Decimal]:
    """What each exit was to sell, that was sent."""
    return [row["quantity"] for row in await harness.orders() if row["role"] == "exit"]


def loses(harness: TradingHarness, amount: str) -> None:
    """A fee that was told as less than it was: the account has less than our books."""
    harness.venue.balances["BTC"] -= D(amount)


async def test_a_stop_sells_what_is_there(database: Database) -> None:
    """M5.6: at once, with an alert; what is left is tried again, and is reconciled."""
    harness = await open_harness(database)
    await harness.enter()
    loses(harness, "0.01")
    await harness.stream("94")
    position = await harness.position()
    assert await sold(harness) == [1, D("0.99"), D("0.01")]
    assert position["quantity"] == D("0.01")
    said = (await alert(harness, CODE))["message"]
    assert "0.99" in said
    await harness.protection.sweep(harness.clock.now())
    assert await harness.open_alerts() == [CODE, "exit_refused"]

    result = await harness.reconciler.run()
    assert [(each.ours, each.theirs) for each in result.differences] == [(D("0.01"), D(0))]
    await harness.adoption.adopt(harness.venue.name, SYMBOL, BOT)
    assert (await harness.position())["quantity"] == 0
    assert (await harness.reconciler.run()).differences == []
    assert await harness.broken_books() == []


@pytest.mark.parametrize("reason", [CloseReason.MANUAL, CloseReason.FLATTEN, CloseReason.SIGNAL])
async def test_a_close_sells_what_is_there(database: Database, reason: CloseReason) -> None:
    """M5.8: who asked is told what is left."""
    harness = await open_harness(database)
    await harness.enter()
    loses(harness, "0.01")
    (position,) = harness.protection.held.values()
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await harness.protection.close_now(position, reason)
    assert (await harness.position())["quantity"] == D("0.01")


async def test_less_than_a_lot_too_little_is_no_remainder(database: Database) -> None:
    """M5.8: once that is booked, what no order sells is dust, as ever."""
    harness = tells(await open_harness(database))
    await harness.enter()
    await told(harness, lot_size=D("0.01"))
    loses(harness, "0.004")
    await harness.stream("94")
    assert await sold(harness) == [1, D("0.99"), D("0.01")]
    assert (await harness.position())["quantity"] == D("0.01")
    await harness.adoption.adopt(harness.venue.name, SYMBOL, BOT)
    harness.clock.advance(timedelta(seconds=2))
    await harness.protection.sweep(harness.clock.now())
    position = await harness.position()
    assert (position["quantity"], position["dust"]) == (0, D("0.006"))
    assert (await harness.reconciler.run()).differences == []


async def test_no_more_is_sold_than_is_ours(database: Database) -> None:
    """M5.6: the coins of the account's owner are there, and an order of his holds most of them."""
    harness = await open_harness(database, traits=traits(Replacement.CANCEL_FIRST))
    harness.venue.balances["BTC"] = D(5)
    await harness.enter()
    by_hand = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=D("5.7"),
        limit_price=D(200),
    )
    await harness.venue.order_by_hand("owner", by_hand)
    await harness.stream("94")
    assert await sold(harness) == [1, D("0.3"), D("0.7")]
    await harness.venue.cancel(SYMBOL, ClientOrderId("owner"))
    harness.clock.advance(timedelta(seconds=5))
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert harness.venue.balances["BTC"] == 5


async def test_old_dust_that_is_not_there_does_not_hold_up_the_exit(database: Database) -> None:
    """M5.6: it would go with it, as often as it is made."""
    harness = await open_harness(database, spec(sizing=fixed("0.010")))
    harness.venue.fee_in_base, harness.venue.fee = True, D("0.001")
    for minute in range(2):
        await harness.enter(minute=minute)
        await harness.stream("94")
        await harness.stream("100")
    harness.venue.fee = D("0.00075")
    await harness.enter(minute=2)
    loses(harness, "0.0015")
    await harness.stream("94")
    assert (await sold(harness))[2:] == [D("0.010"), D("0.009")]


async def test_a_refusal_for_another_reason_asks_nothing(database: Database) -> None:
    """M5.6"""
    harness = await open_harness(database)
    await harness.enter()
    harness.venue.asked_for.clear()
    harness.venue.script.append(Behaviour.REJECT)
    await harness.stream("94")
    assert await sold(harness) == [1]
    assert "account" not in harness.venue.asked_for


async def test_a_balance_that_is_not_told_changes_nothing(database: Database) -> None:
    """M5.6: it is tried again as before."""
    harness = await open_harness(database)
    await harness.enter()
    loses(harness, "0.01")
    harness.venue.reads_fail = True
    await harness.stream("94")
    assert await sold(harness) == [1]
    harness.venue.reads_fail = False
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("94")
    assert (await harness.position())["quantity"] == D("0.01")


async def test_a_stop_rests_for_what_is_there(database: Database) -> None:
    """M5.6: once the venue goes on refusing it, and not for what it frees a moment later."""
    harness = await open_resting_harness(
        database, Replacement.CANCEL_FIRST, one(Replacement.CANCEL_FIRST)
    )
    await harness.enter()
    loses(harness, "0.01")
    await sweep(harness)
    assert stops(harness) == []
    await sweep(harness)
    await sweep(harness)
    assert stops(harness) == [(D(95), D("0.99"))]
    submitted = len(harness.venue.submitted)
    await sweep(harness, 3)
    assert len(harness.venue.submitted) == submitted
    assert CODE in await harness.open_alerts()
