"""Special sessions of 2026, as the exchanges announced them."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tradebotd.market.calendars import Calendar, load_calendar
from tradebotd.market.sessions import Session

pytest.importorskip("exchange_calendars")

NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
HONG_KONG = ZoneInfo("Asia/Hong_Kong")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
JERUSALEM = ZoneInfo("Asia/Jerusalem")


@pytest.fixture(scope="module", params=["XNYS", "XLON", "XHKG", "BVMF", "XTAE"])
def every(request: pytest.FixtureRequest) -> tuple[str, Calendar]:
    code: str = request.param
    return code, load_calendar(code)


def on(calendar: Calendar, day: str, zone: ZoneInfo) -> Session | None:
    """The session of the local date *day*."""
    start = datetime.combine(date.fromisoformat(day), time(), zone)
    end = datetime.combine(date.fromisoformat(day), time(23, 59), zone)
    found = calendar.sessions(start.astimezone(UTC), end.astimezone(UTC))
    return found[0] if found else None


NOTICES = [
    # NYSE Group, 2024-11-08, "2025, 2026 and 2027 Holiday and Early Closings Calendar": "Independence
    # Day: Friday, July 3 (Independence Day observed)"; "Each market will close early at 1:00 p.m. […]
    # on […] Friday, November 27, 2026"; likewise on Thursday, December 24, 2026. Times are Eastern.
    ("XNYS", NEW_YORK, "2026-07-02", "09:30", "16:00"),
    ("XNYS", NEW_YORK, "2026-07-03", None, None),
    ("XNYS", NEW_YORK, "2026-11-26", None, None),
    ("XNYS", NEW_YORK, "2026-11-27", "09:30", "13:00"),
    ("XNYS", NEW_YORK, "2026-12-24", "09:30", "13:00"),
    # London Stock Exchange, business days: Christmas Eve and New Year's Eve, "markets closing process
    # commences from 12:30 London time".
    ("XLON", LONDON, "2026-12-24", "08:00", "12:30"),
    ("XLON", LONDON, "2026-12-28", None, None),
    ("XLON", LONDON, "2026-12-31", "08:00", "12:30"),
    # HKEX, trading hours: no afternoon session on the eves of Christmas, New Year and Lunar New Year.
    ("XHKG", HONG_KONG, "2026-02-16", "09:30", "12:00"),
    ("XHKG", HONG_KONG, "2026-12-24", "09:30", "12:00"),
    ("XHKG", HONG_KONG, "2026-12-31", "09:30", "12:00"),
    # B3, carnival of 2026: no trading on 16 and 17 February; on Ash Wednesday the continuous session
    # begins at 13:00, "das 13 horas às 17h55, […] call de fechamento […] das 17h55 às 18 horas".
    ("BVMF", SAO_PAULO, "2026-02-17", None, None),
    ("BVMF", SAO_PAULO, "2026-02-18", "13:00", "18:00"),
    ("BVMF", SAO_PAULO, "2026-02-19", "10:00", "18:00"),
    # TASE trades from Monday to Friday since 2026-01-05, shorter on Fridays; before, on Sundays.
    ("XTAE", JERUSALEM, "2026-01-04", "09:59", "15:40"),
    ("XTAE", JERUSALEM, "2026-01-09", "09:59", "13:50"),
    ("XTAE", JERUSALEM, "2026-01-11", None, None),
]


def test_what_the_exchange_announced_is_what_is_traded(every: tuple[str, Calendar]) -> None:
    """M3.9: half days, late opens, observed holidays, sessions on other weekdays."""
    code, calendar = every
    for _, zone, day, opens, closes in (each for each in NOTICES if each[0] == code):
        session = on(calendar, day, zone)
        if opens is None or closes is None:
            assert session is None, (code, day)
            continue
        assert session is not None, (code, day)
        local = (session.open.astimezone(zone), session.close.astimezone(zone))
        assert [f"{at:%H:%M}" for at in local] == [opens, closes], (code, day)
        assert calendar.is_open(session.open)
        assert not calendar.is_open(session.close)


def test_half_days_have_no_lunch() -> None:
    """HKEX: the morning only, and nothing to come back from."""
    calendar = load_calendar("XHKG")
    half, whole = (on(calendar, day, HONG_KONG) for day in ("2026-12-24", "2026-12-23"))
    assert half is not None
    assert whole is not None
    assert (len(half.hours), len(whole.hours)) == (1, 2)
