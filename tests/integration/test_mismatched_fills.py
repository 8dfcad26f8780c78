"""Fills that come late, in parts, or for something nobody knows any more."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan
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


async def lost_entry(harness: TradingHarness, minute: int = 0) -> ClientOrderId:
    """An entry that never arrived; what the venue says of it comes by reports."""
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(minute=minute)
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


async def test_a_second_fill_does_not_loosen_a_trailing_stop(database: Database) -> None:
    """M4.7: it only ever tightens, whatever the new average."""
    harness = await open_harness(database, TRAILING)
    order = await lost_entry(harness)
    first, second = fill(order, 1), fill(order, 2, "102")
    await harness.recorder.record(report(order, OrderStatus.PARTIALLY_FILLED, first))
    await harness.stream("120")
    await harness.protection.sweep(NOON)
    assert (await harness.position())["trailing_stop"] == 114

    await harness.recorder.record(report(order, OrderStatus.FILLED, first, second))

    position = await harness.position()
    assert (position["trailing_stop"], position["best_price"]) == (114, 120)
    assert (position["quantity"], position["entry_price"]) == (2, 101)
    harness.venue.balances["BTC"] = Decimal(2)  # the reports were ours: let the venue agree
    await harness.stream("113.99")
    assert (await harness.position())["close_reason"] == "trailing_stop"


async def test_what_protection_holds_has_the_version_of_the_table(database: Database) -> None:
    """M4.7: after a partial exit, too: what is older than the table is known to be."""
    harness = await open_harness(database, TRAILING)
    entry = await lost_entry(harness)
    filled = report(entry, OrderStatus.FILLED, fill(entry, 1), fill(entry, 2))
    await harness.recorder.record(filled)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("80")
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])

    part = fill(order, 1, "80", Side.SELL)
    await harness.recorder.record(report(order, OrderStatus.PARTIALLY_FILLED, part))

    position, (held,) = await harness.position(), harness.protection.held.values()
    assert (held.quantity, held.version) == (position["quantity"], position["version"]) == (1, 3)


async def lost_in_two_symbols(database: Database) -> TradingHarness:
    """Restarted without the first of them in the configuration."""
    two = spec("two", "ETHUSDT")
    harness = await open_harness(database, spec(), two)
    for bot in (BOT, BotName("two")):
        harness.venue.script.append(Behaviour.DROP_AFTER)
        with pytest.raises(OutcomeUnknownError):
            await harness.enter(bot)
    return await open_harness(database, two, restarted=True)


async def fill_both(harness: TradingHarness) -> None:
    for number, order in enumerate(await harness.orders()):
        name = ClientOrderId(order["client_order_id"])
        filled = replace(fill(name, number), symbol=order["symbol"])
        await harness.recorder.record(report(name, OrderStatus.FILLED, filled))


async def test_a_fill_of_a_symbol_that_left_the_configuration_is_applied(
    database: Database,
) -> None:
    """M5.4, M4.2: by the filters it had; its exits are those of its entry."""
    harness = await lost_in_two_symbols(database)

    await fill_both(harness)

    assert await harness.open_alerts() == []
    assert [order["settled"] for order in await harness.orders()] == [True, True]
    held = await harness.row("SELECT * FROM positions WHERE symbol = $1", SYMBOL)
    assert (held["quantity"], held["stop_loss"]) == (1, 95)
    assert await harness.broken_books() == []


async def test_a_fill_of_a_symbol_that_nobody_knows_is_an_alert_and_stops_nobody(
    database: Database,
) -> None:
    """M5.4, M2.6: its order waits, unsettled; the other's is reconciled all the same."""
    harness = await lost_in_two_symbols(database)
    await harness.execute("DELETE FROM market_symbols WHERE symbol = $1", SYMBOL)

    await fill_both(harness)

    assert await harness.open_alerts() == ["fill_not_applied"]
    assert [(o["symbol"], o["settled"]) for o in await harness.orders()] == [
        (SYMBOL, False),
        ("ETHUSDT", True),
    ]
    assert await harness.broken_books() == []


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
    harness = await open_harness(database)
    order = await lost_entry(harness)

    await harness.recorder.record(
        report(order, OrderStatus.FILLED, replace(fill(order, 1), **changes))
    )

    (alert,) = await harness.rows("SELECT code, message FROM alerts")
    assert alert["code"] == "fill_not_applied"
    assert why in alert["message"]
    assert await harness.rows("SELECT * FROM positions") == []
    assert [row["settled"] for row in await harness.orders()] == [False]


