"""A bot's minute: what it looks at, what it does, and the reason for doing nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fakes.trading import (
    BOT,
    MINUTE,
    NOON,
    SYMBOL,
    ScriptedStrategy,
    TradingHarness,
    open_harness,
    spec,
)
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import DailyLimits, SizingKind, SizingRule
from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import BotName, ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.job import Summary
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.daily_reset import DailyReset
from tradebotd.jobs.run_bots import RunBots
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.storage.postgres.database import Database

BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE


class Closed(AlwaysOpen):
    code = "SHUT"

    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002
        return False


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0, 100.0)
    return harness


async def status(harness: TradingHarness, bot: str = BOT) -> str:
    await harness.run(bot)
    found: str = (await harness.state(bot))["status"]
    return found


async def run_bots(harness: TradingHarness, *, sequential: bool = True, **params: str) -> Summary:
    job = RunBots(
        cycle=harness.cycle,
        entry_orders=harness.entry_orders,
        specs=harness.specs,
        database=harness.database,
        sequential=sequential,
    )
    return await job.run(harness.context(**params))


async def test_a_signal_becomes_a_position_and_a_record_of_why(harness: TradingHarness) -> None:
    """M4.2: inputs, indicators, signal, path and the order are one row."""
    strategy = harness.says(BUY)

    result = await harness.run()

    assert (result.acted, result.status) == (True, "running")
    position, (order,) = await harness.position(), await harness.orders()
    decision = await harness.row("SELECT * FROM decision_runs")
    assert (position["quantity"], position["bot"]) == (1, BOT)
    assert (decision["order_id"], decision["intent"], decision["signal"]) == (
        order["id"],
        "entry",
        "buy",
    )
    assert (decision["candle_ts"], decision["path"]) == (NOON - MINUTE, "primary")
    assert decision["indicators"] == {"close": 100.0}
    assert order["reason"] == decision["reason"] == "told to buy"
    state = await harness.state()
    assert (state["status"], state["in_position"], state["lease_token"]) == ("running", True, None)
    assert (state["daily_trades_count"], state["last_run_at"]) == (1, NOON)
    assert [len(each) for each in strategy.asked] == [strategy.lookback]


async def test_a_signal_against_the_position_closes_it(harness: TradingHarness) -> None:
    """M4.4a: close reason `signal`; the decision names its order."""
    harness.says(BUY, SELL)
    await harness.run()
    await harness.minute()
    await harness.run()

    assert (await harness.position())["close_reason"] == "signal"
    decisions = await harness.rows("SELECT * FROM decision_runs ORDER BY candle_ts")
    orders = await harness.orders()
    assert [each["intent"] for each in decisions] == ["entry", "exit"]
    assert [each["order_id"] for each in decisions] == [each["id"] for each in orders]
    assert not (await harness.state())["in_position"]


async def test_one_candle_is_decided_once_also_after_a_restart(harness: TradingHarness) -> None:
    """M4.2: a cycle that is run again on a candle does nothing new."""
    strategy = harness.says(BUY, SELL, SELL)
    await harness.run()
    await harness.run()
    assert len(strategy.asked) == 1

    after = await open_harness(harness.database, restarted=True)
    again = after.says(SELL)
    await after.candles(100.0)
    await after.run()

    assert again.asked == []
    assert len(await harness.orders()) == 1
    assert await status(after) == "running"


async def test_a_sell_without_a_position_does_nothing_on_spot(harness: TradingHarness) -> None:
    """M4.4a."""
    harness.says(SELL)
    assert await status(harness) == "waiting (no signal)"
    assert (await harness.row("SELECT intent, signal FROM decision_runs")) == {
        "intent": "none",
        "signal": "sell",
    }
    assert harness.venue.submitted == []


async def test_a_short_is_opened_where_it_is_allowed(database: Database) -> None:
    """M4.4a."""
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.candles(100.0, 100.0)
    harness.says(SELL)
    await harness.run()
    assert (await harness.position())["side"] == "short"


async def test_each_reason_for_doing_nothing_is_the_bots_status(harness: TradingHarness) -> None:
    """M4.2, 3.8: M3.6: never a signal from too few or too old candles."""
    harness.says(NONE)
    assert await status(harness) == "waiting (no signal)"

    strategy = harness.says(BUY)
    strategy.lookback = 99
    assert await status(harness) == "waiting (warming up)"
    strategy.lookback = 2
    harness.clock.advance(10 * MINUTE)
    assert await status(harness) == "waiting (no fresh candle)"
    harness.specs[BOT] = spec(active=False)
    assert await status(harness) == "stopped"
    assert strategy.asked == []
    assert harness.venue.submitted == []


async def test_a_closed_market_gives_no_signal(database: Database) -> None:
    """M3.9, 3.8."""
    harness = await open_harness(database, calendar=Closed())
    await harness.candles(100.0, 100.0)
    strategy = harness.says(BUY)

    assert await status(harness) == "waiting (market closed)"
    assert strategy.asked == []


async def test_a_size_below_the_filters_is_said(database: Database) -> None:
    """M4.2, M4.6."""
    tiny = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal("0.0001"))
    harness = await open_harness(database, spec(sizing=tiny))
    await harness.candles(100.0, 100.0)
    harness.says(BUY)

    assert await status(harness) == "waiting (quantity below filters)"
    decision = await harness.row("SELECT * FROM decision_runs")
    assert (decision["intent"], decision["signal"], decision["order_id"]) == ("none", "buy", None)
    assert decision["execution_meta"]["rule"] == "quantity below filters"


@pytest.mark.parametrize("word", [ValueError("boom"), "buy", None])
async def test_a_strategy_that_breaks_stops_its_own_bot_only(
    database: Database, word: object
) -> None:
    """M2.6, M4.2: raised, or returned nonsense; the run is partial, the other bot trades."""
    harness = await open_harness(database, spec("one"), spec("two"))
    await harness.candles(100.0, 100.0)
    harness.says(word, bot="one")
    harness.says(BUY, bot="two")

    summary = await run_bots(harness)

    assert (summary.attempted, summary.failed, summary.acted) == (2, 1, 1)
    assert set(summary.items) == {"one", "two"}
    state = await harness.state("one")
    assert state["status"] == "error (strategy)"
    assert state["last_error_message"]
    assert (await harness.state("two"))["status"] == "running"
    job = RunBots(
        cycle=harness.cycle,
        entry_orders=harness.entry_orders,
        specs=harness.specs,
        database=database,
        sequential=True,
    )
    assert not (await job.outcome()).ok


async def test_a_venue_that_does_not_answer_is_an_error_of_the_bot(harness: TradingHarness) -> None:
    """M4.2, M5.2."""
    harness.says(BUY)
    harness.venue.script.append(Behaviour.UNREACHABLE)
    summary = await run_bots(harness)

    assert summary.failed == 1
    assert (await harness.state())["status"] == "error (order)"


async def test_a_bot_without_a_price_says_so(database: Database) -> None:
    """M4.2: candles are no price to size by."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)
    harness.prices._last.clear()
    harness.says(BUY)

    assert await status(harness) == "waiting (no fresh price)"
    assert harness.venue.submitted == []


