"""M4.4a: entries that rest at a price of their own, and end in time whatever happens to them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderType, TimeInForce
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import Side
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.stop_loss_check import StopLossCheck
from tradebotd.risk.sizing import DEFAULT_COST_BUFFER
from tradebotd.storage.postgres.database import Database

BUY, SELL, NONE = SignalKind.BUY, SignalKind.SELL, SignalKind.NONE
RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
LIMITED = spec(entry=RESTS)


async def resting(database: Database, **changes: Any) -> tuple[TradingHarness, ClientOrderId]:
    """A harness whose bot has a buy of 1 at 99 resting."""
    harness = await open_harness(database, replace(LIMITED, **changes))
    await harness.candles(100.0, 100.0)
    harness.says(BUY)
    await harness.run()
    ((order, _),) = harness.venue.submitted
    return harness, order


async def order(harness: TradingHarness) -> dict[str, Any]:
    (found,) = await harness.orders()
    return found


async def status(harness: TradingHarness) -> str:
    await harness.run()
    found: str = (await harness.state())["status"]
    return found


async def test_a_limit_entry_rests_below_the_price_with_its_lifetime(database: Database) -> None:
    """M4.4a: good till cancelled, its offset from the price, the lifetime stored in market time."""
    harness, resting_id = await resting(database)

    ((_, request),) = harness.venue.submitted
    assert (request.type, request.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
    assert request.limit_price == 99
    row = await order(harness)
    assert (row["status"], row["limit_price"]) == ("new", 99)
    assert row["expires_at"] == NOON + RESTS.lifetime
    assert (await harness.state())["status"] == "waiting (entry resting)"
    assert await status(harness) == "waiting (entry resting)"

    await harness.recorder.record(harness.venue.fill(resting_id, Decimal(1)))
    assert (await harness.position())["entry_price"] == 99
    assert await status(harness) == "running"


async def test_a_short_rests_above_the_price_on_the_tick(database: Database) -> None:
    """M4.4a: a sell above the price; the tick is never rounded to a worse price than asked."""
    rule = replace(RESTS, offset=Decimal("0.00123"))
    harness = await open_harness(
        database, spec(entry=rule, position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.candles(100.0, 100.0)
    harness.says(SELL)
    await harness.run()

    ((_, request),) = harness.venue.submitted
    assert (request.side, request.limit_price) == (Side.SELL, Decimal("100.13"))


async def test_what_rests_is_taken_back_when_its_lifetime_is_over(database: Database) -> None:
    """M4.4a: at the next sweep, not before; also after a restart."""
    harness, resting_id = await resting(database)
    harness.clock.advance(RESTS.lifetime - timedelta(seconds=1))
    assert (await harness.entry_orders.sweep(harness.clock.now())).cancelled == {}
    after = await open_harness(database, LIMITED, restarted=True)
    after.venue = harness.venue
    after.entry_orders._venues = {harness.venue.name: harness.venue}
    after.clock.advance(RESTS.lifetime)

    result = await after.entry_orders.sweep(after.clock.now())

    assert result.cancelled == {resting_id: "its lifetime is over"}
    assert (await order(after))["status"] == "canceled"
    assert harness.venue.resting == {}
    assert len(harness.venue.submitted) == 1
    assert (await after.entry_orders.sweep(after.clock.now())).resting == 0


async def test_the_stop_loss_check_takes_back_too(database: Database) -> None:
    """2.4: a lifetime is kept to seconds, not to the bots' minute."""
    harness, resting_id = await resting(database)
    harness.clock.advance(RESTS.lifetime)
    job = StopLossCheck(
        protection=harness.protection,
        prices=harness.prices,
        clock=harness.clock,
        entry_orders=harness.entry_orders,
    )

    summary = await job.run(harness.context())

    assert summary.items == {resting_id: "entry taken back: its lifetime is over"}
    assert (summary.attempted, summary.acted) == (1, 1)


Unwanted = Callable[[TradingHarness], Awaitable[object]]


async def pause(harness: TradingHarness) -> None:
    await harness.commands.pause_bot(BOT)


async def halt(harness: TradingHarness) -> None:
    await harness.gate.halt("a test")


async def lose_too_much(harness: TradingHarness) -> None:
    await harness.account.snapshot(harness.clock.now())
    await harness.earns(-100_000)
    await harness.entries.review(
        await harness.account.value(pause_seconds=0.001), harness.clock.now()
    )


