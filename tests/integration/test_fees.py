"""Fees in any asset: what they are worth, who paid them, and what is missing for them."""

from decimal import Decimal

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, Desk, market_symbol, open_desk, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import PathPoint
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exits import ExitPlan, LadderStep
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.market.price_cache import PriceBook
from tradebotd.storage import cash
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.conversion import Currencies
from tradebotd.trading.execution.fees import Fees

ONE_OF_IT = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1))


async def open_bnb_desk(database: Database, fee: str = "0.001") -> Desk:
    """Two bots, fees in BNB, of which one costs 500 and the account has 10."""
    desk = await open_desk(database, spec(), spec("two", "BNBUSDT", sizing=ONE_OF_IT))
    desk.tick("500", "BNBUSDT")
    desk.venue.fee, desk.venue.fee_taken_in = Decimal(fee), "BNB"
    desk.venue.balances["BNB"] = Decimal(10)
    await desk.reconciler.run()
    return desk


async def close(desk: Desk, bot: str = BOT) -> None:
    (held,) = (each for each in desk.protection.held.values() if each.bot == bot)
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)


async def test_a_fee_in_a_third_asset_counts_at_its_worth(database: Database) -> None:
    """M5.4: 0.0002 and 0.00022 BNB at 500 are 0.1 and 0.11 of the 10 that were gained."""
    desk = await open_bnb_desk(database)

    await desk.enter()
    desk.tick("110")
    await close(desk)

    closed = await desk.position()
    assert (closed["fees"], closed["realized_pnl"]) == (Decimal("0.21"), Decimal("9.79"))
    assert (await desk.state())["daily_pnl"] == Decimal("9.79")
    assert (await desk.account.worth()).bots[BOT].equity == Decimal("1009.79")
    fills = await desk.rows("SELECT fee, fee_asset, fee_rate, fee_value FROM fills ORDER BY id")
    assert [tuple(each.values()) for each in fills] == [
        (Decimal("0.0002"), "BNB", 500, Decimal("0.1")),
        (Decimal("0.00022"), "BNB", 500, Decimal("0.11")),
    ]


@pytest.mark.parametrize("fee", ["0.001", "-0.0001"])
async def test_what_went_for_fees_is_no_difference(database: Database, fee: str) -> None:
    """M5.6: what a venue holds of BNB is less (more, of rebates) by the fees it took in it."""
    desk = await open_bnb_desk(database, fee)

    await desk.enter()
    await desk.enter("two")
    await close(desk)
    desk.clock.advance(MINUTE)
    result = await desk.reconciler.run()

    assert (result.differences, result.external) == ([], [])
    assert await desk.open_alerts() == []


@pytest.mark.parametrize("first_look", [True, False])
async def test_a_fee_on_what_is_sold_may_be_beyond_what_is_held(
    database: Database, *, first_look: bool
) -> None:
    """M5.4, M5.6: all of a position in BNB is sold, and the fee for it is taken in BNB besides."""
    desk = await open_desk(database, spec("two", "BNBUSDT", sizing=ONE_OF_IT))
    desk.tick("500", "BNBUSDT")
    desk.venue.fee, desk.venue.fee_taken_in = Decimal("0.001"), "BNB"
    desk.venue.balances["BNB"] = Decimal(10)
    before = desk.venue.balances["USDT"]
    if first_look:
        await desk.reconciler.run()

    await desk.enter("two")
    await close(desk, "two")
    desk.clock.advance(MINUTE)
    await desk.reconciler.run()
    await desk.enter("two", minute=1)
    desk.clock.advance(MINUTE)
    await desk.reconciler.run()

    assert await desk.open_alerts() == []
    first, _ = await desk.rows("SELECT * FROM positions ORDER BY id")
    sums = await desk.row(
        "SELECT sum(earned) AS earned, sum(paid_elsewhere) AS paid_elsewhere FROM asset_sums"
        " WHERE asset = 'USDT'"
    )
    cost = (await desk.row("SELECT sum(cost) AS cost FROM positions"))["cost"]
    assert first["realized_pnl"] < 0
    assert sums["earned"] + sums["paid_elsewhere"] - cost == desk.venue.balances["USDT"] - before


async def test_an_unknown_sale_of_bnb_can_be_inferred_absent(database: Database) -> None:
    """M5.5: the BNB that other trades paid as fees is not taken for what the order has sold."""
    desk = await open_bnb_desk(database)
    await desk.enter("two")
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await close(desk, "two")

    desk.clock.advance(MINUTE)
    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await desk.reconciler.run()

    order = (await desk.orders())[-1]
    assert (order["status"], order["settled"]) == ("rejected", True)
    assert await desk.open_alerts() == []


async def test_a_fee_that_nobody_can_value_is_said_and_counts_as_nothing(
    database: Database,
) -> None:
    """M5.4: never taken one for one; the amount is kept, and the alert names it."""
    desk = await open_desk(database, spec())
    desk.venue.fee, desk.venue.fee_taken_in = Decimal("0.001"), "BNB"

    await desk.enter()

    fill = await desk.row("SELECT fee, fee_asset, fee_rate, fee_value FROM fills")
    assert tuple(fill.values()) == (Decimal("0.1"), "BNB", None, None)
    assert (await desk.position())["fees"] == 0
    alert = await desk.row("SELECT * FROM alerts")
    assert (alert["code"], alert["subject"]) == ("fee_unvalued", "scripted BNB")
    assert "0.10000000 BNB of BTCUSDT 1 are in no P&L" in alert["message"]


