"""What is less than a lot at the end of a position: it has been paid for, and is sold later."""

from decimal import Decimal

import pytest

from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Database

TENTH = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("0.010"))


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    """A tenth of a percent of what is bought goes for its fee: a whole number of lots never stays."""
    harness = await open_harness(database, spec(sizing=TENTH))
    harness.venue.fee_in_base, harness.venue.fee = True, Decimal("0.001")
    return harness


async def round_trip(harness: TradingHarness, minute: int = 0, *, into: str = "100") -> None:
    harness.tick("100")
    await harness.enter(minute=minute)
    (held,) = harness.protection.held.values()
    harness.tick(into)
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    harness.clock.advance(MINUTE)
    harness.tick("100")


async def test_dust_is_a_loss_of_what_it_cost(harness: TradingHarness) -> None:
    """M4.6, M5.4: 0.00999 is held, 0.009 is sold; 0.00099 is left that cost 0.099 at 100."""
    before = harness.venue.balances["USDT"]

    await round_trip(harness, into="110")

    closed = await harness.position()
    change = harness.venue.balances["USDT"] - before
    assert closed["dust"] == Decimal("0.00099")
    assert closed["realized_pnl"] == change
    assert (await harness.state())["daily_pnl"] == change
    assert (await harness.account.value()).bots[BOT].equity == 1000 + change


async def test_what_dust_cost_is_told_apart(harness: TradingHarness) -> None:
    """M4.6: the trade names it, so that its loss is not taken for the strategy's."""
    await round_trip(harness, into="110")

    trade = await harness.row("SELECT * FROM trades")
    assert (trade["dust"], trade["dust_cost"]) == (Decimal("0.00099"), Decimal("0.099"))


async def test_twenty_round_trips_earn_what_the_cash_says(harness: TradingHarness) -> None:
    """M4.6, M5.4: no lot of dust is left over, and P&L is the change of cash to the last digit."""
    before = harness.venue.balances["USDT"]

    for number in range(20):
        await round_trip(harness, number)

    change = harness.venue.balances["USDT"] - before
    sums = await harness.row(
        "SELECT sum(realized_pnl) AS pnl, sum(dust) - sum(swept) AS dust FROM positions"
    )
    assert sums["pnl"] == change
    assert sums["dust"] == harness.venue.balances["BTC"] < Decimal("0.001")
    assert (await harness.state())["daily_pnl"] == change
    assert (await harness.account.value()).bots[BOT].equity == 1000 + change
    assert await harness.broken_books() == []
    await harness.reconciler.run()
    assert await harness.open_alerts() == []


async def test_an_exit_sweeps_up_what_makes_whole_lots(harness: TradingHarness) -> None:
    """M4.6: 0.00999 is held beside 0.00099 of dust: 0.010 is sold, and 0.00098 stays."""
    await round_trip(harness)
    await round_trip(harness, 1, into="110")

    _, last = await harness.rows("SELECT * FROM trades ORDER BY id")
    exits = [each["quantity"] for each in await harness.orders() if each["role"] == "exit"]
    assert exits == [Decimal("0.009"), Decimal("0.010")]
    assert (last["swept"], last["swept_income"]) == (Decimal("0.00001"), Decimal("0.0011"))
    assert last["dust"] == 0
    assert (await harness.row("SELECT * FROM dust"))["quantity"] == Decimal("0.00098")


async def test_dust_that_is_gone_keeps_no_exit(harness: TradingHarness) -> None:
    """M4.6: the owner took it away: what is refused with it is sold at once without it."""
    await round_trip(harness)
    harness.venue.balances["BTC"] = Decimal(0)
    await harness.enter(minute=1)
    (held,) = harness.protection.held.values()

    await harness.protection.close_now(held, CloseReason.SIGNAL)

    assert harness.protection.held == {}
    exits = [each["quantity"] for each in await harness.orders() if each["role"] == "exit"]
    assert exits == [Decimal("0.009"), Decimal("0.010"), Decimal("0.009")]


