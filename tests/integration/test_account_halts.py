"""M4.8: what the account has lost stops its entries, outlives the process, and ends as it should."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.trading import BOT, LIMITS, MINUTE, NOON, Desk, open_desk, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderDeniedError, OutcomeUnknownError, RefusedError
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.halts import AccountHalts

BUY = SignalKind.BUY
MIDNIGHT = NOON + timedelta(hours=12)
TOKYO = ZoneInfo("Asia/Tokyo")
CODE = "account_limit_reached"
TIGHT = replace(LIMITS, max_daily_loss=Decimal("0.05"), max_drawdown=Decimal("0.2"))


async def opened(database: Database) -> Desk:
    desk = await open_desk(database, spec("one"), spec("two"), limits=TIGHT)
    desk.venue.balances = {"USDT": Decimal(1000)}
    await desk.candles(100.0, 100.0)
    await snapshot(desk)
    return desk


async def snapshot(desk: Desk) -> None:
    job = EquitySnapshot(entries=desk.entries, database=desk.database, clock=desk.clock)
    assert (await job.run(desk.context())).failed == 0


async def earned(desk: Desk, cash: int) -> None:
    """So that this is what the account has."""
    await desk.earns(cash - int(desk.venue.balances["USDT"]))


async def own(desk: Desk, cash: int) -> None:
    """The account has come to that much a minute later, and its snapshot is taken."""
    await earned(desk, cash)
    desk.clock.advance(MINUTE)
    await snapshot(desk)


async def wants(desk: Desk) -> str:
    """What becomes of a signal to buy."""
    await desk.minute()
    desk.says(BUY)
    await desk.run()
    status: str = (await desk.state())["status"]
    return status


async def test_a_snapshot_that_finds_the_days_loss_halts_entries(database: Database) -> None:
    """5 % of the day's first 1000, met exactly; said once, as an alert and in the bot's words."""
    desk = await opened(database)
    await own(desk, 951)
    assert desk.gate.closed_because() is None
    await own(desk, 950)

    assert desk.gate.closed_because() == "account max_daily_loss"
    assert desk.gate.other_reasons == ("account max_daily_loss",)
    assert await wants(desk) == "waiting (account max_daily_loss)"
    assert await desk.open_alerts() == [CODE]
    halt = desk.gate.account_halts.current
    assert halt is not None
    assert (halt.since, halt.until) == (NOON + 2 * MINUTE, MIDNIGHT)
    await own(desk, 949)
    assert desk.gate.account_halts.current == halt


async def test_it_holds_although_the_equity_recovers_and_until_the_next_day(
    database: Database,
) -> None:
    desk = await opened(database)
    await own(desk, 950)
    await own(desk, 1000)
    assert await wants(desk) == "waiting (account max_daily_loss)"
    desk.clock.advance(MIDNIGHT - desk.clock.now() - MINUTE - timedelta(seconds=1))
    assert desk.gate.closed_because() == "account max_daily_loss"
    desk.clock.advance(timedelta(seconds=1))

    await snapshot(desk)

    assert desk.gate.closed_because() == "account max_daily_loss"
    desk.clock.advance(MINUTE)
    assert desk.gate.closed_because() is None
    await snapshot(desk)
    assert await desk.open_alerts() == []
    assert await wants(desk) == "running"


async def test_the_day_is_the_accounts_own(database: Database) -> None:
    """M4.8: midnight in the account's zone."""
    desk = await opened(database)
    desk.account.zone = TOKYO
    await own(desk, 950)

    halt = desk.gate.account_halts.current
    assert halt is not None
    assert halt.until == datetime(2022, 3, 2, tzinfo=TOKYO)


async def test_a_halt_by_loss_survives_a_restart(database: Database) -> None:
    desk = await opened(database)
    await own(desk, 950)

    after = AccountHalts(database, desk.clock)
    await after.load()

    assert after.current == desk.gate.account_halts.current
    assert after.closed_because() == "account max_daily_loss"


async def test_exits_are_never_asked(database: Database) -> None:
    desk = await opened(database)
    await desk.enter("two", minute=-9)
    await own(desk, 100)
    assert desk.gate.closed_because() == "account max_drawdown"

    await desk.stream("94")

    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_a_drawdown_ends_by_resume_and_the_peak_begins_anew(database: Database) -> None:
    """No day ends it; what was lost before is not lost again, also after a restart."""
    desk = await opened(database)
    await own(desk, 1200)
    await own(desk, 960)
    assert await wants(desk) == "waiting (account max_drawdown)"
    desk.clock.advance(timedelta(days=2))
    await snapshot(desk)
    assert desk.gate.closed_because() == "account max_drawdown"

    await desk.gate.resume()

    assert desk.gate.closed_because() is None
    assert await desk.open_alerts() == []
    assert await wants(desk) == "running"
    again = AccountHalts(database, desk.clock)
    await again.load()
    assert again.current is None
    held = next(iter(desk.protection.held.values()))
    await desk.protection.close_by_hand(held, CloseReason.MANUAL)
    desk.entries.limits = replace(TIGHT, max_daily_loss=Decimal(1))
    await own(desk, 769)
    assert desk.gate.closed_because() is None
    await own(desk, 767)
    assert desk.gate.closed_because() == "account max_drawdown"


async def test_a_resume_does_not_end_the_days_loss(database: Database) -> None:
    """It ends by itself; the refusal says when."""
    desk = await opened(database)
    await own(desk, 950)

    with pytest.raises(RefusedError, match=r"max_daily_loss go on at 2022-03-02 00:00 UTC"):
        await desk.gate.resume()
    await desk.gate.halt("by hand, too")
    await desk.gate.resume()

    assert desk.gate.closed_because() == "account max_daily_loss"


async def test_one_resume_ends_a_halt_and_a_drawdown(database: Database) -> None:
    desk = await opened(database)
    await own(desk, 700)
    await desk.gate.halt("by hand, too")
    assert desk.gate.closed_because() == "halted"

    await desk.gate.resume()

    assert desk.gate.closed_because() is None


async def test_a_drawdown_outlasts_a_daily_loss(database: Database) -> None:
    """Both on one day: what only somebody may end is what is kept."""
    desk = await opened(database)
    await own(desk, 950)
    await own(desk, 800)

    halt = desk.gate.account_halts.current
    assert halt is not None
    assert (halt.rule, halt.until) == ("max_drawdown", None)
    await own(desk, 940)
    assert desk.gate.account_halts.current == halt


async def test_an_entry_finds_the_loss_before_the_next_snapshot(database: Database) -> None:
    """It is denied, and from then on the gate says why."""
    desk = await opened(database)
    await earned(desk, 950)

    assert await wants(desk) == "waiting (account max_daily_loss)"

    assert desk.venue.submitted == []
    assert desk.gate.closed_because() == "account max_daily_loss"
    denied = await desk.row("SELECT execution_meta FROM decision_runs")
    assert denied["execution_meta"]["rule"] == "max_daily_loss"


async def test_a_sum_of_two_moments_is_no_proof_of_a_loss(database: Database) -> None:
    """A purchase the venue has booked and we have not looks like money gone: denied, not halted."""
    desk = await opened(database)
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    with pytest.raises(OutcomeUnknownError):
        await desk.enter("two", minute=-9)
    await earned(desk, 900)

    with pytest.raises(OrderDeniedError, match="max_daily_loss"):
        await desk.enter(BOT)

    assert desk.gate.account_halts.current is None
    assert await desk.open_alerts() == []
