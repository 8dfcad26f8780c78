"""Funding of what is held: booked once, part of what it earned, and asked for only then."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import NOON, SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.storage.postgres.database import Database

HOUR = timedelta(hours=1)
FUTURES = spec(position_type=PositionType.FUTURES, allow_short=True)


def payment(number: int, amount: str, at: datetime, asset: str = "USDT") -> FundingPayment:
    return FundingPayment(
        venue=SCRIPTED,
        payment_id=f"f{number}",
        symbol=SYMBOL,
        amount=Decimal(amount),
        asset=asset,
        paid_at=at,
    )


async def run_after(harness: TradingHarness, passed: timedelta) -> None:
    harness.clock.advance(passed)
    harness.tick("100")
    await harness.reconciler.run()


async def test_each_payment_is_booked_once_and_is_part_of_the_result(database: Database) -> None:
    """Issue 3: realized P&L = price gains - fees + funding; whatever is told again."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    before = (await harness.position())["realized_pnl"]
    harness.venue.payments += [payment(1, "-1.5", NOON + HOUR), payment(2, "0.5", NOON + 2 * HOUR)]
    for _ in range(4):
        await run_after(harness, HOUR)

    position = await harness.position()
    assert (position["funding"], position["realized_pnl"] - before) == (-1, -1)
    assert len(await harness.rows("SELECT * FROM funding_payments")) == 2
    await harness.stream("120")
    closed = await harness.position()
    assert closed["realized_pnl"] == -1 - 20 - closed["fees"]


async def test_a_payment_told_after_the_close_goes_to_what_was_held_then(
    database: Database,
) -> None:
    """Issue 3: the venue books it a little later than our exit."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    await run_after(harness, HOUR)
    harness.venue.payments.append(payment(1, "-1.5", harness.clock.now()))
    await harness.stream("120")
    assert (await harness.position())["closed_at"] is not None

    await run_after(harness, timedelta(minutes=1))

    assert (await harness.position())["funding"] == Decimal("-1.5")


async def test_what_nothing_of_ours_was_open_for_is_kept_apart(database: Database) -> None:
    """R13: somebody else's position; and one in another asset is no part of ours."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    early, odd = payment(1, "-9", NOON - HOUR / 2), payment(2, "-9", NOON + HOUR, "BNB")
    harness.venue.payments += [early, odd]
    await run_after(harness, 2 * HOUR)

    kept = await harness.rows("SELECT position_id FROM funding_payments")
    assert [row["position_id"] for row in kept] == [None, None]
    assert (await harness.position())["funding"] == 0


async def test_spot_asks_nobody_and_futures_not_each_minute(database: Database) -> None:
    """Issue 3: a replay of spot bots pays nothing for it."""
    harness = await open_harness(database)
    await harness.enter()
    for _ in range(3):
        await run_after(harness, HOUR)
    assert "funding_since" not in harness.venue.asked_for

    harness = await open_harness(database, FUTURES, restarted=True)
    await harness.execute("UPDATE positions SET position_type = 'futures'")
    for _ in range(30):
        await run_after(harness, timedelta(minutes=1))
    assert harness.venue.asked_for.count("funding_since") == 2


async def test_the_day_of_the_bot_counts_it_like_a_fee(database: Database) -> None:
    """M4.8: entry, a part sold, funding of today and of the day before; their sum is the position's."""
    ladder = ExitPlan(
        ladder=(LadderStep(at=Decimal("0.1"), share=Decimal("0.5")),), stop_loss=Decimal("0.3")
    )
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True, exits=ladder)
    )
    await harness.enter(side=PositionSide.SHORT)
    entered = (await harness.state())["daily_pnl"]
    harness.venue.payments.append(payment(1, "-1.5", NOON + HOUR))
    await run_after(harness, 2 * HOUR)
    assert (await harness.state())["daily_pnl"] - entered == Decimal("-1.5")

    await harness.stream("90")
    today, position = await harness.state(), await harness.position()
    assert position["quantity"] < position["entry_quantity"]
    assert today["daily_pnl"] == position["realized_pnl"]
    trades = today["daily_trades_count"]

    harness.venue.payments.append(payment(2, "0.25", NOON + 13 * HOUR))
    await run_after(harness, 12 * HOUR)
    tomorrow = await harness.state()
    assert tomorrow["day"] > today["day"]
    assert (tomorrow["daily_pnl"], tomorrow["daily_trades_count"]) == (Decimal("0.25"), 0)
    assert (await harness.state())["in_position"] is True

    harness.venue.payments.append(payment(3, "-7", NOON + 3 * HOUR))
    await run_after(harness, HOUR)
    late = await harness.state()
    assert late["daily_pnl"] == Decimal("0.25"), "yesterday's, told late, is none of today's"
    assert trades == 1


