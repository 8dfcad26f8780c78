"""M4.8: what the account has lost stops its entries, outlives the process, and ends as it should."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.trading import BOT, LIMITS, MINUTE, NOON, TradingHarness, open_harness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, RefusedError
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.loss_halts import AccountHalts

BUY = SignalKind.BUY
MIDNIGHT = NOON + timedelta(hours=12)
TOKYO = ZoneInfo("Asia/Tokyo")
CODE = "account_limit_reached"
TIGHT = replace(LIMITS, max_daily_loss=Decimal("0.05"), max_drawdown=Decimal("0.2"))


async def opened(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec("one"), spec("two"), limits=TIGHT)
    harness.venue.balances = {"USDT": Decimal(1000)}
    await harness.candles(100.0, 100.0)
    await snapshot(harness)
    return harness


async def snapshot(harness: TradingHarness) -> None:
    job = EquitySnapshot(entries=harness.entries, database=harness.database, clock=harness.clock)
    assert (await job.run(harness.context())).failed == 0


async def earned(harness: TradingHarness, cash: int) -> None:
    """So that this is what the account has."""
    await harness.earns(cash - int(harness.venue.balances["USDT"]))


async def own(harness: TradingHarness, cash: int) -> None:
    """The account has come to that much a minute later, and its snapshot is taken."""
    await earned(harness, cash)
    harness.clock.advance(MINUTE)
    await snapshot(harness)


async def wants(harness: TradingHarness) -> str:
    """What becomes of a signal to buy."""
    await harness.minute()
    harness.says(BUY)
    await harness.run()
    status: str = (await harness.state())["status"]
    return status


async def test_a_snapshot_that_finds_the_days_loss_halts_entries(database: Database) -> None:
    """5 % of the day's first 1000, met exactly; said once, as an alert and in the bot's words."""
    harness = await opened(database)
    await own(harness, 951)
    assert harness.gate.closed_because() is None
    await own(harness, 950)

    assert harness.gate.closed_because() == "account max_daily_loss"
    assert harness.gate.other_reasons == ("account max_daily_loss",)
    assert await wants(harness) == "waiting (account max_daily_loss)"
    assert await harness.open_alerts() == [CODE]
    halt = harness.gate.account_halts.current
    assert halt is not None
    assert (halt.since, halt.until) == (NOON + 2 * MINUTE, MIDNIGHT)
    await own(harness, 949)
    assert harness.gate.account_halts.current == halt


async def test_it_holds_although_the_equity_recovers_and_until_the_next_day(
    database: Database,
) -> None:
    harness = await opened(database)
    await own(harness, 950)
    await own(harness, 1000)
    assert await wants(harness) == "waiting (account max_daily_loss)"
    harness.clock.advance(MIDNIGHT - harness.clock.now() - MINUTE - timedelta(seconds=1))
    assert harness.gate.closed_because() == "account max_daily_loss"
    harness.clock.advance(timedelta(seconds=1))

    await snapshot(harness)

    assert harness.gate.closed_because() == "account max_daily_loss"
    harness.clock.advance(MINUTE)
    assert harness.gate.closed_because() is None
    await snapshot(harness)
    assert await harness.open_alerts() == []
    assert await wants(harness) == "running"


async def test_the_day_is_the_accounts_own(database: Database) -> None:
    """M4.8: midnight in the account's zone."""
    harness = await opened(database)
    harness.account.zone = TOKYO
    await own(harness, 950)

    halt = harness.gate.account_halts.current
    assert halt is not None
    assert halt.until == datetime(2022, 3, 2, tzinfo=TOKYO)


async def test_a_halt_by_loss_survives_a_restart(database: Database) -> None:
    harness = await opened(database)
    await own(harness, 950)

    after = AccountHalts(database, harness.clock)
    await after.load()

    assert after.current == harness.gate.account_halts.current
    assert after.closed_because() == "account max_daily_loss"


async def test_exits_are_never_asked(database: Database) -> None:
    harness = await opened(database)
    await harness.enter("two", minute=-9)
    await own(harness, 100)
    assert harness.gate.closed_because() == "account max_drawdown"

    await harness.stream("94")

    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_drawdown_ends_by_resume_and_the_peak_begins_anew(database: Database) -> None:
    """No day ends it; what was lost before is not lost again, also after a restart."""
    harness = await opened(database)
    await own(harness, 1200)
    await own(harness, 960)
    assert await wants(harness) == "waiting (account max_drawdown)"
    harness.clock.advance(timedelta(days=2))
    await snapshot(harness)
    assert harness.gate.closed_because() == "account max_drawdown"

    await harness.gate.resume()

    assert harness.gate.closed_because() is None
    assert await harness.open_alerts() == []
    assert await wants(harness) == "running"
    again = AccountHalts(database, harness.clock)
    await again.load()
    assert again.current is None
    held = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(held, CloseReason.MANUAL)
    harness.entries.limits = replace(TIGHT, max_daily_loss=Decimal(1))
    await own(harness, 769)
    assert harness.gate.closed_because() is None
    await own(harness, 767)
    assert harness.gate.closed_because() == "account max_drawdown"


async def test_a_resume_does_not_end_the_days_loss(database: Database) -> None:
    """It ends by itself; the refusal says when."""
    harness = await opened(database)
    await own(harness, 950)

    with pytest.raises(RefusedError, match=r"max_daily_loss go on at 2022-03-02 00:00 UTC"):
        await harness.gate.resume()
    await harness.gate.halt("by hand, too")
    await harness.gate.resume()

    assert harness.gate.closed_because() == "account max_daily_loss"


async def test_one_resume_ends_a_halt_and_a_drawdown(database: Database) -> None:
    harness = await opened(database)
    await own(harness, 700)
    await harness.gate.halt("by hand, too")
    assert harness.gate.closed_because() == "halted"

    await harness.gate.resume()

    assert harness.gate.closed_because() is None


async def test_a_drawdown_outlasts_a_daily_loss(database: Database) -> None:
    """Both on one day: what only somebody may end is what is kept."""
    harness = await opened(database)
    await own(harness, 950)
    await own(harness, 800)

    halt = harness.gate.account_halts.current
    assert halt is not None
    assert (halt.rule, halt.until) == ("max_drawdown", None)
    await own(harness, 940)
    assert harness.gate.account_halts.current == halt


async def test_an_entry_finds_the_loss_before_the_next_snapshot(database: Database) -> None:
    """It is denied, and from then on the gate says why."""
    harness = await opened(database)
    await earned(harness, 950)

    assert await wants(harness) == "waiting (account max_daily_loss)"

    assert harness.venue.submitted == []
    assert harness.gate.closed_because() == "account max_daily_loss"
    denied = await harness.row("SELECT execution_meta FROM decision_runs")
    assert denied["execution_meta"]["rule"] == "max_daily_loss"


async def test_a_sum_of_two_moments_is_no_proof_of_a_loss(database: Database) -> None:
    """A purchase the venue has booked and we have not looks like money gone: denied, not halted."""
    harness = await opened(database)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter("two", minute=-9)
    await earned(harness, 900)

    with pytest.raises(OrderDeniedError, match="max_daily_loss"):
        await harness.enter(BOT)

    assert harness.gate.account_halts.current is None
    assert await harness.open_alerts() == []
