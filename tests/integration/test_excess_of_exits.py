"""More was exited than was held: booked, said, settled, and no dead end for those who come after."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.resting import CAPABILITIES, one, open_resting_harness, sweep
from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.fill import Fill, split
from tradebotd.domain.ids import BotName, ClientOrderId, TradeId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderStatus, OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

D = Decimal
CODE, DIFFERS, EXTERNAL = "fill_exceeds_position", "position_differs", "external_position"


def leg(harness: TradingHarness, type_: OrderType) -> ClientOrderId:
    (found,) = (each for each, asked in harness.venue.resting.items() if asked.type is type_)
    return found


def also_filled(
    harness: TradingHarness, name: ClientOrderId, quantity: str, price: str
) -> OrderReport:
    """The venue executed it, too; its books have it, and nobody was told yet."""
    asked = harness.venue.asked[name]
    fill = Fill(
        venue=SCRIPTED,
        symbol=asked.symbol,
        trade_id=TradeId(f"too-{len(harness.venue.fills)}"),
        client_order_id=name,
        side=asked.side,
        quantity=D(quantity),
        price=D(price),
        fee=D("0.04"),
        fee_asset="USDT",
        executed_at=harness.clock.now(),
    )
    harness.venue.fills.append(fill)
    signed = fill.quantity * fill.side.sign
    if asked.position_type is PositionType.FUTURES:
        harness.venue.positions[asked.symbol] += signed
    else:
        harness.venue.balances["BTC"] += signed
        harness.venue.balances["USDT"] -= signed * fill.price
    harness.venue.resting.pop(name, None)
    report = replace(
        harness.venue.orders[name],
        status=OrderStatus.FILLED,
        filled_quantity=fill.quantity,
        fills=(fill,),
    )
    harness.venue.orders[name] = report
    return report


async def with_pair(
    database: Database, replacement: Replacement, *specs: Any, own: str = "0"
) -> TradingHarness:
    """A stop at 95 and a target at 110 rest; *own*: what the account's owner has besides."""
    harness = await open_resting_harness(database, replacement, *specs, linked=True)
    harness.venue.balances["BTC"] = D(own)
    await harness.reconciler.run()
    await harness.enter()
    await sweep(harness, 2)
    return harness


async def both_fill(harness: TradingHarness, *, streamed: bool = True) -> OrderReport:
    stop, target = leg(harness, OrderType.STOP_MARKET), leg(harness, OrderType.TAKE_PROFIT_MARKET)
    harness.tick("110")
    await harness.venue.fill_and_tell(target, D(1))
    report = also_filled(harness, stop, "1", "95")
    if streamed:
        await harness.recorder.on_order_report(report)
    return report


async def later(harness: TradingHarness, price: str = "100") -> None:
    harness.clock.advance(MINUTE)
    for symbol in harness.symbols:
        harness.tick(price, symbol)
    await harness.reconciler.run()
    await harness.protection.sweep(harness.clock.now())


async def assert_settled(harness: TradingHarness) -> None:
    unsettled = await harness.rows("SELECT client_order_id FROM orders WHERE NOT settled")
    assert unsettled == []
    assert await harness.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_both_legs_of_a_pair_on_spot_sell_the_owners_coins_and_end(
    database: Database, *, streamed: bool
) -> None:
    """I2, M5.4: the bot gets its target, the baseline is less by one, and it is said."""
    harness = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    report = await both_fill(harness, streamed=streamed)
    for _ in range(3):
        await later(harness)
        await harness.recorder.on_order_report(report)

    await assert_settled(harness)
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == (CloseReason.TAKE_PROFIT, D(110))
    assert await harness.open_alerts() == [CODE]
    stored = await harness.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert D(stored["value"][SCRIPTED]["BTC"]) == 4
    kept = await harness.row("SELECT quantity, price, adopted_by FROM external_fills")
    assert kept == {"quantity": D(1), "price": D(95), "adopted_by": position["id"]}

    await harness.enter(minute=9)
    harness.clock.advance(timedelta(hours=26))
    await later(harness)
    assert CODE not in await harness.open_alerts()


