"""A key that nothing reads is refused: whoever sets it expects something of it."""

from pathlib import Path

import pytest

from tests.unit.config_text import SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.domain.errors import ConfigError


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(directory, text))
    return caught.value.problems


FEED, VENUE = 'kind = "synthetic"', 'kind = "paper"'
LATER = [
    # after this line, this one; the path it is told with, and a word of the reason
    (FEED, 'base_url = "https://localhost"', "feeds.history.base_url", "has none"),
    (FEED, "credits_per_minute = 8", "feeds.history.credits_per_minute", "has none"),
    (FEED, "credits_per_day = 800", "feeds.history.credits_per_day", "has none"),
    (FEED, 'path = "data/*.csv"', "feeds.history.path", 'kind = "replay"'),
    (VENUE, 'base_url = "https://localhost"', "venues.paper.base_url", "has none"),
    (VENUE, 'ws_url = "wss://localhost"', "venues.paper.ws_url", "has none"),
    (VENUE, "live = true", "venues.paper.live", "on paper"),
]
TABLES = [
    ("[health]\nbuy_sell_ratio = 6", "health.buy_sell_ratio"),
    ('[health]\nbuy_sell_for = "2h"', "health.buy_sell_for"),
    ('[health]\nmax_position_age = "1d"', "health.max_position_age"),
    ('[health]\njob_failure_rate = "20%"', "health.job_failure_rate"),
    ('[alerts]\nmin_severity = "info"', "alerts.min_severity"),
]


@pytest.mark.parametrize(("after", "line", "path", "reason"), LATER)
def test_a_key_of_another_kind_is_refused(
    after: str, line: str, path: str, reason: str, tmp_path: Path
) -> None:
    """M8.2: never ignored in silence."""
    (problem,) = problems(tmp_path, SMALLEST.replace(after, f"{after}\n{line}"))

    assert problem.startswith(f"{path}: ")
    assert reason in problem


@pytest.mark.parametrize(("table", "path"), TABLES)
def test_a_threshold_of_what_comes_later_is_refused(table: str, path: str, tmp_path: Path) -> None:
    """M8.2: at its default it may stand, as in config.example.toml."""
    (problem,) = problems(tmp_path, f"{SMALLEST}\n{table}\n")

    assert problem.startswith(f"{path}: ")
    assert "leave it out" in problem
