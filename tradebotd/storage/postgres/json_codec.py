"""JSON encoder of everything stored as jsonb: job records, decisions, settings."""

import dataclasses
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from tradebotd.domain.decimals import plain

DEEPEST: Final = 50  # levels; also ends the recursion of self-references
LONGEST_WORDS: Final = 1_000


def dumps(value: Any) -> str:
    """Return *value* as JSON text that jsonb accepts. Never raises because of *value*.

    UUID, Decimal (without exponent), Path and enum become strings, times ISO 8601, a timedelta
    seconds, an exception `Type: text`, a set a sorted list, a dataclass or a NamedTuple an object,
    a non-finite float null; anything else, and what is nested too deeply, its repr: a record with
    an odd value is worth more than none.
    """
    return json.dumps(_plain(value, 0), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    return json.loads(text)


def _plain(value: Any, depth: int) -> Any:
    if value is None or type(value) in {bool, int} or _is_simple_text(value):
        return value
    if depth > DEEPEST:
        return _in_words(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a NamedTuple
        value = value._asdict()
    if isinstance(value, dict):
        return {_key(key, depth): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, depth + 1) for item in value), key=repr)
    return _scalar(value, depth)


def _scalar(value: Any, depth: int) -> Any:  # noqa: C901, PLR0911 - one line a type reads best
    match value:
        case Enum():
            return _plain(value.value, depth + 1)
        case str():
            # PostgreSQL has no NUL in text, and no half of a surrogate pair.
            return (
                value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
            )
        case float():
            return float(value) if math.isfinite(value) else None
        case int():
            return int(value)
        case Decimal():
            return plain(value) if value.is_finite() else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID() | PurePath():
            return _scalar(str(value), depth)
        case BaseException():
            return _scalar(f"{type(value).__name__}: {value}", depth)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {f.name: _plain(getattr(value, f.name, None), depth + 1) for f in fields}
        case _:
            return _in_words(value)


def _in_words(value: Any) -> str:
    """Return the repr of builtin types, else that of `object`, which cannot raise."""
    builtin = type(value).__module__ == "builtins" and not isinstance(value, (dict, list, tuple))
    text = repr(value) if builtin else object.__repr__(value)
    return str(_scalar(text[:LONGEST_WORDS], 0))


def _is_simple_text(value: Any) -> bool:
    """Return whether *value* needs no repair, like nearly every string and key."""
    return type(value) is str and value.isascii() and "\0" not in value


def _key(key: Any, depth: int) -> str:
    if _is_simple_text(key):
        return str(key)
    encoded = _plain(key, depth + 1)
    return encoded if isinstance(encoded, str) else str(encoded)
