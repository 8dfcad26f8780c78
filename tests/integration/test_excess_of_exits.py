"""More was exited than was held: booked, said, settled, and no dead end for those who come after."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.resting import CAPABILITIES, one, open_resting_desk, sweep
from tests.fakes.trading import MINUTE, NOON, SYMBOL, Desk
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


def leg(desk: Desk, type_: OrderType) -> ClientOrderId:
    (found,) = (each for each, asked in desk.venue.resting.items() if asked.type is type_)
    return found


def also_filled(desk: Desk, name: ClientOrderId, quantity: str, price: str) -> OrderReport:
    """The venue executed it, too; its books have it, and nobody was told yet."""
    asked = desk.venue.asked[name]
    fill = Fill(
        venue=SCRIPTED,
        symbol=asked.symbol,
        trade_id=TradeId(f"too-{len(desk.venue.fills)}"),
        client_order_id=name,
        side=asked.side,
        quantity=D(quantity),
        price=D(price),
        fee=D("0.04"),
        fee_asset="USDT",
        executed_at=desk.clock.now(),
    )
    desk.venue.fills.append(fill)
    signed = fill.quantity * fill.side.sign
    if asked.position_type is PositionType.FUTURES:
        desk.venue.positions[asked.symbol] += signed
    else:
        desk.venue.balances["BTC"] += signed
        desk.venue.balances["USDT"] -= signed * fill.price
    desk.venue.resting.pop(name, None)
    report = replace(
        desk.venue.orders[name],
        status=OrderStatus.FILLED,
        filled_quantity=fill.quantity,
        fills=(fill,),
    )
    desk.venue.orders[name] = report
    return report


async def with_pair(
    database: Database, replacement: Replacement, *specs: Any, own: str = "0"
) -> Desk:
    """A stop at 95 and a target at 110 rest; *own*: what the account's owner has besides."""
    desk = await open_resting_desk(database, replacement, *specs, linked=True)
    desk.venue.balances["BTC"] = D(own)
    await desk.reconciler.run()
    await desk.enter()
    await sweep(desk, 2)
    return desk


async def both_fill(desk: Desk, *, streamed: bool = True) -> OrderReport:
    stop, target = leg(desk, OrderType.STOP_MARKET), leg(desk, OrderType.TAKE_PROFIT_MARKET)
    desk.tick("110")
    await desk.venue.fill_and_tell(target, D(1))
    report = also_filled(desk, stop, "1", "95")
    if streamed:
        await desk.recorder.hear(report)
    return report


async def later(desk: Desk, price: str = "100") -> None:
    desk.clock.advance(MINUTE)
    for symbol in desk.symbols:
        desk.tick(price, symbol)
    await desk.reconciler.run()
    await desk.protection.sweep(desk.clock.now())


async def assert_settled(desk: Desk) -> None:
    unsettled = await desk.rows("SELECT client_order_id FROM orders WHERE NOT settled")
    assert unsettled == []
    assert await desk.broken_books() == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_both_legs_of_a_pair_on_spot_sell_the_owners_coins_and_end(
    database: Database, *, streamed: bool
) -> None:
    """I2, M5.4: the bot gets its target, the baseline is less by one, and it is said."""
    desk = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    report = await both_fill(desk, streamed=streamed)
    for _ in range(3):
        await later(desk)
        await desk.recorder.hear(report)

    await assert_settled(desk)
    position = await desk.position()
    assert (position["close_reason"], position["exit_price"]) == (CloseReason.TAKE_PROFIT, D(110))
    assert await desk.open_alerts() == [CODE]
    stored = await desk.row("SELECT value FROM settings WHERE key = 'spot_baselines'")
    assert D(stored["value"][SCRIPTED]["BTC"]) == 4
    kept = await desk.row("SELECT quantity, price, adopted_by FROM external_fills")
    assert kept == {"quantity": D(1), "price": D(95), "adopted_by": position["id"]}

    await desk.enter(minute=9)
    desk.clock.advance(timedelta(hours=26))
    await later(desk)
    assert CODE not in await desk.open_alerts()


