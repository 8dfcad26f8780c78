"""Lists of trades name an order by the venue's number alone, or by a name that is not ours."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import SYMBOL, Desk, open_desk
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def desk(database: Database) -> Desk:
    desk = await open_desk(database)
    await desk.reconciler.run()
    return desk


def told_as(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """The list of trades has *name* where our client id would be; orders and streams keep ours."""
    real = desk.venue.fills_since

    async def fills_since(since: datetime) -> Sequence[Fill]:
        other = None if name is None else ClientOrderId(name)
        return [replace(fill, client_order_id=other) for fill in await real(since)]

    monkeypatch.setattr(desk.venue, "fills_since", fills_since)


async def lose_and_deny(desk: Desk) -> ClientOrderId:
    """An entry is executed, its answer is lost, and the venue's order endpoints deny it."""
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    order = ClientOrderId((await desk.orders())[-1]["client_order_id"])
    desk.venue.hidden.add(order)
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return order


async def look(desk: Desk) -> None:
    desk.clock.advance(MINUTE)
    desk.tick("100")
    await desk.reconciler.run()


@pytest.mark.parametrize("name", [None, "28"])
async def test_a_trade_of_nobody_knows_which_order_is_evidence_for_the_one_in_doubt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """R4, M5.2: nobody enters a second time; once the venue finds the order, it is what it is."""
    told_as(desk, monkeypatch, name)
    order = await lose_and_deny(desk)
    for _ in range(3):
        await look(desk)

    (row,) = await desk.orders()
    assert (row["status"], row["settled"]) == ("unknown", False)
    assert await desk.open_alerts() == ["order_unknown", "position_differs"]
    with pytest.raises(OrderDeniedError):
        await desk.enter(minute=3)
    assert desk.venue.balances["BTC"] == 1

    desk.venue.hidden.discard(order)
    await look(desk)
    await look(desk)

    assert [(row["status"], row["settled"]) for row in await desk.orders()] == [("filled", True)]
    assert (await desk.position())["quantity"] == Decimal(1)
    assert await desk.open_alerts() == []
    assert await desk.broken_books() == []


async def test_a_trade_is_ours_by_the_venues_number_of_our_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, R5: the order is settled without it, is denied by now, and the list has no names."""
    told_as(desk, monkeypatch, None)
    desk.venue.thin.append(Decimal("0.5"))
    await desk.enter()
    (order,) = await desk.orders()
    desk.venue.hidden.add(ClientOrderId(order["client_order_id"]))
    more = replace(desk.venue.fills[0], trade_id=TradeId("more"))
    desk.venue.fills.append(more)
    desk.venue.balances["BTC"] += Decimal("0.5")

    await look(desk)

    assert (await desk.position())["quantity"] == 1
    kept = await desk.rows("SELECT trade_id, venue_order_id FROM fills ORDER BY id")
    assert kept[-1] == {"trade_id": "more", "venue_order_id": order["venue_order_id"]}
    assert await desk.rows("SELECT 1 FROM external_fills") == []
    assert await desk.open_alerts() == []


async def test_a_trade_by_hand_that_has_been_undone_keeps_no_order_unknown_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2: it may be ours while the holdings say so, and for an hour more."""
    told_as(desk, monkeypatch, None)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    for side in (Side.BUY, Side.SELL):
        await desk.venue.trade_by_hand(SYMBOL, side, "1", f"by-hand-{side}")

    await look(desk)
    assert [row["status"] for row in await desk.orders()] == ["unknown"]
    desk.clock.advance(timedelta(hours=1))
    await look(desk)

    assert [row["status"] for row in await desk.orders()] == ["rejected"]


async def test_a_name_that_is_told_later_says_whose_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: the list of trades has no names; the order stream names somebody else's order."""
    told_as(desk, monkeypatch, None)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    report = await desk.venue.trade_by_hand(SYMBOL, Side.BUY, "0.4")
    await look(desk)
    assert [row["status"] for row in await desk.orders()] == ["unknown"]

    await desk.recorder.hear(report)
    await look(desk)

    assert [row["status"] for row in await desk.orders()] == ["rejected"]
    assert await desk.open_alerts() == ["external_position"]
