"""Calendars of a configuration, loaded for the time that its data spans."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tradebotd.clocks.host import host_now
from tradebotd.config.model import Config
from tradebotd.domain.calendar_aliases import one_name
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.market.calendar_ends import ending, exchanges, without_its_break
from tradebotd.market.calendars import ExchangeCalendar, load_calendar
from tradebotd.market.declared_breaks import DeclaredBreak
from tradebotd.market.sessions import Calendar
from tradebotd.scheduling.slots import DAY_NAMES

if TYPE_CHECKING:  # the readers of files cost a start that reads none
    from tradebotd.feeds.replay import Recordings

BEFORE: Final = timedelta(days=31)  # "the last completed session" of the first candle


class DataSpan(NamedTuple):
    """Start and end of one symbol's data at one feed; synthetic data does not end."""

    source: str
    begins: datetime
    ends: datetime | None


def data_spans(
    config: Config, symbols: Sequence[MarketSymbol], recordings: Mapping[FeedName, "Recordings"]
) -> dict[str, list[DataSpan]]:
    """Return each symbol's data spans, one for each of its feeds that has data."""
    spans: dict[str, list[DataSpan]] = {}
    for symbol in symbols:
        spans[symbol.symbol] = found = []
        for name in symbol.feeds:
            section = config.feeds.get(name)
            if section is None:
                continue
            if section.kind == "synthetic":
                found.append(DataSpan(f"feeds.{name}.start", section.start, None))
            elif name in recordings and (span := recordings[name].span_of(symbol.symbol)):
                found.append(DataSpan(f"the recording of {symbol.symbol}", *span))
    return spans


def read_calendars(
    symbols: Sequence[MarketSymbol],
    spans: Mapping[str, Sequence[DataSpan]],
    breaks: Mapping[str, Sequence[DeclaredBreak]] = MappingProxyType({}),
) -> dict[str, Calendar]:
    """Load each calendar once. Raises ConfigError with all problems, at the first symbol of each.

    Data must not begin before its calendar does: the market would look permanently closed.
    """
    calendars: dict[str, Calendar] = {}
    problems: list[str] = []
    refused: set[str] = set()
    for number, symbol in enumerate(symbols):
        code, path = symbol.calendar, f"symbols[{number}].calendar"
        if code not in calendars and code not in refused:
            of_code = [
                span
                for symbol in symbols
                if symbol.calendar == code
                for span in spans.get(symbol.symbol, ())
            ]
            try:
                calendars[code] = load_calendar(
                    code, _first(of_code), _latest(of_code), breaks.get(code, ())
                )
            except ConfigError as error:
                refused.add(code)
                problems += [f"{path}: {problem}" for problem in error.problems]
        calendar = calendars.get(code)
        if isinstance(calendar, ExchangeCalendar):
            problems += [
                f"{path}: {code} knows no session before {calendar.known_from}, and {span.source}"
                f" begins on {span.begins:%Y-%m-%d}: leave out what is older"
                for span in spans.get(symbol.symbol, ())
                if span.begins.date() < calendar.known_from
            ]
    if problems:
        raise ConfigError(problems)
    return calendars


def declared_breaks(config: Config) -> dict[str, list[DeclaredBreak]]:
    """Return the declared breaks by calendar, under the one name that it has."""
    return {
        one_name(code): [
            DeclaredBreak(
                start=each.start,
                end=each.end,
                weekdays=frozenset(DAY_NAMES.index(day) for day in each.days),
            )
            for each in section.breaks
        ]
        for code, section in config.calendars.items()
    }


def other_names(config: Config) -> list[str]:
    """Return the notes of `check` about codes that are other names."""
    return [
        f"symbols[{number}].calendar: {each.calendar} is {one_name(each.calendar)}"
        for number, each in enumerate(config.symbols)
        if one_name(each.calendar) != each.calendar
    ]


def calendar_warnings(
    symbols: Sequence[MarketSymbol],
    calendars: Mapping[str, Calendar],
    spans: Mapping[str, Sequence[DataSpan]],
) -> list[str]:
    """Return what `tradebotd check` warns of: tables that end soon, by the data, and breaks."""
    found = []
    for calendar in exchanges(calendars):
        having = [n for n, symbol in enumerate(symbols) if symbol.calendar == calendar.code]
        of_code = [span for n in having for span in spans.get(symbols[n].symbol, ())]
        said = (ending(calendar, _latest(of_code)), without_its_break(calendar))
        found += [f"symbols[{having[0]}].calendar: {words}" for words in said if words is not None]
    return found


def _first(spans: Sequence[DataSpan]) -> date | None:
    if not spans:
        return None
    first = min(span.begins.date() for span in spans)
    return first - min(BEFORE, first - date.min)


def _latest(spans: Sequence[DataSpan]) -> date:
    """Return the day from which calendars must reach ahead: the data's last, else today."""
    if not spans:
        return host_now().date()
    return max((span.ends or span.begins).date() for span in spans)
