"""Strict reading of a Binance answer: each field has its type, or the answer is malformed.

An answer may be cut, hostile, or of tomorrow's shape. What cannot be read ends in
`MalformedAnswerError`, which names the venue, the path, the status and the beginning of the body;
nothing is guessed, and no other exception leaves this module.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import orjson

from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.net.redaction import Redactor

SHOWN: Final = 200  # characters of a body, in an error
_DECIMAL: Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = (
    4_102_444_800_000  # 2100-01-01, in milliseconds: later is microseconds, or nonsense
)
_MILLISECOND: Final = timedelta(milliseconds=1)


class MalformedAnswerError(VenueError):
    """An answer that cannot be read as what it should be; of an order, its outcome is unknown."""

    def __init__(self, venue: str, path: str, status: int, why: str, shown: str) -> None:
        super().__init__(f"{venue} {path} (status {status}): {why}: {shown}")
        self.venue, self.path, self.status, self.why = venue, path, status, why


@dataclass(frozen=True, slots=True)
class Source:
    """Origin of an answer, and *secrets* that its excerpt must not show; *hidden*: it has none."""

    venue: VenueName
    path: str
    status: int
    body: bytes
    secrets: tuple[str, ...] = ()
    hidden: bool = False

    def malformed(self, why: str) -> MalformedAnswerError:
        return MalformedAnswerError(self.venue, self.path, self.status, why, self.excerpt())

    def excerpt(self) -> str:
        """Return the first 200 characters on one line, without secrets."""
        if self.hidden:
            return f"({len(self.body)} bytes, not shown)"
        return Redactor(self.secrets).beginning(self.body, SHOWN) or "(empty)"


def read(source: Source) -> "Node":
    """Return the JSON document of *source*. Raises MalformedAnswerError."""
    try:
        return Node(orjson.loads(source.body), source, "the answer")
    except orjson.JSONDecodeError as error:
        raise source.malformed(f"no JSON ({error})") from error


class Node:
    """A value of an answer, and where it stands in it."""

    __slots__ = ("_source", "_value", "_where")

    def __init__(self, value: object, source: Source, where: str) -> None:
        self._value, self._source, self._where = value, source, where

    def malformed(self, why: str) -> MalformedAnswerError:
        return self._source.malformed(f"{self._where} {why}")

    def has(self, name: str) -> bool:
        """Return whether the object has *name*, and not null under it."""
        return self._object().get(name) is not None

    def field(self, name: str) -> "Node":
        fields = self._object()
        if name not in fields:
            raise self.malformed(f"has no {name!r}")
        return Node(fields[name], self._source, f"{name!r}")

    def is_object(self) -> bool:
        return isinstance(self._value, dict)

    def is_list(self) -> bool:
        return isinstance(self._value, list)

    def items(self) -> Iterator["Node"]:
        """Yield the elements of a list."""
        if not isinstance(self._value, list):
            raise self.malformed("is no list")
        for number, each in enumerate(self._value):
            yield Node(each, self._source, f"{self._where}[{number}]")

    def row(self, length: int) -> list["Node"]:
        """Return the elements of a list that has *length* of them at least."""
        elements = list(self.items())
        if len(elements) < length:
            raise self.malformed(f"has fewer than {length} elements")
        return elements

    def rows(self, name: str) -> list["Node"]:
        return list(self.field(name).items())

    def as_text(self) -> str:
        if not isinstance(self._value, str):
            raise self.malformed("is no text")
        return self._value

    def as_integer(self) -> int:
        # A number of more than 64 bits is read as a float, and is no integer either.
        if not isinstance(self._value, int) or isinstance(self._value, bool):
            raise self.malformed("is no integer")
        return self._value

    def as_decimal(self) -> Decimal:
        """Return a number that is written as text, without an exponent."""
        if not isinstance(self._value, str) or not _DECIMAL.fullmatch(self._value):
            raise self.malformed("is no decimal")
        return Decimal(self._value)

    def as_number(self) -> Decimal:
        """Return a number of JSON, zero or more, as it is written."""
        if isinstance(self._value, bool) or not isinstance(self._value, int | float):
            raise self.malformed("is no number")
        value = Decimal(str(self._value))
        if not value.is_finite() or value < 0:
            raise self.malformed("is negative, or no number")
        return value

    def as_flag(self) -> bool:
        if not isinstance(self._value, bool):
            raise self.malformed("is neither true nor false")
        return self._value

    def as_instant(self) -> datetime:
        """Return the instant of a number of milliseconds since 1970."""
        milliseconds = self.as_integer()
        if not 0 <= milliseconds < _LATEST:
            raise self.malformed("is no time in milliseconds")
        return from_ms(milliseconds)

    def text(self, name: str) -> str:
        return self.field(name).as_text()

    def integer(self, name: str) -> int:
        return self.field(name).as_integer()

    def decimal(self, name: str) -> Decimal:
        return self.field(name).as_decimal()

    def flag(self, name: str) -> bool:
        return self.field(name).as_flag()

    def instant(self, name: str) -> datetime:
        return self.field(name).as_instant()

    def text_if_any(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def decimal_if_any(self, name: str) -> Decimal | None:
        return self.decimal(name) if self.has(name) else None

    def not_negative(self, name: str) -> Decimal:
        value = self.decimal(name)
        if value < 0:
            raise self.field(name).malformed("is negative")
        return value

    def number(self, name: str) -> Decimal:
        """Return an amount that is told as a number of JSON: zero or more, as it is written."""
        return self.field(name).as_number()

    def price_if_any(self, name: str) -> Decimal | None:
        """Return the price under *name*; None where it is left out, or 0: there is none."""
        return (self.not_negative(name) or None) if self.has(name) else None

    def texts(self, name: str) -> list[str]:
        return [each.as_text() for each in self.rows(name)]

    def _object(self) -> dict[str, object]:
        if not isinstance(self._value, dict):
            raise self.malformed("is no object")
        return self._value


def from_ms(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND


def to_ms(instant: datetime) -> int:
    """Return the millisecond that *instant* is in."""
    return (instant - _EPOCH) // _MILLISECOND
