"""Exits of more than the venue has: made anew for what is free there, never for more than is ours."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fakes.instruments import alert, told
from tests.fakes.instruments import telling as tells
from tests.fakes.resting import one, open_resting_harness, restart, stops, sweep, traits
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import DatabaseUnavailableError, OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replacement, VenueAccount
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.placement import Prepared
from tradebotd.trading.exits.shortfalls import ASKED_EVERY

D = Decimal
CODE, LOST = "exit_exceeds_balance", "resting_stop_lost"


def fixed(quantity: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(quantity))


async def sold(harness: TradingHarness) -> list[Decimal]:
    """What each exit was to sell, that was sent."""
    return [row["quantity"] for row in await harness.orders() if row["role"] == "exit"]


def loses(harness: TradingHarness, amount: str) -> None:
    """A fee that was told as less than it was: the account has less than our books."""
    harness.venue.balances["BTC"] -= D(amount)


async def locks(harness: TradingHarness, amount: str) -> None:
    """An order of the account's owner does."""
    by_hand = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=D(amount),
        limit_price=D(200),
    )
    await harness.venue.order_by_hand(f"owner{len(harness.venue.orders)}", by_hand)


async def frees(harness: TradingHarness) -> None:
    (name,) = [name for name in harness.venue.resting if name.startswith("owner")]
    await harness.venue.cancel(SYMBOL, name)
    harness.venue.cancelled.clear()


async def spot(database: Database, replacement: Replacement) -> TradingHarness:
    """Stops rest, and lock what they would sell."""
    wanted = one(replacement, position_type=PositionType.SPOT)
    harness = await open_resting_harness(database, replacement, wanted)
    await harness.enter()
    return harness


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
    with pytest.raises(OrderRejectedError, match=r"insufficient balance .*0.99 of 1 was sold"):
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
    await locks(harness, "5.7")
    await harness.stream("94")
    assert await sold(harness) == [1, D("0.3"), D("0.7")]
    await frees(harness)
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


SPOT = (Replacement.CANCEL_FIRST, Replacement.REPLACE)


async def bounded(harness: TradingHarness) -> None:
    """An order of another hand locks 0.7 of 1, and a stop of the rest comes to rest."""
    await locks(harness, "0.7")
    await sweep(harness, 5)
    assert stops(harness) == [(D(95), D("0.3"))]
    assert LOST in await harness.open_alerts()
    harness.venue.cancelled.clear()