async def take_out(harness: TradingHarness) -> None:
    harness.specs.clear()


async def switch_off(harness: TradingHarness) -> None:
    harness.specs[BOT] = replace(harness.specs[BOT], active=False)


async def trade_another(harness: TradingHarness) -> None:
    harness.specs[BOT] = replace(harness.specs[BOT], symbol="ETHUSDT")


@pytest.mark.parametrize(
    ("because", "why"),
    [
        (pause, "its bot is paused"),
        (halt, "halted"),
        (lose_too_much, "account max_daily_loss"),
        (take_out, "its bot is stopped"),
        (switch_off, "its bot is stopped"),
        (trade_another, "its bot trades ETHUSDT now"),
    ],
)
async def test_what_rests_is_taken_back_when_nobody_may_enter_any_more(
    database: Database, because: Unwanted, why: str
) -> None:
    """M4.4a, M4.8, M5.8: paused, halted, stopped: what rests may not become a position."""
    harness, resting_id = await resting(database)
    await because(harness)

    result = await harness.entry_orders.sweep(harness.clock.now())

    assert result.cancelled == {resting_id: why}
    assert harness.venue.resting == {}


async def test_a_signal_against_it_takes_it_back(database: Database) -> None:
    """M4.4a: the signal turned; nothing is held, and the decision says what was done."""
    harness, _ = await resting(database)
    harness.says(BUY, SELL)
    await harness.minute()
    assert await status(harness) == "waiting (entry resting)"
    await harness.minute()

    assert await status(harness) == "waiting (no signal)"

    assert (await order(harness))["status"] == "canceled"
    reasons = [
        row["reason"] for row in await harness.rows("SELECT * FROM decision_runs ORDER BY id")
    ]
    assert reasons[1] == "told to buy; an entry rests already"
    assert reasons[2].startswith("its entry was taken back; told to sell")


async def test_no_signal_leaves_it_where_it_is(database: Database) -> None:
    harness, resting_id = await resting(database)
    harness.says(NONE)
    await harness.minute()
    await harness.run()

    assert list(harness.venue.resting) == [resting_id]


async def test_a_partial_fill_is_protected_and_the_rest_taken_back(database: Database) -> None:
    """M4.4a, M5.4: what has filled is a position with its stop from the first fill on."""
    harness, resting_id = await resting(database)
    await harness.recorder.record(harness.venue.fill(resting_id, Decimal("0.4")))
    position = await harness.position()
    assert (position["quantity"], position["stop_loss"]) == (Decimal("0.4"), Decimal("94.05"))
    harness.clock.advance(RESTS.lifetime)
    await harness.entry_orders.sweep(harness.clock.now())

    row = await order(harness)
    assert (row["status"], row["filled_quantity"], row["settled"]) == (
        "canceled",
        Decimal("0.4"),
        True,
    )
    await harness.stream("90")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert await harness.broken_books() == []


async def test_a_signal_against_a_partial_fill_takes_back_and_closes(database: Database) -> None:
    """M4.4a: first the rest, so that nothing is bought behind the exit."""
    harness, resting_id = await resting(database)
    await harness.recorder.record(harness.venue.fill(resting_id, Decimal("0.4")))
    harness.says(SELL)
    await harness.minute()

    await harness.run()

    assert harness.venue.resting == {}
    position = await harness.position()
    assert (position["close_reason"], position["quantity"]) == ("signal", 0)
    assert [row["intent"] for row in await harness.rows("SELECT * FROM decision_runs")] == [
        "entry",
        "exit",
    ]


async def test_what_rests_is_taken_back_once_a_stop_closed_what_it_had_filled(
    database: Database,
) -> None:
    """M4.4a: the price has gone through the stop; nothing more is bought on its way."""
    harness, resting_id = await resting(database)
    await harness.recorder.record(harness.venue.fill(resting_id, Decimal("0.4")))
    await harness.stream("90")
    assert (await harness.position())["closed_at"] is not None

    result = await harness.entry_orders.sweep(harness.clock.now())

    assert result.cancelled == {resting_id: "what it had filled is closed"}