async def test_it_is_said_no_more_once_its_worth_is_known(database: Database) -> None:
    """M5.4: the first price of the symbol that converts it came late."""
    clock, prices = FakeClock(NOON), PriceBook()
    traded, converts = (market_symbol(each).instrument for each in (SYMBOL, "BNBUSDT"))
    fees = Fees(clock=clock, currencies=Currencies([traded, converts], prices, "USDT"))
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
        prices.record(PathPoint(NOON, "BNBUSDT", Decimal(500)))

    assert rates == [None, 500]
    assert told == [True, False]


async def test_it_is_said_for_as_long_as_one_of_them_is_in_no_pnl(database: Database) -> None:
    """M5.4: the next fee of the asset is valued as it is booked, and the one before is not yet."""
    desk = await open_desk(database, spec(), silent=("BNBUSDT",))
    desk.venue.fee, desk.venue.fee_taken_in = Decimal("0.001"), "BNB"
    desk.venue.balances["BNB"] = Decimal(10)
    await desk.enter()
    desk.tick("500", "BNBUSDT")

    await close(desk)

    rates = await desk.rows("SELECT fee_rate FROM fills ORDER BY id")
    assert [row["fee_rate"] for row in rates] == [None, 500]
    assert await desk.open_alerts() == ["fee_unvalued"]
    await desk.reconciler.run()
    assert await desk.open_alerts() == []


async def test_a_fee_is_valued_as_soon_as_there_is_a_price(database: Database) -> None:
    """M5.4, I8: fills found at a start are booked before the first price of what their fees were
    taken in; then each counts once, in the position, the day, and what another asset has paid.
    """
    desk = await open_desk(database, spec(), silent=("BNBUSDT",))
    desk.venue.fee, desk.venue.fee_taken_in = Decimal("0.001"), "BNB"
    desk.venue.balances["BNB"] = Decimal(10)
    before = dict(desk.venue.balances)
    await desk.reconciler.run()
    await desk.enter()
    await close(desk)
    await adds_up(desk, before)
    assert await desk.open_alerts() == ["fee_unvalued"]
    assert (await desk.position())["realized_pnl"] == 0

    desk.tick("500", "BNBUSDT")
    await desk.reconciler.run()

    fees = await desk.row("SELECT sum(fee) AS taken, sum(fee_value) AS worth FROM fills")
    assert fees["worth"] == fees["taken"] * 500 != 0
    closed = await desk.position()
    assert (closed["fees"], closed["realized_pnl"]) == (fees["worth"], -fees["worth"])
    assert (await desk.state())["daily_pnl"] == -fees["worth"]
    assert await desk.open_alerts() == []
    await adds_up(desk, before)
    assert await desk.position() == closed


async def test_a_fee_that_is_valued_late_moves_no_exit(database: Database) -> None:
    """M5.4: an open position keeps its version, so that whoever judged it may act on it."""
    desk = await open_desk(database, spec(), silent=("BNBUSDT",))
    desk.venue.fee, desk.venue.fee_taken_in = Decimal("0.001"), "BNB"
    await desk.enter()
    before = await desk.position()

    desk.tick("500", "BNBUSDT")
    await desk.reconciler.run()

    after = await desk.position()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"fees", "realized_pnl"}


async def test_what_somebody_else_paid_in_bnb_is_explained(database: Database) -> None:
    """M5.6: a trade by hand on another symbol explains what is missing for its fee, too."""
    desk = await open_bnb_desk(database)
    await desk.venue.trade_by_hand("BTCUSDT", Side.BUY, "1")

    desk.clock.advance(MINUTE)
    result = await desk.reconciler.run()

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
    desk = await open_desk(database, spec(sizing=odd, exits=plan), watched=("BNBUSDT",))
    desk.tick("512.77", "BNBUSDT")
    desk.venue.fee = Decimal(rate)
    desk.venue.balances["BNB"] = Decimal(10)
    for name, value in TAKEN[taken].items():
        setattr(desk.venue, name, value)
    before = dict(desk.venue.balances)
    await desk.reconciler.run()

    for number in range(3):
        desk.tick("100.03")
        desk.venue.thin.append(Decimal("0.7"))
        await desk.enter(minute=number)
        await adds_up(desk, before)
        await desk.stream("102.51")
        await adds_up(desk, before)
        desk.venue.thin.append(Decimal("0.2"))
        desk.tick("101.37")
        (held,) = desk.protection.held.values()
        await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
        await adds_up(desk, before)
        await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
        await adds_up(desk, before)

    assert desk.protection.held == {}
    assert await desk.open_alerts() == []


async def adds_up(desk: Desk, before: dict[str, Decimal]) -> None:
    desk.clock.advance(MINUTE)
    await desk.reconciler.run()
    async with desk.database.connection() as connection:
        expected = await cash.select_expected(connection, SCRIPTED, ["USDT", "BNB"])
    change = {
        asset: desk.venue.balances.get(asset, Decimal(0)) - before.get(asset, Decimal(0))
        for asset in expected
    }
    assert change == expected
    sums = await desk.row(
        "SELECT sum(realized_pnl) AS earned, sum(cost) AS cost,"
        " (SELECT coalesce(sum(fee_value), 0) FROM fills WHERE fee_asset = 'BNB') AS elsewhere"
        " FROM positions"
    )
    assert change["USDT"] == sums["earned"] - sums["cost"] + sums["elsewhere"]
