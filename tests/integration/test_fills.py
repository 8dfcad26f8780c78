"""Fills as venues really bring them: split, repeated, reordered, late, wrong."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from random import Random

import pytest

from tests.fakes.trading import BOT, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

TRAILING = ExitPlan(
    stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"), trailing_stop=Decimal("0.02")
)


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database, spec(exits=TRAILING))


async def pending(
    harness: TradingHarness, *, entry: bool = True, reason: CloseReason = CloseReason.MANUAL
) -> ClientOrderId:
    """An order whose answer was lost; everything about it comes by `report`."""
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    placed: Awaitable[object]
    if entry:
        placed = harness.enter(minute=len(await harness.orders()))
    else:
        held = next(iter(harness.protection.held.values()))
        placed = harness.protection.close_now(held, reason)
    with pytest.raises(OutcomeUnknownError):
        await placed
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


def fill(
    order: ClientOrderId,
    number: int,
    quantity: str,
    price: str,
    *,
    side: Side = Side.BUY,
    fee: str = "0",
    fee_asset: str = "USDT",
) -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(str(number)),
        client_order_id=order,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_asset=fee_asset,
        executed_at=NOON,
    )


async def report(
    harness: TradingHarness,
    status: OrderStatus,
    filled: str,
    fills: Sequence[Fill],
    order: ClientOrderId,
) -> None:
    await harness.recorder.record(
        OrderReport(
            client_order_id=order,
            venue_order_id=VenueOrderId("v1"),
            status=status,
            filled_quantity=Decimal(filled),
            fills=tuple(fills),
        )
    )


async def test_a_split_entry_grows_one_position_from_average_to_average(
    harness: TradingHarness,
) -> None:
    """M5.4, M4.7: levels follow the average entry price; the trade counts once."""
    order = await pending(harness)
    first, second = fill(order, 1, "0.4", "100"), fill(order, 2, "0.6", "110")

    await report(harness, OrderStatus.PARTIALLY_FILLED, "0.4", [first], order)
    early = await harness.position()
    await report(harness, OrderStatus.FILLED, "1", [first, second], order)

    position, state = await harness.position(), await harness.state()
    assert (early["quantity"], early["entry_price"]) == (Decimal("0.4"), 100)
    assert (position["quantity"], position["entry_price"]) == (1, 106)
    assert (early["stop_loss"], position["stop_loss"]) == (95, Decimal("100.70"))
    assert position["take_profit"] == Decimal("116.60")
    assert (state["daily_trades_count"], state["in_position"]) == (1, True)
    (row,) = await harness.orders()
    assert (row["status"], row["average_price"], row["settled"]) == ("filled", 106, True)
    assert row["position_id"] == position["id"]
    assert harness.protection.held[position["id"]].quantity == 1


@pytest.mark.parametrize(
    ("status", "whole", "rest"),
    [(OrderStatus.FILLED, "1", "0.6"), (OrderStatus.EXPIRED, "0.648", "0.248")],
)
async def test_filled_is_not_settled_before_its_fills_are_here(
    harness: TradingHarness, status: OrderStatus, whole: str, rest: str
) -> None:
    """2.3: an answer may be final before the fills are known; to the last decimal."""
    order = await pending(harness)

    await report(harness, status, whole, [fill(order, 1, "0.4", "100")], order)
    (early,) = await harness.orders()
    await report(harness, status, whole, [fill(order, 2, rest, "100")], order)
    (late,) = await harness.orders()

    assert (early["status"], early["settled"], early["filled_quantity"]) == (
        status,
        False,
        Decimal("0.4"),
    )
    assert early["venue_filled_quantity"] == Decimal(whole)
    assert (late["settled"], late["filled_quantity"]) == (True, Decimal(whole))


@pytest.mark.parametrize("seed", range(8))
async def test_fills_in_any_order_and_number_leave_the_same_books(
    harness: TradingHarness, seed: int
) -> None:
    """M5.4, I3, R5: shuffled, repeated, in pieces; entry and exit; the sum is the position."""
    chance = Random(seed)
    order = await pending(harness)
    bought = [fill(order, n, "0.1", str(100 + n), fee="0.01") for n in range(10)]
    for piece in chance.choices(bought, k=15) + chance.sample(bought, k=10):
        await report(harness, OrderStatus.PARTIALLY_FILLED, "0", [piece], order)
    await report(harness, OrderStatus.FILLED, "1", chance.sample(bought, k=10), order)
    assert await harness.broken_books() == []
    position = await harness.position()
    assert (position["quantity"], position["entry_price"]) == (1, Decimal("104.5"))

    order = await pending(harness, entry=False)
    sold = [fill(order, 20 + n, "0.2", "110", side=Side.SELL, fee="0.01") for n in range(5)]
    for piece in chance.sample(sold, k=5) + chance.choices(sold, k=5):
        await report(harness, OrderStatus.PARTIALLY_FILLED, "0", [piece], order)
    await report(harness, OrderStatus.FILLED, "1", [], order)

    position, state = await harness.position(), await harness.state()
    assert (position["quantity"], position["close_reason"]) == (0, "manual")
    assert position["realized_pnl"] == Decimal("5.35") == state["daily_pnl"]
    assert (state["in_position"], state["daily_trades_count"]) == (False, 1)
    assert all(row["settled"] for row in await harness.orders())
    assert await harness.broken_books() == []
    (trade,) = await harness.rows("SELECT * FROM trades")
    assert (trade["exit_price"], trade["fees"]) == (110, Decimal("0.15"))
    assert harness.protection.held == {}


async def test_a_fill_that_comes_again_with_other_contents_is_an_alarm(
    harness: TradingHarness,
) -> None:
    """M5.4: nothing changes but the alert."""
    order = await pending(harness)
    first = fill(order, 1, "1", "100")
    await report(harness, OrderStatus.FILLED, "1", [first], order)
    before = await harness.position()

    await report(harness, OrderStatus.FILLED, "1", [replace(first, price=Decimal(101))], order)

    assert await harness.position() == before
    assert await harness.open_alerts() == ["fill_differs"]
    (told,) = await harness.rows("SELECT message FROM alerts")
    assert told["message"].startswith("it came again, and price 100 became 101: buy 1 BTCUSDT at")


async def test_a_late_fill_of_a_final_order_is_applied(harness: TradingHarness) -> None:
    """2.3, R5: cancelled, and filled all the same; absence was an inference."""
    order = await pending(harness)
    await harness.recorder.record_rejected(order, "not_sent")

    await report(harness, OrderStatus.FILLED, "1", [fill(order, 1, "1", "100")], order)

    (row,) = await harness.orders()
    assert (row["status"], row["settled"]) == ("filled", True)
    assert (await harness.position())["quantity"] == 1


async def test_a_late_entry_joins_the_position_that_is_open(harness: TradingHarness) -> None:
    """M5.4: one open position per bot and symbol, whichever orders it came from."""
    lost = await pending(harness)
    await harness.recorder.record_rejected(lost, "not_sent")
    await harness.enter(minute=5)

    await report(harness, OrderStatus.FILLED, "1", [fill(lost, 99, "1", "120")], lost)

    position = await harness.position()
    assert (position["quantity"], position["entry_price"]) == (2, 110)
    assert await harness.broken_books() == []


async def test_a_fill_that_sells_more_than_is_held_is_said_and_stops_nothing(
    harness: TradingHarness,
) -> None:
    """I2, M5.4: the position is closed and no more, the rest is kept apart, and the order settles."""
    await harness.enter()
    order = await pending(harness, entry=False)

    await report(
        harness, OrderStatus.FILLED, "1.5", [fill(order, 50, "1.5", "100", side=Side.SELL)], order
    )

    assert await harness.open_alerts() == ["fill_exceeds_position", "venue_contradicts"]
    assert (await harness.position())["quantity"] == 0
    assert [row["settled"] for row in await harness.orders()] == [True, True]
    assert await harness.rows("SELECT quantity FROM external_fills") == [
        {"quantity": Decimal("0.5")}
    ]
    assert await harness.broken_books() == []


async def test_a_fee_in_the_base_asset_leaves_dust_and_a_closed_position(
    harness: TradingHarness,
) -> None:
    """M4.6: exits sell what is there."""
    order = await pending(harness)
    bought = fill(order, 900, "1", "100", fee="0.0004", fee_asset="BTC")
    await report(harness, OrderStatus.FILLED, "1", [bought], order)
    harness.venue.balances["BTC"] = Decimal("0.9996")
    held = next(iter(harness.protection.held.values()))

    await harness.protection.close_now(held, CloseReason.MANUAL)

    position = await harness.position()
    assert harness.venue.submitted[-1][1].quantity == Decimal("0.999")
    assert (position["quantity"], position["dust"]) == (0, Decimal("0.0006"))
    assert position["closed_at"] is not None


async def test_a_position_was_closed_by_the_latest_fill_whichever_was_heard_of_last(
    harness: TradingHarness,
) -> None:
    """M5.4, M5.6: funding, cooldown and reports go by that time."""
    entry = await pending(harness)
    await report(harness, OrderStatus.FILLED, "1", [fill(entry, 1, "1", "100")], entry)
    order = await pending(harness, entry=False)
    early, late = (fill(order, number, "0.5", "110", side=Side.SELL) for number in (2, 3))
    late = replace(late, executed_at=NOON + timedelta(minutes=1))

    await report(harness, OrderStatus.PARTIALLY_FILLED, "0.5", [late], order)
    await report(harness, OrderStatus.FILLED, "1", [early, late], order)

    (row,) = await harness.rows("SELECT closed_at FROM positions")
    assert row["closed_at"] == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("late_first", [True, False])
async def test_a_close_bears_the_reason_and_the_time_of_the_same_latest_fill(
    harness: TradingHarness, *, late_first: bool
) -> None:
    """M4.4a, M5.4: of two exits a bot cools down after the one that was executed last."""
    entry = await pending(harness)
    await report(harness, OrderStatus.FILLED, "1", [fill(entry, 1, "1", "100")], entry)
    made_at = {CloseReason.SIGNAL: NOON, CloseReason.STOP_LOSS: NOON + timedelta(minutes=1)}
    told = sorted(made_at, key=lambda each: made_at[each], reverse=late_first)
    for number, reason in enumerate(told, start=2):
        order = await pending(harness, entry=False, reason=reason)
        made = fill(order, number, "0.5", "94", side=Side.SELL)
        made = replace(made, executed_at=made_at[reason])
        await report(harness, OrderStatus.EXPIRED, "0.5", [made], order)

    (row,) = await harness.rows("SELECT closed_at, close_reason FROM positions")
    assert row == {"closed_at": NOON + timedelta(minutes=1), "close_reason": "stop_loss"}


async def test_a_fill_that_claims_the_future_is_not_the_latest(harness: TradingHarness) -> None:
    """M4.4a, M5.4: it counted when it was told, and dates no close."""
    entry = await pending(harness)
    early = replace(fill(entry, 1, "1", "100"), executed_at=NOON + timedelta(days=400))
    await report(harness, OrderStatus.FILLED, "1", [early], entry)
    order = await pending(harness, entry=False)
    await report(
        harness, OrderStatus.FILLED, "1", [fill(order, 2, "1", "110", side=Side.SELL)], order
    )

    (row,) = await harness.rows("SELECT closed_at, close_reason FROM positions")
    assert row == {"closed_at": NOON, "close_reason": "manual"}


async def test_what_is_less_than_a_lot_is_sent_to_no_venue(harness: TradingHarness) -> None:
    """M4.6: dust below the minimum is booked as dust, not as an open position."""
    order = await pending(harness)
    bought = fill(order, 1, "0.001", "100", fee="0.0004", fee_asset="BTC")
    await report(harness, OrderStatus.CANCELED, "0.001", [bought], order)
    harness.tick("80")

    result = await harness.protection.sweep(harness.clock.now())

    assert (result.waiting, result.failed, harness.venue.submitted) == ({}, {}, [])
    position = await harness.position()
    assert (position["dust"], position["close_reason"]) == (Decimal("0.0006"), "dust")


async def test_a_fill_counts_in_the_bots_day_in_which_it_was_made(harness: TradingHarness) -> None:
    """M4.8: a new day starts from nothing; what comes late from yesterday leaves today alone."""
    lost = await pending(harness)
    await harness.recorder.record_rejected(lost, "not_sent")
    harness.clock.advance(timedelta(days=1))
    await harness.enter(minute=7)
    today = await harness.state()

    await report(harness, OrderStatus.FILLED, "1", [fill(lost, 99, "1", "100", fee="3")], lost)

    assert today["day"] == (NOON + timedelta(days=1)).date()
    assert (today["daily_trades_count"], today["daily_pnl"]) == (1, Decimal("-0.04"))
    after = await harness.state(BOT)
    assert (after["daily_pnl"], after["day"]) == (today["daily_pnl"], today["day"])
    assert harness.specs[BOT].day_zone is UTC


async def test_an_exit_that_is_heard_of_before_its_entry_fits_in_the_end(
    harness: TradingHarness,
) -> None:
    """M5.4: 0.6 sold where 0.4 was known; the rest of the entry comes, and the alert is over."""
    entry = await pending(harness)
    await report(harness, OrderStatus.FILLED, "1", [fill(entry, 1, "0.4", "100")], entry)
    leaving = await pending(harness, entry=False)
    sold = fill(leaving, 3, "0.6", "101", side=Side.SELL)

    await report(harness, OrderStatus.PARTIALLY_FILLED, "0.6", [sold], leaving)
    assert "fill_exceeds_position" in await harness.open_alerts()
    await report(harness, OrderStatus.FILLED, "1", [fill(entry, 2, "0.6", "100")], entry)
    await report(harness, OrderStatus.PARTIALLY_FILLED, "0.6", [sold], leaving)

    assert (await harness.position())["quantity"] == Decimal("0.4")
    assert "fill_exceeds_position" not in await harness.open_alerts()
    assert await harness.broken_books() == []
