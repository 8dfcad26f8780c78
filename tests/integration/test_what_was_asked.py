"""A venue tells an order in its own words: it is ours if it trades what we sent."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import move, open_resting_desk, sweep
from tests.fakes.trading import Desk, open_desk, spec
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


async def lost(desk: Desk) -> ClientOrderId:
    desk.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    return ClientOrderId((await desk.orders())[-1]["client_order_id"])


def tell(desk: Desk, order: ClientOrderId, **changes: Any) -> None:
    report = desk.venue.orders[order]
    assert report.asked is not None
    desk.venue.orders[order] = replace(report, asked=replace(report.asked, **changes))


async def look(desk: Desk) -> None:
    desk.clock.advance(timedelta(minutes=1))
    await desk.reconciler.run()


@pytest.mark.parametrize(
    "words",
    [
        {"time_in_force": TimeInForce.GTC},
        {"time_in_force": TimeInForce.DAY},
        {"type": OrderType.LIMIT, "limit_price": Decimal(105)},
        {"reduce_only": True},
        {"leverage": 20},
    ],
)
async def test_a_truthful_report_in_other_words_is_applied(
    database: Database, words: dict[str, Any]
) -> None:
    """M5.1, R4: executed, and protected from then on."""
    desk = await open_desk(database)
    tell(desk, await lost(desk), **words)

    await look(desk)

    assert [row["status"] for row in await desk.orders()] == ["filled"]
    assert (await desk.position())["stop_loss"] == 95
    assert await desk.open_alerts() == []


async def test_a_stop_that_has_been_triggered_is_told_as_a_market_order(
    database: Database,
) -> None:
    """M5.7, R5: without its stop price, too."""
    desk = await open_resting_desk(database, Replacement.OVERLAP)
    await desk.enter()
    await sweep(desk)
    (stop,) = (
        order for order, asked in desk.venue.resting.items() if asked.type is OrderType.STOP_MARKET
    )
    desk.venue.listener = None
    await move(desk, "94")
    tell(desk, stop, type=OrderType.MARKET, stop_price=None)

    await look(desk)

    position = await desk.position()
    assert (position["quantity"], position["close_reason"]) == (0, "stop_loss")
    assert DIFFERS not in await desk.open_alerts()


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
    desk = await open_desk(database, spec(entry=LIMIT))
    order = await lost(desk)
    tell(desk, order, **other)
    real = desk.venue.asked[order]
    desk.venue.asked[order] = replace(real, symbol="BTCUSDT")

    await look(desk)

    assert [row["status"] for row in await desk.orders()] == ["unknown"]
    assert DIFFERS in await desk.open_alerts()
