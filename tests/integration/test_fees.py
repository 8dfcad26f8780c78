"""Fees in any asset: what they are worth, who paid them, and what is missing for them."""

from decimal import Decimal

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import (
    BOT,
    MINUTE,
    NOON,
    SYMBOL,
    TradingHarness,
    market_symbol,
    open_harness,
    spec,
)
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.market.price_cache import PriceCache
from tradebotd.storage import cash
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.execution.fees import Fees

ONE_OF_IT = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1))


async def open_bnb_harness(database: Database, fee: str = "0.001") -> TradingHarness:
    """Two bots, fees in BNB, of which one costs 500 and the account has 10."""
    harness = await open_harness(database, spec(), spec("two", "BNBUSDT", sizing=ONE_OF_IT))
    harness.tick("500", "BNBUSDT")
    harness.venue.fee, harness.venue.fee_taken_in = Decimal(fee), "BNB"
    harness.venue.balances["BNB"] = Decimal(10)
    await harness.reconciler.run()
    return harness


async def close(harness: TradingHarness, bot: str = BOT) -> None:
    (held,) = (each for each in harness.protection.held.values() if each.bot == bot)
    await harness.protection.close_now(held, CloseReason.SIGNAL)


async def test_a_fee_in_a_third_asset_counts_at_its_worth(database: Database) -> None:
    """M5.4: 0.0002 and 0.00022 BNB at 500 are 0.1 and 0.11 of the 10 that were gained."""
    harness = await open_bnb_harness(database)

    await harness.enter()
    harness.tick("110")
    await close(harness)

    closed = await harness.position()
    assert (closed["fees"], closed["realized_pnl"]) == (Decimal("0.21"), Decimal("9.79"))
    assert (await harness.state())["daily_pnl"] == Decimal("9.79")
    assert (await harness.account.value()).bots[BOT].equity == Decimal("1009.79")
    fills = await harness.rows("SELECT fee, fee_asset, fee_rate, fee_value FROM fills ORDER BY id")
    assert [tuple(each.values()) for each in fills] == [
        (Decimal("0.0002"), "BNB", 500, Decimal("0.1")),
        (Decimal("0.00022"), "BNB", 500, Decimal("0.11")),
    ]


@pytest.mark.parametrize("fee", ["0.001", "-0.0001"])
async def test_what_went_for_fees_is_no_difference(database: Database, fee: str) -> None:
    """M5.6: what a venue holds of BNB is less (more, of rebates) by the fees it took in it."""
    harness = await open_bnb_harness(database, fee)

    await harness.enter()
    await harness.enter("two")
    await close(harness)
    harness.clock.advance(MINUTE)
    result = await harness.reconciler.run()

    assert (result.differences, result.external) == ([], [])
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("first_look", [True, False])
async def test_a_fee_on_what_is_sold_may_be_beyond_what_is_held(
    database: Database, *, first_look: bool
) -> None:
    """M5.4, M5.6: all of a position in BNB is sold, and the fee for it is taken in BNB besides."""
    harness = await open_harness(database, spec("two", "BNBUSDT", sizing=ONE_OF_IT))
    harness.tick("500", "BNBUSDT")
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    harness.venue.balances["BNB"] = Decimal(10)
    before = harness.venue.balances["USDT"]
    if first_look:
        await harness.reconciler.run()

    await harness.enter("two")
    await close(harness, "two")
    harness.clock.advance(MINUTE)
    await harness.reconciler.run()
    await harness.enter("two", minute=1)
    harness.clock.advance(MINUTE)
    await harness.reconciler.run()

    assert await harness.open_alerts() == []
    first, _ = await harness.rows("SELECT * FROM positions ORDER BY id")
    sums = await harness.row(
        "SELECT sum(earned) AS earned, sum(paid_elsewhere) AS paid_elsewhere FROM asset_sums"
        " WHERE asset = 'USDT'"
    )
    cost = (await harness.row("SELECT sum(cost) AS cost FROM positions"))["cost"]
    assert first["realized_pnl"] < 0
    assert sums["earned"] + sums["paid_elsewhere"] - cost == harness.venue.balances["USDT"] - before


