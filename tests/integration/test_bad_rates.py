"""One print far from the others is no rate: what money is counted at is believed first."""

from decimal import Decimal

import pytest

from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName
from tradebotd.domain.position import CloseReason
from tradebotd.storage.postgres.database import Database

USUAL = Decimal("0.1")
BNB, RATE, EUROS = "BNBUSDT", "EURUSDT", "BTCEUR"
# How BNB went, and the price that it is believed to have.
PATHS = [
    (["500", "900"], "500"),
    (["500", "50"], "500"),
    (["500", "900", "50"], "500"),
    (["500", "900", "505"], "505"),
    (["500", "900", "900.01"], "900.01"),
    (["500", "900", "505", "880"], "505"),
    (["500", "540"], "540"),
    (["900"], "900"),
]


async def traded(harness: TradingHarness) -> None:
    """One bought and sold again; fees in BNB."""
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    await harness.enter()
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)


async def worth_of_one(harness: TradingHarness) -> set[Decimal]:
    """What one BNB counted for in each fee."""
    return {row["fee_rate"] for row in await harness.rows("SELECT fee_rate FROM fills")}


@pytest.mark.parametrize(("path", "rate"), PATHS)
async def test_a_fee_is_not_worth_what_a_lone_print_says(
    database: Database, path: list[str], rate: str
) -> None:
    """M3.10, M5.4: it stays in the books at that for ever; the print before it counts meanwhile."""
    harness = await open_harness(database, spec(), silent=[BNB], bad_tick=USUAL)
    for price in path:
        harness.tick(price, BNB)

    await traded(harness)

    assert await worth_of_one(harness) == {Decimal(rate)}
    taken = (await harness.row("SELECT sum(fee) AS fees FROM fills"))["fees"]
    assert (await harness.position())["fees"] == taken * Decimal(rate)


async def test_a_candle_that_shows_a_print_twice_has_seen_it_once(database: Database) -> None:
    """M3.10: a bad low that is the candle's close, too."""
    harness = await open_harness(database, spec(), silent=[BNB], bad_tick=USUAL)
    harness.tick("500", BNB)
    for repeats in (False, True, True):
        bad = Tick(harness.clock.now(), BNB, Decimal(50), repeats=repeats)
        harness.prices.record(bad)

    await traded(harness)

    assert await worth_of_one(harness) == {Decimal(500)}


@pytest.mark.parametrize(("path", "rate"), PATHS)
async def test_nor_is_one_that_is_valued_late(
    database: Database, path: list[str], rate: str
) -> None:
    """M3.10, M5.4: booked before the first price of its asset, and counted once there are some."""
    harness = await open_harness(database, spec(), silent=[BNB], bad_tick=USUAL)
    await traded(harness)
    assert await worth_of_one(harness) == {None}
    for price in path:
        harness.tick(price, BNB)

    await harness.reconciler.run()

    assert await worth_of_one(harness) == {Decimal(rate)}


async def open_in_euros(database: Database, sizing: SizingRule) -> TradingHarness:
    """A euro is 1.25 dollars, but for the last print."""
    harness = await open_harness(
        database, spec("euros", EUROS, sizing=sizing), silent=[RATE], bad_tick=USUAL
    )
    harness.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    harness.tick("80", EUROS)
    harness.tick("80", EUROS)
    harness.tick("1.25", RATE)
    return harness


async def test_a_day_is_not_counted_at_a_lone_print(database: Database) -> None:
    """M4.8: 1 BTC for 80 euros, sold for 82, fees 0.032 and 0.0328: 1.9352 euros at 1.25."""
    harness = await open_in_euros(
        database, SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(1))
    )
    await harness.enter("euros")
    harness.tick("82", EUROS)
    harness.tick("12.5", RATE)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.MANUAL)

    assert (await harness.state("euros"))["daily_pnl"] == Decimal("1.9352") * Decimal("1.25")


async def test_an_entry_is_not_sized_at_a_lone_print(database: Database) -> None:
    """M4.8: 10 % of 1000 dollars are 80 euros: 1 BTC, and not 10 of them at 0.125 a euro."""
    harness = await open_in_euros(
        database, SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(10))
    )
    harness.tick("0.125", RATE)

    await harness.enter("euros")

    assert (await harness.position())["quantity"] == 1


async def test_a_lone_print_is_nobodys_equity(database: Database) -> None:
    """M4.8, M4.9: neither a peak that a drawdown is judged from ever after, nor a loss that halts."""
    harness = await open_harness(database, spec(), bad_tick=USUAL)
    harness.tick("100")
    await harness.enter()
    before = await harness.account.value()

    for price in ("1000", "100", "1"):
        harness.tick(price, SYMBOL)
        worth = await harness.account.value()
        assert worth.account == before.account
        assert worth.bots[BotName(BOT)] == before.bots[BotName(BOT)]


async def test_what_the_venue_itself_says_is_believed_at_once(database: Database) -> None:
    """M3.10: a quote is another observation; the second print would be no other."""
    plan = ExitPlan(stop_loss=Decimal("0.05"))
    harness = await open_harness(database, spec(exits=plan), bad_tick=USUAL)
    await harness.enter()
    await harness.stream("150")
    assert (await harness.account.value()).account.unrealized_pnl == 0

    await harness.protection.sweep(harness.clock.now())

    assert (await harness.account.value()).account.unrealized_pnl == 50


async def test_what_a_venue_has_confirmed_is_what_the_next_lone_print_is_compared_with(
    database: Database,
) -> None:
    """M3.10, M4.8: a second jump, before any print has said the first one again, undoes nothing."""
    plan = ExitPlan(stop_loss=Decimal("0.05"))
    harness = await open_harness(database, spec(exits=plan), bad_tick=USUAL)
    await harness.enter()
    await harness.stream("150")
    await harness.protection.sweep(harness.clock.now())

    harness.tick("200")

    assert (await harness.account.value()).account.unrealized_pnl == 50
