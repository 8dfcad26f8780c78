"""M4.8: what comes into the account or leaves it is no gain and no loss."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import BOT, LIMITS, MINUTE, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE, SCRIPTED
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.transfer import Transfer
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database

TIGHT = replace(LIMITS, max_daily_loss=Decimal("0.05"), max_drawdown=Decimal("0.2"))
JUMPED = "cash_jumped"
TOLD = pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
Move = Callable[[TradingHarness], Any]


async def opened(database: Database, *, told: bool = True, **changes: Any) -> TradingHarness:
    """1,000,000, of which a snapshot has been taken."""
    harness = await open_harness(database, spec(**changes), limits=TIGHT)
    harness.venue.traits = replace(AUTHORITATIVE, tells_transfers=told)
    await snapshot(harness)
    return harness


async def snapshot(harness: TradingHarness) -> None:
    harness.clock.advance(MINUTE)
    harness.tick("100")
    job = EquitySnapshot(entries=harness.entries, database=harness.database, clock=harness.clock)
    assert (await job.run(harness.context())).failed == 0


def halted(harness: TradingHarness) -> str | None:
    halt = harness.gate.account_halts.current
    return None if halt is None else halt.rule


async def transferred(harness: TradingHarness) -> Decimal:
    row = await harness.row("SELECT coalesce(sum(worth), 0) AS total FROM transfers")
    total: Decimal = row["total"]
    return total


@TOLD
async def test_what_is_withdrawn_is_not_lost(database: Database, *, told: bool) -> None:
    """30 % leave: no halt; the limits are of the rest from then on, also tomorrow."""
    harness = await opened(database, told=told)
    harness.venue.transfer(-300_000, told=told)
    await snapshot(harness)

    assert halted(harness) is None
    assert await transferred(harness) == -300_000
    assert await harness.open_alerts() == ([] if told else [JUMPED])
    await harness.earns(-34_999)
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_what_is_deposited_hides_no_loss(database: Database, *, told: bool) -> None:
    """500,000 come in, and 400,000 of 1,500,000 are lost on one day with a limit of 5 %."""
    harness = await opened(database, told=told)
    harness.entries.limits = replace(TIGHT, max_drawdown=Decimal(1))
    harness.venue.transfer(500_000, told=told)
    await harness.earns(-400_000)

    await snapshot(harness)

    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_a_withdrawal_alone_reaches_no_limit(database: Database, *, told: bool) -> None:
    """4 % are lost, then half of what is left is taken out: still 4 % are lost, of a limit of 5 %."""
    harness = await opened(database, told=told)
    await harness.earns(-40_000)
    await snapshot(harness)
    harness.venue.transfer(-500_000, told=told)
    await snapshot(harness)

    assert halted(harness) is None
    await harness.earns(-4_791)  # 455,209 are there; 95 % of 1,000,000 * 460 / 960 are 455,208.3
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_a_deposit_gives_no_room_for_loss(database: Database, *, told: bool) -> None:
    """4 % are lost, then as much as there was is paid in: still 4 % are lost, and 1 % may be."""
    harness = await opened(database, told=told)
    await harness.earns(-40_000)
    await snapshot(harness)
    harness.venue.transfer(1_000_000, told=told)
    await snapshot(harness)

    await harness.earns(
        -20_416
    )  # 1,939,584 are there; 95 % of 1,000,000 * 1960 / 960 are 1,939,583.3
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_a_withdrawal_makes_no_drawdown_greater(database: Database, *, told: bool) -> None:
    """18 % below the peak, days later four fifths are taken out: 18 % below the peak."""
    harness = await opened(database, told=told)
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal(1))
    await harness.earns(-180_000)
    await snapshot(harness)
    harness.clock.advance(timedelta(days=2))
    harness.venue.transfer(-656_000, told=told)
    await snapshot(harness)

    assert halted(harness) is None
    await harness.earns(-3_999)  # 164,000 were left of a peak of 200,000
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_drawdown"


@TOLD
async def test_an_entry_just_after_a_withdrawal_is_judged_by_shares(
    database: Database, *, told: bool
) -> None:
    """Before any snapshot has seen it; what is lost then is lost of what is left."""
    harness = await opened(database, told=told)
    await harness.earns(-40_000)
    await snapshot(harness)
    harness.venue.transfer(-500_000, told=told)

    await harness.enter()

    assert halted(harness) is None


@TOLD
async def test_several_transfers_are_weighed_one_upon_the_other(
    database: Database, *, told: bool
) -> None:
    """To a third of what was there, by many ways: exactly at the limit, no rounding beside it."""
    harness = await opened(database, told=told)
    await harness.earns(-40_000)
    for amount in (-480_000, 960_000, -480_000, -640_000):
        await snapshot(harness)
        harness.venue.transfer(amount, told=told)
    await snapshot(harness)
    assert halted(harness) is None
    assert harness.venue.balances["USDT"] == 320_000
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal("0.04") + Decimal("1e-20"))
    await snapshot(harness)
    assert halted(harness) is None
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal("0.04"))
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_all_is_taken_out_and_something_comes_in_again(
    database: Database, *, told: bool
) -> None:
    """Nothing is there to weigh a transfer by: the day and the peak begin with what has come."""
    harness = await opened(database, told=told)
    await harness.earns(-40_000)
    await snapshot(harness)
    harness.venue.transfer(-960_000, told=told)
    await snapshot(harness)
    assert halted(harness) is None
    harness.venue.transfer(200_000, told=told)
    await snapshot(harness)

    await harness.earns(-9_999)
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


@TOLD
async def test_what_comes_into_an_account_that_has_lost_all_forgives_nothing(
    database: Database, *, told: bool
) -> None:
    """More than all was lost, and no snapshot was taken in between."""
    harness = await opened(database, told=told)
    await harness.earns(-1_001_000)
    harness.venue.transfer(3_000_000, told=told)

    await snapshot(harness)

    assert halted(harness) is not None


async def test_a_loss_of_all_that_is_booked_late_is_counted(database: Database) -> None:
    """First it looks as if everything had been taken out."""
    harness = await opened(database)
    harness.venue.balances["USDT"] -= 1_000_100
    await snapshot(harness)
    assert (halted(harness), await harness.open_alerts()) == (None, [JUMPED])
    await harness.earns(-1_000_100)
    harness.venue.balances["USDT"] += 1_000_100
    await snapshot(harness)

    assert halted(harness) is not None
    assert JUMPED not in await harness.open_alerts()


async def test_what_is_paid_back_is_weighed_by_what_is_there_then(database: Database) -> None:
    """Half is taken out and nobody tells; a tenth of the rest is lost, and as much is paid in again.

    It is not what was taken out that had never left: 10 % are lost of all that is there.
    """
    harness = await opened(database)
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal("0.2"))
    harness.venue.transfer(-500_000, told=False)
    await snapshot(harness)
    await harness.earns(-50_000)
    await snapshot(harness)
    harness.venue.transfer(500_000, told=False)
    await snapshot(harness)

    assert (halted(harness), await harness.open_alerts()) == (None, [])
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal("0.1"))
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


async def test_a_withdrawal_that_is_told_before_it_is_counted_moves_nothing_twice(
    database: Database,
) -> None:
    """Its list has it, its balances a minute later."""
    harness = await opened(database)
    await harness.earns(-40_000)
    await snapshot(harness)
    harness.venue.tell_transfer(-500_000)
    await snapshot(harness)
    harness.venue.balances["USDT"] -= 500_000
    await snapshot(harness)

    assert (halted(harness), await harness.open_alerts()) == (None, [])
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal("0.04"))
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


async def test_a_peak_is_moved_by_what_came_after_it(database: Database) -> None:
    """A drawdown is of what was earned: 150,000 of 750,000, days after 250,000 had left."""
    harness = await opened(database)
    harness.venue.transfer(-250_000)
    await snapshot(harness)
    harness.clock.advance(timedelta(days=2))
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal(1))
    await harness.earns(-149_999)
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_drawdown"


@TOLD
async def test_an_entry_before_the_next_snapshot_knows_it_too(
    database: Database, *, told: bool
) -> None:
    """It is neither denied nor the end of all entries, whether the venue would tell or not."""
    harness = await opened(database, told=told)
    harness.venue.transfer(-300_000, told=told)

    await harness.enter()

    assert halted(harness) is None
    harness.venue.transfer(500_000, told=told)
    await harness.earns(-400_000)
    with pytest.raises(OrderDeniedError, match="max_drawdown"):
        await harness.enter(minute=1)


async def test_what_is_told_late_explains_a_jump_and_is_counted_once(database: Database) -> None:
    """Between the two nothing is a peak; the alert ends with the explanation."""
    harness = await opened(database)
    harness.venue.transfer(-300_000, told=False)
    await snapshot(harness)
    assert await harness.open_alerts() == [JUMPED]
    harness.clock.advance(-MINUTE)
    harness.venue.tell_transfer(-300_000)
    harness.clock.advance(MINUTE)

    await snapshot(harness)
    await snapshot(harness)

    assert await harness.open_alerts() == []
    assert await transferred(harness) == -300_000
    rows = await harness.rows(
        "SELECT equity, unit_value AS earned FROM equity_snapshots WHERE bot IS NULL"
    )
    assert {row["earned"] for row in rows} == {1_000_000}
    assert halted(harness) is None


async def test_what_left_while_nobody_looked_is_not_lost_either(database: Database) -> None:
    """Across a restart: what a purse held is stored with its snapshot."""
    before = await opened(database)
    before.venue.transfer(-300_000, told=False)

    harness = await open_harness(database, spec(), limits=TIGHT, venue=before.venue, restarted=True)
    harness.clock.set(before.clock.now())
    await snapshot(harness)

    assert halted(harness) is None
    assert await harness.open_alerts() == [JUMPED]
    assert harness.specs[BOT].active


async def test_what_is_booked_late_is_counted_once(database: Database) -> None:
    """A venue has counted a loss, and our books a snapshot later: lost once, and no alert is left.

    Meanwhile it is no loss twice, nor is the day's loss lost from sight.
    """
    harness = await opened(database)
    harness.venue.balances["USDT"] -= 49_999
    await snapshot(harness)
    assert (halted(harness), await harness.open_alerts()) == (None, [JUMPED])
    await harness.earns(-49_999)
    harness.venue.balances["USDT"] += 49_999
    await snapshot(harness)

    assert (halted(harness), await harness.open_alerts()) == (None, [])
    assert await transferred(harness) == 0
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


async def test_what_is_booked_late_is_counted_once_when_the_clock_was_set_back(
    database: Database,
) -> None:
    """M5.8: three seconds meanwhile: the transfer that was inferred then is undone all the same."""
    harness = await opened(database)
    harness.venue.balances["USDT"] -= 49_999
    await snapshot(harness)
    assert await harness.open_alerts() == [JUMPED]
    await harness.earns(-49_999)
    harness.venue.balances["USDT"] += 49_999
    harness.clock.advance(-MINUTE - timedelta(seconds=3))
    await snapshot(harness)

    assert (halted(harness), await harness.open_alerts()) == (None, [])
    assert await transferred(harness) == 0


async def test_small_changes_that_are_booked_late_in_one_are_counted_once(
    database: Database,
) -> None:
    """Funding of three days, of which each was too little to be noticed, and then a venue's list."""
    harness = await opened(database)
    for _ in range(3):
        harness.venue.balances["USDT"] -= 900
        await snapshot(harness)
    await harness.earns(-2_700)
    harness.venue.balances["USDT"] += 2_700
    await snapshot(harness)

    assert await harness.open_alerts() == []
    assert await transferred(harness) == 0
    await harness.earns(-47_299)
    await snapshot(harness)
    assert halted(harness) is None
    await harness.earns(-1)
    await snapshot(harness)
    assert halted(harness) == "max_daily_loss"


