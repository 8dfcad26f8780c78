from tradebotd.domain.ids import JobName
from tradebotd.jobs.overruns import Overruns

SWEEP = JobName("stop_loss_check")


def test_a_job_that_is_always_too_slow_is_said_once() -> None:
    """M2.4: a warning at each of a thousand slots would bury what matters."""
    overruns = Overruns()
    said = []
    for _ in range(1000):
        said.append(overruns.skipped(SWEEP))
        overruns.skipped(SWEEP)
        assert not overruns.ended(SWEEP)

    assert said == [True] + [False] * 999


def test_a_run_that_skips_nothing_ends_it_and_the_next_overrun_is_said_again() -> None:
    """M2.4"""
    overruns = Overruns()
    overruns.skipped(SWEEP)
    overruns.ended(SWEEP)

    assert overruns.ended(SWEEP)
    assert not overruns.ended(SWEEP)
    assert overruns.skipped(SWEEP)


def test_one_job_says_nothing_about_another() -> None:
    """M2.4"""
    overruns = Overruns()
    overruns.skipped(SWEEP)

    assert not overruns.ended(JobName("run_bots"))
    assert overruns.skipped(JobName("run_bots"))
