"""Fills that come late, in parts, or for something nobody knows any more."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, NOON, SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, TradeId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.side import Side
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database

TRAILING = spec(exits=ExitPlan(stop_loss=Decimal("0.1"), trailing_stop=Decimal("0.05")))


def fill(order: ClientOrderId, number: int, price: str = "100", side: Side = Side.BUY) -> Fill:
    """Of one whole unit."""
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(f"{order}-{number}"),
        client_order_id=order,
        side=side,
        quantity=Decimal(1),
        price=Decimal(price),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=NOON,
    )


def report(order: ClientOrderId, status: OrderStatus, *fills: Fill) -> OrderReport:
    return OrderReport(
        client_order_id=order,
        venue_order_id=VenueOrderId("v1"),
        status=status,
        filled_quantity=Decimal(len(fills)),
        fills=fills,
    )


async def lost_entry(desk: Desk, minute: int = 0) -> ClientOrderId:
    """An entry that never arrived; what the venue says of it comes by reports."""
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter(minute=minute)
    return ClientOrderId((await desk.orders())[-1]["client_order_id"])


async def test_a_second_fill_does_not_loosen_a_trailing_stop(database: Database) -> None:
    """M4.7: it only ever tightens, whatever the new average."""
    desk = await open_desk(database, TRAILING)
    order = await lost_entry(desk)
    first, second = fill(order, 1), fill(order, 2, "102")
    await desk.recorder.record(report(order, OrderStatus.PARTIALLY_FILLED, first))
    await desk.stream("120")
    await desk.protection.sweep(NOON)
    assert (await desk.position())["trailing_stop"] == 114

    await desk.recorder.record(report(order, OrderStatus.FILLED, first, second))

    position = await desk.position()
    assert (position["trailing_stop"], position["best_price"]) == (114, 120)
    assert (position["quantity"], position["entry_price"]) == (2, 101)
    desk.venue.balances["BTC"] = Decimal(2)  # the reports were ours: let the venue agree
    await desk.stream("113.99")
    assert (await desk.position())["close_reason"] == "trailing_stop"


async def test_what_protection_holds_has_the_version_of_the_table(database: Database) -> None:
    """M4.7: after a partial exit, too: what is older than the table is known to be."""
    desk = await open_desk(database, TRAILING)
    entry = await lost_entry(desk)
    filled = report(entry, OrderStatus.FILLED, fill(entry, 1), fill(entry, 2))
    await desk.recorder.record(filled)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    await desk.stream("80")
    order = ClientOrderId((await desk.orders())[-1]["client_order_id"])

    part = fill(order, 1, "80", Side.SELL)
    await desk.recorder.record(report(order, OrderStatus.PARTIALLY_FILLED, part))

    position, (held,) = await desk.position(), desk.protection.held.values()
    assert (held.quantity, held.version) == (position["quantity"], position["version"]) == (1, 3)


async def lost_in_two_symbols(database: Database) -> Desk:
    """Restarted without the first of them in the configuration."""
    two = spec("two", "ETHUSDT")
    desk = await open_desk(database, spec(), two)
    for bot in (BOT, BotName("two")):
        desk.venue.script.append(Behaviour.DROP_AFTER)
        with pytest.raises(OutcomeUnknownError):
            await desk.enter(bot)
    return await open_desk(database, two, restarted=True)


async def fill_both(desk: Desk) -> None:
    for number, order in enumerate(await desk.orders()):
        name = ClientOrderId(order["client_order_id"])
        filled = replace(fill(name, number), symbol=order["symbol"])
        await desk.recorder.record(report(name, OrderStatus.FILLED, filled))


async def test_a_fill_of_a_symbol_that_left_the_configuration_is_applied(
    database: Database,
) -> None:
    """M5.4, M4.2: by the filters it had; its exits are those of its entry."""
    desk = await lost_in_two_symbols(database)

    await fill_both(desk)

    assert await desk.open_alerts() == []
    assert [order["settled"] for order in await desk.orders()] == [True, True]
    held = await desk.row("SELECT * FROM positions WHERE symbol = $1", SYMBOL)
    assert (held["quantity"], held["stop_loss"]) == (1, 95)
    assert await desk.broken_books() == []


async def test_a_fill_of_a_symbol_that_nobody_knows_is_an_alert_and_stops_nobody(
    database: Database,
) -> None:
    """M5.4, M2.6: its order waits, unsettled; the other's is reconciled all the same."""
    desk = await lost_in_two_symbols(database)
    await desk.execute("DELETE FROM market_symbols WHERE symbol = $1", SYMBOL)

    await fill_both(desk)

    assert await desk.open_alerts() == ["fill_not_applied"]
    assert [(o["symbol"], o["settled"]) for o in await desk.orders()] == [
        (SYMBOL, False),
        ("ETHUSDT", True),
    ]
    assert await desk.broken_books() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"side": Side.SELL}, "its order is to buy"),
        ({"symbol": "ETHUSDT"}, "its order is of BTCUSDT"),
        ({"price": Decimal(0)}, "it has no price"),
    ],
)
async def test_a_fill_that_is_none_of_its_order_is_an_alert(
    database: Database, changes: dict[str, Any], why: str
) -> None:
    """M5.4, R5: nothing is applied, and the order waits for what is."""
    desk = await open_desk(database)
    order = await lost_entry(desk)

    await desk.recorder.record(
        report(order, OrderStatus.FILLED, replace(fill(order, 1), **changes))
    )

    (alert,) = await desk.rows("SELECT code, message FROM alerts")
    assert alert["code"] == "fill_not_applied"
    assert why in alert["message"]
    assert await desk.rows("SELECT * FROM positions") == []
    assert [row["settled"] for row in await desk.orders()] == [False]


