"""Sessions and calendars of the simulator of Alpaca."""

from datetime import date

import pytest

from tests.simulators.alpaca.calendar import Phase, boundaries, next_close, next_open, phase_at
from tests.simulators.alpaca.clock_answers import (
    calendar_json,
    calendars_json,
    clock_json,
    clocks_json,
)
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.unit.simulators.alpaca.scenes import moment


@pytest.mark.parametrize(
    ("local", "phase"),
    [
        ("2026-11-15 19:59", Phase.CLOSED),  # Sunday
        ("2026-11-15 20:00", Phase.OVERNIGHT),
        ("2026-11-16 03:59", Phase.OVERNIGHT),
        ("2026-11-16 04:00", Phase.PRE),
        ("2026-11-16 09:30", Phase.CORE),
        ("2026-11-16 16:00", Phase.POST),
        ("2026-11-16 20:00", Phase.OVERNIGHT),
        ("2026-11-20 03:59", Phase.OVERNIGHT),
        ("2026-11-20 20:00", Phase.CLOSED),  # Friday evening
        ("2026-11-21 12:00", Phase.CLOSED),
        ("2026-11-25 20:30", Phase.CLOSED),  # the evening before Thanksgiving
        ("2026-11-26 12:00", Phase.CLOSED),
        ("2026-11-26 20:00", Phase.OVERNIGHT),  # the evening of Thanksgiving
        ("2026-11-27 13:00", Phase.POST),  # a half-day
        ("2026-11-27 17:00", Phase.CLOSED),
        ("2026-07-02 20:30", Phase.CLOSED),  # a Friday is a holiday: no session before it
    ],
)
def test_the_phase_of_a_moment(local: str, phase: Phase) -> None:
    """A2: overnight from Sunday 20:00 to Friday 04:00, none on the evening before a full holiday."""
    assert phase_at(moment(local)) is phase


def test_opens_and_closes_know_holidays_and_half_days() -> None:
    before_thanksgiving = moment("2026-11-25 17:00")

    assert next_open(before_thanksgiving) == moment("2026-11-27 09:30")
    assert next_close(before_thanksgiving) == moment("2026-11-27 13:00")


def test_the_boundaries_of_a_day_are_in_order() -> None:
    found = list(boundaries(moment("2026-11-16 20:00"), moment("2026-11-17 20:00")))

    assert [each.begins for each in found][:3] == [Phase.PRE, Phase.CORE, Phase.POST]
    assert {each.begins for each in found[3:]} == {Phase.OVERNIGHT, Phase.CLOSED}
    assert found[3].begins is Phase.CLOSED  # the old day ends before the new one begins


def test_a_jump_of_years_is_refused() -> None:
    with pytest.raises(ValueError, match="jumped"):
        list(boundaries(moment("2020-01-01 00:00"), moment("2026-01-01 00:00")))


def test_the_clock_tells_nanoseconds_and_the_offset_of_new_york() -> None:
    winter = clock_json(moment("2026-11-18 10:00"))
    summer = clock_json(moment("2026-07-01 10:00"))

    assert winter["timestamp"] == "2026-11-18T10:00:00.000000738-05:00"
    assert winter["is_open"] is True
    assert winter["next_close"] == "2026-11-18T16:00:00-05:00"
    assert summer["next_open"] == "2026-07-02T09:30:00-04:00"


def test_the_calendar_tells_early_closes() -> None:
    told = calendar_json({"start": "2026-11-25", "end": "2026-11-30"}, date(2026, 11, 18))

    assert [day["date"] for day in told] == ["2026-11-25", "2026-11-27", "2026-11-30"]
    assert told[1] == {
        "date": "2026-11-27",
        "open": "09:30",
        "close": "13:00",
        "session_open": "0400",
        "session_close": "1700",
        "settlement_date": "2026-11-30",
    }


def test_the_third_version_tells_phases_of_several_markets() -> None:
    """A9: /v3/clock has phases and BOATS, /v3/calendar a market's sessions."""
    clocks = clocks_json({"markets": "NYSE,BOATS"}, moment("2026-11-16 22:00"))["clocks"]

    assert [each["phase"] for each in clocks] == ["closed", "core"]
    assert clocks[1]["phase_until"] == "2026-11-17T04:00:00-05:00"
    assert clocks[0]["phase_until"] == "2026-11-17T04:00:00-05:00"
    assert clocks_json({}, moment("2026-11-16 17:00"))["clocks"][0]["phase"] == "post"

    told = calendars_json("BOATS", {"start": "2026-11-16"}, date(2026, 11, 16))["calendar"]
    assert told[0]["core_start"] == "2026-11-15T20:00:00-05:00"
    with pytest.raises(RequestRefusedError, match="unknown market"):
        calendars_json("MOON", {}, date(2026, 11, 16))
