"""M4.8: an account that trades for dollars and for euros is told in one of them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import LIMITS, NOON, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.bot import DailyLimits, EntryKind, EntryRule, SizingKind, SizingRule
from tradebotd.domain.errors import FeedError, OrderDeniedError, OutcomeUnknownError
from tradebotd.domain.ids import BotName, ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.risk.sizing import DEFAULT_COST_BUFFER
from tradebotd.storage import bots
from tradebotd.storage.bots import LeasedState
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.daily_limits import reached_limit

RATE, DOLLARS, EUROS = "EURUSDT", "BTCUSDT", "BTCEUR"


def quantity(value: str) -> SizingRule:
    return SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(value))


def percent(value: str) -> SizingRule:
    return SizingRule(kind=SizingKind.PERCENT_EQUITY, value=Decimal(value))


async def opened(
    database: Database, euros: SizingRule, rate: str | None = "1.25"
) -> TradingHarness:
    """A euro is 1.25 dollars; 10,000 dollars and 1,000 euros are owned."""
    harness = await open_harness(
        database,
        spec("dollars", DOLLARS, sizing=quantity("1")),
        spec("euros", EUROS, sizing=euros),
        spec("third", DOLLARS, sizing=quantity("0.5")),
        watched=[RATE],
    )
    harness.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    harness.tick("80", EUROS)
    harness.prices._last.pop(RATE)
    if rate is not None:
        harness.tick(rate, RATE)
    return harness


async def test_cash_holdings_and_bots_are_told_in_the_accounts_currency(
    database: Database,
) -> None:
    """By hand: 1 BTC for 100 dollars (fee 0.04), 2 for 80 euros each (fee 0.064); then 110, 90
    and a euro at 1.20.
    """
    harness = await opened(database, quantity("2"))
    await harness.enter("dollars")
    await harness.enter("euros")
    harness.tick("110", DOLLARS)
    harness.tick("90", EUROS)
    harness.tick("1.20", RATE)

    worth = await harness.account.value()

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
    harness = await opened(database, quantity("1"))
    await harness.enter("euros")
    harness.tick("90", EUROS)
    held = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(held, CloseReason.MANUAL)

    worth = await harness.account.value()

    assert worth.bots[BotName("euros")].equity == Decimal("1012.415")
    assert worth.account.equity == 10_000 + (1_000 + Decimal("9.932")) * Decimal("1.25")


async def test_a_share_of_the_equity_is_paid_in_the_symbols_money(database: Database) -> None:
    """10 % of 1000 dollars are 80 euros: 1 BTC, not 1.25."""
    harness = await opened(database, percent("10"))
    await harness.enter("euros")

    assert (await harness.position())["quantity"] == 1


async def test_only_the_symbols_own_money_pays(database: Database) -> None:
    """10,000 dollars buy nothing that costs euros: 40 of them are there, at 80 with costs."""
    harness = await opened(database, percent("10"))
    harness.venue.balances["EUR"] = Decimal(40)
    await harness.enter("euros")

    assert (await harness.position())["quantity"] == Decimal("0.499")


async def test_the_exposure_is_of_both_currencies(database: Database) -> None:
    """11,250 dollars of equity; a limit of 225: 100 dollars and 100 of 80 euros fit, no more."""
    harness = await opened(database, quantity("1"))
    harness.entries.limits = replace(LIMITS, max_exposure=Decimal("0.02"))
    await harness.enter("dollars")
    worth = await harness.account.value()
    standing = await harness.account.standing(worth, harness.clock.now())
    assert (worth.account.equity, standing.state.exposure) == (Decimal("11249.96"), Decimal(100))
    await harness.enter("euros")
    assert (await harness.account.value()).account.exposure == 200
    with pytest.raises(OrderDeniedError, match="max_exposure"):
        await harness.enter("third")


async def test_an_entry_in_euros_counts_in_dollars(database: Database) -> None:
    """160 euros are 200 dollars: more than the 185 that are allowed."""
    harness = await opened(database, quantity("2"))
    harness.entries.limits = replace(LIMITS, max_exposure=Decimal("0.0165"))

    with pytest.raises(OrderDeniedError, match="max_exposure"):
        await harness.enter("euros")


async def test_a_resting_euro_entry_holds_euros_and_counts_in_dollars(database: Database) -> None:
    harness = await opened(database, quantity("2"))
    rule = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.05"))
    harness.specs[BotName("euros")] = spec("euros", EUROS, sizing=quantity("2"), entry=rule)
    await harness.enter("euros")

    standing = await harness.account.standing(await harness.account.value(), harness.clock.now())

    assert standing.state.exposure == 2 * 76 * Decimal("1.25")
    assert standing.free[SCRIPTED, "EUR"] == 1_000 - 2 * 76 * (1 + DEFAULT_COST_BUFFER)
    assert standing.free[SCRIPTED, "USDT"] == 10_000


async def test_bought_euros_are_a_position_and_no_cash_twice(database: Database) -> None:
    """EURUSDT is traded itself: what a bot has bought of it is its own, not the account's cash."""
    harness = await open_harness(
        database, spec("fx", RATE, sizing=quantity("100")), watched=[EUROS]
    )
    harness.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    harness.tick("1.25", RATE)
    await harness.enter("fx")

    worth = await harness.account.value()

    assert harness.venue.balances["EUR"] == 1_100
    assert worth.cash[SCRIPTED, "EUR"] == 1_000
    assert worth.account.equity == 10_000 + 1_250 - Decimal("0.05")


