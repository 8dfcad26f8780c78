"""What a file may not say, though each of its values looks right."""

from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.domain.errors import ConfigError

CANARY = "canary-4711"


def problems_of(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(written(directory, ONE_BOT + text))
    return refused.value.problems


@pytest.mark.parametrize("speed", ["nan", "inf", "-inf", "-1", "true", '"60"'])
def test_a_speed_that_is_no_number_of_seconds_is_a_problem_not_a_crash(
    speed: str, tmp_path: Path
) -> None:
    text = f'[feeds.other]\nkind = "synthetic"\nspeed = {speed}'

    assert problems_of(tmp_path, text)[0].startswith("feeds.other.speed: not a speed")


@pytest.mark.parametrize("duration", ["36501d", "10000000000000d", "99999999999999999999s"])
def test_a_duration_beyond_all_dates_is_a_problem_not_a_crash(
    duration: str, tmp_path: Path
) -> None:
    assert problems_of(tmp_path, f'[jobs.ping]\nevery = "{duration}"') == [
        "jobs.ping.every: too long; at most 36500d"
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{CANARY}@host/db",
        f"postgres://user:{CANARY}@host/db",
        f"postgresql://user@host/db?password={CANARY}",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    """M6.3: keys come from files, environment or systemd credentials, never from this file."""
    (problem,) = problems_of(tmp_path, f'[database]\nurl = "{url}"')

    assert problem.startswith("database.url: a secret never stands in this file")
    assert CANARY not in problem


@pytest.mark.parametrize("url", ["mysql://host/db", "embeded", "", "postgresql://[host/db"])
def test_a_url_of_no_postgresql_is_refused(url: str, tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, f'[database]\nurl = "{url}"')

    assert problem.startswith("database.url: ")
    assert "postgresql://user@host/database" in problem


def test_a_pool_keeps_no_more_connections_than_it_may_have(tmp_path: Path) -> None:
    text = "[database]\npool_min = 20"

    assert problems_of(tmp_path, text)[0].startswith("database.pool_min: 20 is above pool_max (10)")