async def told(harness: TradingHarness, *payments: FundingPayment) -> list[object]:
    """The position of each payment, once the venue has told them."""
    harness.venue.payments += payments
    await run_after(harness, HOUR)
    rows = await harness.rows("SELECT position_id FROM funding_payments ORDER BY payment_id")
    return [row["position_id"] for row in rows]


async def test_what_opened_seconds_after_the_settlement_is_charged_too(database: Database) -> None:
    """M4.8, B10: bots act at the full hour, and the venue's payment bears the hour as its time."""
    harness = await open_harness(database, FUTURES)
    harness.clock.advance(timedelta(seconds=5))
    harness.tick("100")
    await harness.enter(side=PositionSide.SHORT)
    entered = (await harness.state())["daily_pnl"]

    assert await told(harness, payment(1, "-0.5", NOON)) == [(await harness.position())["id"]]

    position, state = await harness.position(), await harness.state()
    assert position["funding"] == Decimal("-0.5")
    assert state["daily_pnl"] == entered - Decimal("0.5")
    assert await harness.open_alerts() == []


async def test_what_opened_half_a_minute_later_is_not(database: Database) -> None:
    """B10: nobody's payment is said, for a day; it counts in no profit."""
    harness = await open_harness(database, FUTURES)
    harness.clock.advance(timedelta(seconds=31))
    harness.tick("100")
    await harness.enter(side=PositionSide.SHORT)

    assert await told(harness, payment(1, "-0.5", NOON)) == [None]
    assert await harness.open_alerts() == ["funding_unclaimed"]
    assert (await harness.position())["funding"] == 0
    await run_after(harness, 23 * HOUR)
    assert await harness.open_alerts() == []


async def test_what_was_open_at_the_settlement_goes_before_what_came_just_after(
    database: Database,
) -> None:
    """B10: the one is closed, the next opened, in the seconds after the hour."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    harness.clock.advance(HOUR + timedelta(seconds=5))
    await harness.stream("120")
    harness.tick("100")
    await harness.enter(side=PositionSide.SHORT, minute=1)
    first, second = await harness.rows("SELECT id FROM positions ORDER BY id")

    assert await told(harness, payment(1, "-0.5", NOON + HOUR)) == [first["id"]]
    assert second["id"] != first["id"]


async def test_a_payment_told_before_its_position_is_claimed_when_it_is_told_again(
    database: Database,
) -> None:
    """B10: the stream of orders may be behind; the payment is no less ours for it."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    await harness.execute("UPDATE positions SET symbol = 'ETHUSDT'")
    assert await told(harness, payment(1, "-0.5", NOON + HOUR)) == [None]
    assert "funding_unclaimed" in await harness.open_alerts()

    await harness.execute("UPDATE positions SET symbol = 'BTCUSDT'")
    for _ in range(2):
        await run_after(harness, HOUR / 2)

    position = await harness.position()
    assert position["funding"] == Decimal("-0.5")
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_was_closed_before_the_payment_was_told_is_asked_for(
    database: Database, *, restarted: bool
) -> None:
    """M4.8: opened and closed between two looks, by this process or by the one before it."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    harness.clock.advance(timedelta(seconds=5))
    await harness.stream("120")
    closed = await harness.position()
    assert closed["closed_at"] is not None
    if restarted:
        harness = await open_harness(database, FUTURES, restarted=True)

    assert await told(harness, payment(1, "-1.5", NOON)) == [closed["id"]]

    after = await harness.position()
    assert after["realized_pnl"] == closed["realized_pnl"] - Decimal("1.5")


async def test_a_venue_that_tells_late_is_asked_for_an_hour_and_no_longer(
    database: Database,
) -> None:
    """M4.8: a payment comes minutes after its hour; and nobody is asked for ever."""
    harness = await open_harness(database, FUTURES)
    await harness.enter(side=PositionSide.SHORT)
    await harness.stream("120")
    for _ in range(2):
        await run_after(harness, timedelta(minutes=16))
    harness.venue.payments.append(payment(1, "-1.5", NOON))
    await run_after(harness, timedelta(minutes=16))
    assert (await harness.position())["funding"] == Decimal("-1.5")

    for _ in range(20):
        await run_after(harness, timedelta(minutes=16))
    assert harness.venue.asked_for.count("funding_since") == 4