async def test_money_that_is_also_traded_is_no_difference(database: Database) -> None:
    """M5.5: EURUSDT is watched for its rate; what was paid in euros is no position of somebody."""
    harness = await opened(database, quantity("2"))
    await harness.reconciler.run()
    await harness.enter("euros")

    result = await harness.reconciler.run()

    assert (result.differences, result.failed) == ([], {})
    assert await harness.open_alerts() == []


@pytest.mark.parametrize(
    ("symbol", "conversion", "asset"),
    [
        pytest.param(EUROS, RATE, "EUR", id="what a symbol is paid in"),
        pytest.param("BTCJPY", "USDTJPY", "USDT", id="the account's currency itself"),
        pytest.param(DOLLARS, "BNBUSDT", "BNB", id="what pays fees"),
    ],
)
async def test_what_no_bot_trades_is_money_and_no_position(
    database: Database, symbol: str, conversion: str, asset: str
) -> None:
    """M5.5, M4.8: what is paid in and not told is nobody's trade, and nobody could adopt it."""
    harness = await open_harness(database, spec("one", symbol), watched=[conversion])
    harness.venue.balances = {asset: Decimal(1_000)}
    await harness.reconciler.run()
    harness.venue.balances[asset] += 500

    result = await harness.reconciler.run()

    assert (result.differences, result.external, result.failed) == ([], [], {})
    assert await harness.open_alerts() == []


async def test_what_a_bot_trades_is_compared_although_it_converts(database: Database) -> None:
    """M5.5: EURUSDT is a bot's; euros that nobody has bought for it are a difference."""
    harness = await open_harness(database, spec("fx", RATE), watched=[EUROS])
    harness.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    await harness.reconciler.run()
    harness.venue.balances["EUR"] += 500

    result = await harness.reconciler.run()

    assert [str(each) for each in result.differences] == ["we hold 0 EUR, scripted says 500"]


async def test_what_is_held_or_in_doubt_is_compared_although_its_bot_has_left(
    database: Database,
) -> None:
    """M5.5, M5.2: a reload takes the bot, and not what it has bought or may have bought."""
    harness = await open_harness(
        database, spec("fx", RATE, sizing=quantity("100")), watched=[EUROS]
    )
    harness.venue.balances = {"USDT": Decimal(10_000), "EUR": Decimal(1_000)}
    harness.tick("1.25", RATE)
    await harness.reconciler.run()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("fx")
    order = ClientOrderId((await harness.orders())[-1]["client_order_id"])
    harness.venue.hidden.add(order)
    harness.venue.fills_are_late = True
    del harness.specs[BotName("fx")]
    (doubtful,) = (await harness.reconciler.run()).differences
    assert str(doubtful) == "we hold 0 EUR, scripted says 100"

    harness.venue.hidden.clear()
    assert (await harness.reconciler.run()).differences == []
    harness.venue.balances["EUR"] -= 100

    (lacking,) = (await harness.reconciler.run()).differences
    assert str(lacking) == "we hold 100 EUR, scripted says 0"


async def test_a_margin_is_not_free(database: Database) -> None:
    """M4.6: 2 for 100 at leverage 4 hold 50."""
    harness = await open_harness(
        database,
        spec("one", sizing=quantity("2"), position_type=PositionType.FUTURES, leverage=4),
    )
    await harness.enter("one")

    worth = await harness.account.value()
    standing = await harness.account.standing(worth, harness.clock.now())

    assert standing.free[SCRIPTED, "USDT"] == worth.cash[SCRIPTED, "USDT"] - 50


async def test_without_a_rate_there_is_no_entry_and_no_sum(database: Database) -> None:
    """M2.2: a wrong number is worse than none."""
    harness = await opened(database, quantity("1"), rate=None)

    with pytest.raises(FeedError, match="EURUSDT has no price yet"):
        await harness.enter("dollars")
    assert harness.venue.submitted == []


