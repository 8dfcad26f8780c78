"""The one JSON encoder: job records, decisions, settings, everything that becomes jsonb."""

import dataclasses
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from tradebotd.domain.decimals import plain


def dumps(value: Any) -> str:
    """*value* as JSON text that jsonb accepts.

    UUID, Decimal (without exponent), Path and enum become strings, times ISO 8601, a timedelta
    seconds, an exception `Type: text`, a set a sorted list, a dataclass an object, a float that is
    no number null. Raises TypeError for anything else.
    """
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(text: str | bytes) -> Any:
    return json.loads(text)


def _plain(value: Any) -> Any:
    if value is None or type(value) in {bool, int}:
        return value
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=repr)
    return _scalar(value)


def _scalar(value: Any) -> Any:  # noqa: C901, PLR0911 - one line a type reads best
    match value:
        case Enum():
            return _plain(value.value)
        case str():
            # PostgreSQL has no NUL in text, and no half of a surrogate pair.
            return value.replace("\0", "�").encode("utf-8", "replace").decode()
        case float():
            return value if math.isfinite(value) else None
        case int():
            return int(value)
        case Decimal():
            return plain(value) if value.is_finite() else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID() | PurePath():
            return str(value)
        case BaseException():
            return _scalar(f"{type(value).__name__}: {value}")
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: _plain(getattr(value, field.name)) for field in fields}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a JSON record")


def _key(key: Any) -> str:
    encoded = _plain(key)
    return encoded if isinstance(encoded, str) else str(encoded)
