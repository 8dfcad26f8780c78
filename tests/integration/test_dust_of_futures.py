"""Less than a lot of futures is left at the venue: whatever closes it there exits what left it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OutcomeUnknownError, RefusedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide, Side
from tradebotd.storage import externals
from tradebotd.storage.postgres.database import Database

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
HOUR = timedelta(hours=1)
FINE, COARSE = D("0.001"), D("0.3")
FUTURES = spec(
    position_type=PositionType.FUTURES,
    allow_short=True,
    exits=ExitPlan(stop_loss=D("0.2")),
    sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=D(1)),
)
FORCED, UNCLAIMED, EXTERNAL = "forced_close", "funding_unclaimed", "external_position"


async def opened(database: Database, *, streamed: bool = False) -> TradingHarness:
    harness = await open_harness(database, FUTURES)
    if streamed:
        harness.venue.listen(harness.recorder.on_order_report)
    await harness.reconciler.run()
    return harness


async def leave_dust(
    harness: TradingHarness, *, side: PositionSide = LONG, entry: str = "100", minute: int = 0
) -> dict[str, Any]:
    """Of 1 no more than 0.9 can be sold: 0.1 stays at the venue, and its lots are fine again."""
    harness.tick(entry)
    await harness.enter(side=side, minute=minute)
    (held,) = harness.protection.held.values()
    harness.set_filters(lot_size=COARSE)
    harness.tick("100")
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    harness.set_filters(lot_size=FINE)
    harness.clock.advance(MINUTE)
    harness.tick("100")
    row = await position(harness, held.id)
    assert (row["quantity"], row["dust"], row["close_reason"]) == (0, D("0.1"), "signal")
    return row


async def position(harness: TradingHarness, position_id: int) -> dict[str, Any]:
    return await harness.row("SELECT * FROM positions WHERE id = $1", position_id)


async def forced(
    harness: TradingHarness,
    price: str,
    quantity: str,
    side: Side = Side.SELL,
    name: str = "autoclose-1",
) -> OrderReport:
    """The venue closes so much of what it has in the symbol."""
    harness.tick(price)
    request = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=D(quantity),
        position_type=PositionType.FUTURES,
        reduce_only=True,
    )
    return await harness.venue.order_by_hand(name, request)


async def again(harness: TradingHarness, passed: timedelta = MINUTE) -> None:
    """What reconciliation and the sweep do a little later."""
    harness.clock.advance(passed)
    harness.tick(str(harness.prices.price(SYMBOL)))
    await harness.reconciler.run()
    await harness.protection.sweep(harness.clock.now())


async def held_there(harness: TradingHarness) -> tuple[object, object]:
    """What our books have left as dust of the symbol, and its cost: as the running sum, and in full."""
    kept = await harness.row("SELECT quantity, cost FROM futures_dust")
    full = await harness.row(
        "SELECT sum(CASE side WHEN 'long' THEN dust ELSE -dust END) AS quantity,"
        " coalesce(sum(CASE side WHEN 'long' THEN cost ELSE -cost END)"
        " FILTER (WHERE closed_at IS NOT NULL), 0) AS cost FROM positions"
    )
    assert kept == full
    return kept["quantity"], kept["cost"]


async def assert_nothing_is_left(harness: TradingHarness, *codes: str) -> None:
    await again(harness)
    await again(harness)
    assert await held_there(harness) == (0, 0)
    assert sorted(set(await harness.open_alerts())) == sorted(codes)
    assert await harness.broken_books() == []
    assert await harness.rows("SELECT 1 FROM orders WHERE NOT settled") == []
    sums = await harness.row("SELECT realized FROM bot_sums")
    full = await harness.row("SELECT sum(realized_pnl) AS realized FROM positions")
    assert sums == full


async def test_a_venue_that_holds_the_dust_alone_differs_in_nothing(database: Database) -> None:
    """I2, M5.6: 0.1 is there, and is in our books; nobody else's hand has traded."""
    harness = await opened(database)
    await leave_dust(harness)

    await again(harness)
    await again(harness)

    assert await held_there(harness) == (D("0.1"), 10)
    assert harness.venue.positions[SYMBOL] == D("0.1")
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("side", "price", "sign"), [(LONG, "90", 1), (SHORT, "110", -1)])
async def test_a_liquidation_takes_the_position_first_and_then_the_dust(
    database: Database, side: PositionSide, price: str, sign: int, *, streamed: bool
) -> None:
    """R13, I2, I3: of 1.1 closed at once 1 is of what was open at 100, 0.1 of what was left at 96;
    each loses by its own price, and the fee is split between them.
    """
    harness = await opened(database, streamed=streamed)
    entry = "96" if side is LONG else "104"
    left = await leave_dust(harness, side=side, entry=entry)
    await harness.enter(side=side, minute=5)
    (held,) = harness.protection.held.values()
    before = (await harness.state())["daily_pnl"]
    realized = left["realized_pnl"] + (await position(harness, held.id))["realized_pnl"]

    report = await forced(harness, price, "1.1", side.exit)
    for _ in range(3):
        await again(harness)
        await harness.recorder.on_order_report(report)

    await assert_nothing_is_left(harness, FORCED)
    (fill,) = report.fills
    closed, dust = await position(harness, held.id), await position(harness, left["id"])
    assert (closed["exit_quantity"], closed["close_reason"]) == (1, "external")
    assert (dust["exit_quantity"], dust["dust"], dust["close_reason"]) == (1, 0, "signal")
    assert dust["closed_at"] == left["closed_at"]
    lost = sign * ((D(price) - 100) + (D(price) - D(entry)) / 10)
    assert closed["realized_pnl"] + dust["realized_pnl"] - realized == lost - fill.fee
    assert (await harness.state())["daily_pnl"] - before == lost - fill.fee
    parts = await harness.rows(
        "SELECT quantity, fee FROM fills WHERE trade_id LIKE $1 || '%'", fill.trade_id
    )
    assert sorted(part["quantity"] for part in parts) == [D("0.1"), 1]
    assert sum(part["fee"] for part in parts) == fill.fee
    assert await harness.rows("SELECT 1 FROM external_fills WHERE forced IS NULL") == []
    (alert,) = await harness.rows("SELECT severity, message FROM alerts WHERE code = $1", FORCED)
    assert alert["severity"] == "critical"
    assert f"closed 1.1 of the {side} of {BOT}" in alert["message"]