async def test_a_jump_is_undone_by_a_booking_that_is_too_small_to_be_noticed_by_then(
    database: Database,
) -> None:
    """The account has grown meanwhile: 1,001 of 1,500,000."""
    harness = await opened(database)
    harness.venue.balances["USDT"] -= 1_001
    await snapshot(harness)
    await harness.earns(500_000)
    await snapshot(harness)
    assert await transferred(harness) == -1_001
    await harness.earns(-1_001)
    harness.venue.balances["USDT"] += 1_001
    await snapshot(harness)

    assert await harness.open_alerts() == []
    assert await transferred(harness) == 0


async def test_an_alert_of_a_jump_is_told_for_a_day(database: Database) -> None:
    harness = await opened(database)
    harness.venue.transfer(2_000, told=False)
    await snapshot(harness)
    assert await harness.open_alerts() == [JUMPED]
    harness.clock.advance(timedelta(days=1))
    await snapshot(harness)
    await harness.reconciler.run()
    assert await harness.open_alerts() == []


@pytest.mark.parametrize("fee_in_base", [False, True])
@pytest.mark.parametrize("kind", [PositionType.SPOT, PositionType.FUTURES])
async def test_what_bots_trade_is_no_transfer(
    database: Database, kind: PositionType, *, fee_in_base: bool
) -> None:
    """To the last digit: bought, gone up, sold in two, funded, with fees in either asset."""
    size = SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(5_000))
    harness = await opened(
        database, position_type=kind, sizing=size, initial_capital=Decimal(900_000)
    )
    harness.venue.fee_in_base = fee_in_base and kind is PositionType.SPOT
    await harness.enter()
    await snapshot(harness)
    harness.tick("103")
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    await snapshot(harness)

    assert await harness.rows("SELECT * FROM transfers") == []
    assert await harness.open_alerts() == []
    assert halted(harness) is None