@pytest.mark.parametrize("replacement", SPOT)
async def test_a_stop_of_less_is_said_and_made_whole_once_more_is_free(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: what is free is asked for now and then."""
    harness = await spot(database, replacement)
    await bounded(harness)
    await frees(harness)
    harness.clock.advance(ASKED_EVERY)
    await sweep(harness, 3)
    assert stops(harness) == [(D(95), D(1))]
    assert LOST not in await harness.open_alerts()


@pytest.mark.parametrize("replacement", SPOT)
async def test_a_stop_of_less_rests_while_it_is_asked_whether_more_is_free(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: to try it out would cost the stop that rests; no answer is none to go by either."""
    harness = await spot(database, replacement)
    await bounded(harness)
    for fails in (False, True):
        harness.venue.asked_for.clear()
        harness.venue.reads_fail = fails
        harness.clock.advance(ASKED_EVERY)
        await sweep(harness, 2)
        assert harness.venue.asked_for.count("account") == 1
        assert stops(harness) == [(D(95), D("0.3"))]
        assert harness.venue.cancelled == []
        assert LOST in await harness.open_alerts()


@pytest.mark.parametrize("replacement", SPOT)
async def test_a_stop_of_less_rests_on_after_a_restart(
    database: Database, replacement: Replacement
) -> None:
    """M5.7, M7.2: the next process does not try a larger one in its place."""
    harness = await spot(database, replacement)
    loses(harness, "0.01")
    await sweep(harness, 3)
    assert stops(harness) == [(D(95), D("0.99"))]
    harness.venue.cancelled.clear()
    (_, *names) = [name for name, _ in harness.venue.submitted]

    after = await restart(harness)
    await sweep(after, 3)

    assert [name for name, _ in after.venue.submitted][1:] == names
    assert after.venue.cancelled == []
    assert "0.99 of 1" in (await alert(after, LOST))["message"]


async def test_less_than_a_venue_takes_is_no_stop(database: Database) -> None:
    """M5.7: a position without any says so, for as long as that lasts."""
    harness = await spot(database, Replacement.CANCEL_FIRST)
    harness.set_filters(min_quantity=D("0.5"))
    await locks(harness, "0.7")
    await sweep(harness, 6)
    assert stops(harness) == []
    assert "insufficient balance" in (await alert(harness, LOST))["message"]
    assert CODE not in await harness.open_alerts()


async def test_refusals_hours_apart_are_not_in_a_row(database: Database) -> None:
    """M5.7: a stop was accepted in between."""
    harness = await spot(database, Replacement.CANCEL_FIRST)
    await locks(harness, "0.7")
    await sweep(harness)
    await frees(harness)
    await sweep(harness, 2)
    assert stops(harness) == [(D(95), D(1))]

    harness.clock.advance(timedelta(hours=3))
    harness.tick("100")
    (rests,) = harness.venue.resting
    await harness.recorder.record(await harness.venue.cancel(SYMBOL, rests))
    await locks(harness, "0.7")
    await sweep(harness)
    await frees(harness)
    await sweep(harness, 2)
    assert stops(harness) == [(D(95), D(1))]


async def test_what_no_order_can_sell_is_no_sale(database: Database) -> None:
    """M5.6: nothing is said to be sold."""
    harness = await open_harness(database)
    await harness.enter()
    harness.set_filters(min_quantity=D("0.5"))
    await locks(harness, "0.7")
    await harness.stream("94")
    assert await sold(harness) == [1]
    assert await harness.open_alerts() == ["exit_refused"]


@pytest.mark.parametrize("is_freed", [True, False])
async def test_what_a_cancelled_stop_has_locked_may_be_free_a_moment_later(
    database: Database, *, is_freed: bool
) -> None:
    """M5.6: what is free is sold at once; it is said only if the rest stays locked."""
    harness = await spot(database, Replacement.CANCEL_FIRST)
    await sweep(harness, 2)
    assert stops(harness) == [(D(95), D(1))]

    async def is_late(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        await locks(harness, "0.7")

    harness.venue.before_submit = is_late
    harness.clock.advance(timedelta(seconds=5))
    await harness.stream("94")
    await harness.stream("94")
    assert (await sold(harness))[-3:] == [1, D("0.3"), D("0.7")]
    assert CODE not in await harness.open_alerts()

    if is_freed:
        await frees(harness)
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("94")
    assert ((await harness.position())["closed_at"] is None) is not is_freed
    assert (CODE in await harness.open_alerts()) is not is_freed


async def test_a_balance_that_cannot_be_read_leaves_the_rejection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: nothing of it is at the venue, so it is tried again after a pause, as if refused."""
    harness = await open_harness(database)
    await harness.enter()
    loses(harness, "0.01")

    async def account() -> VenueAccount:
        raise KeyError("balances")

    with monkeypatch.context() as broken:
        broken.setattr(harness.venue, "account", account)
        await harness.stream("94")
        await harness.stream("94")
    assert await sold(harness) == [1]
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("94")
    assert (await harness.position())["quantity"] == D("0.01")


async def test_a_second_order_that_is_not_stored_leaves_nothing_in_doubt(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: the first one is known to be rejected, so the exit is tried again."""
    harness = await open_harness(database)
    await harness.enter()
    loses(harness, "0.01")
    real, calls = harness.placement.prepare_exits, list[int]()

    async def prepare(*arguments: Any) -> Sequence[Prepared]:
        calls.append(len(calls))
        if len(calls) == 2:
            raise DatabaseUnavailableError("away")
        return await real(*arguments)

    monkeypatch.setattr(harness.placement, "prepare_exits", prepare)
    with capture_logs() as logs:
        await harness.stream("94")
    assert await sold(harness) == [1]
    assert "exit not stored" in [each["event"] for each in logs]
    harness.clock.advance(timedelta(seconds=2))
    await harness.stream("94")
    assert (await harness.position())["quantity"] == D("0.01")