@pytest.mark.parametrize("name", ["adl_autoclose-1", "settlement_autoclose-1"])
async def test_dust_alone_is_closed_by_force(database: Database, name: str) -> None:
    """R13: nothing was open; it is an exit of what has left it, and it is said."""
    harness = await opened(database)
    left = await leave_dust(harness)

    report = await forced(harness, "90", "0.1", name=name)

    await assert_nothing_is_left(harness, FORCED)
    row = await position(harness, left["id"])
    assert row["realized_pnl"] - left["realized_pnl"] == -1 - report.fills[0].fee
    (alert,) = await harness.rows("SELECT severity, message FROM alerts WHERE code = $1", FORCED)
    assert alert["severity"] == "warning"
    assert f"0.1 that {BOT} had left there as dust" in alert["message"]
    orders = await harness.orders()
    assert (orders[-1]["reason"], orders[-1]["position_id"]) == ("external", left["id"])


async def test_dust_of_several_positions_goes_the_oldest_first(database: Database) -> None:
    """I3: one fill of 1.25: 1, then 0.1 and 0.1 that two had left, and 0.05 of somebody else's."""
    harness = await opened(database)
    first = await leave_dust(harness)
    second = await leave_dust(harness, entry="98", minute=3)
    await harness.enter(minute=6)
    (held,) = harness.protection.held.values()
    await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "0.05")
    await again(harness)

    report = await forced(harness, "90", "1.25")

    await assert_nothing_is_left(harness, FORCED)
    parts = await harness.rows(
        "SELECT position_id, quantity, fee FROM fills WHERE trade_id LIKE $1 || '%' ORDER BY id",
        report.fills[0].trade_id,
    )
    assert [(part["position_id"], part["quantity"]) for part in parts] == [
        (held.id, 1),
        (first["id"], D("0.1")),
        (second["id"], D("0.1")),
    ]
    rest = await harness.row(
        "SELECT quantity, fee, forced FROM external_fills"
        " WHERE excess_of IS NOT NULL AND adopted_by IS NULL"
    )
    assert (rest["quantity"], rest["forced"]) == (D("0.05"), "liquidation")
    assert sum(part["fee"] for part in parts) + rest["fee"] == report.fills[0].fee


async def test_a_part_of_the_dust_leaves_the_rest(database: Database) -> None:
    """I3: deleveraging takes 0.04; 0.06 stays, at its share of the cost."""
    harness = await opened(database)
    await leave_dust(harness)
    await forced(harness, "110", "0.04", name="adl_autoclose")

    await again(harness)
    await again(harness)

    assert await held_there(harness) == (D("0.06"), 6)
    assert await harness.open_alerts() == [FORCED]
    assert await harness.broken_books() == []


async def test_dust_that_was_left_later_is_not_what_was_closed(database: Database) -> None:
    """M5.6: a liquidation before it was opened was of somebody else's."""
    harness = await opened(database)
    early = harness.clock.now() - HOUR
    await leave_dust(harness)
    late = replace(
        sold(ClientOrderId("autoclose-0"), 0, "0.1"), executed_at=early, forced=Forced.LIQUIDATION
    )

    async with database.transaction(durable=True) as connection:
        await externals.insert_fills(connection, [late])
    await harness.path.reconciliation.external.book_forced()
    await again(harness)

    assert await held_there(harness) == (D("0.1"), 10)
    assert FORCED not in await harness.open_alerts()