async def test_two_cycles_of_one_bot_are_one(harness: TradingHarness) -> None:
    """M4.3: a second one is skipped, also of another process under the same token."""
    harness.says(BUY, BUY)
    results = []

    async def meanwhile(_: ClientOrderId) -> None:
        results.append(await harness.run())

    harness.venue.before_submit = meanwhile
    await harness.run()

    assert [each.skipped for each in results] == [True]
    assert len(harness.venue.submitted) == 1


@pytest.mark.parametrize(
    ("held", "skipped"), [("older", False), ("same", False), ("newer", True), (None, False)]
)
async def test_a_lease_of_an_older_token_is_void(
    harness: TradingHarness,
    held: str | None,
    skipped: bool,  # noqa: FBT001
) -> None:
    """M4.3: none needs a timeout; one of our own is left over from a cycle that could not end."""
    offsets = {"older": -1, "same": 0, "newer": 1}
    token = None if held is None else harness.token + offsets[held]
    await harness.execute("UPDATE bot_states SET lease_token = $1", token)

    result = await harness.run()

    assert result.skipped is skipped
    assert (await harness.state())["lease_token"] == (token if skipped else None)


async def test_a_daily_limit_pauses_until_the_bots_next_day(database: Database) -> None:
    """M4.8, M4.9: by the reset, and without one that was missed."""
    limits = DailyLimits(max_daily_trades=1)
    harness = await open_harness(database, spec(limits=limits))
    await harness.candles(100.0, 100.0)
    harness.says(BUY, SELL, BUY, BUY)
    with capture_logs() as said:
        for _ in range(4):
            await harness.run()
            await harness.minute()
        state = await harness.state()
        paused = ("paused (max_daily_trades reached)", "limit")
        assert (state["status"], state["paused_by"]) == paused

        harness.clock.advance(timedelta(hours=12))
        await harness.candles(100.0, 100.0)
        await harness.run()

    told = [each["event"] for each in said if each["event"] in {"bot paused", "bot resumed"}]
    assert told == ["bot paused", "bot resumed"]
    state = await harness.state()
    assert (state["status"], state["paused_by"]) == ("running", None)
    assert (state["daily_trades_count"], state["day"]) == (1, harness.clock.now().date())


