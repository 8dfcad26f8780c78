"""Values as the file writes them: `30m`, `0.5%`, `2 atr`, `1 GB`, `20:59`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import time, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic_core import core_schema

from tradebotd.domain.decimals import plain

AS_WRITTEN: Final = {"as_written": True}  # the context of a dump that speaks the file's language
NOT_SET: Final = "not set"

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_SIZES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB"))


def _serialize(
    value: Any,
    plainly: core_schema.SerializerFunctionWrapHandler,
    info: core_schema.SerializationInfo,
) -> Any:
    """Serialize one value; among these types an integer is a size and a decimal a fraction."""
    if info.context == AS_WRITTEN:
        for kind, write in _WRITERS:
            if isinstance(value, kind):
                return write(value)
        if hasattr(value, "multiple"):
            return f"{plain(value.multiple)} atr"
    return plainly(value)


# As in the file if the dump's context asks for it, else the default.
SERIALIZED_AS_WRITTEN: Final = core_schema.wrap_serializer_function_ser_schema(
    _serialize, info_arg=True, when_used="json"
)


def written_duration(duration: timedelta) -> str:
    """Format a duration in the largest unit that is exact."""
    seconds = duration.total_seconds()
    for size, unit in _UNITS:
        if seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def written_percent(fraction: Decimal) -> str:
    return f"{plain((fraction * 100).normalize())}%"


def written_size(count: int) -> str:
    for size, unit in _SIZES:
        if count >= size:
            return f"{plain((Decimal(count) / size).normalize())} {unit}"
    return f"{count} B"


_WRITERS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (timedelta, written_duration),
    (Decimal, written_percent),
    (time, lambda at: f"{at:%H:%M}"),
    (int, written_size),
)


def written(value: Any) -> str:
    """Format a value of an `AS_WRITTEN` dump on one line; unset values are left out."""
    match value:
        case None:
            return NOT_SET
        case bool():
            return str(value).lower()
        case Mapping():
            known = {key: item for key, item in value.items() if item not in (None, [], {})}
            said = ", ".join(f"{key} = {written(item)}" for key, item in known.items())
            return f"{{ {said} }}" if said else "{ }"
        case Sequence() if not isinstance(value, str):
            return f"[{', '.join(written(item) for item in value)}]"
        case _:
            return str(value)
