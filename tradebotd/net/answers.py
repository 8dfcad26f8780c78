"""JSON of others, read strictly: what is not as it should be becomes a MisshapenError.

The text of the error names venue, method, path and status, and shows the first 200 characters,
without secrets. Numbers come as text, and become Decimal; where a venue sends a JSON number its
shortest exact text is taken.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from tradebotd.net.errors import MisshapenError
from tradebotd.net.redaction import Redactor

SHOWN: Final = 200  # characters
DIGITS: Final = 40  # of a number; no venue has more, and arithmetic would not end
_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{DIGITS}}}")
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)", re.ASCII
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class Source:
    """Place an answer came from, for the texts of errors."""

    def __init__(
        self,
        told: str,
        raw: bytes,
        status: int | None = None,
        redact: Redactor = Redactor(),  # noqa: B008 - immutable
    ) -> None:
        self._told = told
        self._raw = raw
        self._status = status
        self._redact = redact

    def told(self, what: str) -> str:
        """One line: place, status, *what* is to be said of the answer, and how it begins."""
        status = "" if self._status is None else f" with status {self._status}"
        text = self._redact(f"{self._told}: answered{status}, {what}:")
        return " ".join(f"{text} {self._redact.beginning(self._raw, SHOWN)}".split())

    def misshapen(self, what: str) -> MisshapenError:
        return MisshapenError(self.told(what), self._status)

    def json(self) -> "Value":
        """Parse the answer. Raises MisshapenError."""
        try:
            return Value(orjson.loads(self._raw), "", self)
        except orjson.JSONDecodeError as error:
            what = "which is no JSON" if self._raw.strip() else "with nothing in it"
            raise self.misshapen(what) from error


class Value:
    """A value in an answer, and where it stands; each reader raises MisshapenError.

    *at*: its place within *parent*, which is put in words for an error alone.
    """

    __slots__ = ("_at", "_parent", "_source", "raw")

    def __init__(self, raw: Any, at: str, source: Source, parent: "Value | None" = None) -> None:
        self.raw = raw
        self._at = at
        self._source = source
        self._parent = parent

    def __getitem__(self, key: str) -> "Value":
        """The member *key* of an object, which must be there."""
        members = self.object()
        if key not in members:
            raise self._wrong(f"has no {key}")
        return Value(members[key], key, self._source, self)

    def get(self, key: str) -> "Value | None":
        """The member *key* of an object; None where it lacks, or is null."""
        raw = self.object().get(key)
        return None if raw is None else Value(raw, key, self._source, self)

    def object(self) -> Mapping[str, Any]:
        if not isinstance(self.raw, dict):
            raise self._wrong("is no object")
        return self.raw

    def items(self) -> list["Value"]:
        """The elements of a list."""
        if not isinstance(self.raw, list):
            raise self._wrong("is no list")
        return [Value(each, f"[{n}]", self._source, self) for n, each in enumerate(self.raw)]

    def members(self) -> list[tuple[str, "Value"]]:
        """The members of an object, by name."""
        return [(k, Value(v, k, self._source, self)) for k, v in self.object().items()]

    def text(self) -> str:
        if not isinstance(self.raw, str):
            raise self._wrong("is no text")
        return self.raw

    # Members of messages that come by the thousand: as `self[key].text()` …, but that a value of
    # its own is made only for an error.

    def text_at(self, key: str) -> str:
        raw = self.object().get(key)
        return raw if isinstance(raw, str) else self[key].text()

    def decimal_at(self, key: str) -> Decimal:
        number = _decimal_of(self.object().get(key))
        return self[key].decimal() if number is None else number

    def instant_at(self, key: str) -> datetime:
        raw = self.object().get(key)
        if type(raw) is int and 0 <= raw <= LATEST_MS:
            return EPOCH + timedelta(milliseconds=raw)
        return self[key].instant()

    def flag(self) -> bool:
        if not isinstance(self.raw, bool):
            raise self._wrong("is neither true nor false")
        return self.raw

    def integer(self) -> int:
        """An integer, or the text of one."""
        raw = self.raw
        if isinstance(raw, str) and _INTEGER.fullmatch(raw):
            return int(raw)
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise self._wrong("is no integer")
        return raw

    def decimal(self) -> Decimal:
        """A number that is finite, from its text."""
        number = _decimal_of(self.raw)
        if number is None:
            raise self._wrong("is no number")
        return number

    def instant(self) -> datetime:
        """An instant told in milliseconds since 1970."""
        milliseconds = self.integer()
        if not 0 <= milliseconds <= LATEST_MS:
            raise self._wrong("is no instant")
        return EPOCH + timedelta(milliseconds=milliseconds)

    def timestamp(self) -> datetime:
        """An instant in RFC 3339, with an offset and up to nine decimals, of which six are kept."""
        found = _RFC_3339.fullmatch(self.text())
        if found is None:
            raise self._wrong("is no instant")
        fraction = (found[3] or "")[:6].ljust(6, "0")
        offset = "+00:00" if found[4] in {"Z", "z"} else found[4]
        try:
            instant = datetime.fromisoformat(f"{found[1]}T{found[2]}.{fraction}{offset}")
            instant = instant.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._wrong("is no instant") from error
        if not EPOCH <= instant < LATEST:
            raise self._wrong("is no instant of our time")
        return instant

    def one_of(self, words: Sequence[str]) -> str:
        if (word := self.text()) not in words:
            raise self._wrong(f"is none of {', '.join(words)}")
        return word

    def wrong(self, what: str) -> MisshapenError:
        """Return the error of a value that a reader of its own cannot take: *what* it is."""
        return self._wrong(what)

    def _wrong(self, what: str) -> MisshapenError:
        return self._source.misshapen(f"whose {self._place() or 'whole'} {what}")

    def _place(self) -> str:
        before = "" if self._parent is None else self._parent._place()  # noqa: SLF001 - of its kind
        dot = "." if before and not self._at.startswith("[") else ""
        return f"{before}{dot}{self._at}"


def _decimal_of(raw: Any) -> Decimal | None:
    """Return the finite number that *raw* is, or is the text of; None where it is none."""
    if type(raw) is str:
        text = raw
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        text = repr(raw)
    else:
        return None
    try:
        number = Decimal(text) if len(text) <= DIGITS and text.isascii() else None
    except InvalidOperation:
        return None
    if number is None or not number.is_finite() or abs(number.adjusted()) > DIGITS:
        return None
    return number