async def test_another_bots_coins_were_sold_and_adopting_ends_it(database: Database) -> None:
    """I2: nothing was there before us, so the other bot's position is what is gone."""
    other = one(Replacement.CANCEL_FIRST, name="two")
    desk = await with_pair(database, Replacement.CANCEL_FIRST, one(Replacement.CANCEL_FIRST), other)
    await desk.enter("two")
    await both_fill(desk)
    await later(desk)

    await assert_settled(desk)
    assert {EXTERNAL, CODE} <= set(await desk.open_alerts())
    position_id = await desk.adoption.adopt(SCRIPTED, SYMBOL, BotName("two"))

    gone = await desk.row("SELECT * FROM positions WHERE id = $1", position_id)
    assert (gone["bot"], gone["close_reason"], gone["exit_price"]) == ("two", "external", D(95))
    await later(desk)
    assert await desk.open_alerts() == [CODE]
    await desk.enter("two", minute=9)
    assert await desk.broken_books() == []


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
async def test_futures_that_were_turned_round_are_closed_at_once(
    database: Database, side: PositionSide
) -> None:
    """I2, I4: what the second leg opened is ours until it is gone, and counts in the bot's day."""
    one_ = one(Replacement.OVERLAP, allow_short=True, leverage=5)
    desk = await open_resting_desk(database, Replacement.OVERLAP, one_)
    await desk.reconciler.run()
    await desk.enter(side=side)
    await sweep(desk, 2)
    stop = leg(desk, OrderType.STOP_MARKET)
    (held,) = desk.protection.held.values()
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
    await desk.recorder.hear(also_filled(desk, stop, "1", "100"))
    await later(desk)
    await later(desk)

    await assert_settled(desk)
    assert desk.venue.positions[SYMBOL] == 0
    first, second = await desk.rows("SELECT * FROM positions ORDER BY id")
    assert first["close_reason"] == CloseReason.SIGNAL
    assert second["side"] != side
    assert (second["quantity"], second["leverage"]) == (0, 5)
    assert second["closed_at"] - second["opened_at"] <= 2 * MINUTE
    assert (await desk.state())["daily_pnl"] == first["realized_pnl"] + second["realized_pnl"]
    assert await desk.open_alerts() == [CODE]
    await desk.enter(minute=9, side=side)


async def test_a_part_beyond_what_is_held_is_the_excess(database: Database) -> None:
    """M5.4: 0.4 are left of the position, and 1 is sold."""
    desk = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    stop, target = leg(desk, OrderType.STOP_MARKET), leg(desk, OrderType.TAKE_PROFIT_MARKET)
    desk.tick("110")
    await desk.recorder.record(desk.venue.fill(target, D("0.6")))
    await desk.recorder.hear(also_filled(desk, stop, "1", "95"))

    position = await desk.position()
    assert position["exit_price"] == D("0.6") * 110 + D("0.4") * 95
    order = await desk.row("SELECT * FROM orders WHERE client_order_id = $1", stop)
    told = ("status", "settled", "filled_quantity", "excess_quantity", "venue_filled_quantity")
    assert [order[each] for each in told] == ["filled", True, D("0.4"), D("0.6"), D(1)]
    kept = await desk.row("SELECT quantity, fee FROM external_fills")
    assert kept == {"quantity": D("0.6"), "fee": D("0.024")}
    assert await desk.broken_books() == []


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_the_excess_is_told_again_and_changes_nothing(
    database: Database, capability: Replacement
) -> None:
    """M5.4, R5: compared with what was told, in both its parts."""
    desk = await with_pair(database, capability, own="5")
    report = await both_fill(desk)
    for _ in range(3):
        await desk.recorder.hear(report)

    assert await desk.open_alerts() == [CODE]
    assert len(await desk.rows("SELECT 1 FROM external_fills")) == 1
    other = replace(report, fills=(replace(report.fills[0], price=D(94)),))
    await desk.recorder.hear(other)
    assert await desk.open_alerts() == ["fill_differs", CODE]


async def test_fills_alone_settle_it_too(database: Database) -> None:
    """2.3: the order's end point denies it, the list of trades has it."""
    desk = await with_pair(database, Replacement.CANCEL_FIRST, own="5")
    stop = leg(desk, OrderType.STOP_MARKET)
    report = await both_fill(desk, streamed=False)
    await desk.recorder.record_fills(stop, report.fills)

    await assert_settled(desk)


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