async def test_a_loss_and_a_target_pause_too_but_keep_no_position_open(
    database: Database,
) -> None:
    """M4.8: entries stop; what is held is still closed by its signal."""
    limits = DailyLimits(max_daily_loss=Decimal("0.01"))
    harness = await open_harness(database, spec(limits=limits))
    await harness.candles(100.0, 100.0)
    harness.says(BUY, SELL)
    await harness.run()
    await harness.execute("UPDATE bot_states SET daily_pnl = -10")
    await harness.minute()
    await harness.run()

    assert (await harness.position())["close_reason"] == "signal"
    assert (await harness.state())["status"] == "paused (max_daily_loss reached)"


async def test_the_reset_reactivates_whom_a_limit_paused_and_nobody_else(
    database: Database,
) -> None:
    """M4.9: a user's pause outlives every midnight; counters are cleared for all."""
    limits = DailyLimits(max_daily_trades=3)
    harness = await open_harness(
        database, spec("limited", limits=limits), spec("user"), spec("free")
    )
    await harness.execute(
        "UPDATE bot_states SET day = $1, daily_pnl = -5, daily_trades_count = 3,"
        " paused_by = CASE bot WHEN 'limited' THEN 'limit' WHEN 'user' THEN 'user' END,"
        " status = CASE bot WHEN 'free' THEN 'running' ELSE 'paused (…)' END",
        NOON.date(),
    )
    job = DailyReset(database=database, specs=harness.specs, clock=harness.clock)
    assert (await job.run(harness.context())).updated == 0
    harness.clock.advance(timedelta(hours=12))
    assert not (await job.outcome()).ok

    with capture_logs() as said:
        summary = await job.run(harness.context())

    assert [(each["event"], each["bot"]) for each in said] == [("bot resumed", "limited")]
    assert (summary.updated, summary.skipped) == (3, 0)
    states = {name: await harness.state(name) for name in ("limited", "user", "free")}
    assert {name: each["paused_by"] for name, each in states.items()} == {
        "limited": None,
        "user": "user",
        "free": None,
    }
    assert [each["status"] for each in states.values()] == ["pending", "paused (…)", "running"]
    assert {(each["daily_pnl"], each["daily_trades_count"]) for each in states.values()} == {(0, 0)}
    assert (await job.outcome()).ok
    assert (await job.run(harness.context())).skipped == 3


@pytest.mark.parametrize(("trades", "paused"), [(1, None), (3, "limit")])
async def test_the_reset_lifts_a_pause_of_yesterday_though_a_fill_came_first(
    database: Database, trades: int, paused: str | None
) -> None:
    """M4.9: the fill began the new day; only what the day itself has reached pauses it."""
    harness = await open_harness(database, spec(limits=DailyLimits(max_daily_trades=3)))
    await harness.execute(
        "UPDATE bot_states SET day = $1, daily_trades_count = $2, daily_pnl = -5,"
        " paused_by = 'limit', status = 'paused (max_daily_trades reached)'",
        NOON.date(),
        trades,
    )
    job = DailyReset(database=database, specs=harness.specs, clock=harness.clock)
    assert (await job.outcome()).ok is (paused is not None)

    summary = await job.run(harness.context())

    assert (await harness.state())["paused_by"] == paused
    assert summary.updated == (0 if paused else 1)
    assert (await harness.state())["daily_trades_count"] == trades  # the day's own stay
    assert (await job.outcome()).ok


async def test_a_pause_by_the_user_holds_while_a_cycle_runs(harness: TradingHarness) -> None:
    """M4.9: what the cycle had read does not overrule what was said meanwhile."""
    hands = harness.commands
    harness.says(BUY, BUY)

    async def pause(_: ClientOrderId) -> None:
        await hands.pause_bot(BOT)

    harness.venue.before_submit = pause
    await harness.run()

    state = await harness.state()
    assert (state["paused_by"], state["status"]) == ("user", "paused (by user)")
    await harness.minute()
    await harness.run()
    assert (await harness.state())["status"] == "paused (by user)"
    assert len(await harness.orders()) == 1

    harness.venue.before_submit = None
    await hands.resume_bot(BOT)
    await harness.run()
    assert (await harness.state())["paused_by"] is None


