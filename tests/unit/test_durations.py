"""How long something lasts, for people."""

from datetime import timedelta

import pytest

from tradebotd.domain.durations import spoken


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (138.198875, "2 min 18 s"),
        (367.75, "6 min 7 s"),
        (0.4, "0.4 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (3_601, "1 h"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
        (-75, "-1 min 15 s"),
        (0, "0 s"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    """N45: neither `0:02:18.198875` nor `0:06:07.750926 old`."""
    assert spoken(timedelta(seconds=seconds)) == told
