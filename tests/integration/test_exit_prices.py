"""Prices that cannot be believed, gaps through a stop, exits that are refused, splits."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from tests.fakes.resting import sweep
from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.errors import OrderDeniedError, RefusedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import FeedName
from tradebotd.domain.position import CloseReason
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import ExchangeCalendar, Session
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import FRESH

STOP = ExitPlan(stop_loss=Decimal("0.05"))
USUAL = Decimal("0.1")


# Bad ticks


async def test_a_lone_tick_far_away_ends_nothing(database: Database) -> None:
    """M3.10: it waits for a second one; the next ordinary tick forgets it."""
    harness = await open_harness(database, spec(exits=STOP), bad_tick=USUAL)
    await harness.enter()
    for price in ("50", "100", "50", "99.5", "150", "100"):
        await harness.stream(price)

    assert (await harness.position())["closed_at"] is None
    assert len(harness.venue.submitted) == 1


async def test_a_second_tick_near_the_first_confirms_it(database: Database) -> None:
    """M3.10: a crash is a crash."""
    harness = await open_harness(database, spec(exits=STOP), bad_tick=USUAL)
    await harness.enter()
    await harness.stream("50")
    await harness.stream("52")

    assert (await harness.position())["exit_price"] == 52


async def test_a_doubted_price_is_asked_for_by_the_sweep(database: Database) -> None:
    """M3.10: a quote of the venue confirms it, or says what is so."""
    harness = await open_harness(database, spec(exits=STOP), bad_tick=USUAL)
    await harness.enter()
    await harness.stream("50")
    harness.venue.reads_fail = True
    result = await harness.protection.sweep(harness.clock.now())
    assert any("no fresh price" in each for each in result.failed.values())
    assert await harness.protection.missed_exits(harness.clock.now()) == []

    harness.venue.reads_fail = False
    await harness.protection.sweep(harness.clock.now())
    assert harness.venue.quote_calls[-1] == {SYMBOL}
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_tick_that_comes_late_is_not_acted_on(database: Database) -> None:
    """M3.10: it is said; the next one counts."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    harness.clock.advance(FRESH + 2 * MINUTE)
    late = Tick(harness.clock.now() - FRESH - MINUTE, SYMBOL, Decimal(90))
    with capture_logs() as said:
        acting = harness.protection.on_tick(late)
        assert acting is not None
        await acting
    assert "stale price ignored" in [each["event"] for each in said]
    assert (await harness.position())["closed_at"] is None

    await harness.stream("90")
    assert (await harness.position())["close_reason"] == "stop_loss"


# Gaps


async def test_a_gap_through_the_stop_ends_at_the_market_and_says_by_how_much(
    database: Database,
) -> None:
    """R14: level, price, percent: in the log and with the order."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    with capture_logs() as said:
        await harness.stream("90")

    (closed,) = [each for each in said if each["event"] == "position closed"]
    gap = {"level": "95.00", "price": "90", "percent": "5.26"}
    assert closed["gap"] == gap
    details = [row["detail"] for row in await harness.rows("SELECT detail FROM order_events")]
    assert {"gap": gap} in details


# Refused exits


async def test_a_refused_exit_is_tried_again_with_growing_pauses(database: Database) -> None:
    """M4.7: 1 s, 2 s, 4 s …, never one order a tick; said until it is over."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    harness.venue.script.extend([Behaviour.REJECT] * 4)
    tries: list[int] = []
    for second in range(16):
        for _ in range(5):
            await harness.stream("94")
        if len(harness.venue.submitted) - 1 > len(tries):
            tries.append(second)
        if second == 8:
            assert await harness.open_alerts() == ["exit_refused"]
        harness.clock.advance(timedelta(seconds=1))

    assert tries == [0, 1, 3, 7, 15]
    assert (await harness.position())["close_reason"] == "stop_loss"
    await sweep(harness)
    assert await harness.open_alerts() == []


