"""Notation of single values: durations, percentages, money, times of day, secrets."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from tradebotd.config.written import SERIALIZED_AS_WRITTEN
from tradebotd.config.zone_database import zone

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MOST: Final = Decimal(10) ** 18  # of any asset
_LONGEST: Final = timedelta(days=36_500)  # further ahead dates end
_DURATION: Final = re.compile(r"(\d+)\s*([smhd])")
_ATR: Final = re.compile(r"(\d+(?:\.\d+)?)\s*atr", re.IGNORECASE)
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(KB|MB|GB|TB|B)", re.IGNORECASE)
_SIZES: Final = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


@dataclass(frozen=True, slots=True)
class AtrMultiple:
    """Distance in average true ranges."""

    multiple: Decimal


class NoStop(StrEnum):
    """Explicit statement that no stop is wanted."""

    NONE = "none"


class Section(BaseModel):
    """Table of the file: unknown keys are errors, and it is immutable once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        defer_build=True,  # the whole file's validator is built once, and no table's own
    )


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    matched = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None or int(matched[1]) == 0:
        raise ValueError('not a duration; write "5s", "2m", "1h" or "3d"')
    seconds = int(matched[1]) * _UNITS[matched[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"too long; at most {_LONGEST.days}d")
    return timedelta(seconds=seconds)


def parse_duration(text: str) -> timedelta:
    """Parse `30s`, `5m`, `1h` or `3d`. Raises ValueError."""
    duration: timedelta = _duration(text)
    return duration


def _percent(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    if not text.endswith("%"):
        raise ValueError('not a percentage; write it as text with its sign: "0.5%"')
    return _number(text[:-1].strip(), 'not a percentage; write "0.5%"') / 100


def _distance(value: Any) -> Any:
    """Parse `"0.5%"` of a price, or `"2 atr"`: multiples of the average true range."""
    matched = _ATR.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None:
        return value if isinstance(value, AtrMultiple) else _percent(value)
    multiple = Decimal(matched[1])
    if multiple <= 0:
        raise ValueError("must be above 0 atr")
    return AtrMultiple(multiple)


def _stop(value: Any) -> Any:
    """Parse a distance or `"none"`."""
    if isinstance(value, str) and value.strip() == NoStop.NONE:
        return NoStop.NONE
    return _distance(value)


def _money(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise ValueError(f'a number that may reach an order is written as text: "{value}"')  # noqa: TRY004
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if not isinstance(value, str):
        raise ValueError('not an amount; write it as text: "0.01"')  # noqa: TRY004
    return _number(value.strip(), 'not an amount; write "0.01"')


def _number(text: str, complaint: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(complaint) from None
    if not number.is_finite():
        raise ValueError(complaint)
    if abs(number) >= _MOST:
        raise ValueError(f"must be below {_MOST:.0e}: more is no amount")
    return number


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError(f"must be above 0, was {value}")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError(f"must not be below 0, was {value}")
    return value


def _time_of_day(value: Any) -> Any:
    if isinstance(value, time):
        return value
    if isinstance(value, str):
        try:
            return datetime.strptime(value.strip(), "%H:%M").replace(tzinfo=UTC).time()
        except ValueError:
            pass
    raise ValueError('not a time of day; write "20:59"')


def _days(value: Any) -> Any:
    """Parse `mon-fri`, `mon,wed` or `sun`; names only, since day numbers differ between systems."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    complaint = f'not days; write "mon-fri" or "mon,wed"; the names are {", ".join(names)}'
    if isinstance(value, tuple):
        return value
    if not isinstance(value, str):
        raise ValueError(complaint)  # noqa: TRY004
    wanted: set[str] = set()
    for part in value.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in names or (last and last not in names):
            raise ValueError(complaint)
        start, end = names.index(first), names.index(last or first)
        if end < start:
            raise ValueError(f"{part}: a range of days goes forward in the week")
        wanted.update(names[start : end + 1])
    return tuple(name for name in names if name in wanted)


def _zone(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('not a time zone; write "Europe/Berlin"')  # noqa: TRY004
    zone(value)
    return value


def _start(value: Any) -> Any:
    """Parse a TOML date or date-time, or the same as text; UTC if it has no offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError('not a date; write "2026-01-01"') from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError('not a date; write "2026-01-01"')  # noqa: TRY004
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def _size(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    matched = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None:
        raise ValueError('not a size; write "1 GB" or "500 MB"')
    return int(Decimal(matched[1]) * _SIZES[matched[2].lower()])


def _factor(value: Any) -> Any:
    complaint = "not a speed; write 0 (as fast as possible), 1, 60 …"
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(complaint)  # noqa: TRY004
    speed = Decimal(value)
    if not speed.is_finite() or speed < 0:  # comparing nan raises
        raise ValueError(complaint)
    return speed


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


class _Notation:
    """Notation of a type in the file: *read* parses it, *json_schema* describes it to editors.

    Does the work of a BeforeValidator, a WithJsonSchema and a WrapSerializer. Those inspect their
    functions' signatures for each key of the type: a third of building the file's validator.
    """

    def __init__(
        self,
        read: Callable[[Any], Any],
        json_schema: dict[str, Any],
        *,
        as_written: bool = False,
    ) -> None:
        self._read = read
        self._json_schema = json_schema
        self._serialization = SERIALIZED_AS_WRITTEN if as_written else None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            self._read, handler(source), serialization=self._serialization
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self._json_schema)


Duration = Annotated[timedelta, _Notation(_duration, _text(r"^\d+[smhd]$"), as_written=True)]
Percent = Annotated[Decimal, _Notation(_percent, _text(r"^\d+(\.\d+)?%$"), as_written=True)]
Distance = Annotated[
    Decimal | AtrMultiple, _Notation(_distance, _text(r"^\d+(\.\d+)?(%| ?atr)$"), as_written=True)
]
StopDistance = Annotated[
    Decimal | AtrMultiple | NoStop,
    _Notation(_stop, _text(r"^(\d+(\.\d+)?(%| ?atr)|none)$"), as_written=True),
]
Money = Annotated[Decimal, _Notation(_money, _text(r"^-?\d+(\.\d+)?$"))]
PositiveMoney = Annotated[
    Decimal, _Notation(lambda value: _positive(_money(value)), _text(r"^\d+(\.\d+)?$"))
]
AmountNotNegative = Annotated[
    Decimal, _Notation(lambda value: _not_negative(_money(value)), _text(r"^\d+(\.\d+)?$"))
]
TimeOfDay = Annotated[time, _Notation(_time_of_day, _text(r"^\d\d:\d\d$"), as_written=True)]
Days = Annotated[tuple[str, ...], _Notation(_days, _text(r"^[a-z,-]+$"))]
ZoneName = Annotated[str, _Notation(_zone, {"type": "string"})]
Start = Annotated[datetime, _Notation(_start, _text(r"^\d{4}-\d\d-\d\d.*$"))]
Size = Annotated[int, _Notation(_size, _text(r"^\d+(\.\d+)? ?[KMGT]?B$"), as_written=True)]
Speed = Annotated[Decimal, _Notation(_factor, {"type": "number"})]


class SecretReference(Section):
    """Reference to a secret, never the secret itself: exactly one of the three."""

    file: str | None = None
    env: str | None = None
    credential: str | None = None
