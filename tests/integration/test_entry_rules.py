"""How much a bot enters with, measured by its stop or its range, and the rules that deny it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, LIMITS, MINUTE, NOON, TradingHarness, open_harness, spec
from tradebotd.domain.bot import DailyLimits, SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import PositionType, margin_brackets
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres.database import Database

BUY, SELL = SignalKind.BUY, SignalKind.SELL
FUTURES: dict[str, Any] = {"position_type": PositionType.FUTURES, "allow_short": True}
WAVES = (100.0, 102.0, 100.0, 102.0, 100.0)  # each close is 2 from the former: a range of 2


def sized(kind: SizingKind, value: str, **more: Any) -> SizingRule:
    return SizingRule(kind=kind, value=Decimal(value), **more)


async def said(
    harness: TradingHarness,
    *words: SignalKind,
    closes: Sequence[float] = (100.0, 100.0),
    bot: str = BOT,
) -> str:
    """The status after one cycle that hears the first of *words*."""
    await harness.candles(*closes, symbol=harness.specs[BotName(bot)].symbol)
    harness.says(*words, bot=bot)
    await harness.run(bot)
    status: str = (await harness.state(bot))["status"]
    return status


async def test_risk_percent_loses_its_share_at_the_stop(database: Database) -> None:
    """M4.6: 1 % of 1000 over a stop 5 away: 2 units."""
    harness = await open_harness(database, spec(sizing=sized(SizingKind.RISK_PERCENT, "1")))

    assert await said(harness, BUY) == "running"

    position = await harness.position()
    assert (position["quantity"], position["stop_loss"]) == (Decimal(2), Decimal(95))
    assert position["quantity"] * (100 - position["stop_loss"]) == 10


async def test_atr_sizes_by_the_range_and_stops_by_its_own(database: Database) -> None:
    """M4.6, M4.7: 1 % of 1000 over 3 ranges of 2; the stop 1.5 ranges below, stored as prices."""
    harness = await open_harness(
        database,
        spec(
            sizing=sized(SizingKind.ATR, "1", multiple=Decimal(3), period=3),
            exits=ExitPlan(stop_loss_atr=Decimal("1.5"), take_profit_atr=Decimal(4), atr_period=4),
        ),
    )

    assert await said(harness, BUY, closes=WAVES) == "running"

    position = await harness.position()
    assert position["quantity"] == Decimal("1.666")
    assert (position["stop_loss"], position["take_profit"]) == (97, 108)
    assert await harness.row("SELECT (exits->>'atr')::numeric AS atr FROM orders") == {"atr": 2}


async def test_a_range_without_enough_candles_is_warming_up(database: Database) -> None:
    """M4.2: no decision is made of the candle, so that nothing is missed."""
    exits = ExitPlan(stop_loss_atr=Decimal(2), atr_period=5)
    harness = await open_harness(database, spec(exits=exits))

    assert await said(harness, BUY, closes=WAVES) == "waiting (warming up)"
    assert await harness.rows("SELECT * FROM decision_runs") == []
    await harness.minute(102.0)
    await harness.run()

    assert (await harness.position())["stop_loss"] == 98


async def test_a_market_that_does_not_move_has_no_range(database: Database) -> None:
    """M4.6: a stop of no distance is no stop."""
    harness = await open_harness(
        database, spec(exits=ExitPlan(stop_loss_atr=Decimal(2), atr_period=2))
    )

    assert await said(harness, BUY, closes=(100.0, 100.0, 100.0)) == "waiting (no_range)"


async def test_a_share_shrinks_to_the_exposure_that_is_left(database: Database) -> None:
    """M4.6, M4.8: capped, told in the account's currency; a fixed amount would be denied."""
    limits = replace(LIMITS, max_exposure=Decimal("0.25"))
    harness = await open_harness(
        database,
        spec("one"),
        spec("two", sizing=sized(SizingKind.PERCENT_EQUITY, "90")),
        spec("three", sizing=sized(SizingKind.PERCENT_EQUITY, "1")),
        limits=limits,
    )
    harness.venue.balances["USDT"] = Decimal(1000)
    await harness.enter("one")
    await harness.enter("two")

    quantities = [row["quantity"] for row in await harness.orders()]
    assert quantities[0] == 1
    assert sum(quantities) * 100 <= Decimal("249.9")
    assert quantities[1] == Decimal("1.499")
    assert await said(harness, BUY, bot="three") == "waiting (max_exposure)"