async def test_a_cancel_that_a_fill_was_faster_than_leaves_a_position(database: Database) -> None:
    """M4.4a: settled by what the venue says of it, and never sent again."""
    harness, resting_id = await resting(database)
    harness.clock.advance(RESTS.lifetime)

    async def fills_first(client_order_id: ClientOrderId) -> None:
        harness.venue.fill(client_order_id, Decimal(1))

    harness.venue.before_cancel = fills_first
    result = await harness.entry_orders.sweep(harness.clock.now())

    assert list(result.cancelled) == [resting_id]
    row, position = await order(harness), await harness.position()
    assert (row["status"], row["settled"]) == ("filled", True)
    assert (position["quantity"], position["stop_loss"]) == (Decimal(1), Decimal("94.05"))
    assert len(harness.venue.submitted) == 1
    await harness.protection.close_now(
        next(iter(harness.protection.held.values())), CloseReason.MANUAL
    )
    assert await harness.broken_books() == []


@pytest.mark.parametrize(
    "error", [VenueUnavailableError("503"), OutcomeUnknownError(ClientOrderId("x"))]
)
async def test_a_cancel_without_an_answer_is_asked_again(
    database: Database, error: Exception
) -> None:
    """M5.5: whether it arrived is unknown; a second cancel cancels nothing twice."""
    harness, resting_id = await resting(database)
    harness.clock.advance(RESTS.lifetime)

    async def breaks(_: ClientOrderId) -> None:
        raise error

    harness.venue.before_cancel = breaks
    first = await harness.entry_orders.sweep(harness.clock.now())
    harness.venue.before_cancel = None
    second = await harness.entry_orders.sweep(harness.clock.now())

    assert list(first.failed) == [resting_id]
    assert second.cancelled == {resting_id: "its lifetime is over"}
    assert len(harness.venue.submitted) == 1


async def test_a_venue_that_will_not_cancel_is_a_failure(database: Database) -> None:
    """M5.5: it rests on, and is not taken for one that was taken back."""
    harness, resting_id = await resting(database)
    harness.clock.advance(RESTS.lifetime)

    async def refuses(_: ClientOrderId) -> None:
        raise OrderRejectedError("not now")

    harness.venue.before_cancel = refuses
    result = await harness.entry_orders.sweep(harness.clock.now())

    assert (result.cancelled, list(result.failed)) == ({}, [resting_id])
    assert (await order(harness))["status"] == "new"


async def test_a_cancel_that_fails_keeps_the_signal_waiting(database: Database) -> None:
    """M4.2: nothing is decided on the candle, so the next cycle asks again."""
    harness, _ = await resting(database)

    async def breaks(_: ClientOrderId) -> None:
        raise VenueUnavailableError("503")

    harness.venue.before_cancel = breaks
    harness.says(SELL, SELL)
    await harness.minute()
    assert await status(harness) == "waiting (order pending)"
    harness.venue.before_cancel = None
    assert await status(harness) == "waiting (no signal)"

    assert harness.venue.resting == {}


async def test_what_rests_holds_cash_and_counts_as_exposure(database: Database) -> None:
    """M4.6, M4.8: the money is spoken for, though nothing has been bought yet."""
    harness, _ = await resting(database)
    worth = await harness.account.value()
    standing = await harness.account.standing(worth, harness.clock.now())

    assert worth.account.equity == 1_000_000
    assert standing.state.exposure == 99
    assert standing.state.open_positions == 1
    with_its_costs = 99 * (1 + DEFAULT_COST_BUFFER)
    assert standing.free[harness.venue.name, "USDT"] == 1_000_000 - with_its_costs
    assert not worth.certain


async def test_a_snapshot_is_taken_while_an_entry_rests(database: Database) -> None:
    """M4.8: what rests for hours does not blind the account."""
    harness, _ = await resting(database)

    assert (await harness.account.snapshot(harness.clock.now(), pause_seconds=0.001)).of_one_moment


async def test_an_offset_beyond_the_collar_is_denied(database: Database) -> None:
    """M4.4a: the collar is around the last close, whatever the offset is from."""
    harness = await open_harness(database, spec(entry=RESTS))
    await harness.candles(100.0, 100.0)
    harness.tick("95.5", SYMBOL)
    harness.says(BUY)

    assert await status(harness) == "waiting (price_collar)"
    assert harness.venue.submitted == []
    harness.tick("96")
    await harness.minute(100.0)
    harness.tick("96")
    harness.says(BUY)
    await harness.run()
    assert harness.venue.submitted[0][1].limit_price == Decimal("95.04")
    assert (await order(harness))["created_at"] == NOON + MINUTE