async def test_a_fill_of_nothing_is_ignored_and_counted(database: Database) -> None:
    """M5.4, R5: the one beside it is applied."""
    harness = await open_harness(database)
    order = await lost_entry(harness)
    nothing = replace(fill(order, 1), quantity=Decimal(0))
    told = replace(
        report(order, OrderStatus.FILLED, nothing, fill(order, 2)), filled_quantity=Decimal(1)
    )

    effects = await harness.recorder.record(told)

    assert (effects.ignored, effects.fills) == (1, 1)
    assert (await harness.position())["quantity"] == 1
    assert [row["settled"] for row in await harness.orders()] == [True]


async def test_a_late_entry_adds_to_the_position_that_is_open(database: Database) -> None:
    """2.3, M5.4: taken for absent, then evidence came; one open position of a bot and symbol."""
    harness = await open_harness(database)
    late = await lost_entry(harness)
    await harness.recorder.record_rejected(late, "not_sent: the venue has never seen it")
    await harness.enter(minute=1)

    await harness.recorder.record(report(late, OrderStatus.FILLED, fill(late, 1, "110")))

    position = await harness.position()
    assert (position["quantity"], position["entry_price"]) == (2, 105)
    assert [order["status"] for order in await harness.orders()] == ["filled", "filled"]
    assert await harness.broken_books() == []


async def test_a_fill_that_came_again_otherwise_is_told_for_a_day(database: Database) -> None:
    """M5.4, M8.2: the venue tells of a settled order no more, and no command ends an alert."""
    harness = await open_harness(database)
    order = await lost_entry(harness)
    for price in ("100", "101"):
        await harness.recorder.record(report(order, OrderStatus.FILLED, fill(order, 1, price)))
    assert await harness.open_alerts() == ["fill_differs"]

    await harness.reconciler.run()
    assert "fill_differs" in await harness.open_alerts()
    harness.clock.advance(timedelta(days=1, minutes=1))
    await harness.reconciler.run()
    assert "fill_differs" not in await harness.open_alerts()


@pytest.mark.parametrize("code", [AlertCode.FILL_NOT_APPLIED, AlertCode.ORDER_DIFFERS])
async def test_what_is_told_of_an_order_no_more_is_over_after_a_day(
    database: Database, code: AlertCode
) -> None:
    """M8.2: of one that does not settle it is told at each look, and so it lasts."""
    harness = await open_harness(database)
    async with database.transaction() as connection:
        await alerts.raise_alert(connection, code, "critical", "x", "y", harness.clock.now())

    await harness.reconciler.run()
    assert await harness.open_alerts() == [code]
    harness.clock.advance(timedelta(days=1, minutes=1))
    await harness.reconciler.run()
    assert await harness.open_alerts() == []


async def test_a_late_entry_of_the_other_side_is_an_alert(database: Database) -> None:
    """M5.4: a long and a short do not make one position."""
    futures = spec(position_type="futures", allow_short=True)
    harness = await open_harness(database, futures)
    late = await lost_entry(harness)
    await harness.recorder.record_rejected(late, "not_sent: the venue has never seen it")
    await harness.enter(minute=1)
    await harness.execute("UPDATE positions SET side = 'short'")

    await harness.recorder.record(report(late, OrderStatus.FILLED, fill(late, 1)))

    assert await harness.open_alerts() == ["fill_not_applied"]
    assert (await harness.position())["quantity"] == 1