async def test_a_refusal_is_over_when_the_price_has_turned(database: Database) -> None:
    """M5.8: nothing is tried any more that could succeed; the next refusal counts from one again."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)
    await harness.stream("94")
    await harness.protection.sweep(harness.clock.now())
    assert await harness.open_alerts() == ["exit_refused"]

    harness.clock.advance(timedelta(seconds=30))
    await harness.stream("99")
    await sweep(harness)
    assert await harness.open_alerts() == []
    assert (await harness.position())["closed_at"] is None

    harness.venue.script.append(Behaviour.REJECT)
    await harness.stream("94")
    harness.clock.advance(timedelta(seconds=1))
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_the_sweep_keeps_the_pauses_too(database: Database) -> None:
    """M4.7: each way in asks the same."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    harness.venue.script.extend([Behaviour.UNREACHABLE] * 9)
    harness.tick("94")
    for _ in range(5):
        await harness.protection.sweep(harness.clock.now())

    assert len(await harness.orders()) == 2


# Splits


def session(day: int) -> Session:
    opens = datetime(2022, 3, day, 9, tzinfo=UTC)
    return Session(date=date(2022, 3, day), open=opens, close=opens + timedelta(hours=8))


def hours() -> ExchangeCalendar:
    return ExchangeCalendar("XTST", [session(day) for day in (1, 2, 3)])


TOMORROW = datetime(2022, 3, 2, 9, 0, tzinfo=UTC)


async def over_night(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec(exits=STOP), calendar=hours())
    await harness.enter()
    await harness.stream("100")
    harness.clock.set(TOMORROW)
    return harness


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_a_split_never_fires_a_stop(database: Database, way: str) -> None:
    """M5.9: one for two over night: exits wait, and it is said; a restart knows."""
    harness = await over_night(database)
    if way == "tick":
        await harness.stream("50")
        await harness.stream("49.9")
    else:
        harness.tick("50")
    result = await harness.protection.sweep(harness.clock.now())

    assert (await harness.position())["closed_at"] is None
    assert await harness.open_alerts() == ["split_suspected"]
    assert list(result.waiting.values()) == ["split_suspected"]
    assert await harness.protection.missed_exits(harness.clock.now()) == []
    (held,) = harness.protection.held.values()
    with pytest.raises(OrderDeniedError):
        await harness.protection.close_now(held, CloseReason.SIGNAL)

    after = await open_harness(
        database, spec(exits=STOP), calendar=hours(), restarted=True, venue=harness.venue
    )
    after.clock.set(TOMORROW + MINUTE)
    await after.protection.load(after.clock.now())
    await after.stream("49")
    assert (await after.position())["closed_at"] is None

    await after.protection.symbol_pauses.resume(SYMBOL)
    await after.stream("49")
    assert (await after.position())["close_reason"] == "stop_loss"
    assert await after.open_alerts() == []


async def test_a_loss_over_night_is_no_split(database: Database) -> None:
    """M5.9: 8 % down fires the stop at the first price."""
    harness = await over_night(database)
    await harness.stream("92")

    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_split_while_the_daemon_was_down_is_seen_from_the_last_candle(
    database: Database,
) -> None:
    """M5.9: the close before the night is in the candles."""
    harness = await open_harness(database, spec(exits=STOP), calendar=hours())
    await harness.enter()
    rows = [Candle(NOON + 60 * MINUTE, 100, 100, 100, 100, 1)]
    await harness.writer.write(SYMBOL, Timeframe.M1, rows, FeedName("hand"))

    after = await open_harness(
        database, spec(exits=STOP), calendar=hours(), restarted=True, venue=harness.venue
    )
    after.clock.set(TOMORROW)
    await after.protection.load(TOMORROW)
    await after.stream("33.3")

    assert (await after.position())["closed_at"] is None
    assert SYMBOL in after.protection.symbol_pauses.paused


async def test_a_symbol_that_is_not_paused_cannot_be_resumed(database: Database) -> None:
    """Interface: `symbols resume`."""
    harness = await open_harness(database, calendar=hours())
    with pytest.raises(RefusedError):
        await harness.protection.symbol_pauses.resume(SYMBOL)


async def test_a_jump_of_a_market_without_sessions_is_no_split(database: Database) -> None:
    """M5.9: crypto is never split; its stops fire."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    harness.clock.advance(timedelta(days=1))
    await harness.stream("50")
    assert (await harness.position())["close_reason"] == "stop_loss"
