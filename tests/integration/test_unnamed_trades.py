"""Lists of trades name an order by the venue's number alone, or by a name that is not ours."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    harness = await open_harness(database)
    await harness.reconciler.run()
    return harness


def told_as(harness: TradingHarness, monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """The list of trades has *name* where our client id would be; orders and streams keep ours."""
    real = harness.venue.fills_since

    async def fills_since(since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        other = None if name is None else ClientOrderId(name)
        return [replace(fill, client_order_id=other) for fill in await real(since, symbols)]

    monkeypatch.setattr(harness.venue, "fills_since", fills_since)


async def lose_and_deny(harness: TradingHarness) -> ClientOrderId:
    """An entry is executed, its answer is lost, and the venue's order endpoints deny it."""
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    harness.venue.hidden.add(order)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    return order


async def look(harness: TradingHarness) -> None:
    harness.clock.advance(MINUTE)
    harness.tick("100")
    await harness.reconciler.run()


@pytest.mark.parametrize("name", [None, "28"])
async def test_a_trade_of_nobody_knows_which_order_is_evidence_for_the_one_in_doubt(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """R4, M5.2: nobody enters a second time; once the venue finds the order, it is what it is."""
    told_as(harness, monkeypatch, name)
    order = await lose_and_deny(harness)
    for _ in range(3):
        await look(harness)

    (row,) = await harness.orders()
    assert (row["status"], row["settled"]) == ("unknown", False)
    assert await harness.open_alerts() == ["order_unknown", "position_differs"]
    with pytest.raises(OrderDeniedError):
        await harness.enter(minute=3)
    assert harness.venue.balances["BTC"] == 1

    harness.venue.hidden.discard(order)
    await look(harness)
    await look(harness)

    assert [(row["status"], row["settled"]) for row in await harness.orders()] == [("filled", True)]
    assert (await harness.position())["quantity"] == Decimal(1)
    assert await harness.open_alerts() == []
    assert await harness.broken_books() == []


async def test_a_trade_is_ours_by_the_venues_number_of_our_order(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.4, R5: the order is settled without it, is denied by now, and the list has no names."""
    told_as(harness, monkeypatch, None)
    harness.venue.thin.append(Decimal("0.5"))
    await harness.enter()
    (order,) = await harness.orders()
    harness.venue.hidden.add(ClientOrderId(order["client_order_id"]))
    more = replace(harness.venue.fills[0], trade_id=TradeId("more"))
    harness.venue.fills.append(more)
    harness.venue.balances["BTC"] += Decimal("0.5")

    await look(harness)

    assert (await harness.position())["quantity"] == 1
    kept = await harness.rows("SELECT trade_id, venue_order_id FROM fills ORDER BY id")
    assert kept[-1] == {"trade_id": "more", "venue_order_id": order["venue_order_id"]}
    assert await harness.rows("SELECT 1 FROM external_fills") == []
    assert await harness.open_alerts() == []


async def test_a_trade_by_hand_that_has_been_undone_keeps_no_order_unknown_for_ever(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2: it may be ours while the holdings say so, and for an hour more."""
    told_as(harness, monkeypatch, None)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    for side in (Side.BUY, Side.SELL):
        await harness.venue.trade_by_hand(SYMBOL, side, "1", f"by-hand-{side}")

    await look(harness)
    assert [row["status"] for row in await harness.orders()] == ["unknown"]
    harness.clock.advance(timedelta(hours=1))
    await look(harness)

    assert [row["status"] for row in await harness.orders()] == ["rejected"]


async def test_a_name_that_is_told_later_says_whose_it_was(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.6: the list of trades has no names; the order stream names somebody else's order."""
    told_as(harness, monkeypatch, None)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    report = await harness.venue.trade_by_hand(SYMBOL, Side.BUY, "0.4")
    await look(harness)
    assert [row["status"] for row in await harness.orders()] == ["unknown"]

    await harness.recorder.on_order_report(report)
    await look(harness)

    assert [row["status"] for row in await harness.orders()] == ["rejected"]
    assert await harness.open_alerts() == ["external_position"]
