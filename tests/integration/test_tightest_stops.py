"""A stop only tightens, and the tightest one is in force: longs and shorts, fills and restarts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import one, open_resting_harness, restart, resting, stops, sweep
from tests.fakes.trading import SYMBOL, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_intents import pair_for

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
sides = pytest.mark.parametrize("side", list(PositionSide))


def of(side: PositionSide, price: str) -> Decimal:
    """*price* of a long, around 100."""
    return Decimal(price) if side is PositionSide.LONG else 200 - Decimal(price)


@sides
async def test_a_second_entry_fill_loosens_no_trailing_stop(
    database: Database, side: PositionSide
) -> None:
    """M4.7: whoever has tightened it, the position's row says where it is."""
    entry = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
    bot = one(Replacement.OVERLAP, exits=TRAIL, entry=entry, allow_short=True)
    harness = await open_resting_harness(database, Replacement.OVERLAP, bot)
    await harness.enter(side=side)
    (order,) = resting(harness)
    await harness.recorder.record(harness.venue.fill(order, Decimal("0.4")))
    stop = of(side, "97.5")
    await harness.execute("UPDATE positions SET trailing_stop = $1", stop)

    await harness.recorder.record(harness.venue.fill(order, Decimal("0.6")))

    (held,) = harness.protection.held.values()
    assert (held.quantity, held.trailing_stop) == (Decimal(1), stop)
    assert (await harness.position())["trailing_stop"] == stop


@sides
async def test_a_restart_takes_the_best_price_of_the_candles_since_the_entry(
    database: Database, side: PositionSide
) -> None:
    """M4.7: highs of a long, lows of a short; what came before the entry, or went the other way,
    moves nothing.
    """
    bot = spec(exits=TRAIL, position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, bot)
    await harness.candles(150, 50)
    harness.tick("100")
    await harness.enter(side=side)
    for price in ("96", "110", "107"):
        await harness.minute(float(of(side, price)))

    after = await open_harness(database, bot, restarted=True, venue=harness.venue)
    after.clock.set(harness.clock.now())
    await after.protection.load(after.clock.now())

    (held,) = after.protection.held.values()
    best, stop = of(side, "110"), Decimal("104.50" if side is PositionSide.LONG else "94.50")
    assert (held.best_price, held.trailing_stop) == (best, stop)
    row = await after.position()
    assert (row["best_price"], row["trailing_stop"]) == (best, stop)
    await after.stream(str(stop))
    assert (await after.position())["close_reason"] == "trailing_stop"


@sides
@pytest.mark.parametrize(
    ("stop_loss", "trailing", "tightest", "reason"),
    [
        ("0.05", "0.02", "98", CloseReason.TRAILING_STOP),
        ("0.02", "0.05", "98", CloseReason.STOP_LOSS),
        ("0.02", "0.02", "98", CloseReason.STOP_LOSS),
    ],
)
async def test_the_tightest_of_two_stops_rests(
    database: Database,
    side: PositionSide,
    stop_loss: str,
    trailing: str,
    tightest: str,
    reason: CloseReason,
) -> None:
    """M5.7: a dead daemon must leave the one that it would have kept."""
    plan = ExitPlan(stop_loss=Decimal(stop_loss), trailing_stop=Decimal(trailing))
    bot = one(Replacement.OVERLAP, exits=plan, allow_short=True)
    harness = await open_resting_harness(database, Replacement.OVERLAP, bot)
    await harness.enter(side=side)
    await sweep(harness, 2)

    assert stops(harness) == [(of(side, tightest), Decimal(1))]
    (held,) = harness.protection.held.values()
    guard = pair_for(held, harness.symbols[SYMBOL].instrument, linked=False)
    assert guard is not None
    assert guard.reason is reason
    harness.venue.listener = None
    harness.tick(str(of(side, tightest)))
    await harness.venue.match(SYMBOL)
    after = await restart(harness)
    await after.reconciler.run()
    assert (await after.position())["close_reason"] == reason