async def test_one_that_was_cut_between_position_and_dust_goes_on(database: Database) -> None:
    """I1: the process ended when the position was booked; the next one books the dust, once."""
    harness = await opened(database)
    left = await leave_dust(harness)
    await harness.enter(minute=5)
    await forced(harness, "90", "1.1")
    external = harness.path.reconciliation.external
    closes = external._forced

    async def cut() -> int:
        return 0

    closes._close_dust = cut  # type: ignore[attr-defined]
    await again(harness)
    assert (await position(harness, left["id"]))["dust"] == D("0.1")

    after = await open_harness(database, FUTURES, venue=harness.venue, restarted=True)
    after.tick("90")
    await after.reconciler.run()

    await assert_nothing_is_left(after, FORCED)


def payment(amount: str, at: Any) -> FundingPayment:
    return FundingPayment(
        venue=SCRIPTED,
        payment_id="f1",
        symbol=SYMBOL,
        amount=D(amount),
        asset="USDT",
        paid_at=at,
    )


async def test_funding_of_dust_is_of_what_has_left_it(database: Database) -> None:
    """M4.8: days later nothing else is held; it is asked for, and counts in its bot's day."""
    harness = await opened(database)
    left = await leave_dust(harness)
    await again(harness, 50 * HOUR)
    harness.venue.payments.append(payment("-0.5", harness.clock.now()))

    await again(harness, HOUR)

    row = await position(harness, left["id"])
    assert (row["funding"], row["realized_pnl"]) == (D("-0.5"), left["realized_pnl"] - D("0.5"))
    assert (await harness.state())["daily_pnl"] == D("-0.5")
    assert await harness.open_alerts() == []


async def test_funding_of_dust_that_was_closed_before_it_is_told_finds_it(
    database: Database,
) -> None:
    """M4.8: paid at eight, closed at five past, asked for at a quarter past."""
    harness = await opened(database)
    left = await leave_dust(harness)
    await again(harness)
    harness.clock.advance(HOUR)
    paid_at = harness.clock.now()
    harness.clock.advance(5 * MINUTE)
    await forced(harness, "100", "0.1")
    await harness.reconciler.run()
    harness.venue.payments.append(payment("-0.5", paid_at))

    await again(harness, 15 * MINUTE)

    assert (await position(harness, left["id"]))["funding"] == D("-0.5")
    await assert_nothing_is_left(harness, FORCED)


async def test_funding_before_the_dust_and_behind_it_is_nobodys(database: Database) -> None:
    """R13: nothing of ours was there at that instant."""
    harness = await opened(database)
    early = NOON - HOUR / 2
    await leave_dust(harness)
    harness.venue.payments.append(payment("-0.5", early))
    await again(harness, 20 * MINUTE)
    assert await harness.rows("SELECT position_id FROM funding_payments") == [{"position_id": None}]
    await forced(harness, "100", "0.1")
    await again(harness)
    behind = harness.clock.now() + 2 * MINUTE
    harness.venue.payments.append(replace(payment("-0.5", behind), payment_id="f2"))

    await again(harness, 20 * MINUTE)

    kept = await harness.rows("SELECT position_id FROM funding_payments")
    assert [row["position_id"] for row in kept] == [None, None]
    assert UNCLAIMED in await harness.open_alerts()


async def test_a_late_fill_of_an_exit_closes_the_dust_of_its_own_position(
    database: Database,
) -> None:
    """M5.4: what was taken for less than a lot was sold by its own order, told later: no reversal."""
    harness = await opened(database)
    await harness.enter()
    (held,) = harness.protection.held.values()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.SIGNAL)
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    await harness.execute(
        "UPDATE positions SET entry_quantity = 1.1, quantity = 1.1, entry_cost = 110, cost = 110"
    )
    harness.set_filters(lot_size=COARSE)
    await harness.recorder.record_fills(order, [sold(order, 1, "1")])
    closed = await position(harness, held.id)
    assert (closed["dust"], closed["close_reason"]) == (D("0.1"), "signal")

    await harness.recorder.record_fills(order, [sold(order, 2, "0.1", "90")])

    row = await position(harness, held.id)
    assert (row["dust"], row["exit_quantity"]) == (0, D("1.1"))
    assert row["realized_pnl"] - closed["realized_pnl"] == -1
    assert await harness.rows("SELECT 1 FROM external_fills") == []
    assert "fill_exceeds_position" not in await harness.open_alerts()


