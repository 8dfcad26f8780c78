"""What the judge of the vendors' kills excuses, and what it does not."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.kills.vendors.judge import guards

ENTRY, STOP, OTHER = "tbentry", "tbstop", "tbother"


def row(number: int, name: str, *, stopped: str | None = None) -> dict[str, Any]:
    """An order of the position *number*, which holds 2; *stopped*: for so much it is a stop."""
    is_stop, left = stopped is not None, Decimal(stopped or 0)
    return {
        "id": number,
        "quantity": Decimal(2),
        "is_open": True,
        "client_order_id": name,
        "stopped": left,
        "role": "exit" if is_stop else "entry",
        "is_stop": is_stop,
    }


@pytest.mark.parametrize(
    ("stopped", "alarms", "count"),
    [
        ("2", set(), 0),
        ("1.5", set(), 0),
        ("1", set(), 1),
        ("1", {"position 7"}, 0),
        ("1", {STOP}, 0),
        ("1", {"position 8"}, 1),
        ("1", {OTHER}, 1),
        ("2.5", set(), 1),
        ("2.5", {"position 7", STOP}, 1),
    ],
)
def test_an_alert_excuses_its_own_position_alone_and_no_stop_for_more_than_it_holds(
    stopped: str, alarms: set[str], count: int
) -> None:
    """M5.1: each of two positions is judged by itself; the other one has its whole stop."""
    rows = [row(7, ENTRY), row(7, STOP, stopped=stopped), row(8, OTHER, stopped="2")]
    assert len(guards(rows, {STOP, OTHER}, Fraction(1), alarms)) == count


def test_a_stop_that_does_not_rest_at_the_venue_guards_nothing() -> None:
    """M5.1: it is in our books alone."""
    assert guards([row(7, STOP, stopped="2")], set(), Fraction(1), set())
