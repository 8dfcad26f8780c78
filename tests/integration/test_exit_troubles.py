"""Prices that cannot be believed, gaps through a stop, exits that are refused, splits."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from tests.fakes.resting import sweep
from tests.fakes.trading import MINUTE, NOON, SYMBOL, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.candle import Candle, PathPoint
from tradebotd.domain.errors import OrderDeniedError, RefusedError
from tradebotd.domain.exits import ExitPlan
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
    desk = await open_desk(database, spec(exits=STOP), bad_tick=USUAL)
    await desk.enter()
    for price in ("50", "100", "50", "99.5", "150", "100"):
        await desk.stream(price)

    assert (await desk.position())["closed_at"] is None
    assert len(desk.venue.submitted) == 1


async def test_a_second_tick_near_the_first_confirms_it(database: Database) -> None:
    """M3.10: a crash is a crash."""
    desk = await open_desk(database, spec(exits=STOP), bad_tick=USUAL)
    await desk.enter()
    await desk.stream("50")
    await desk.stream("52")

    assert (await desk.position())["exit_price"] == 52


async def test_a_doubted_price_is_asked_for_by_the_sweep(database: Database) -> None:
    """M3.10: a quote of the venue confirms it, or says what is so."""
    desk = await open_desk(database, spec(exits=STOP), bad_tick=USUAL)
    await desk.enter()
    await desk.stream("50")
    desk.venue.reads_fail = True
    result = await desk.protection.sweep(desk.clock.now())
    assert any("no fresh price" in each for each in result.failed.values())
    assert await desk.protection.beyond_their_stop(desk.clock.now()) == []

    desk.venue.reads_fail = False
    await desk.protection.sweep(desk.clock.now())
    assert desk.venue.quote_calls[-1] == {SYMBOL}
    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_a_tick_that_comes_late_is_not_acted_on(database: Database) -> None:
    """M3.10: it is said; the next one counts."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    late = PathPoint(desk.clock.now() - FRESH - MINUTE, SYMBOL, Decimal(90))
    with capture_logs() as said:
        acting = desk.protection.on_tick(late)
        assert acting is not None
        await acting
    assert "price too old to act on" in [each["event"] for each in said]
    assert (await desk.position())["closed_at"] is None

    await desk.stream("90")
    assert (await desk.position())["close_reason"] == "stop_loss"


# Gaps


async def test_a_gap_through_the_stop_ends_at_the_market_and_says_by_how_much(
    database: Database,
) -> None:
    """R14: level, price, percent: in the log and with the order."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    with capture_logs() as said:
        await desk.stream("90")

    (closed,) = [each for each in said if each["event"] == "position closed"]
    gap = {"level": "95.00", "price": "90", "percent": "5.26"}
    assert closed["gap"] == gap
    details = [row["detail"] for row in await desk.rows("SELECT detail FROM order_events")]
    assert {"gap": gap} in details


# Refused exits


async def test_a_refused_exit_is_tried_again_with_growing_pauses(database: Database) -> None:
    """M4.7: 1 s, 2 s, 4 s …, never one order a tick; said until it is over."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    desk.venue.script.extend([Behaviour.REJECT] * 4)
    tries: list[int] = []
    for second in range(16):
        for _ in range(5):
            await desk.stream("94")
        if len(desk.venue.submitted) - 1 > len(tries):
            tries.append(second)
        if second == 8:
            assert await desk.open_alerts() == ["exit_refused"]
        desk.clock.advance(timedelta(seconds=1))

    assert tries == [0, 1, 3, 7, 15]
    assert (await desk.position())["close_reason"] == "stop_loss"
    await sweep(desk)
    assert await desk.open_alerts() == []


