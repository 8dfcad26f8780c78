"""Words that say what a bot waits for."""

from typing import Any

import pytest

from tests.fakes.trading import spec
from tradebotd.daemon.bot_words import doing
from tradebotd.domain.bot import DailyLimits


def words(status: str, **changes: Any) -> str:
    facts: dict[str, Any] = {"held": False, "trades": 0, "halted": False}
    row = {"status": status, "orphaned": changes.pop("orphaned", False)}
    limited = spec("b", limits=DailyLimits(max_daily_trades=20))
    return doing(row, spec=limited, **(facts | changes))


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        ("running", {"held": True}, "in position"),
        ("running", {}, "waits for a signal"),
        ("waiting (no signal)", {}, "waits for a signal"),
        ("waiting (position_closed)", {}, "waits for a signal"),
        ("waiting (warming up)", {}, "warming up: waits for candles"),
        ("waiting (max_exposure)", {}, "waits for a signal (max_exposure)"),
        ("waiting (market closed)", {"held": True}, "in position"),
        (
            "waiting (position of GONE open)",
            {"held": True},
            "in position, waiting (position of GONE open)",
        ),
        ("pending", {}, "waits for its first cycle"),
        ("running", {"trades": 20}, "waits for its next day (20 of 20 entries)"),
        ("running", {"trades": 20, "held": True}, "in position"),
        ("waiting (no signal)", {"halted": True}, "halted"),
        ("running", {"halted": True, "held": True}, "in position, halted"),
        ("paused (by user)", {"halted": True}, "paused (by user)"),
        ("paused (by user)", {"held": True}, "in position, paused (by user)"),
        ("stopped", {}, "stopped"),
        ("error (strategy)", {"halted": True}, "error (strategy)"),
        ("orphaned", {"orphaned": True}, "not configured"),
        ("orphaned", {"orphaned": True, "held": True}, "in position, not configured"),
    ],
)
def test_a_bot_says_what_it_waits_for(status: str, facts: dict[str, Any], expected: str) -> None:
    """N23, N29: `running` meant "holds a position", "just acted" and "its day is used up"."""
    assert words(status, **facts) == expected
