"""What becomes of runs that failed for good, once a later one has run well."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.test_job_runner import MINUTELY, NAME, NOON, Make, due
from tests.integration.test_job_runner import bench as bench  # noqa: PLC0414 - the same fixture
from tradebotd.domain.job import Every, JobSpec, Summary
from tradebotd.jobs.default_schedule import default_specs
from tradebotd.scheduling.dead_letters import retry_dead_letter
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import dead_letters


@pytest.mark.parametrize("deferred", [False, True], ids=["live", "speed 0"])
@pytest.mark.parametrize("interval", [timedelta(seconds=5), timedelta(minutes=1)])
async def test_a_good_run_settles_what_earlier_ones_left_undone(
    bench: Make, *, interval: timedelta, deferred: bool
) -> None:
    """N44: a failed cycle of two hours ago waits for nobody; it names the run, which has its row."""
    failing = [False, True, True, False, False]

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2)
        if failing.pop(0):
            summary.fail("a", "no")
        return summary

    spec = JobSpec(name=NAME, slots=(Every(interval=interval),), retries=0, makes_up=True)
    letters: list[dead_letters.DeadLetter] = []
    async with bench(work, spec, deferred=deferred) as made:
        for number, state in enumerate([[], ["open"], ["open"], ["superseded"], ["superseded"]]):
            await made.runner.run_due([due(NOON + number * interval)])
            letters = await made.letters()
            assert [letter.state for letter in letters] == state
        await made.ledger.commit_instant(NOON + 4 * interval)
        rows = await made.rows()

    (letter,) = letters
    assert letter.count == 2
    (row,) = [row for row in rows if row["id"] == letter.superseded_by]
    assert (row["status"], row["scheduled_at"]) == ("ok", NOON + 3 * interval)


Undone = dict[str, Any]


@pytest.mark.parametrize(
    ("spec", "params", "later"),
    [
        ({"makes_up": False}, {}, {}),
        ({"makes_up": True}, {"symbol": "BTCUSDT"}, {}),
        ({"makes_up": True}, {}, {"params": {"symbol": "BTCUSDT"}}),
        ({"makes_up": True}, {}, {"only": frozenset({"b"})}),
        ({"makes_up": True}, {}, {"put_off": 1}),
        ({"makes_up": True}, {}, {"fails": "b"}),
    ],
    ids=["another job", "asked for", "by parameters", "a part", "put off", "partial"],
)
async def test_a_run_settles_only_what_it_makes_up_for(
    bench: Make, spec: Undone, params: dict[str, str], later: Undone
) -> None:
    """N44: what an operator asked for stays theirs; half a run makes up for none."""
    first = True

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2, put_off=0 if first else later.get("put_off", 0))
        if first:
            summary.fail("a", "no")
        elif "fails" in later:
            summary.fail(later["fails"], "no")
        return summary

    async with bench(work, replace(MINUTELY, **spec)) as made:
        await made.runner.run_manually(NAME, params)
        first = False
        await made.runner.run_manually(NAME, later.get("params", {}), only=later.get("only"))
        states = {letter.state for letter in await made.letters()}

    assert states == {"open"}


async def test_a_letter_that_is_retried_as_a_whole_is_retried_and_not_superseded(
    bench: Make,
) -> None:
    """N44: each says what became of it."""
    broken = True

    async def work(context: RunContext) -> Summary:
        if broken:
            raise ValueError("no")
        return Summary()

    async with bench(work, replace(MINUTELY, makes_up=True)) as made:
        await made.runner.run_due([due()])
        (letter,) = await made.letters()
        broken = False
        await retry_dead_letter(made.runner, made.database, letter.id)
        (letter,) = await made.letters()

    assert (letter.state, letter.superseded_by) == ("retried", None)


async def test_letters_of_an_earlier_process_are_settled_too(bench: Make) -> None:
    """N44: the nine of the full disk, after the restart that mended it."""
    async with bench(spec=replace(MINUTELY, makes_up=True)) as made:
        async with made.database.connection() as connection:
            await dead_letters.put(connection, NAME, {"params": {}, "only": ["a"]}, NOON, "full")
        await made.ledger.recover(NOON)
        await made.runner.run_due([due()])
        (letter,) = await made.letters()

    assert letter.state == "superseded"


def test_what_is_scheduled_makes_up_and_what_is_asked_for_does_not() -> None:
    specs = default_specs(calendars={"24/7", "XNYS"}, zones={"UTC"})

    assert {spec.name for spec in specs if not spec.makes_up} == {
        *("seed_history", "ping"),
        *("warmup_spot_symbols", "warmup_futures_symbols"),  # the next one is minutes away
    }
