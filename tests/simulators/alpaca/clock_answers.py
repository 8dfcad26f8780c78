"""Clocks and calendars as they are told, v2 and v3 (A9)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from tests.simulators.alpaca.calendar import (
    NEW_YORK,
    Phase,
    TradingDay,
    days,
    next_close,
    next_open,
    phase_at,
)
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.simulators.alpaca.wording import local_stamp, moment_of

ONE_DAY: Final = timedelta(days=1)
LONGEST: Final = 3660  # days of a calendar


@dataclass(frozen=True)
class MarketName:
    acronym: str
    name: str
    mic: str


MARKETS: Final = {
    key: market
    for market in (
        MarketName("NYSE", "New York Stock Exchange", "XNYS"),
        MarketName("NASDAQ", "NASDAQ", "XNAS"),
        MarketName("BOATS", "Blue Ocean Alternative Trading System", "OCEA"),
    )
    for key in (market.acronym, market.mic)
}


def clock_json(now: datetime) -> dict[str, Any]:
    """GET /v2/clock: New York's offset, nanoseconds in the timestamp."""
    return {
        "timestamp": local_stamp(now, NEW_YORK, nanoseconds=True),
        "is_open": phase_at(now) is Phase.CORE,
        "next_open": local_stamp(next_open(now), NEW_YORK),
        "next_close": local_stamp(next_close(now), NEW_YORK),
    }


def calendar_json(query: dict[str, str], today: date) -> list[dict[str, Any]]:
    """GET /v2/calendar: times of day in New York, the sessions' without a colon."""
    first, last = _span(query, today - 365 * ONE_DAY, today + 365 * ONE_DAY)
    local = _local_time
    return [
        {
            "date": day.day.isoformat(),
            "open": local(day.core_start, "%H:%M"),
            "close": local(day.core_end, "%H:%M"),
            "session_open": local(day.pre_start, "%H%M"),
            "session_close": local(day.post_end, "%H%M"),
            "settlement_date": day.settlement.isoformat(),
        }
        for day in days(first, last)
    ]


def clocks_json(query: dict[str, str], now: datetime) -> dict[str, Any]:
    """GET /v3/clock. A9: the phase of each market; BOATS' core is the overnight session."""
    at = moment_of(query["time"]) if "time" in query else now
    names = [each for each in query.get("markets", "NYSE").split(",") if each]
    return {"clocks": [_clock_json(_market(name), at) for name in names]}


def calendars_json(name: str, query: dict[str, str], today: date) -> dict[str, Any]:
    """GET /v3/calendar/{market}: today and the week behind it unless told otherwise."""
    market = _market(name)
    zone: tzinfo = UTC if query.get("timezone") == "UTC" else NEW_YORK
    first, last = _span(query, today, None)
    told = []
    for day in days(first, last):
        entry = {"date": day.day.isoformat(), "settlement_date": day.settlement.isoformat()}
        if market.acronym == "BOATS":
            entry["core_start"] = local_stamp(day.overnight_start, zone)
            entry["core_end"] = local_stamp(day.pre_start, zone)
        else:
            entry |= {
                "pre_start": local_stamp(day.pre_start, zone),
                "pre_end": local_stamp(day.core_start, zone),
                "core_start": local_stamp(day.core_start, zone),
                "core_end": local_stamp(day.core_end, zone),
                "post_start": local_stamp(day.core_end, zone),
                "post_end": local_stamp(day.post_end, zone),
            }
        told.append(entry)
    return {"market": _market_json(market), "calendar": told}


def _clock_json(market: MarketName, now: datetime) -> dict[str, Any]:
    boats = market.acronym == "BOATS"
    start: Callable[[TradingDay], datetime]
    end: Callable[[TradingDay], datetime]
    if boats:
        start, end = (lambda day: day.overnight_start), (lambda day: day.pre_start)
    else:
        start, end = (lambda day: day.core_start), (lambda day: day.core_end)
    today = now.astimezone(NEW_YORK).date()
    ahead = list(days(today - ONE_DAY, today + 15 * ONE_DAY))
    phase = phase_at(now)
    if boats:
        told = "core" if phase is Phase.OVERNIGHT else "closed"
    else:
        told = "closed" if phase is Phase.OVERNIGHT else phase.value
    moments = sorted(
        moment
        for day in ahead
        for moment in ((start(day), end(day)) if boats else _moments(day))
        if moment > now
    )
    return {
        "market": _market_json(market),
        "timestamp": local_stamp(now, NEW_YORK, nanoseconds=True),
        "is_market_day": any(day.day == today for day in ahead),
        "next_market_open": local_stamp(min(s for s in map(start, ahead) if s > now), NEW_YORK),
        "next_market_close": local_stamp(min(e for e in map(end, ahead) if e > now), NEW_YORK),
        "phase": told,
        "phase_until": local_stamp(moments[0], NEW_YORK),
    }


def _moments(day: TradingDay) -> tuple[datetime, ...]:
    return day.pre_start, day.core_start, day.core_end, day.post_end


def _market(name: str) -> MarketName:
    if name not in MARKETS:
        raise RequestRefusedError(400, None, f"unknown market: {name}")
    return MARKETS[name]


def _market_json(market: MarketName) -> dict[str, str]:
    return {
        "acronym": market.acronym,
        "name": market.name,
        "mic": market.mic,
        "timezone": "America/New_York",
    }


def _local_time(moment: datetime, form: str) -> str:
    return moment.astimezone(NEW_YORK).strftime(form)


def _span(query: dict[str, str], first: date, last: date | None) -> tuple[date, date]:
    try:
        start = date.fromisoformat(query["start"][:10]) if "start" in query else first
        end = date.fromisoformat(query["end"][:10]) if "end" in query else last
    except ValueError as error:
        raise RequestRefusedError(400, None, f"invalid date: {error}") from error
    end = end or start + 7 * ONE_DAY
    return start, min(end, start + LONGEST * ONE_DAY)
