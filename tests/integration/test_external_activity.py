"""Somebody else trades in the account: seen, said, left alone, and adopted when asked to."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import OutcomeUnknownError, RefusedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import PositionSide, Side
from tradebotd.storage.postgres.database import Database

HAND = ClientOrderId("by-hand")
ORDER, POSITION, DIFFERS = "external_order", "external_position", "position_differs"


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    """Two bots on one symbol, and 5 BTC that were there before."""
    harness = await open_harness(database, spec("one"), spec("two"))
    harness.venue.balances["BTC"] = Decimal(5)
    await harness.reconciler.run()
    return harness


@pytest.fixture
async def futures(database: Database) -> TradingHarness:
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.reconciler.run()
    return harness


def trade(
    harness: TradingHarness,
    quantity: str,
    price: str = "100",
    *,
    fee: str = "0",
    futures: bool = False,
) -> Fill:
    """By hand; a negative *quantity* sells. The fee is taken in BTC."""
    signed = Decimal(quantity)
    fill = Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(f"hand-{len(harness.venue.fills)}"),
        client_order_id=HAND,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_asset="BTC",
        executed_at=harness.clock.now(),
    )
    harness.venue.fills.append(fill)
    if futures:
        harness.venue.positions[SYMBOL] = harness.venue.positions.get(SYMBOL, Decimal(0)) + signed
    else:
        harness.venue.balances["BTC"] += signed - Decimal(fee)
    return fill


def resting(harness: TradingHarness, name: ClientOrderId = HAND) -> OrderReport:
    request = OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(2),
        limit_price=Decimal(200),
    )
    report = OrderReport(
        client_order_id=name,
        venue_order_id=VenueOrderId("h1"),
        status=OrderStatus.NEW,
        asked=request,
    )
    harness.venue.orders[name], harness.venue.resting[name] = report, request
    return report


async def alerts_of(harness: TradingHarness, code: str) -> list[dict[str, Any]]:
    return await harness.rows(
        "SELECT subject, severity, message FROM alerts WHERE code = $1 AND cleared_at IS NULL", code
    )


async def adopt(harness: TradingHarness, bot: str = BOT) -> dict[str, Any]:
    position_id = await harness.adoption.adopt(SCRIPTED, SYMBOL, BotName(bot))
    return await harness.row("SELECT * FROM positions WHERE id = $1", position_id)


async def test_an_order_by_hand_is_said_once_and_left_alone(harness: TradingHarness) -> None:
    """M5.6, R13: kept while it rests, cleared when it is gone."""
    resting(harness)
    for _ in range(3):
        await harness.reconciler.run()

    (alert,) = await alerts_of(harness, ORDER)
    assert alert["subject"] == "scripted h1"
    assert alert["message"] == "sell 2 BTCUSDT (limit) is not ours"
    kept = await harness.row("SELECT client_order_id, side, quantity, gone_at FROM external_orders")
    assert kept == {
        "client_order_id": HAND,
        "side": "sell",
        "quantity": Decimal(2),
        "gone_at": None,
    }
    assert harness.venue.cancelled == []

    harness.venue.resting.clear()
    await harness.reconciler.run()
    assert await alerts_of(harness, ORDER) == []
    assert (await harness.row("SELECT gone_at FROM external_orders"))["gone_at"] is not None


async def test_an_order_of_ours_that_rests_is_nobody_elses(harness: TradingHarness) -> None:
    """M5.6: by its id, in the table of orders."""
    await harness.enter()
    (order,) = await harness.orders()
    resting(harness, ClientOrderId(order["client_order_id"]))

    await harness.reconciler.run()

    assert await alerts_of(harness, ORDER) == []


async def test_fills_by_hand_explain_a_difference_and_nothing_is_done(
    harness: TradingHarness,
) -> None:
    """M5.6, R13: said as somebody else's; critical where we count on what is gone."""
    await harness.enter()
    trade(harness, "0.4", fee="0.001")
    result = await harness.reconciler.run()

    assert (result.differences, [str(each) for each in result.external]) == (
        [],
        ["we hold 1 BTC, scripted says 1.399"],
    )
    assert [row["severity"] for row in await alerts_of(harness, POSITION)] == ["warning"]
    trade(harness, "-0.9")
    await harness.reconciler.run()
    assert [row["severity"] for row in await alerts_of(harness, POSITION)] == ["critical"]
    assert (await harness.position())["quantity"] == 1
    assert len(harness.venue.submitted) == 1

    trade(harness, "0.501")
    assert (await harness.reconciler.run()).external == []
    assert await harness.open_alerts() == []


async def test_what_no_fill_explains_stays_a_difference(harness: TradingHarness) -> None:
    """I2: a transfer, or a fill that the venue does not tell."""
    trade(harness, "0.4")
    harness.venue.balances["BTC"] += 1
    result = await harness.reconciler.run()

    assert (result.external, len(result.differences)) == ([], 1)
    assert await harness.open_alerts() == [DIFFERS]


async def test_a_stream_tells_of_somebody_elses_order(harness: TradingHarness) -> None:
    """M5.6, R5: kept, and no order of ours is touched."""
    fill = trade(harness, "1")
    await harness.recorder.on_order_report(
        OrderReport(
            client_order_id=HAND,
            venue_order_id=VenueOrderId("h2"),
            status=OrderStatus.FILLED,
            filled_quantity=Decimal(1),
            fills=(fill,),
        )
    )

    kept = await harness.row("SELECT client_order_id, quantity, adopted_by FROM external_fills")
    assert kept == {"client_order_id": HAND, "quantity": Decimal(1), "adopted_by": None}
    assert await harness.orders() == []


