"""Breaks that a configuration declares, since the library's table has none of them."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.market_data import market_symbol
from tests.unit.config_text import SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.daemon.calendar_files import (
    calendar_warnings,
    declared_breaks,
    other_names,
    read_calendars,
)
from tradebotd.daemon.commands.main import main
from tradebotd.domain.calendar_aliases import ALIASES
from tradebotd.domain.errors import ConfigError
from tradebotd.market.calendar_ends import BREAKS_UNKNOWN
from tradebotd.market.calendar_names import CODES
from tradebotd.market.calendars import ExchangeCalendar, KnownSessions, load_calendar
from tradebotd.market.declared_breaks import DeclaredBreak, with_breaks
from tradebotd.market.sessions import Break, Session

CHICAGO, KARACHI = ZoneInfo("America/Chicago"), ZoneInfo("Asia/Karachi")
HOUR = timedelta(hours=1)
MONDAY = date(2026, 3, 2)
FRIDAY_BREAK = DeclaredBreak(start=time(12), end=time(14, 30), weekdays=frozenset({4}))
HALT = DeclaredBreak(start=time(16), end=time(17))


def at(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)


def karachi(day: date, *breaks: Break) -> Session:
    return Session(day, at(day, time(9, 32), KARACHI), at(day, time(15, 30), KARACHI), breaks)


def globex(day: date) -> Session:
    before = day - timedelta(days=1)
    return Session(day, at(before, time(17), CHICAGO), at(day, time(17), CHICAGO))


def test_a_break_is_of_its_weekdays_in_the_exchanges_own_time() -> None:
    """M3.9: in the midst of a session, which it does not close."""
    days = [karachi(MONDAY + timedelta(days=n)) for n in range(5)]

    *others, friday = with_breaks(days, [FRIDAY_BREAK], KARACHI)

    assert others == days[:4]
    noon, on = at(friday.date, time(12), KARACHI), at(friday.date, time(14, 30), KARACHI)
    assert friday == karachi(friday.date, Break(noon, on))


@pytest.mark.parametrize("day", [date(2026, 3, 6), date(2026, 3, 9), date(2026, 11, 2)])
def test_one_at_its_end_closes_a_session_earlier_whatever_the_clocks_did(day: date) -> None:
    """M3.9: an hour of each day in Chicago, on both sides of a change of its clocks."""
    (session,) = with_breaks([globex(day)], [HALT], CHICAGO)

    assert session == Session(day, globex(day).open, at(day, time(16), CHICAGO))


def test_one_of_the_evening_before_is_of_that_days_weekday() -> None:
    """The session of Monday begins on Sunday."""
    evening = DeclaredBreak(start=time(18), end=time(19), weekdays=frozenset({6}))
    monday, tuesday = with_breaks(
        [globex(MONDAY), globex(MONDAY + timedelta(days=1))], [evening], CHICAGO
    )

    sunday = MONDAY - timedelta(days=1)
    assert monday.breaks == (Break(at(sunday, time(18), CHICAGO), at(sunday, time(19), CHICAGO)),)
    assert tuesday.breaks == ()


def test_breaks_that_touch_are_one_and_the_tables_own_stay() -> None:
    open_ = karachi(MONDAY).open
    known = Break(open_ + HOUR, open_ + 2 * HOUR)
    first = DeclaredBreak(start=time(11, 32), end=time(12))
    second = DeclaredBreak(start=time(11, 50), end=time(12, 32))
    early = DeclaredBreak(start=time(9), end=time(10))

    (session,) = with_breaks([karachi(MONDAY, known)], [second, early, first], KARACHI)

    assert session.open == at(MONDAY, time(10), KARACHI)
    assert session.breaks == (Break(open_ + HOUR, open_ + 3 * HOUR),)
    assert [hours.close - hours.open for hours in session.hours] == [
        timedelta(minutes=32),
        timedelta(hours=2, minutes=58),
    ]


def test_a_break_to_midnight_and_one_over_all_of_a_session() -> None:
    day = Session(MONDAY, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    night = DeclaredBreak(start=time(21), end=time(0))
    (short,) = with_breaks([day], [night], ZoneInfo("UTC"))

    assert short.close == datetime(2026, 3, 2, 21, tzinfo=UTC)
    assert (
        with_breaks([karachi(MONDAY)], [DeclaredBreak(start=time(9), end=time(16))], KARACHI) == ()
    )


def test_what_is_assumed_and_what_is_read_later_has_them_too() -> None:
    """M3.9: behind the end of the table, and after `extend_calendars`."""

    def known(until: date) -> KnownSessions:
        days = [MONDAY + timedelta(days=n) for n in range((until - MONDAY).days + 1)]
        return KnownSessions(
            sessions=tuple(karachi(day) for day in days if day.weekday() < 5),
            known_from=MONDAY,
            known_until=until,
            ends=None,
            zone=KARACHI,
        )

    calendar = ExchangeCalendar.from_table("XKAR", known(date(2026, 6, 30)), [FRIDAY_BREAK])
    at_lunch = at(date(2026, 7, 17), time(13), KARACHI)
    assert not calendar.is_open(at_lunch)
    assert calendar.session_at(at_lunch) is not None
    calendar.extend(known(date(2026, 12, 31)))
    assert not calendar.is_open(at_lunch)
    assert calendar.is_open(at_lunch + 2 * HOUR)


# In the configuration

SYMBOL = SMALLEST + 'calendar = "{code}"\n'


def test_they_are_read_from_the_file_under_the_one_name(tmp_path: Path) -> None:
    text = SYMBOL.format(code="CMES") + (
        '[calendars.CME]\nbreaks = [{ start = "16:00", end = "17:00" },'
        ' { days = "mon,fri", start = "07:45", end = "08:30" }]\n'
    )

    found = declared_breaks(load_config(written(tmp_path, text)))

    morning = DeclaredBreak(start=time(7, 45), end=time(8, 30), weekdays=frozenset({0, 4}))
    assert found == {"CMES": [HALT, morning]}


@pytest.mark.parametrize(
    ("code", "table", "problem"),
    [
        ("XKAR", "[calendars.XKA]\nbreaks = [{B}]", "calendars.XKA: no symbol has this calendar"),
        ("24/7", '[calendars."24/7"]\nbreaks = [{B}]', "calendars.24/7: it never closes"),
        ("XKAR", "[calendars.XKAR]\nbreaks = []", "calendars.XKAR.breaks: at least one"),
        ("XKAR", "[calendars.XKAR]", "calendars.XKAR.breaks: required"),
        (
            "CME",
            "[calendars.CME]\nbreaks = [{B}]\n[calendars.CMES]\nbreaks = [{B}]",
            "calendars.CMES: it is CME by another name",
        ),
        (
            "XKAR",
            '[calendars.XKAR]\nbreaks = [{ start = "12:00", end = "12:00" }]',
            "calendars.XKAR.breaks[0]: it ends when it begins",
        ),
        (
            "XKAR",
            '[calendars.XKAR]\nbreaks = [{ start = "12", end = "13:00" }]',
            "calendars.XKAR.breaks[0].start: not a time of day",
        ),
        (
            "XKAR",
            '[calendars.XKAR]\nbreaks = [{ days = "fr", start = "12:00", end = "13:00" }]',
            "calendars.XKAR.breaks[0].days: not days",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    tmp_path: Path, code: str, table: str, problem: str
) -> None:
    text = SYMBOL.format(code=code) + table.replace("{B}", '{ start = "12:00", end = "13:00" }')

    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, text + "\n"))

    assert len(refused.value.problems) == 1, refused.value.problems
    assert refused.value.problems[0].startswith(problem)


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_another_name_is_the_same_calendar(tmp_path: Path, alias: str) -> None:
    """Read once, closed once, told once."""
    config = load_config(written(tmp_path, SYMBOL.format(code=alias)))

    (symbol,) = config.market_symbols()
    assert symbol.calendar == ALIASES[alias]
    assert other_names(config) == [f"symbols[0].calendar: {alias} is {ALIASES[alias]}"]


def test_other_names_and_missing_breaks_are_of_calendars_that_there_are() -> None:
    assert set(ALIASES) | set(ALIASES.values()) <= CODES
    assert set(BREAKS_UNKNOWN) <= CODES - set(ALIASES)


def test_they_are_the_librarys_other_names() -> None:
    library = pytest.importorskip("exchange_calendars")
    aliases = set(library.get_calendar_names()) - set(
        library.get_calendar_names(include_aliases=False)
    )

    assert {alias: library.resolve_alias(alias) for alias in aliases} == ALIASES


# With the library

LIVE = [
    ("XKAR", FRIDAY_BREAK, KARACHI, date(2026, 3, 6), time(12), time(14, 30)),
    ("CMES", HALT, CHICAGO, date(2026, 3, 4), time(16), time(17)),
    ("us_futures", DeclaredBreak(start=time(17), end=time(18)), ZoneInfo("America/New_York"),
     date(2026, 3, 4), time(17), time(18)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "declared", "zone", "day", "start", "end"), LIVE)
def test_a_halt_that_the_library_leaves_out_is_kept_once_it_is_declared(
    code: str, declared: DeclaredBreak, zone: ZoneInfo, day: date, start: time, end: time
) -> None:
    """M3.9: by the exchange's published hours; `check` warns by name until then."""
    pytest.importorskip("exchange_calendars")
    moments = [
        at(day, start, zone) - timedelta(minutes=1),
        at(day, start, zone),
        at(day, end, zone) - timedelta(minutes=1),
        at(day, end, zone),
    ]
    bare = load_calendar(code, now=MONDAY)
    calendar = load_calendar(code, now=MONDAY, breaks=[declared])

    assert [bare.is_open(moment) for moment in moments] == [True] * 4
    assert [calendar.is_open(moment) for moment in moments] == [True, False, False, True]
    assert calendar.next_open(moments[1]) == moments[3]


@pytest.mark.parametrize("code", sorted(BREAKS_UNKNOWN))
def test_check_names_each_break_that_is_not_known_until_it_is_declared(code: str) -> None:
    pytest.importorskip("exchange_calendars")
    symbols = [market_symbol("A", calendar=code)]

    (warning,) = [
        each
        for each in calendar_warnings(symbols, read_calendars(symbols, {}), {})
        if "leaves out" in each
    ]
    assert warning.startswith(f"symbols[0].calendar: {code} ")
    assert "it is taken for open then; [calendars." in warning
    declared = read_calendars(symbols, {}, {code: [HALT]})
    assert not any("leaves out" in each for each in calendar_warnings(symbols, declared, {}))


@pytest.mark.parametrize("declared", [False, True])
def test_check_is_content_with_a_break_that_the_file_declares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, declared: bool
) -> None:
    pytest.importorskip("exchange_calendars")
    table = '[calendars.XKAR]\nbreaks = [{ days = "fri", start = "12:00", end = "14:30" }]\n'
    config = written(tmp_path, SYMBOL.format(code="XKAR") + (table if declared else ""))

    assert main(["check", "--config", str(config)]) == 0

    assert ("breaks on Fridays from 12:00" in capsys.readouterr().out) is not declared
