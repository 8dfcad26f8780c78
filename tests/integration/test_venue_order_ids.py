"""One order, several names at its venue; and what an order stream tells of it, in any order."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.trading import NOON, SYMBOL, TradingHarness, open_harness
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import DatabaseUnavailableError, OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

CHILD = ClientOrderId("algo-child")


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database)


async def lost(harness: TradingHarness) -> ClientOrderId:
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(minute=len(await harness.orders()))
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


def part(order: ClientOrderId, number: int, quantity: str = "0.5") -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(f"t{number}"),
        client_order_id=order,
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=NOON,
    )


def said(
    order: ClientOrderId, status: OrderStatus, *fills: Fill, filled: str | None = None
) -> OrderReport:
    total = sum((fill.quantity for fill in fills), Decimal(0))
    return OrderReport(
        client_order_id=order,
        venue_order_id=VenueOrderId("v1"),
        status=status,
        filled_quantity=total if filled is None else Decimal(filled),
        fills=fills,
    )


def asked(quantity: str) -> OrderRequest:
    return OrderRequest(
        venue=SCRIPTED,
        symbol=SYMBOL,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(quantity),
    )


async def test_a_fill_under_another_name_is_known_by_the_id_at_the_venue(
    harness: TradingHarness,
) -> None:
    """M5.4, R5: a triggered algo order's child; told twice, applied once."""
    order = await lost(harness)
    parent = replace(
        said(order, OrderStatus.NEW), other_ids=(VenueOrderId("v2"),), asked=asked("1")
    )
    await harness.recorder.on_order_report(parent)
    child = replace(
        said(CHILD, OrderStatus.FILLED, part(CHILD, 1, "1")), venue_order_id=VenueOrderId("v2")
    )

    await harness.recorder.on_order_report(child)
    await harness.recorder.on_order_report(child)

    (row,) = await harness.orders()
    assert (row["status"], row["settled"], row["filled_quantity"]) == ("filled", True, 1)
    known = await harness.rows("SELECT venue_order_id FROM order_venue_ids ORDER BY 1")
    assert [each["venue_order_id"] for each in known] == ["v1", "v2"]
    assert await harness.rows("SELECT * FROM external_fills") == []
    assert await harness.open_alerts() == []
    assert await harness.broken_books() == []


async def test_a_report_under_another_name_is_ours_by_the_venues_own_id(
    harness: TradingHarness,
) -> None:
    """M5.4, R5: some venues tell of an order by the name of the request that changed it."""
    order = await lost(harness)
    await harness.recorder.on_order_report(said(order, OrderStatus.NEW))

    await harness.recorder.on_order_report(said(CHILD, OrderStatus.FILLED, part(CHILD, 1, "1")))

    (row,) = await harness.orders()
    assert (row["status"], row["settled"], row["venue_order_id"]) == ("filled", True, "v1")
    assert await harness.rows("SELECT * FROM external_fills") == []
    assert await harness.broken_books() == []


async def test_one_id_of_two_orders_is_an_alert(harness: TradingHarness) -> None:
    """M5.4: the venue contradicts itself; the second order takes nothing."""
    first = await lost(harness)
    shared = (VenueOrderId("shared"),)
    await harness.recorder.record(
        replace(said(first, OrderStatus.FILLED, part(first, 1, "1")), other_ids=shared)
    )
    row = (await harness.orders())[0]
    second = await second_order(harness)

    told = replace(said(second, OrderStatus.FILLED, part(second, 2, "1")), other_ids=shared)
    await harness.recorder.record(replace(told, venue_order_id=VenueOrderId("v9")))

    assert (await harness.orders())[0] == row
    assert (await harness.orders())[1]["filled_quantity"] == 0
    assert "order_differs" in await harness.open_alerts()


async def second_order(harness: TradingHarness) -> ClientOrderId:
    """An exit of what the first one bought, unknown."""
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("90")
    return ClientOrderId((await harness.orders())[-1]["client_order_id"])


async def test_a_cancel_that_raced_a_fill_loses_nothing(harness: TradingHarness) -> None:
    """M5.3, M5.4, R5: `canceled` with a part, then the fill of the rest, late."""
    order = await lost(harness)
    await harness.recorder.record(said(order, OrderStatus.CANCELED, part(order, 1)))
    (row,) = await harness.orders()
    assert (row["status"], row["settled"]) == ("canceled", True)

    await harness.recorder.on_order_report(
        said(order, OrderStatus.PARTIALLY_FILLED, part(order, 2, "0.2"))
    )
    assert [row["status"] for row in await harness.orders()] == ["canceled"]
    assert (await harness.position())["quantity"] == Decimal("0.7")
    await harness.recorder.on_order_report(said(order, OrderStatus.FILLED, part(order, 3, "0.3")))

    (row,) = await harness.orders()
    assert (row["status"], row["settled"], row["filled_quantity"]) == ("filled", True, 1)
    assert (await harness.position())["quantity"] == 1
    assert await harness.broken_books() == []


async def test_a_status_before_its_fills_keeps_the_order_open(harness: TradingHarness) -> None:
    """M5.4, R5: `filled`, and the fills come split and reordered; settled with the last one."""
    order = await lost(harness)
    await harness.recorder.record(said(order, OrderStatus.FILLED, filled="1"))
    settled = []
    for number in (3, 1, 2):
        quantity = {1: "0.5", 2: "0.3", 3: "0.2"}[number]
        await harness.recorder.on_order_report(
            said(order, OrderStatus.PARTIALLY_FILLED, part(order, number, quantity))
        )
        settled.append((await harness.orders())[0]["settled"])

    assert settled == [False, False, True]
    position = await harness.position()
    assert (position["quantity"], position["stop_loss"]) == (1, 95)
    assert await harness.broken_books() == []


async def test_a_position_is_protected_from_its_first_fill(harness: TradingHarness) -> None:
    """M5.4: a part is enough to be watched, and the rest is watched as well."""
    order = await lost(harness)
    await harness.recorder.on_order_report(
        said(order, OrderStatus.PARTIALLY_FILLED, part(order, 1))
    )
    (held,) = harness.protection.held.values()
    assert (held.quantity, held.stop_loss) == (Decimal("0.5"), Decimal(95))

    await harness.recorder.on_order_report(
        said(order, OrderStatus.FILLED, part(order, 2), filled="1")
    )

    (held,) = harness.protection.held.values()
    assert held.quantity == 1


async def test_a_fill_missing_from_the_stream_is_found_by_the_difference(
    harness: TradingHarness,
) -> None:
    """R5, M5.6: the order was `canceled` and settled; the venue knows of one fill more."""
    await harness.reconciler.run()
    order = await lost(harness)
    await harness.recorder.record(said(order, OrderStatus.CANCELED))
    fill = part(order, 1, "1")
    harness.venue.fills.append(fill)
    harness.venue.balances["BTC"] = Decimal(1)
    harness.venue.orders[order] = said(order, OrderStatus.FILLED, fill)

    await harness.reconciler.run()

    assert (await harness.position())["quantity"] == 1
    assert (await harness.reconciler.run()).differences == []
    assert await harness.open_alerts() == []


async def test_the_stream_goes_on_while_the_database_is_away(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.7, R6: nothing is raised into the venue; the next report brings what was missed."""
    order = await lost(harness)

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(harness.database, "transaction", away)
        await harness.recorder.on_order_report(
            said(order, OrderStatus.PARTIALLY_FILLED, part(order, 1))
        )
    await harness.recorder.on_order_report(
        said(order, OrderStatus.FILLED, part(order, 1), part(order, 2))
    )

    assert (await harness.position())["quantity"] == 1