async def test_a_stop_beyond_the_liquidation_is_denied(database: Database) -> None:
    """M4.7, issue 3: known only at the entry where the stop follows the range."""
    wide = ExitPlan(stop_loss_atr=Decimal(5), atr_period=2)
    harness = await open_harness(database, spec(exits=wide, leverage=10, **FUTURES))

    assert await said(harness, BUY, closes=WAVES) == "waiting (stop_beyond_liquidation)"
    assert harness.venue.submitted == []
    denied = await harness.row("SELECT * FROM decision_runs")
    assert (denied["reason"], denied["intent"]) == ("denied (stop_beyond_liquidation)", "none")
    assert denied["execution_meta"]["rule"] == "stop_beyond_liquidation"
    assert "90.46" in denied["execution_meta"]["detail"]


async def test_a_shorts_stop_beyond_the_liquidation_is_denied_too(database: Database) -> None:
    wide = ExitPlan(stop_loss_atr=Decimal(5), atr_period=2)
    harness = await open_harness(database, spec(exits=wide, leverage=10, **FUTURES))

    assert await said(harness, SELL, closes=WAVES) == "waiting (stop_beyond_liquidation)"


@pytest.mark.parametrize("word", [BUY, SELL])
async def test_a_trailing_stop_beyond_the_liquidation_is_denied_where_it_is_the_only_one(
    database: Database, word: SignalKind
) -> None:
    """M4.7: 15 % away at x10 would never be reached; a stop-loss before the liquidation would."""
    trailing = ExitPlan(trailing_stop=Decimal("0.15"))
    harness = await open_harness(database, spec(exits=trailing, leverage=10, **FUTURES))

    assert await said(harness, word) == "waiting (stop_beyond_liquidation)"
    assert harness.venue.submitted == []

    tighter = replace(trailing, stop_loss=Decimal("0.05"))
    harness.specs[BOT] = spec(exits=tighter, leverage=10, **FUTURES)
    await harness.minute()
    harness.says(word)
    assert (await harness.run()).status == "running"


async def test_the_brackets_of_a_symbol_bring_the_liquidation_nearer(database: Database) -> None:
    """M4.8: from 1,000 on 5 % are asked for: 100 lots of 100 at x10 may fall to 94.27, not 90.46.

    (100 * 100 * 0.9 - 45) / (100 * 0.95) is 94.263.
    """
    harness = await open_harness(
        database,
        spec(
            sizing=sized(SizingKind.FIXED_QUANTITY, "100"),
            exits=ExitPlan(stop_loss=Decimal("0.06")),
            leverage=10,
            initial_capital=Decimal(100_000),
            **FUTURES,
        ),
    )
    symbol = harness.symbols["BTCUSDT"]
    rates = [(Decimal(0), Decimal("0.005")), (Decimal(1000), Decimal("0.05"))]
    changed = replace(symbol.instrument, further_brackets=margin_brackets(rates)[1:])
    harness.symbols["BTCUSDT"] = replace(symbol, instrument=changed)

    assert await said(harness, BUY) == "waiting (stop_beyond_liquidation)"
    denied = await harness.row("SELECT * FROM decision_runs")
    assert "94.27" in denied["execution_meta"]["detail"]


async def test_a_stop_that_the_tick_cannot_tell_from_the_entry_is_denied(
    database: Database,
) -> None:
    """Issue 3, bad input: 0.009 % of 100 is less than a tick of 0.01; 0.01 % is one."""
    near = ExitPlan(stop_loss=Decimal("0.00009"))
    harness = await open_harness(database, spec("one", exits=near))
    assert await said(harness, BUY) == "waiting (stop_within_tick)"
    assert harness.venue.submitted == []

    harness.specs[BOT] = replace(
        harness.specs[BOT], exits=replace(near, stop_loss=Decimal("0.0001"))
    )
    await harness.minute()
    assert await said(harness, BUY) == "running"
    assert (await harness.position())["stop_loss"] == Decimal("99.99")


async def test_an_exit_at_no_price_is_denied(database: Database) -> None:
    """M4.7: a range wider than the price would put the stop below zero."""
    wide = ExitPlan(stop_loss_atr=Decimal(60), atr_period=2)
    harness = await open_harness(database, spec(exits=wide))

    assert await said(harness, BUY, closes=WAVES) == "waiting (exit_below_zero)"


