"""Our books against the venue's: what is found out, said, mended, and left alone."""

from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
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


def job(harness: TradingHarness) -> Reconcile:
    return Reconcile(reconciler=harness.reconciler, gate=harness.gate)


async def test_what_agrees_says_nothing_and_opens_the_gate(database: Database) -> None:
    """M5.6: at the start entries wait for the first whole reconciliation."""
    harness = await open_harness(database)
    harness.gate.close("reconcile", "not reconciled with the venue yet")
    reconcile = job(harness)
    assert not (await reconcile.outcome()).ok

    summary = await reconcile.run(harness.context())

    assert (summary.failed, summary.items) == (0, {})
    assert harness.gate.closed_because(SCRIPTED) is None
    assert (await reconcile.outcome()).ok
    assert await harness.open_alerts() == []


async def test_a_venue_that_is_down_keeps_the_gate_closed(database: Database) -> None:
    """M5.6, M2.2: nothing is known, and that is a failure."""
    harness = await open_harness(database)
    harness.gate.close("reconcile", "not reconciled with the venue yet")
    harness.venue.reads_fail = True

    summary = await job(harness).run(harness.context())

    assert summary.failed == 1
    assert harness.gate.closed_because(SCRIPTED) == "not reconciled with scripted yet"
    assert await harness.open_alerts() == []


async def test_what_somebody_did_by_hand_is_reported_and_left_alone(database: Database) -> None:
    """M5.6, R13, I2: one alert a difference while it lasts, cleared when it is over."""
    harness = await open_harness(database)
    reconcile = job(harness)
    await reconcile.run(harness.context())
    await harness.enter()
    harness.venue.balances["BTC"] -= Decimal("0.4")

    summaries = [await reconcile.run(harness.context()) for _ in range(3)]

    assert summaries[-1].items == {"scripted BTC": {"error": "we hold 1 BTC, scripted says 0.6"}}
    assert not (await reconcile.outcome()).ok
    alert = await harness.row("SELECT code, count, cleared_at FROM alerts")
    assert alert == {"code": DIFFERS, "count": 3, "cleared_at": None}
    assert (await harness.position())["quantity"] == 1
    assert len(harness.venue.submitted) == 1

    harness.venue.balances["BTC"] += Decimal("0.4")
    assert (await reconcile.run(harness.context())).failed == 0
    assert await harness.open_alerts() == []


async def test_what_was_there_before_us_is_no_difference(database: Database) -> None:
    """M5.4: several bots on one spot symbol are one holding over a stored baseline."""
    harness = await open_harness(database, spec("one"), spec("two"))
    harness.venue.balances["BTC"] = Decimal(7)
    assert (await harness.reconciler.run()).differences == []
    await harness.enter("one")
    await harness.enter("two")
    assert (await harness.reconciler.run()).differences == []

    after = await open_harness(database, spec("one"), spec("two"), restarted=True)
    after.venue.balances = harness.venue.balances
    assert (await after.reconciler.run()).differences == []
    after.venue.balances["BTC"] -= 7
    (found,) = (await after.reconciler.run()).differences
    assert str(found) == "we hold 2 BTC, scripted says -5"


async def test_futures_are_compared_by_symbol_and_sign(database: Database) -> None:
    """M5.4."""
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.enter(side=PositionSide.SHORT)
    assert (await harness.reconciler.run()).differences == []

    harness.venue.positions[SYMBOL] = Decimal(1)
    (found,) = (await harness.reconciler.run()).differences

    assert str(found) == f"we hold -1 {SYMBOL}, scripted says 1"


async def test_late_evidence_revives_an_order_that_was_taken_for_absent(
    database: Database,
) -> None:
    """2.3, R4: the venue had it after all; its fill is found by the difference it makes."""
    harness = await open_harness(database)
    await harness.reconciler.run()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    await harness.execute("UPDATE orders SET send_by = now() - interval '1 minute'")
    await harness.reconciler.run()
    (order,) = await harness.orders()
    assert order["status"] == "rejected"

    execute_late(harness, ClientOrderId(order["client_order_id"]))
    await harness.reconciler.run()
    settled = await harness.reconciler.run()

    (order,) = await harness.orders()
    assert (order["status"], order["settled"]) == ("filled", True)
    assert (await harness.position())["quantity"] == 1
    assert settled.differences == []
    assert await harness.open_alerts() == []
    assert await harness.broken_books() == []


def execute_late(harness: TradingHarness, order: ClientOrderId) -> None:
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
    harness.venue.fills.append(fill)
    harness.venue.balances["BTC"] = Decimal(1)
    harness.venue.orders[order] = OrderReport(
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
    harness = await open_harness(database)
    await harness.reconciler.run()
    account = harness.venue.account
    entered: list[bool] = []

    async def enter_before_it() -> object:
        if not entered:
            entered.append(True)
            await harness.enter()
        return await account()

    harness.venue.account = enter_before_it  # type: ignore[method-assign,assignment]

    assert (await harness.reconciler.run()).differences == []
    assert (await harness.reconciler.run()).differences == []
    assert await harness.open_alerts() == []
    assert entered


async def test_the_sweep_says_what_it_checked_and_whether_it_helped(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """M2.7, M2.8, S0: `stop-loss check complete`, counts, and an outcome read off the database."""
    harness = await open_harness(database, spec("one"), spec("two", "ETHUSDT"))
    check = StopLossCheck(protection=harness.protection, prices=harness.prices, clock=harness.clock)
    await harness.enter("one")
    await harness.enter("two")
    harness.tick("90")
    harness.venue.script.append(Behaviour.REJECT)
    assert not (await check.outcome()).ok

    refused = await check.run(harness.context())
    assert not (await check.outcome()).ok
    harness.clock.advance(MINUTE)  # a refused exit is tried again after a pause
    for symbol in harness.symbols:
        harness.tick("90" if symbol == SYMBOL else "100", symbol)
    closed = await check.run(harness.context())

    assert (refused.attempted, refused.failed, refused.acted) == (2, 1, 0)
    assert (closed.attempted, closed.failed, closed.acted) == (2, 0, 1)
    assert closed.counts == {"checked": 2, "closed": 1}
    assert (await check.outcome()).ok
    said = capsys.readouterr().out
    assert "stop-loss check complete" in said
    assert "checked=2" in said
    assert "closed=1" in said
