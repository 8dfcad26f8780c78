"""What an operator asks of a job, and what of it counts as a run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.jobs import ScriptedJob
from tests.fakes.trading import market_symbol
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Every, JobSpec
from tradebotd.domain.refusal import RefusalCode
from tradebotd.jobs.ping import Ping
from tradebotd.jobs.run_bots import RunBots
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.scheduling.job import check_params
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.slots import DueRun
from tradebotd.storage import job_runs
from tradebotd.storage.postgres.database import Database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAME = JobName("work")
MINUTELY = JobSpec(name=NAME, slots=(Every(interval=timedelta(minutes=1)),), retries=0)


@asynccontextmanager
async def running(database: Database, job: ScriptedJob) -> AsyncIterator[JobRunner]:
    async with anyio.create_task_group() as tasks:
        yield JobRunner(
            tasks=tasks,
            clock=FakeClock(NOON, speed=1.0),
            ledger=RunLedger(database, deferred=False),
            jobs=[job],
            specs=[MINUTELY],
        )


async def test_a_wrong_parameter_makes_no_run_and_leaves_no_mark(database: Database) -> None:
    """N19: a typo at the command line is refused; it is no run that has failed for a day."""
    job = ScriptedJob(
        NAME, refusal=RefusedError(RefusalCode.UNKNOWN_SYMBOL, "there is no symbol NOPE")
    )
    async with running(database, job) as runner:
        with pytest.raises(RefusedError, match="NOPE"):
            await runner.run_manually(NAME, {"symbol": "NOPE"})
        with pytest.raises(RefusedError, match="NOPE"):
            runner.check_params(NAME, {"symbol": "NOPE"})
        assert runner.running == ()

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM job_runs") == 0
    assert job.contexts == []


class Symbols:
    """What seed_history asks of the ingest before it runs."""

    symbols = (market_symbol("ETHUSDT"), market_symbol("BTCUSDT"))


NOTHING = cast("Any", None)
SEED = SeedHistory(database=NOTHING, ingest=cast("Any", Symbols()), clock=NOTHING)
BOTS = RunBots(cycle=NOTHING, entry_orders=NOTHING, specs={}, database=NOTHING, sequential=True)


@pytest.mark.parametrize(
    ("job", "params", "code", "message"),
    [
        (Ping(NOTHING), {"symbol": "X"}, "usage", "ping takes no parameters, not symbol"),
        (BOTS, {"bots": "x"}, "usage", "unknown parameter bots"),
        (BOTS, {"bot": "x"}, "unknown_bot", "there is no bot x"),
        (SEED, {"symbols": "X"}, "usage", "unknown parameter symbols"),
        (SEED, {}, "usage", "no symbol is named"),
        (SEED, {"symbol": "NOPE"}, "unknown_symbol", "there is no symbol NOPE"),
        (
            SEED,
            {"symbol": "BTCUSDT", "interval": "2m"},
            "unknown_timeframe",
            "there is no interval 2m",
        ),
        (SEED, {"symbol": "BTCUSDT", "days": "0"}, "usage", "days is 1 to"),
    ],
)
def test_what_is_wrong_by_itself_is_usage_and_an_unknown_name_lists_the_known_ones(
    job: Any, params: dict[str, str], code: str, message: str
) -> None:
    """N19, N42: one rule, 2 and 4; the known ones are sorted, and led by one word."""
    with pytest.raises(RefusedError, match=message) as refused:
        check_params(job, params)

    assert refused.value.code == code
    if code == "unknown_symbol":
        assert refused.value.known == ("BTCUSDT", "ETHUSDT")
        assert refused.value.hint == "known: BTCUSDT, ETHUSDT"


async def test_a_slot_that_passed_while_a_run_went_on_is_not_the_latest_run(
    database: Database,
) -> None:
    """N18: `jobs` said `skipped` of the guard of all stops, which ran all the time."""
    minute = timedelta(minutes=1)
    async with running(database, ScriptedJob(NAME)) as runner:
        await runner.run_due([DueRun(NAME, NOON, NOON, 0)])
        for number, reason, expected in (
            (1, "still running", "ok"),
            (2, "market closed", "skipped"),
        ):
            at = NOON + number * minute
            await runner._skip(MINUTELY, DueRun(NAME, at, at, 0), reason)
            async with database.connection() as connection:
                figures = await job_runs.figures(connection, [NAME], NOON - timedelta(days=1))
            assert figures[NAME].last_status == expected
