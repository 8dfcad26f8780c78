"""I3, R5: whatever counts in a bot's day takes its locks in one order, so that nobody is a victim.

Another transaction holds the bot's state, as an entry does while it is written. What waits for that
has nothing in hand yet that this one may want.
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import anyio
import asyncpg
import pytest

from tests.fakes.database_waits import until_somebody_waits
from tests.fakes.trading import (
    BOT,
    MINUTE,
    SYMBOL,
    TradingHarness,
    open_harness,
    spec,
)
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.storage.postgres import rolled_back
from tradebotd.storage.postgres.database import Database

PATIENCE: Final = 60.0
ANOTHER_ENTRY: Final = """
    INSERT INTO orders (client_order_id, bot, venue, symbol, role, side, type, time_in_force, position_type, leverage,
                        reduce_only, quantity, params_hash, leader_token, send_by, created_at, updated_at)
    SELECT 'another', bot, venue, symbol, role, side, type, time_in_force, position_type, leverage, reduce_only, quantity,
           params_hash, leader_token, send_by, created_at, updated_at
      FROM orders WHERE role = 'entry' AND NOT settled
"""
FUTURES: Final = spec(position_type=PositionType.FUTURES, leverage=2, exits=ExitPlan())

Deed = Callable[[], Coroutine[Any, Any, object]]
Story = Callable[[TradingHarness], Awaitable[Deed]]


async def round_trip(harness: TradingHarness) -> None:
    """The bot has realized something: there is a sum of it to be added to."""
    await harness.enter()
    await close(harness)
    harness.clock.advance(MINUTE)
    harness.tick("100")
    harness.tick("500", "BNBUSDT")


async def close(harness: TradingHarness) -> None:
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)


async def unrecorded(harness: TradingHarness) -> Deed:
    """What the venue has made of the last order, still to be recorded."""
    (*_, report) = harness.venue.orders.values()
    return lambda: harness.recorder.record(report)


async def an_entry(harness: TradingHarness) -> Deed:
    await round_trip(harness)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter(minute=1)
    return await unrecorded(harness)


async def an_exit(harness: TradingHarness) -> Deed:
    await round_trip(harness)
    await harness.enter(minute=1)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await close(harness)
    return await unrecorded(harness)


async def a_write_off(harness: TradingHarness) -> Deed:
    await round_trip(harness)
    await harness.enter(minute=1)
    (held,) = harness.protection.held
    instrument = harness.symbols[SYMBOL].instrument
    return lambda: harness.recorder.write_off(held, instrument, lambda _: True)


async def funding(harness: TradingHarness) -> Deed:
    """Of what was closed meanwhile."""
    await harness.enter()
    harness.clock.advance(timedelta(hours=1))
    harness.tick("100")
    paid = FundingPayment(
        venue=SCRIPTED,
        payment_id="f1",
        symbol=SYMBOL,
        amount=Decimal(-1),
        asset="USDT",
        paid_at=harness.clock.now(),
    )
    harness.venue.payments.append(paid)
    await close(harness)
    return harness.reconciler.run


async def a_late_fee(harness: TradingHarness) -> Deed:
    harness.venue.fee, harness.venue.fee_taken_in = Decimal("0.001"), "BNB"
    harness.venue.balances["BNB"] = Decimal(10)
    await round_trip(harness)
    return harness.reconciler.run


def by_the_ledger(harness: TradingHarness) -> None:
    async def never(*_: Any) -> None:
        return None

    harness.recorder._booking.book = never  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("story", [an_entry, an_exit, a_write_off, funding, a_late_fee])
@pytest.mark.parametrize("at_once", [True, False])
async def test_what_waits_for_a_bots_state_holds_no_sum_and_settles_no_entry(
    database: Database,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    story: Story,
    at_once: bool,  # noqa: FBT001
) -> None:
    """An entry of the bot is being written, and then something is added to its sum."""
    monkeypatch.setattr(rolled_back, "ATTEMPTS", 1)
    one = FUTURES if story is funding else spec()
    harness = await open_harness(database, one, silent=("BNBUSDT",))
    deed = await story(harness)
    if not at_once:
        by_the_ledger(harness)
    other = await asyncpg.connect(dsn, password="")
    try:
        # The one that looks for a deadlock first is the victim: never this one.
        await other.execute("BEGIN; SET LOCAL deadlock_timeout = '1h'")
        await other.execute("SELECT FROM bot_states WHERE bot = $1 FOR SHARE", BOT)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as working:
                working.start_soon(deed)
                await until_somebody_waits(database)
                if story is an_entry:
                    await other.execute("SAVEPOINT entry")
                    with pytest.raises(asyncpg.UniqueViolationError, match="unsettled_entry"):
                        await other.execute(ANOTHER_ENTRY)
                    await other.execute("ROLLBACK TO entry")
                await other.execute("UPDATE bot_sums SET realized = realized WHERE bot = $1", BOT)
                await other.execute("COMMIT")
    finally:
        await other.close()

    assert await harness.broken_books() == []
    assert (
        await harness.rows(
            "SELECT 1 FROM bot_sums AS s WHERE realized <> (SELECT sum(realized_pnl) FROM positions)"
        )
        == []
    )
