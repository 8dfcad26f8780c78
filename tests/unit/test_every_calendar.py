"""Every calendar that the library knows, as the daemon reads it: none may end in a traceback."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from tradebotd.market.calendar_names import CODES
from tradebotd.market.calendars import FIRST_DAY, HORIZON, ExchangeCalendar, read_known

exchange_calendars = pytest.importorskip("exchange_calendars")

TODAY = date(2026, 11, 29)
BREAKS = {"XHKG", "XSHG", "XTKS"}
BEGIN_LATE = {"AIXK": date(2017, 1, 1), "XSAU": date(2021, 1, 1)}
END_EARLY = {code: date(2026, 12, 31) for code in ("XBOM", "XSES", "XSHG")}
NAMES = sorted(set(exchange_calendars.get_calendar_names(include_aliases=False)) - {"24/7"})


@pytest.mark.parametrize("code", NAMES)
def test_it_is_read_over_the_span_that_the_daemon_needs(code: str) -> None:
    """M3.9: from the oldest data to two years ahead, or as far as it knows, in one order."""
    known = read_known(code, FIRST_DAY, TODAY)

    sessions = known.sessions
    assert known.known_from == BEGIN_LATE.get(code, FIRST_DAY)
    assert known.known_until == END_EARLY.get(code, TODAY + HORIZON)
    assert (known.ends == known.known_until) == (code in END_EARLY)
    assert all(before.close <= after.open for before, after in pairwise(sessions))
    assert all(before.date < after.date for before, after in pairwise(sessions))
    parts = [part for session in sessions for part in session.hours]
    assert all(part.open < part.close for part in parts)
    assert any(session.breaks for session in sessions if session.date.year > 2020) == (
        code in BREAKS
    )


@pytest.mark.parametrize("code", ["XNYS", "XTKS", "CMES", "24/5", "XSAU"])
def test_behind_its_end_it_goes_on_as_it_was(code: str) -> None:
    """What is assumed of two years is what the library says of them, but for holidays."""
    shorter = read_known(code, date(2023, 1, 1), date(2024, 9, 30) - HORIZON)
    told = read_known(code, date(2023, 1, 1), date(2026, 9, 30) - HORIZON).sessions
    calendar = ExchangeCalendar.from_table(code, shorter)
    start = datetime(2024, 10, 2, tzinfo=UTC)

    assumed = calendar.sessions(start, start + timedelta(days=60))

    known = {each.date: (each.open, each.close, each.breaks) for each in told}
    same = [known.get(each.date) == (each.open, each.close, each.breaks) for each in assumed]
    assert all(each.assumed for each in assumed)
    assert len(assumed) > 35
    # XTKS closes half an hour later from 2024-11-05 on, which no table told before.
    assert same.count(False) <= (25 if code == "XTKS" else 5)


def test_a_typo_is_told_where_the_library_is_not_installed() -> None:
    """The list of codes in the package is the library's."""
    assert set(exchange_calendars.get_calendar_names()) == CODES