async def sold(harness: TradingHarness, at: str) -> LeasedState:
    """What is held, at so many euros; the state as the bot's next cycle reads it."""
    harness.tick(at, EUROS)
    held = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(held, CloseReason.MANUAL)
    async with harness.database.connection() as connection:
        state = await bots.take_lease(connection, BotName("euros"), harness.token)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("rate", "capital", "sold_at", "reached"),
    [
        pytest.param("0.0067", 1000, "60", None, id="a yen: 0.13 dollars of 10 are lost"),
        pytest.param("0.0067", 1000, "140", None, id="a yen: 0.40 dollars of 50 are won"),
        pytest.param("1.25", 1000, "71.9", "max_daily_loss reached", id="a euro: 10.20 of 10"),
        pytest.param("1.25", 1000, "72.1", None, id="a euro: 9.95 of 10"),
        pytest.param("50000", 10**7, "77.9", "max_daily_loss reached", id="a bitcoin: 108,000"),
        pytest.param("50000", 10**7, "78.1", None, id="a bitcoin: 98,000 of 100,000"),
        pytest.param("50000", 10**7, "90.1", "daily target reached", id="a bitcoin: 501,000 won"),
    ],
)
async def test_daily_limits_compare_the_accounts_currency(
    database: Database, rate: str, capital: int, sold_at: str, reached: str | None
) -> None:
    """M4.8: 1 % and 5 % of a capital in dollars, whatever the symbol's money is worth."""
    limits = DailyLimits(max_daily_loss=Decimal("0.01"), daily_target=Decimal("0.05"))
    harness = await opened(database, quantity("1"), rate)
    bot = replace(harness.specs[BotName("euros")], limits=limits, initial_capital=Decimal(capital))
    harness.specs[bot.name] = bot
    await harness.enter("euros")
    state = await sold(harness, sold_at)

    euros = (Decimal(sold_at) - 80) - (Decimal(sold_at) + 80) * harness.venue.fee
    assert state.daily_pnl == euros * Decimal(rate)
    assert reached_limit(bot, state, NOON.date()) == reached
    noted = await harness.rows(
        "SELECT detail FROM order_events WHERE detail ? 'counted' ORDER BY id"
    )
    assert [each["detail"]["counted"]["rate"] for each in noted] == [rate, rate]


async def test_what_nobody_can_convert_stops_a_limited_bot_until_somebody_can(
    database: Database,
) -> None:
    """M4.8, M2.2: the loss is kept as it is; no rate makes it nothing, and a later one counts."""
    limited = DailyLimits(max_daily_loss=Decimal("0.01"))
    harness = await opened(database, quantity("1"))
    harness.specs[BotName("euros")] = replace(harness.specs[BotName("euros")], limits=limited)
    await harness.enter("euros")
    harness.prices._last.pop(RATE)
    harness.tick("70", EUROS)
    await harness.protection.sweep(harness.clock.now())
    await harness.candles(70, 70, 70, symbol=EUROS)

    assert (await harness.run("euros")).status == "paused (daily P&L unknown: no rate of EUR)"
    state = await harness.state("euros")
    assert state["daily_pnl"] == -Decimal("0.032") * Decimal("1.25")
    assert state["daily_unconverted"] == {"EUR": "-10.0280"}

    harness.tick("0.9", RATE)
    assert not (await harness.run("euros")).status.startswith("paused")
    harness.tick("1.25", RATE)
    assert (await harness.run("euros")).status == "paused (max_daily_loss reached)"


async def test_an_unlimited_bot_does_not_wait_for_a_rate(database: Database) -> None:
    """M4.8: only what compares is stopped."""
    harness = await opened(database, quantity("1"))
    await harness.enter("euros")
    harness.prices._last.pop(RATE)
    state = await sold(harness, "70")
    assert reached_limit(spec("euros", EUROS), state, NOON.date()) is None


async def test_the_day_after_starts_without_what_was_not_converted(database: Database) -> None:
    """M4.8: by a fill of the new day, or by the daily reset."""
    harness = await opened(database, quantity("1"))
    await harness.enter("euros")
    harness.prices._last.pop(RATE)
    await sold(harness, "70")
    tomorrow = (NOON + timedelta(days=1)).date()
    async with database.connection() as connection:
        await bots.count_day(
            connection,
            BotName("euros"),
            tomorrow,
            pnl=Decimal(1),
            trades=1,
            in_position=None,
            unconverted=("JPY", Decimal(-3)),
        )
        await bots.count_day(
            connection,
            BotName("euros"),
            tomorrow,
            pnl=Decimal(0),
            trades=0,
            in_position=None,
            unconverted=("JPY", Decimal(-4)),
        )
    state = await harness.state("euros")
    assert (state["daily_pnl"], state["daily_unconverted"]) == (1, {"JPY": "-7"})
    async with database.connection() as connection:
        done = await bots.reset_day(connection, BotName("euros"), tomorrow + timedelta(days=1))
    assert done is not None
    assert (await harness.state("euros"))["daily_unconverted"] == {}