async def test_an_unknown_sale_of_bnb_can_be_inferred_absent(database: Database) -> None:
    """M5.5: the BNB that other trades paid as fees is not taken for what the order has sold."""
    harness = await open_bnb_harness(database)
    await harness.enter("two")
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await close(harness, "two")

    harness.clock.advance(MINUTE)
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await harness.reconciler.run()

    order = (await harness.orders())[-1]
    assert (order["status"], order["settled"]) == ("rejected", True)
    assert await harness.open_alerts() == []


async def test_a_fee_that_nobody_can_value_is_said_and_counts_as_nothing(
    database: Database,
) -> None:
    """M5.4: never taken one for one; the amount is kept, and the alert names it."""
    harness = await open_harness(database, spec())
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"

    await harness.enter()

    fill = await harness.row("SELECT fee, fee_asset, fee_rate, fee_value FROM fills")
    assert tuple(fill.values()) == (Decimal("0.1"), "BNB", None, None)
    assert (await harness.position())["fees"] == 0
    alert = await harness.row("SELECT * FROM alerts")
    assert (alert["code"], alert["subject"]) == ("fee_unvalued", "scripted BNB")
    assert "0.10000000 BNB of BTCUSDT 1 are in no P&L" in alert["message"]


async def test_it_is_said_no_more_once_its_worth_is_known(database: Database) -> None:
    """M5.4: the first price of the symbol that converts it came late."""
    clock, prices = FakeClock(NOON), PriceCache()
    traded, converts = (market_symbol(each).instrument for each in (SYMBOL, "BNBUSDT"))
    fees = Fees(clock=clock, currencies=CurrencyConverter([traded, converts], prices, "USDT"))
    fill = Fill(
        venue=SCRIPTED,
        symbol=SYMBOL,
        trade_id=TradeId("1"),
        client_order_id=ClientOrderId("tb1"),
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(100),
        fee=Decimal("0.0002"),
        fee_asset="BNB",
        executed_at=NOON,
    )
    rates, told = [], []
    for _ in range(2):
        async with database.transaction() as connection:
            rates.append(await fees.rate(connection, fill, traded))
            told.append(await connection.fetchval("SELECT cleared_at IS NULL FROM alerts"))
        prices.record(Tick(NOON, "BNBUSDT", Decimal(500)))

    assert rates == [None, 500]
    assert told == [True, False]


async def test_it_is_said_for_as_long_as_one_of_them_is_in_no_pnl(database: Database) -> None:
    """M5.4: the next fee of the asset is valued as it is booked, and the one before is not yet."""
    harness = await open_harness(database, spec(), silent=("BNBUSDT",))
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    harness.venue.balances["BNB"] = Decimal(10)
    await harness.enter()
    harness.tick("500", "BNBUSDT")

    await close(harness)

    rates = await harness.rows("SELECT fee_rate FROM fills ORDER BY id")
    assert [row["fee_rate"] for row in rates] == [None, 500]
    assert await harness.open_alerts() == ["fee_unvalued"]
    await harness.reconciler.run()
    assert await harness.open_alerts() == []


async def test_a_fee_is_valued_as_soon_as_there_is_a_price(database: Database) -> None:
    """M5.4, I8: fills found at a start are booked before the first price of what their fees were
    taken in; then each counts once, in the position, the day, and what another asset has paid.
    """
    harness = await open_harness(database, spec(), silent=("BNBUSDT",))
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    harness.venue.balances["BNB"] = Decimal(10)
    before = dict(harness.venue.balances)
    await harness.reconciler.run()
    await harness.enter()
    await close(harness)
    await adds_up(harness, before)
    assert await harness.open_alerts() == ["fee_unvalued"]
    assert (await harness.position())["realized_pnl"] == 0

    harness.tick("500", "BNBUSDT")
    await harness.reconciler.run()

    fees = await harness.row("SELECT sum(fee) AS taken, sum(fee_value) AS worth FROM fills")
    assert fees["worth"] == fees["taken"] * 500 != 0
    closed = await harness.position()
    assert (closed["fees"], closed["realized_pnl"]) == (fees["worth"], -fees["worth"])
    assert (await harness.state())["daily_pnl"] == -fees["worth"]
    assert await harness.open_alerts() == []
    await adds_up(harness, before)
    assert await harness.position() == closed