def sold(order: ClientOrderId, number: int, quantity: str, price: str = "100") -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(f"late-{number}"),
        client_order_id=order,
        side=Side.SELL,
        quantity=D(quantity),
        price=D(price),
        fee=D(0),
        fee_asset="USDT",
        executed_at=NOON + MINUTE,
    )


async def test_dust_that_another_hand_closes_is_gone_from_our_books(database: Database) -> None:
    """M5.6, I2: the owner cleans up; no order of ours can, so it is no difference for ever."""
    harness = await opened(database)
    left = await leave_dust(harness)
    await again(harness)
    harness.tick("90")
    await harness.venue.trade_by_hand(SYMBOL, Side.SELL, "0.1")

    await assert_nothing_is_left(harness)

    row = await position(harness, left["id"])
    assert (row["dust"], row["close_reason"]) == (0, "signal")
    assert row["realized_pnl"] < left["realized_pnl"] - D("0.99")
    assert (await harness.orders())[-1]["reason"] == "external"


async def test_dust_that_is_gone_without_a_trace_is_adopted_out(database: Database) -> None:
    """M5.6: the venue tells no fill of it: it is said, and once an operator says whose it is, it is
    gone at the price of the moment.
    """
    harness = await opened(database)
    left = await leave_dust(harness)
    harness.venue.positions[SYMBOL] = D(0)
    harness.tick("90")
    await again(harness)
    assert await harness.open_alerts() == ["position_differs"]

    assert await harness.adoption.adopt(SCRIPTED, SYMBOL, BOT) == left["id"]

    await assert_nothing_is_left(harness)
    row = await position(harness, left["id"])
    assert row["realized_pnl"] == left["realized_pnl"] - 1


async def test_all_that_another_hand_has_closed_is_adopted_out_of_position_and_dust(
    database: Database,
) -> None:
    """M5.6: the owner closed the position of the symbol, whole as the venue has it."""
    harness = await opened(database)
    left = await leave_dust(harness)
    await harness.enter(minute=5)
    (held,) = harness.protection.held.values()
    await harness.venue.trade_by_hand(SYMBOL, Side.SELL, "1.1")
    await again(harness)
    assert await harness.open_alerts() == [EXTERNAL]

    assert await harness.adoption.adopt(SCRIPTED, SYMBOL, BOT) == held.id

    await assert_nothing_is_left(harness)
    assert (await position(harness, held.id))["close_reason"] == CloseReason.EXTERNAL
    assert (await position(harness, left["id"]))["dust"] == 0


@pytest.mark.parametrize("ago", [timedelta(), HOUR])
async def test_an_exit_that_sold_what_earlier_ones_had_left_turns_nothing_round(
    database: Database, ago: timedelta
) -> None:
    """M5.4, I2: the order sold 1.1 where 1 was open: the 0.1 is of the dust, and no reversal; whatever
    time it says of itself, since nothing is left at the venue that could be closed again.
    """
    harness = await opened(database)
    left = await leave_dust(harness)
    await harness.enter(minute=5)
    (held,) = harness.protection.held.values()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.SIGNAL)
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    fill = replace(sold(order, 1, "1.1", "90"), executed_at=harness.clock.now() - ago)
    harness.venue.positions[SYMBOL] = D(0)

    await harness.recorder.record_fills(order, [fill])

    assert "fill_exceeds_position" not in await harness.open_alerts()
    await again(harness)
    await again(harness)
    assert await held_there(harness) == (0, 0)
    row = await position(harness, left["id"])
    assert row["realized_pnl"] == left["realized_pnl"] - 1
    assert len(await harness.rows("SELECT 1 FROM positions")) == 2


async def test_more_than_position_and_dust_is_too_much_to_adopt(database: Database) -> None:
    """M5.6: 1.2 is gone of 1 and 0.1: nobody says whose the rest was."""
    harness = await opened(database)
    await leave_dust(harness)
    await harness.enter(minute=5)
    await harness.venue.trade_by_hand(SYMBOL, Side.SELL, "1.2")
    await again(harness)

    with pytest.raises(RefusedError, match=r"1\.2 is gone, one holds 1\.1 of it"):
        await harness.adoption.adopt(SCRIPTED, SYMBOL, BOT)


@pytest.mark.parametrize("quantity", ["0.2", "0.1"])
async def test_another_hand_beside_an_open_position_or_beyond_the_dust_is_left_alone(
    database: Database, quantity: str
) -> None:
    """M5.6: it may be of the position, or of what somebody else means to open."""
    harness = await opened(database)
    await leave_dust(harness)
    if quantity == "0.1":
        await harness.enter(minute=5)
    await again(harness)
    await harness.venue.trade_by_hand(SYMBOL, Side.SELL, quantity)

    await again(harness)
    await again(harness)

    assert await held_there(harness) == (D("0.1"), 10)
    assert EXTERNAL in await harness.open_alerts()
