"""Orders of two bots that would trade with each other: named, and not sent at full rate."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.domain.signal import SignalKind
from tradebotd.ports.venue import SelfTrade
from tradebotd.storage.postgres.database import Database

RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.11"), lifetime=timedelta(hours=1))
STOP = ExitPlan(stop_loss=Decimal("0.1"))


async def opened(database: Database, kind: SelfTrade) -> TradingHarness:
    """*one* holds 1 of what *two* would buy at 89, one below the stop of *one*."""
    harness = await open_harness(
        database,
        spec("one", exits=STOP),
        spec("two", entry=RESTS, exits=STOP),
        traits=replace(AUTHORITATIVE, self_trade=kind),
    )
    harness.venue.listen(harness.recorder.on_order_report)
    await harness.enter("one")
    await harness.enter("two")
    return harness


@pytest.mark.parametrize("kind", [SelfTrade.REJECTS, SelfTrade.EXPIRES_INCOMING])
async def test_an_exit_that_meets_an_entry_is_said_by_name_and_tried_again_with_pauses(
    database: Database, kind: SelfTrade
) -> None:
    """M4.7: as any refusal; it goes out once the other order is gone."""
    harness = await opened(database, kind)
    sent = len(harness.venue.submitted)
    for _ in range(5):
        await harness.stream("89")
    await harness.protection.sweep(harness.clock.now())

    assert len(harness.venue.submitted) == sent + 1
    alert = await harness.row("SELECT * FROM alerts WHERE cleared_at IS NULL")
    assert alert["code"] == "exit_refused"
    assert "self_trade" in alert["message"]

    await harness.gate.halt("operator")
    await harness.entry_orders.sweep(harness.clock.now())
    harness.clock.advance(timedelta(seconds=31))
    await harness.stream("89")
    assert [row["close_reason"] for row in await harness.rows("SELECT * FROM positions")] == [
        "stop_loss"
    ]


async def test_an_entry_that_makes_way_for_an_exit_is_over(database: Database) -> None:
    """M4.7: where the resting one expires nothing keeps the exit."""
    harness = await opened(database, SelfTrade.EXPIRES_RESTING)
    await harness.stream("89")

    assert (await harness.position())["close_reason"] == "stop_loss"
    entry = await harness.row("SELECT * FROM orders WHERE bot = 'two'")
    assert (entry["status"], entry["settled"]) == ("expired", True)


@pytest.mark.parametrize("kind", [SelfTrade.REJECTS, SelfTrade.EXPIRES_INCOMING])
async def test_an_entry_that_meets_what_rests_waits_by_that_name(
    database: Database, kind: SelfTrade
) -> None:
    """M4.2: an order was made on the candle; the next signal makes another."""
    harness = await open_harness(
        database, spec("one"), traits=replace(AUTHORITATIVE, self_trade=kind)
    )
    harness.venue.balances["BTC"] = Decimal(1)
    await harness.candles(100, 100, 100)
    offer = OrderRequest(
        venue=harness.venue.name,
        symbol=SYMBOL,
        side=Side.SELL,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(1),
        limit_price=Decimal(110),
    )
    await harness.venue.order_by_hand("by-hand", offer)
    harness.says(SignalKind.BUY)
    harness.clock.advance(timedelta(minutes=1))
    await harness.candles(111)

    assert (await harness.run()).status == "waiting (self_trade)"