async def test_a_fee_that_is_valued_late_moves_no_exit(database: Database) -> None:
    """M5.4: an open position keeps its version, so that whoever judged it may act on it."""
    harness = await open_harness(database, spec(), silent=("BNBUSDT",))
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    await harness.enter()
    before = await harness.position()

    harness.tick("500", "BNBUSDT")
    await harness.reconciler.run()

    after = await harness.position()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"fees", "realized_pnl"}


async def test_what_somebody_else_paid_in_bnb_is_explained(database: Database) -> None:
    """M5.6: a trade by hand on another symbol explains what is missing for its fee, too."""
    harness = await open_bnb_harness(database)
    await harness.venue.trade_by_hand("BTCUSDT", Side.BUY, "1")

    harness.clock.advance(MINUTE)
    result = await harness.reconciler.run()

    assert result.differences == []
    assert sorted(each.subject for each in result.external) == ["BNB", "BTC"]


TAKEN: dict[str, dict[str, object]] = {
    "quote": {},
    "base": {"fee_in_base": True},
    "third": {"fee_taken_in": "BNB"},
}


@pytest.mark.parametrize("rate", ["0.00041", "-0.00013"], ids=["fee", "rebate"])
@pytest.mark.parametrize("taken", sorted(TAKEN))
async def test_money_adds_up_whatever_the_fee_is_taken_in(
    database: Database, taken: str, rate: str
) -> None:
    """I8: cash = realized P&L - cost of what is open + fees that another asset paid; the last digit.

    Three trades with a ladder, orders that trade a part only, and dust that is swept up.
    """
    odd = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("1.237"))
    step = LadderStep(at=Decimal("0.02"), share=Decimal("0.3"))
    plan = ExitPlan(stop_loss=Decimal("0.05"), ladder=(step,))
    harness = await open_harness(database, spec(sizing=odd, exits=plan), watched=("BNBUSDT",))
    harness.tick("512.77", "BNBUSDT")
    harness.venue.fee = Decimal(rate)
    harness.venue.balances["BNB"] = Decimal(10)
    for name, value in TAKEN[taken].items():
        setattr(harness.venue, name, value)
    before = dict(harness.venue.balances)
    await harness.reconciler.run()

    for number in range(3):
        harness.tick("100.03")
        harness.venue.thin.append(Decimal("0.7"))
        await harness.enter(minute=number)
        await adds_up(harness, before)
        await harness.stream("102.51")
        await adds_up(harness, before)
        harness.venue.thin.append(Decimal("0.2"))
        harness.tick("101.37")
        (held,) = harness.protection.held.values()
        await harness.protection.close_now(held, CloseReason.SIGNAL)
        await adds_up(harness, before)
        await harness.protection.close_now(held, CloseReason.SIGNAL)
        await adds_up(harness, before)

    assert harness.protection.held == {}
    assert await harness.open_alerts() == []


async def adds_up(harness: TradingHarness, before: dict[str, Decimal]) -> None:
    harness.clock.advance(MINUTE)
    await harness.reconciler.run()
    async with harness.database.connection() as connection:
        expected = await cash.select_expected(connection, SCRIPTED, ["USDT", "BNB"])
    change = {
        asset: harness.venue.balances.get(asset, Decimal(0)) - before.get(asset, Decimal(0))
        for asset in expected
    }
    assert change == expected
    sums = await harness.row(
        "SELECT sum(realized_pnl) AS earned, sum(cost) AS cost,"
        " (SELECT coalesce(sum(fee_value), 0) FROM fills WHERE fee_asset = 'BNB') AS elsewhere"
        " FROM positions"
    )
    assert change["USDT"] == sums["earned"] - sums["cost"] + sums["elsewhere"]
