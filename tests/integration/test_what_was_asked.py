"""A venue tells an order in its own words: it is ours if it trades what we sent."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import move, open_resting_harness, sweep
from tests.fakes.trading import TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

DIFFERS = "order_differs"
LIMIT = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"))


async def lost(harness: TradingHarness) -> ClientOrderId:
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


def tell(harness: TradingHarness, order: ClientOrderId, **changes: Any) -> None:
    report = harness.venue.orders[order]
    assert report.asked is not None
    harness.venue.orders[order] = replace(report, asked=replace(report.asked, **changes))


async def look(harness: TradingHarness) -> None:
    harness.clock.advance(timedelta(minutes=1))
    await harness.reconciler.run()


@pytest.mark.parametrize(
    "words",
    [
        {"time_in_force": TimeInForce.GTC},
        {"time_in_force": TimeInForce.DAY},
        {"type": OrderType.LIMIT, "limit_price": Decimal(105)},
        {"reduce_only": True},
    ],
)
async def test_a_truthful_report_in_other_words_is_applied(
    database: Database, words: dict[str, Any]
) -> None:
    """M5.1, R4: executed, and protected from then on."""
    harness = await open_harness(database)
    tell(harness, await lost(harness), **words)

    await look(harness)

    assert [row["status"] for row in await harness.orders()] == ["filled"]
    assert (await harness.position())["stop_loss"] == 95
    assert await harness.open_alerts() == []


async def test_a_stop_that_has_been_triggered_is_told_as_a_market_order(
    database: Database,
) -> None:
    """M5.7, R5: without its stop price, too."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness)
    (stop,) = (
        order
        for order, asked in harness.venue.resting.items()
        if asked.type is OrderType.STOP_MARKET
    )
    harness.venue.listener = None
    await move(harness, "94")
    tell(harness, stop, type=OrderType.MARKET, stop_price=None)

    await look(harness)

    position = await harness.position()
    assert (position["quantity"], position["close_reason"]) == (0, "stop_loss")
    assert DIFFERS not in await harness.open_alerts()


@pytest.mark.parametrize(
    "other",
    [
        {"side": Side.SELL},
        {"symbol": "ETHUSDT"},
        {"quantity": Decimal("1.1")},
        {"limit_price": Decimal("98.99")},
    ],
)
async def test_what_trades_something_else_is_not_ours(
    database: Database, other: dict[str, Any]
) -> None:
    """M5.1: said, and nothing of it is applied."""
    harness = await open_harness(database, spec(entry=LIMIT))
    order = await lost(harness)
    tell(harness, order, **other)
    real = harness.venue.asked[order]
    harness.venue.asked[order] = replace(real, symbol="BTCUSDT")

    await look(harness)

    assert [row["status"] for row in await harness.orders()] == ["unknown"]
    assert DIFFERS in await harness.open_alerts()


async def test_an_order_that_another_hand_has_moved_is_alerted_once(database: Database) -> None:
    """M5.7, M8: it is ours all the same; one row counts the looks."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    await sweep(harness, 2)
    (stop,) = harness.venue.resting
    told = replace(harness.venue.orders[stop], moved="from stop 95 to stop 80")

    for _ in range(3):
        await harness.recorder.record(told)

    assert await harness.rows("SELECT code, subject, count FROM alerts") == [
        {"code": "order_moved", "subject": stop, "count": 3}
    ]
    assert [row["status"] for row in await harness.orders()] == ["filled", "new"]