async def test_another_bots_coins_were_sold_and_adopting_ends_it(database: Database) -> None:
    """I2: nothing was there before us, so the other bot's position is what is gone."""
    other = one(Replacement.CANCEL_FIRST, name="two")
    harness = await with_pair(
        database, Replacement.CANCEL_FIRST, one(Replacement.CANCEL_FIRST), other
    )
    await harness.enter("two")
    await both_fill(harness)
    await later(harness)

    await assert_settled(harness)
    assert {EXTERNAL, CODE} <= set(await harness.open_alerts())
    position_id = await harness.adoption.adopt(SCRIPTED, SYMBOL, BotName("two"))

    gone = await harness.row("SELECT * FROM positions WHERE id = $1", position_id)
    assert (gone["bot"], gone["close_reason"], gone["exit_price"]) == ("two", "external", D(95))
    await later(harness)
    assert await harness.open_alerts() == [CODE]
    await harness.enter("two", minute=9)
    assert await harness.broken_books() == []


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
async def test_futures_that_were_turned_round_are_closed_at_once(
    database: Database, side: PositionSide
) -> None:
    """I2, I4: what the second leg opened is ours until it is gone, and counts in the bot's day."""
    one_ = one(Replacement.OVERLAP, allow_short=True, leverage=5)
    harness = await open_resting_harness(database, Replacement.OVERLAP, one_)
    await harness.reconciler.run()
    await harness.enter(side=side)
    await sweep(harness, 2)
    stop = leg(harness, OrderType.STOP_MARKET)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    await harness.recorder.on_order_report(also_filled(harness, stop, "1", "100"))
    await later(harness)
    await later(harness)

    await assert_settled(harness)
    assert harness.venue.positions[SYMBOL] == 0
    first, second = await harness.rows("SELECT * FROM positions ORDER BY id")
    assert first["close_reason"] == CloseReason.SIGNAL
    assert second["side"] != side
    assert (second["quantity"], second["leverage"]) == (0, 5)
    assert second["closed_at"] - second["opened_at"] <= 2 * MINUTE
    assert (await harness.state())["daily_pnl"] == first["realized_pnl"] + second["realized_pnl"]
    assert await harness.open_alerts() == [CODE]
    await harness.enter(minute=9, side=side)


async def test_a_part_beyond_what_is_held_is_the_excess(database: Database) -> None:
    """M5.4: 0.4 are left of the position, and 1 is sold."""
    harness = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    stop, target = leg(harness, OrderType.STOP_MARKET), leg(harness, OrderType.TAKE_PROFIT_MARKET)
    harness.tick("110")
    await harness.recorder.record(harness.venue.fill(target, D("0.6")))
    await harness.recorder.on_order_report(also_filled(harness, stop, "1", "95"))

    position = await harness.position()
    assert position["exit_price"] == D("0.6") * 110 + D("0.4") * 95
    order = await harness.row("SELECT * FROM orders WHERE client_order_id = $1", stop)
    told = ("status", "settled", "filled_quantity", "excess_quantity", "venue_filled_quantity")
    assert [order[each] for each in told] == ["filled", True, D("0.4"), D("0.6"), D(1)]
    kept = await harness.row("SELECT quantity, fee FROM external_fills")
    assert kept == {"quantity": D("0.6"), "fee": D("0.024")}
    assert await harness.broken_books() == []


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_the_excess_is_told_again_and_changes_nothing(
    database: Database, capability: Replacement
) -> None:
    """M5.4, R5: compared with what was told, in both its parts."""
    harness = await with_pair(database, capability, own="5")
    report = await both_fill(harness)
    for _ in range(3):
        await harness.recorder.on_order_report(report)

    assert await harness.open_alerts() == [CODE]
    assert len(await harness.rows("SELECT 1 FROM external_fills")) == 1
    other = replace(report, fills=(replace(report.fills[0], price=D(94)),))
    await harness.recorder.on_order_report(other)
    assert await harness.open_alerts() == ["fill_differs", CODE]


async def test_fills_alone_settle_it_too(database: Database) -> None:
    """2.3: the order's end point denies it, the list of trades has it."""
    harness = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    stop = leg(harness, OrderType.STOP_MARKET)
    report = await both_fill(harness, streamed=False)
    await harness.recorder.record_fills(stop, report.fills)

    await assert_settled(harness)


@given(
    st.decimals("0.001", 1000, places=3),
    st.decimals(0, 1000, places=3),
    st.decimals(0, 9, places=8),
)
def test_a_fill_and_its_parts_are_the_same(quantity: D, most: D, fee: D) -> None:
    """M5.4, I8: nothing is lost between the two."""
    fill = Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId("1"),
        client_order_id=ClientOrderId("tb1"),
        side=Side.SELL,
        quantity=quantity,
        price=D(100),
        fee=fee,
        fee_asset="USDT",
        executed_at=NOON,
    )
    parts = [each for each in split(fill, most) if each is not None]
    assert sum(each.quantity for each in parts) == quantity
    assert abs(sum(each.fee for each in parts) - fee) < D("1e-20")
    assert all(each.quantity > 0 for each in parts)
    assert replace(parts[0], quantity=quantity, fee=fee) == fill