async def test_a_refusal_is_over_when_the_price_has_turned(database: Database) -> None:
    """M5.8: nothing is tried any more that could succeed; the next refusal counts from one again."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    desk.venue.script.append(Behaviour.REJECT)
    await desk.stream("94")
    await desk.protection.sweep(desk.clock.now())
    assert await desk.open_alerts() == ["exit_refused"]

    desk.clock.advance(timedelta(seconds=30))
    await desk.stream("99")
    await sweep(desk)
    assert await desk.open_alerts() == []
    assert (await desk.position())["closed_at"] is None

    desk.venue.script.append(Behaviour.REJECT)
    await desk.stream("94")
    desk.clock.advance(timedelta(seconds=1))
    await desk.stream("94")
    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_the_sweep_keeps_the_pauses_too(database: Database) -> None:
    """M4.7: each way in asks the same."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    desk.venue.script.extend([Behaviour.UNREACHABLE] * 9)
    desk.tick("94")
    for _ in range(5):
        await desk.protection.sweep(desk.clock.now())

    assert len(await desk.orders()) == 2


# Splits


def session(day: int) -> Session:
    opens = datetime(2022, 3, day, 9, tzinfo=UTC)
    return Session(date=date(2022, 3, day), open=opens, close=opens + timedelta(hours=8))


def hours() -> ExchangeCalendar:
    return ExchangeCalendar("XTST", [session(day) for day in (1, 2, 3)])


TOMORROW = datetime(2022, 3, 2, 9, 0, tzinfo=UTC)


async def over_night(database: Database) -> Desk:
    desk = await open_desk(database, spec(exits=STOP), calendar=hours())
    await desk.enter()
    await desk.stream("100")
    desk.clock.set(TOMORROW)
    return desk


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_a_split_never_fires_a_stop(database: Database, way: str) -> None:
    """M5.9: one for two over night: exits wait, and it is said; a restart knows."""
    desk = await over_night(database)
    if way == "tick":
        await desk.stream("50")
        await desk.stream("49.9")
    else:
        desk.tick("50")
    result = await desk.protection.sweep(desk.clock.now())

    assert (await desk.position())["closed_at"] is None
    assert await desk.open_alerts() == ["split_suspected"]
    assert list(result.waiting.values()) == ["split_suspected"]
    assert await desk.protection.beyond_their_stop(desk.clock.now()) == []
    (held,) = desk.protection.held.values()
    with pytest.raises(OrderDeniedError):
        await desk.protection.close_by_hand(held, CloseReason.SIGNAL)

    after = await open_desk(
        database, spec(exits=STOP), calendar=hours(), restarted=True, venue=desk.venue
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
    desk = await over_night(database)
    await desk.stream("92")

    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_a_split_while_the_daemon_was_down_is_seen_from_the_last_candle(
    database: Database,
) -> None:
    """M5.9: the close before the night is in the candles."""
    desk = await open_desk(database, spec(exits=STOP), calendar=hours())
    await desk.enter()
    rows = [Candle(NOON + 60 * MINUTE, 100, 100, 100, 100, 1)]
    await desk.writer.write(SYMBOL, Timeframe.M1, rows, FeedName("hand"))

    after = await open_desk(
        database, spec(exits=STOP), calendar=hours(), restarted=True, venue=desk.venue
    )
    after.clock.set(TOMORROW)
    await after.protection.load(TOMORROW)
    await after.stream("33.3")

    assert (await after.position())["closed_at"] is None
    assert SYMBOL in after.protection.symbol_pauses.paused


async def test_a_symbol_that_is_not_paused_cannot_be_resumed(database: Database) -> None:
    """Interface: `symbols resume`."""
    desk = await open_desk(database, calendar=hours())
    with pytest.raises(RefusedError):
        await desk.protection.symbol_pauses.resume(SYMBOL)


async def test_a_jump_of_a_market_without_sessions_is_no_split(database: Database) -> None:
    """M5.9: crypto is never split; its stops fire."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    desk.clock.advance(timedelta(days=1))
    await desk.stream("50")
    assert (await desk.position())["close_reason"] == "stop_loss"
