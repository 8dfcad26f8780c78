"""M4.8: an account that trades for dollars and for euros is told in one of them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.trading import LIMITS, Desk, open_desk, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.bot import EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.errors import FeedError, OrderDeniedError
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.storage.database import Database

RATE, DOLLARS, EUROS = "EURUSDT", "BTCUSDT", "BTCEUR"


def quantity(value: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(value))


def percent(value: str) -> SizingRule:
    return SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(value))


async def opened(database: Database, euros: SizingRule, rate: str | None = "1.25") -> Desk:
    """A euro is 1.25 dollars; 10,000 dollars and 1,000 euros are owned."""
    desk = await open_desk(
        database,
        spec("dollars", DOLLARS, sizing=quantity("1")),
        spec("euros", EUROS, sizing=euros),
        spec("third", DOLLARS, sizing=quantity("0.5")),
        watched=[RATE],
    )
    desk.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    desk.tick("80", EUROS)
    desk.prices._last.pop(RATE)
    if rate is not None:
        desk.tick(rate, RATE)
    return desk


async def test_cash_holdings_and_bots_are_told_in_the_accounts_currency(
    database: Database,
) -> None:
    """By hand: 1 BTC for 100 dollars (fee 0.04), 2 for 80 euros each (fee 0.064); then 110, 90
    and a euro at 1.20.
    """
    desk = await opened(database, quantity("2"))
    await desk.enter("dollars")
    await desk.enter("euros")
    desk.tick("110", DOLLARS)
    desk.tick("90", EUROS)
    desk.tick("1.20", RATE)

    worth = await desk.account.worth()

    assert worth.cash[SCRIPTED, "USDT"] == Decimal("9899.96")
    assert worth.cash[SCRIPTED, "EUR"] == Decimal("839.936")
    total = worth.account
    assert total.cash == Decimal("9899.96") + Decimal("839.936") * Decimal("1.20")
    assert total.exposure == 110 + 2 * 90 * Decimal("1.20")
    assert total.equity == total.cash + total.exposure == Decimal("11233.8832")
    assert total.unrealized_pnl == 10 + 2 * 10 * Decimal("1.20")
    euros = worth.bots[BotName("euros")]
    assert euros.cash == 1000 - (160 + Decimal("0.064")) * Decimal("1.20")
    assert euros.equity == Decimal("1023.9232")
    assert worth.bots[BotName("dollars")].equity == Decimal("1009.96")


async def test_what_a_bot_has_earned_in_euros_stays_converted(database: Database) -> None:
    """1 BTC for 80 euros, sold for 90, fees 0.032 and 0.036: 9.932 euros are 12.415 dollars."""
    desk = await opened(database, quantity("1"))
    await desk.enter("euros")
    desk.tick("90", EUROS)
    held = next(iter(desk.protection.held.values()))
    await desk.protection.close_by_hand(held, CloseReason.MANUAL)

    worth = await desk.account.worth()

    assert worth.bots[BotName("euros")].equity == Decimal("1012.415")
    assert worth.account.equity == 10_000 + (1_000 + Decimal("9.932")) * Decimal("1.25")


async def test_a_share_of_the_equity_is_paid_in_the_symbols_money(database: Database) -> None:
    """10 % of 1000 dollars are 80 euros: 1 BTC, not 1.25."""
    desk = await opened(database, percent("10"))
    await desk.enter("euros")

    assert (await desk.position())["quantity"] == 1


async def test_only_the_symbols_own_money_pays(database: Database) -> None:
    """10,000 dollars buy nothing that costs euros: 40 of them are there, at 80 with costs."""
    desk = await opened(database, percent("10"))
    desk.venue.balances["EUR"] = Decimal(40)
    await desk.enter("euros")

    assert (await desk.position())["quantity"] == Decimal("0.499")


async def test_the_exposure_is_of_both_currencies(database: Database) -> None:
    """11,250 dollars of equity; a limit of 225: 100 dollars and 100 of 80 euros fit, no more."""
    desk = await opened(database, quantity("1"))
    desk.entries.limits = replace(LIMITS, max_exposure=Decimal("0.02"))
    await desk.enter("dollars")
    worth = await desk.account.worth()
    standing = await desk.account.standing(worth, desk.clock.now())
    assert (worth.account.equity, standing.state.exposure) == (Decimal("11249.96"), Decimal(100))
    await desk.enter("euros")
    assert (await desk.account.worth()).account.exposure == 200
    with pytest.raises(OrderDeniedError, match="max_exposure"):
        await desk.enter("third")


async def test_an_entry_in_euros_counts_in_dollars(database: Database) -> None:
    """160 euros are 200 dollars: more than the 185 that are allowed."""
    desk = await opened(database, quantity("2"))
    desk.entries.limits = replace(LIMITS, max_exposure=Decimal("0.0165"))

    with pytest.raises(OrderDeniedError, match="max_exposure"):
        await desk.enter("euros")


async def test_a_resting_euro_entry_holds_euros_and_counts_in_dollars(database: Database) -> None:
    desk = await opened(database, quantity("2"))
    rule = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.05"))
    desk.specs[BotName("euros")] = spec("euros", EUROS, sizing=quantity("2"), entry=rule)
    await desk.enter("euros")

    standing = await desk.account.standing(await desk.account.worth(), desk.clock.now())

    assert standing.state.exposure == 2 * 76 * Decimal("1.25")
    assert standing.free[SCRIPTED, "EUR"] == 1_000 - 2 * 76
    assert standing.free[SCRIPTED, "USDT"] == 10_000


async def test_bought_euros_are_a_position_and_no_cash_twice(database: Database) -> None:
    """EURUSDT is traded itself: what a bot has bought of it is its own, not the account's cash."""
    desk = await open_desk(database, spec("fx", RATE, sizing=quantity("100")), watched=[EUROS])
    desk.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    desk.tick("1.25", RATE)
    await desk.enter("fx")

    worth = await desk.account.worth()

    assert desk.venue.balances["EUR"] == 1_100
    assert worth.cash[SCRIPTED, "EUR"] == 1_000
    assert worth.account.equity == 10_000 + 1_250 - Decimal("0.05")


async def test_money_that_is_also_traded_is_no_difference(database: Database) -> None:
    """M5.5: EURUSDT is watched for its rate; what was paid in euros is no position of somebody."""
    desk = await opened(database, quantity("2"))
    await desk.reconciler.run()
    await desk.enter("euros")

    result = await desk.reconciler.run()

    assert (result.differences, result.failed) == ([], {})
    assert await desk.open_alerts() == []


async def test_a_margin_is_not_free(database: Database) -> None:
    """M4.6: 2 for 100 at leverage 4 hold 50."""
    desk = await open_desk(
        database,
        spec("one", sizing=quantity("2"), position_type=PositionType.FUTURES, leverage=4),
    )
    await desk.enter("one")

    worth = await desk.account.worth()
    standing = await desk.account.standing(worth, desk.clock.now())

    assert standing.free[SCRIPTED, "USDT"] == worth.cash[SCRIPTED, "USDT"] - 50


async def test_without_a_rate_there_is_no_entry_and_no_sum(database: Database) -> None:
    """M2.2: a wrong number is worse than none."""
    desk = await opened(database, quantity("1"), rate=None)

    with pytest.raises(FeedError, match="EURUSDT has no price yet"):
        await desk.enter("dollars")
    assert desk.venue.submitted == []