async def test_a_transfer_that_is_no_number_is_left_out(database: Database) -> None:
    """The jump of cash itself is still no gain."""
    harness = await opened(database)
    harness.venue.transfer(-300_000, told=False)
    harness.venue.transfers.append(
        Transfer(
            venue=harness.venue.name,
            transfer_id="odd",
            asset="USDT",
            amount=Decimal("NaN"),
            at=harness.clock.now(),
        )
    )
    await snapshot(harness)

    assert halted(harness) is None
    assert await transferred(harness) == -300_000


async def test_a_transfer_from_the_future_hides_no_later_one(database: Database) -> None:
    """A venue's odd date: whatever it tells from then on is heard."""
    harness = await opened(database)
    harness.venue.transfer(-1000)
    (odd,) = harness.venue.transfers
    harness.venue.transfers = [replace(odd, at=odd.at + timedelta(days=300))]
    await snapshot(harness)
    harness.venue.transfer(-300_000)
    await snapshot(harness)

    assert await transferred(harness) == -301_000
    assert await harness.rows("SELECT * FROM transfers WHERE inferred") == []


@pytest.mark.parametrize("booked", [["USDT EUR"], ["USDT", "EUR"], ["EUR", "USDT"]])
async def test_what_was_changed_into_other_money_and_booked_late_moves_nothing(
    database: Database, booked: list[str]
) -> None:
    """M4.8: both jumps were weighed together; taken back, in one or in turn, nothing is left of them."""
    harness = await open_harness(database, spec(), spec("euros", "ETHEUR"), silent=["EURUSDT"])
    harness.tick("1", "EURUSDT")
    await snapshot(harness)
    harness.venue.balances |= {"USDT": Decimal(700_000), "EUR": Decimal(300_000)}
    await snapshot(harness)
    assert len(await harness.rows("SELECT * FROM transfers WHERE inferred")) == 2
    moved = {"USDT": -300_000, "EUR": 300_000}
    for some in booked:
        for asset in some.split():
            await harness.execute(
                "SELECT add_to_asset($1, $2, $3, 0, 0)", SCRIPTED, asset, Decimal(moved[asset])
            )
        await snapshot(harness)

    assert await transferred(harness) == 0
    row = await harness.row(
        "SELECT unit_value FROM equity_snapshots WHERE bot IS NULL ORDER BY ts DESC LIMIT 1"
    )
    assert round(row["unit_value"], 9) == 1_000_000