async def test_more_at_the_venue_becomes_a_position_with_exits(harness: TradingHarness) -> None:
    """Issue 3: adopted by the fills that made it; from then on it is like any other."""
    trade(harness, "0.4", "90", fee="0.001")
    trade(harness, "0.6", "110")
    await harness.reconciler.run()

    position = await adopt(harness)

    assert (position["quantity"], position["bot"]) == (Decimal("0.999"), BOT)
    assert position["entry_price"] == (Decimal("0.399") * 90 + Decimal("0.6") * 110) / Decimal(
        "0.999"
    )
    assert position["stop_loss"] is not None
    (order,) = await harness.orders()
    assert (order["status"], order["settled"], order["reason"]) == ("filled", True, "adopted")
    adopted = await harness.rows("SELECT adopted_by FROM external_fills")
    assert [row["adopted_by"] for row in adopted] == [position["id"]] * 2
    result = await harness.reconciler.run()
    assert (result.differences, result.external) == ([], [])
    assert await harness.open_alerts() == []
    assert len(harness.venue.submitted) == 0
    await harness.stream("80")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_without_known_fills_it_is_taken_at_the_price_of_the_moment(
    harness: TradingHarness,
) -> None:
    """Issue 3: one made-up fill, without a fee."""
    harness.venue.balances["BTC"] += 2
    harness.tick("123")

    position = await adopt(harness)

    assert (position["quantity"], position["entry_price"], position["fees"]) == (2, 123, 0)
    assert (await harness.reconciler.run()).differences == []
    assert await harness.broken_books() == []


async def test_less_at_the_venue_shrinks_and_then_closes(harness: TradingHarness) -> None:
    """Issue 3: with the reason `external`, at the prices of the fills."""
    await harness.enter()
    trade(harness, "-0.4", "150")
    await harness.reconciler.run()
    assert (await adopt(harness))["quantity"] == Decimal("0.6")

    trade(harness, "-0.6", "50")
    await harness.reconciler.run()
    position = await adopt(harness)

    assert (position["quantity"], position["close_reason"]) == (0, "external")
    assert position["exit_price"] == 90
    groups = await harness.rows("SELECT role FROM exit_groups")
    assert {row["role"] for row in groups} == {"closed"}
    assert (await harness.reconciler.run()).differences == []
    assert harness.protection.held == {}
    assert await harness.broken_books() == []


async def test_a_short_by_hand_becomes_a_short(futures: TradingHarness) -> None:
    """Issue 3: futures, at the venue's own entry price."""
    trade(futures, "-2", "100", futures=True)
    await futures.reconciler.run()

    position = await adopt(futures)

    assert (position["side"], position["quantity"], position["stop_loss"]) == (
        PositionSide.SHORT,
        2,
        105,
    )
    assert (await futures.reconciler.run()).differences == []


@pytest.mark.parametrize(
    ("more", "held", "bot", "symbol", "venue", "code"),
    [
        ("1", None, "nobody", SYMBOL, "scripted", "no_such_bot"),
        ("1", None, "one", "ETHUSDT", "scripted", "other_symbol"),
        ("1", None, "one", SYMBOL, "elsewhere", "other_venue"),
        ("0", None, "one", SYMBOL, "scripted", "nothing_to_adopt"),
        ("1", "one", "one", SYMBOL, "scripted", "position_open"),
        ("-0.5", "one", "two", SYMBOL, "scripted", "nothing_held"),
        ("-1.5", "one", "one", SYMBOL, "scripted", "too_much"),
        ("0.0005", None, "one", SYMBOL, "scripted", "too_small"),
    ],
)
async def test_what_does_not_fit_is_refused(
    harness: TradingHarness,
    more: str,
    held: str | None,
    bot: str,
    symbol: str,
    venue: str,
    code: str,
) -> None:
    """Issue 3: and nothing of our books changes."""
    if held is not None:
        await harness.enter(held)
    before = await harness.orders(), await harness.rows("SELECT * FROM positions")
    harness.venue.balances["BTC"] += Decimal(more)

    with pytest.raises(RefusedError) as refused:
        await harness.adoption.adopt(VenueName(venue), symbol, BotName(bot))

    assert refused.value.code == code
    assert (await harness.orders(), await harness.rows("SELECT * FROM positions")) == before


async def test_what_may_be_our_own_unknown_order_is_not_adopted(harness: TradingHarness) -> None:
    """2.3: it would be there twice once its fill is told."""
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    harness.venue.hidden.update(order for order, _ in harness.venue.submitted)
    harness.venue.fills_are_late = True

    with pytest.raises(RefusedError) as refused:
        await adopt(harness, "two")

    assert refused.value.code == "order_unknown"


async def test_exits_measured_at_an_entry_cannot_be_given_to_what_was_not_entered(
    database: Database,
) -> None:
    """M4.7: a multiple of a range that nobody measured."""
    harness = await open_harness(database, spec(exits=ExitPlan(stop_loss_atr=Decimal(2))))
    await harness.reconciler.run()
    harness.venue.balances["BTC"] = Decimal(1)

    with pytest.raises(RefusedError) as refused:
        await adopt(harness)

    assert refused.value.code == "needs_range"


async def test_what_was_sold_of_it_is_taken_out_whatever_its_exits_are_measured_by(
    harness: TradingHarness,
) -> None:
    """M5.6: nothing has to be planned for what is gone; the rest could be sold by no exit."""
    await harness.enter("one")
    one = BotName("one")
    harness.specs[one] = replace(harness.specs[one], exits=ExitPlan(stop_loss_atr=Decimal(2)))
    harness.venue.balances["BTC"] -= Decimal("0.25")

    await adopt(harness)

    assert (await harness.position())["quantity"] == Decimal("0.75")
    assert (await harness.reconciler.run()).differences == []