@pytest.mark.parametrize(("price", "expected"), [("105", "running"), ("105.01", "price_collar")])
async def test_a_price_far_from_the_last_close_is_denied(
    database: Database, price: str, expected: str
) -> None:
    """M4.4a: what was decided on 100 is not bought above 105."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    harness.tick(price)
    harness.says(BUY)
    await harness.run()

    status = (await harness.state())["status"]
    assert status == ("running" if expected == "running" else f"waiting ({expected})")


@pytest.mark.parametrize("reason", [CloseReason.STOP_LOSS, CloseReason.TRAILING_STOP])
async def test_a_bot_cools_down_after_a_stop_also_across_a_restart(
    database: Database, reason: CloseReason
) -> None:
    """M4.4a: market time since the position closed; a signal meanwhile is denied and recorded."""
    exits = (
        ExitPlan(stop_loss=Decimal("0.05"))
        if reason is CloseReason.STOP_LOSS
        else ExitPlan(trailing_stop=Decimal("0.05"))
    )
    bot = spec(cooldown=timedelta(minutes=5), exits=exits)
    harness = await open_harness(database, bot)
    assert await said(harness, BUY) == "running"
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == reason

    after = await open_harness(database, bot, restarted=True)
    after.clock.advance(4 * MINUTE)
    assert await said(after, BUY) == "waiting (cooldown)"
    after.clock.advance(MINUTE)

    assert await said(after, BUY) == "running"


async def test_no_cooldown_follows_a_target_or_another_bots_stop(database: Database) -> None:
    """M4.4a."""
    cool = spec(cooldown=timedelta(minutes=5))
    harness = await open_harness(database, cool, spec("two"))
    await harness.enter("two", minute=-9)
    await harness.stream("94")
    harness.clock.advance(timedelta(seconds=1))
    harness.tick("100")
    await harness.enter(BOT, minute=-9)
    await harness.stream("111")
    assert {row["close_reason"] for row in await harness.rows("SELECT * FROM positions")} == {
        "stop_loss",
        "take_profit",
    }

    assert await said(harness, BUY, closes=(111.0, 111.0)) == "running"


async def test_a_bot_that_runs_away_is_stopped_for_itself_alone(database: Database) -> None:
    """M4.4a: two entries a minute; a third is denied, another bot's is not."""
    harness = await open_harness(
        database, spec("one", limits=DailyLimits(max_orders_per_minute=2)), spec("two")
    )
    for minute in range(2):
        await harness.enter("one", minute=minute - 9)
        held = next(iter(harness.protection.held.values()))
        await harness.protection.close_now(held, CloseReason.MANUAL)

    assert await said(harness, BUY, bot="one") == "waiting (bot_max_orders_per_minute)"
    assert await said(harness, BUY, bot="two") == "running"
    harness.clock.advance(MINUTE + timedelta(seconds=1))
    assert await said(harness, BUY, bot="one") == "running"


async def test_exits_do_not_count_against_the_accounts_entries(database: Database) -> None:
    """M4.4a: the guard is against entries that run away; exits are what ends them."""
    harness = await open_harness(
        database, spec("one"), spec("two"), limits=replace(LIMITS, max_orders_per_minute=2)
    )
    await harness.enter("one")
    held = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(held, CloseReason.MANUAL)

    await harness.enter("two")

    assert [row["role"] for row in await harness.orders()] == ["entry", "exit", "entry"]


async def test_a_bot_whose_symbol_changed_gets_out_before_it_gets_in(database: Database) -> None:
    """M4.2: the old position keeps its exits and no signal of the new symbol touches it."""
    before = await open_harness(database, spec(symbol="BTCUSDT"))
    await before.enter()
    harness = await open_harness(
        database, spec(symbol="ETHUSDT"), watched=["BTCUSDT"], restarted=True
    )
    harness.venue.balances, harness.venue.fills = before.venue.balances, before.venue.fills
    assert await said(harness, SELL) == "waiting (position of BTCUSDT open)"
    assert (await harness.position())["closed_at"] is None
    await harness.minute(symbol="ETHUSDT")
    assert await said(harness, BUY) == "waiting (position of BTCUSDT open)"
    with pytest.raises(OrderDeniedError, match="position_open"):
        await harness.enter(minute=-9)
    assert len(await harness.orders()) == 1

    harness.tick("90", "BTCUSDT")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["close_reason"] == "stop_loss"
    await harness.minute(symbol="ETHUSDT")

    assert await said(harness, BUY) == "running"
    symbols = [row["symbol"] for row in await harness.rows("SELECT * FROM positions ORDER BY id")]
    assert symbols == ["BTCUSDT", "ETHUSDT"]
    assert (await harness.orders())[-1]["created_at"] > NOON