async def test_a_fill_of_nothing_is_ignored_and_counted(database: Database) -> None:
    """M5.4, R5: the one beside it is applied."""
    desk = await open_desk(database)
    order = await lost_entry(desk)
    nothing = replace(fill(order, 1), quantity=Decimal(0))
    told = replace(
        report(order, OrderStatus.FILLED, nothing, fill(order, 2)), filled_quantity=Decimal(1)
    )

    effects = await desk.recorder.record(told)

    assert (effects.ignored, effects.fills) == (1, 1)
    assert (await desk.position())["quantity"] == 1
    assert [row["settled"] for row in await desk.orders()] == [True]


async def test_a_late_entry_adds_to_the_position_that_is_open(database: Database) -> None:
    """2.3, M5.4: taken for absent, then evidence came; one open position of a bot and symbol."""
    desk = await open_desk(database)
    late = await lost_entry(desk)
    await desk.recorder.record_rejected(late, "not_sent: the venue has never seen it")
    await desk.enter(minute=1)

    await desk.recorder.record(report(late, OrderStatus.FILLED, fill(late, 1, "110")))

    position = await desk.position()
    assert (position["quantity"], position["entry_price"]) == (2, 105)
    assert [order["status"] for order in await desk.orders()] == ["filled", "filled"]
    assert await desk.broken_books() == []


async def test_a_fill_that_came_again_otherwise_is_told_for_a_day(database: Database) -> None:
    """M5.4, M8.2: the venue tells of a settled order no more, and no command ends an alert."""
    desk = await open_desk(database)
    order = await lost_entry(desk)
    for price in ("100", "101"):
        await desk.recorder.record(report(order, OrderStatus.FILLED, fill(order, 1, price)))
    assert await desk.open_alerts() == ["fill_differs"]

    await desk.reconciler.run()
    assert "fill_differs" in await desk.open_alerts()
    desk.clock.advance(timedelta(days=1, minutes=1))
    await desk.reconciler.run()
    assert "fill_differs" not in await desk.open_alerts()


@pytest.mark.parametrize("code", ["fill_not_applied", "order_differs"])
async def test_what_is_told_of_an_order_no_more_is_over_after_a_day(
    database: Database, code: str
) -> None:
    """M8.2: of one that does not settle it is told at each look, and so it lasts."""
    desk = await open_desk(database)
    async with database.transaction() as connection:
        await alerts.raise_alert(connection, code, "critical", "x", "y", desk.clock.now())

    await desk.reconciler.run()
    assert await desk.open_alerts() == [code]
    desk.clock.advance(timedelta(days=1, minutes=1))
    await desk.reconciler.run()
    assert await desk.open_alerts() == []


async def test_a_late_entry_of_the_other_side_is_an_alert(database: Database) -> None:
    """M5.4: a long and a short do not make one position."""
    futures = spec(position_type="futures", allow_short=True)
    desk = await open_desk(database, futures)
    late = await lost_entry(desk)
    await desk.recorder.record_rejected(late, "not_sent: the venue has never seen it")
    await desk.enter(minute=1)
    await desk.execute("UPDATE positions SET side = 'short'")

    await desk.recorder.record(report(late, OrderStatus.FILLED, fill(late, 1)))

    assert await desk.open_alerts() == ["fill_not_applied"]
    assert (await desk.position())["quantity"] == 1
