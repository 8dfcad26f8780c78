"""Our books against the venue's: what is found out, said, mended, and left alone."""

from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.side import PositionSide, Side
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.jobs.stop_loss_check import StopLossCheck
from tradebotd.storage.postgres.database import Database

DIFFERS = "position_differs"


def job(desk: Desk) -> Reconcile:
    return Reconcile(reconciler=desk.reconciler, gate=desk.gate)


async def test_what_agrees_says_nothing_and_opens_the_gate(database: Database) -> None:
    """M5.6: at the start entries wait for the first whole reconciliation."""
    desk = await open_desk(database)
    desk.gate.close("reconcile", "not reconciled with the venue yet")
    reconcile = job(desk)
    assert not (await reconcile.outcome()).ok

    summary = await reconcile.run(desk.context())

    assert (summary.failed, summary.items) == (0, {})
    assert desk.gate.closed_because(SCRIPTED) is None
    assert (await reconcile.outcome()).ok
    assert await desk.open_alerts() == []


async def test_a_venue_that_is_down_keeps_the_gate_closed(database: Database) -> None:
    """M5.6, M2.2: nothing is known, and that is a failure."""
    desk = await open_desk(database)
    desk.gate.close("reconcile", "not reconciled with the venue yet")
    desk.venue.reads_fail = True

    summary = await job(desk).run(desk.context())

    assert summary.failed == 1
    assert desk.gate.closed_because(SCRIPTED) == "not reconciled with scripted yet"
    assert await desk.open_alerts() == []


async def test_what_somebody_did_by_hand_is_reported_and_left_alone(database: Database) -> None:
    """M5.6, R13, I2: one alert a difference while it lasts, cleared when it is over."""
    desk = await open_desk(database)
    reconcile = job(desk)
    await reconcile.run(desk.context())
    await desk.enter()
    desk.venue.balances["BTC"] -= Decimal("0.4")

    summaries = [await reconcile.run(desk.context()) for _ in range(3)]

    assert summaries[-1].items == {"scripted BTC": {"error": "we hold 1 BTC, scripted says 0.6"}}
    assert not (await reconcile.outcome()).ok
    alert = await desk.row("SELECT code, count, cleared_at FROM alerts")
    assert alert == {"code": DIFFERS, "count": 3, "cleared_at": None}
    assert (await desk.position())["quantity"] == 1
    assert len(desk.venue.submitted) == 1

    desk.venue.balances["BTC"] += Decimal("0.4")
    assert (await reconcile.run(desk.context())).failed == 0
    assert await desk.open_alerts() == []


async def test_what_was_there_before_us_is_no_difference(database: Database) -> None:
    """M5.4: several bots on one spot symbol are one holding over a stored baseline."""
    desk = await open_desk(database, spec("one"), spec("two"))
    desk.venue.balances["BTC"] = Decimal(7)
    assert (await desk.reconciler.run()).differences == []
    await desk.enter("one")
    await desk.enter("two")
    assert (await desk.reconciler.run()).differences == []

    after = await open_desk(database, spec("one"), spec("two"), restarted=True)
    after.venue.balances = desk.venue.balances
    assert (await after.reconciler.run()).differences == []
    after.venue.balances["BTC"] -= 7
    (found,) = (await after.reconciler.run()).differences
    assert str(found) == "we hold 2 BTC, scripted says -5"


async def test_futures_are_compared_by_symbol_and_sign(database: Database) -> None:
    """M5.4."""
    desk = await open_desk(database, spec(position_type=PositionType.FUTURES, allow_short=True))
    await desk.enter(side=PositionSide.SHORT)
    assert (await desk.reconciler.run()).differences == []

    desk.venue.positions[SYMBOL] = Decimal(1)
    (found,) = (await desk.reconciler.run()).differences

    assert str(found) == f"we hold -1 {SYMBOL}, scripted says 1"


async def test_late_evidence_revives_an_order_that_was_taken_for_absent(
    database: Database,
) -> None:
    """2.3, R4: the venue had it after all; its fill is found by the difference it makes."""
    desk = await open_desk(database)
    await desk.reconciler.run()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter()
    await desk.execute("UPDATE orders SET send_by = now() - interval '1 minute'")
    await desk.reconciler.run()
    (order,) = await desk.orders()
    assert order["status"] == "rejected"

    execute_late(desk, ClientOrderId(order["client_order_id"]))
    await desk.reconciler.run()
    settled = await desk.reconciler.run()

    (order,) = await desk.orders()
    assert (order["status"], order["settled"]) == ("filled", True)
    assert (await desk.position())["quantity"] == 1
    assert settled.differences == []
    assert await desk.open_alerts() == []
    assert await desk.broken_books() == []


def execute_late(desk: Desk, order: ClientOrderId) -> None:
    fill = Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId("late"),
        client_order_id=order,
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(100),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=NOON,
    )
    desk.venue.fills.append(fill)
    desk.venue.balances["BTC"] = Decimal(1)
    desk.venue.orders[order] = OrderReport(
        client_order_id=order,
        venue_order_id=VenueOrderId("late"),
        status=OrderStatus.FILLED,
        filled_quantity=Decimal(1),
        fills=(fill,),
    )


async def test_a_fill_that_comes_while_the_venue_is_asked_is_no_difference(
    database: Database,
) -> None:
    """2.3: acts only if nothing changed around the venue's answer."""
    desk = await open_desk(database)
    await desk.reconciler.run()
    account = desk.venue.account
    entered: list[bool] = []

    async def enter_before_it() -> object:
        if not entered:
            entered.append(True)
            await desk.enter()
        return await account()

    desk.venue.account = enter_before_it  # type: ignore[method-assign,assignment]

    assert (await desk.reconciler.run()).differences == []
    assert (await desk.reconciler.run()).differences == []
    assert await desk.open_alerts() == []
    assert entered


async def test_the_sweep_says_what_it_checked_and_whether_it_helped(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """M2.7, M2.8, S0: `stop-loss check complete`, counts, and an outcome read off the database."""
    desk = await open_desk(database, spec("one"), spec("two", "ETHUSDT"))
    check = StopLossCheck(protection=desk.protection, prices=desk.prices, clock=desk.clock)
    await desk.enter("one")
    await desk.enter("two")
    desk.tick("90")
    desk.venue.script.append(Behaviour.REJECT)
    assert not (await check.outcome()).ok

    refused = await check.run(desk.context())
    assert not (await check.outcome()).ok
    desk.clock.advance(MINUTE)  # a refused exit is tried again after a pause
    for symbol in desk.symbols:
        desk.tick("90" if symbol == SYMBOL else "100", symbol)
    closed = await check.run(desk.context())

    assert (refused.attempted, refused.failed, refused.acted) == (2, 1, 0)
    assert (closed.attempted, closed.failed, closed.acted) == (2, 0, 1)
    assert closed.counts == {"checked": 2, "closed": 1}
    assert (await check.outcome()).ok
    said = capsys.readouterr().out
    assert "stop-loss check complete" in said
    assert "checked=2" in said
    assert "closed=1" in said