async def test_no_entry_passes_a_closed_gate_but_every_exit_does(harness: TradingHarness) -> None:
    """M5.8, 3.8: halted, disk nearly full, draining, not reconciled."""
    harness.says(BUY, BUY, SELL)
    await harness.gate.halt("a test")
    assert await status(harness) == "waiting (halted)"
    await harness.gate.resume()
    await harness.minute()
    await harness.run()
    assert len(harness.venue.submitted) == 1

    harness.gate.set_disk_problem("100 MB free")
    await harness.gate.halt("another test")
    harness.gate.close("stopping", "the daemon is stopping")
    await harness.minute()
    await harness.run()

    assert (await harness.position())["close_reason"] == "signal"


async def test_a_bot_taken_out_of_the_config_keeps_its_exits(database: Database) -> None:
    """M4.2: `orphaned`; one that holds nothing is stopped; both come back with the config."""
    both = (spec("one"), spec("two"))
    before = await open_harness(database, *both)
    await before.enter("one")
    harness = await open_harness(database, spec("three"), restarted=True)
    harness.venue.fills = before.venue.fills

    assert (await harness.state("one"))["status"] == "orphaned"
    assert (await harness.state("two"))["status"] == "stopped"
    harness.venue.balances["BTC"] = Decimal(1)
    harness.tick("90")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["close_reason"] == "stop_loss"

    back = await open_harness(database, *both, restarted=True)
    assert {(await back.state(name))["status"] for name in ("one", "two")} == {"pending"}


async def test_bots_run_side_by_side_or_by_name(database: Database) -> None:
    """2.4, M2.6: by name where effects must repeat; one alone when asked."""
    names = ("c", "a", "b")
    harness = await open_harness(database, *(spec(name) for name in names))
    await harness.candles(100.0, 100.0)
    for name in names:
        harness.says(BUY, bot=name)
    await run_bots(harness)
    assert [row["bot"] for row in await harness.orders()] == ["a", "b", "c"]

    await harness.minute()
    for name in names:
        harness.says(SELL, bot=name)
    assert (await run_bots(harness, bot="b")).attempted == 1
    summary = await run_bots(harness, sequential=False)
    assert (summary.attempted, summary.acted) == (3, 2)
    assert harness.protection.held == {}


async def test_a_reload_is_seen_by_the_next_cycle(harness: TradingHarness) -> None:
    """3.1: specs and strategies are shared."""
    harness.specs[BOT] = replace(
        harness.specs[BOT], sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(2))
    )
    harness.says(BUY)
    await harness.run(BotName(BOT))
    assert (await harness.position())["quantity"] == 2
    assert SYMBOL in harness.symbols


async def test_a_cycle_that_began_before_a_reload_enters_by_nothing_that_is_over(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.1: its candles were being read while the size became another."""
    read, changed = (
        harness.reader.closed,
        spec(sizing=SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(2))),
    )

    async def closed(*args: Any) -> Any:
        harness.specs[BOT] = changed
        return await read(*args)

    monkeypatch.setattr(harness.reader, "closed", closed)
    harness.says(BUY, BUY)

    assert (await harness.run()).status == "waiting (configuration changed)"
    assert await harness.orders() == []

    await harness.run()
    assert (await harness.position())["quantity"] == 2


async def test_a_reload_while_candles_are_read_does_not_change_who_is_asked(
    harness: TradingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M3.6: a strategy gets exactly its lookback; another one is asked in the next cycle."""
    before, after = harness.says(BUY), ScriptedStrategy([SELL], lookback=40)
    real = harness.reader.closed

    async def reloaded(*asked: Any) -> Sequence[Candle]:
        harness.strategies[BotName(BOT)] = after
        return await real(*asked)

    monkeypatch.setattr(harness.reader, "closed", reloaded)

    await harness.run()

    assert (len(before.asked), after.asked) == (1, [])
    assert len(before.asked[0]) == before.lookback


async def test_a_bot_that_a_reload_has_just_taken_out_waits(harness: TradingHarness) -> None:
    harness.strategies.clear()

    assert await status(harness) == "waiting (configuration changed)"


async def test_a_status_that_nobody_wrote_stops_no_bot(harness: TradingHarness) -> None:
    """M4.2, M2.6: an edited row, or one of a later version."""
    await harness.execute("UPDATE bot_states SET status = 'halted by hand'")
    harness.says(BUY)

    assert await status(harness) == "running"
