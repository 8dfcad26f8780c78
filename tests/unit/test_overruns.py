from tradebotd.domain.ids import JobName
from tradebotd.scheduling.overruns import SAY_AGAIN_SECONDS, Overruns

SWEEP = JobName("stop_loss_check")


def test_a_job_that_is_always_too_slow_is_said_every_ten_minutes_with_its_count() -> None:
    """M2.4: a warning at each of a thousand slots would bury what matters."""
    overruns = Overruns()

    said = [overruns.skipped(SWEEP, float(second)) for second in range(1201)]

    assert [each for each in said if each is not None] == [1, 600, 600]
    assert said[0] == 1
    assert said[int(SAY_AGAIN_SECONDS)] == 600


def test_one_job_says_nothing_about_another() -> None:
    """M2.4"""
    overruns = Overruns()
    overruns.skipped(SWEEP, 0.0)

    assert overruns.skipped(JobName("run_bots"), 1.0) == 1