async def test_what_two_exits_could_sweep_is_sold_once(database: Database) -> None:
    """M4.6: two bots on one symbol close at once; the heap is asked for by one of them."""
    harness = await open_harness(database, spec(sizing=TENTH), spec("two", sizing=TENTH))
    harness.venue.fee_in_base, harness.venue.fee = True, Decimal("0.001")
    await round_trip(harness)
    await harness.enter(minute=1)
    await harness.enter("two", minute=1)
    await harness.execute("UPDATE dust SET quantity = 0.00001")
    first, second = harness.protection.held.values()
    harness.venue.script.append(Behaviour.DROP_BEFORE)

    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(first, CloseReason.SIGNAL)
    await harness.protection.close_now(second, CloseReason.SIGNAL)

    sweeping = [each["sweeps"] for each in await harness.orders() if each["role"] == "exit"]
    assert sweeping == [0, Decimal("0.00001"), 0]
    assert (await harness.row("SELECT * FROM dust"))["quantity"] == Decimal("0.00100")


async def test_dust_sold_by_a_later_fill_is_income_of_the_closed_position(
    harness: TradingHarness,
) -> None:
    """M5.4: the first fill ends the position, the second sells the dust; nothing is opened again."""
    await round_trip(harness)
    await harness.enter(minute=1)
    (held,) = harness.protection.held.values()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.SIGNAL)
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])

    await harness.recorder.record_fills(
        order, [sold(order, 1, "0.00999"), sold(order, 2, "0.00001")]
    )

    closed = await harness.row("SELECT * FROM positions WHERE id = $1", held.id)
    assert (closed["quantity"], closed["dust"], closed["swept"]) == (0, 0, Decimal("0.00001"))
    assert closed["realized_pnl"] == Decimal("-0.001") + Decimal("0.001")
    assert closed["close_reason"] == "signal"
    assert harness.protection.held == {}
    assert await harness.open_alerts() == []


async def test_more_than_the_dust_that_is_there_is_an_excess(harness: TradingHarness) -> None:
    """M5.4: what is sold beyond position and dust is nobody's of ours, and is said."""
    await round_trip(harness)
    await harness.enter(minute=1)
    (held,) = harness.protection.held.values()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.protection.close_now(held, CloseReason.SIGNAL)
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    await harness.execute("UPDATE dust SET quantity = 0.000004")

    await harness.recorder.record_fills(order, [sold(order, 1, "0.010")])

    closed = await harness.row("SELECT * FROM positions WHERE id = $1", held.id)
    excess = await harness.row("SELECT * FROM external_fills")
    assert closed["swept"] == Decimal("0.000004")
    assert excess["quantity"] == Decimal("0.000006")
    assert await harness.open_alerts() == ["fill_exceeds_position"]


async def test_a_step_of_a_ladder_leaves_the_dust(database: Database) -> None:
    """M4.7: a step sells its share; what ends the position takes the dust along."""
    ladder = (LadderStep(at=Decimal("0.02"), share=Decimal("0.5")),)
    plan = ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder)
    harness = await open_harness(database, spec(sizing=TENTH, exits=plan))
    harness.venue.fee_in_base, harness.venue.fee = True, Decimal("0.001")
    before = harness.venue.balances["USDT"]
    await round_trip(harness)
    await harness.enter(minute=1)

    await harness.stream("102")
    await harness.stream("90")

    exits = [each["quantity"] for each in await harness.orders() if each["role"] == "exit"]
    assert exits == [Decimal("0.009"), Decimal("0.004"), Decimal("0.006")]
    pnl = (await harness.row("SELECT sum(realized_pnl) AS pnl FROM positions"))["pnl"]
    assert pnl == harness.venue.balances["USDT"] - before
    assert await harness.broken_books() == []


def sold(order: ClientOrderId, number: int, quantity: str) -> Fill:
    return Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId(f"late-{number}"),
        client_order_id=order,
        side=Side.SELL,
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=NOON + MINUTE,
    )
