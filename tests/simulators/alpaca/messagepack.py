"""MessagePack, as much of it as Alpaca's data stream speaks. Moments are the timestamp extension."""

import struct
from datetime import UTC, datetime
from typing import Any, Final

TIMESTAMP: Final = 0xFF  # -1
DEEPEST: Final = 16


class UnreadableError(ValueError):
    """Bytes that are no whole message of what is spoken here."""


def packed(value: Any) -> bytes:  # noqa: PLR0911  one line a type
    """Raises TypeError for a type that is not spoken."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _integer(value)
        case float():
            return b"\xcb" + struct.pack(">d", value)
        case str():
            raw = value.encode()
            return _head(len(raw), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + raw
        case datetime():
            return _timestamp(value)
        case list() | tuple():
            head = _head(len(value), 0x90, 15, (None, 0xDC, 0xDD))
            return head + b"".join(map(packed, value))
        case dict():
            head = _head(len(value), 0x80, 15, (None, 0xDE, 0xDF))
            return head + b"".join(packed(k) + packed(v) for k, v in value.items())
        case _:
            raise TypeError(f"cannot pack {type(value).__name__}")


def unpacked(raw: bytes) -> Any:
    """The one message in *raw*. Raises UnreadableError."""
    try:
        value, end = _read(raw, 0, 0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise UnreadableError(str(error)) from error
    if end != len(raw):
        raise UnreadableError("more than one message")
    return value


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if 0 <= value < 2**32:
        return b"\xce" + struct.pack(">I", value)
    if value >= 0:
        return b"\xcf" + struct.pack(">Q", value)
    return b"\xd3" + struct.pack(">q", value)


def _head(length: int, fix: int, largest: int, wider: tuple[int | None, int, int]) -> bytes:
    if length <= largest:
        return bytes([fix | length])
    if wider[0] is not None and length < 2**8:
        return bytes([wider[0], length])
    if length < 2**16:
        return bytes([wider[1]]) + struct.pack(">H", length)
    return bytes([wider[2]]) + struct.pack(">I", length)


def _timestamp(moment: datetime) -> bytes:
    seconds = int(moment.timestamp())
    nanoseconds = moment.microsecond * 1000
    return b"\xd7\xff" + struct.pack(">Q", nanoseconds << 34 | seconds)


def _read(raw: bytes, at: int, depth: int) -> tuple[Any, int]:  # noqa: PLR0911
    if depth > DEEPEST:
        raise UnreadableError("too deep")
    first = raw[at]
    if first <= 0x7F:
        return first, at + 1
    if first >= 0xE0:
        return first - 256, at + 1
    if 0x80 <= first <= 0x9F or 0xDC <= first <= 0xDF:
        return _read_many(raw, at, depth)
    if 0xA0 <= first <= 0xBF or 0xD9 <= first <= 0xDB:
        return _read_text(raw, at)
    if first in {0xC0, 0xC2, 0xC3}:
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at + 1
    if first in {0xD6, 0xD7} and raw[at + 1] == TIMESTAMP:
        return _read_timestamp(raw, at)
    forms = {
        0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
        0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
    }  # fmt: skip
    if first not in forms:
        raise UnreadableError(f"byte {first:#x}")
    (value,) = struct.unpack_from(forms[first], raw, at + 1)
    return value, at + 1 + struct.calcsize(forms[first])


def _read_text(raw: bytes, at: int) -> tuple[str, int]:
    first = raw[at]
    if first <= 0xBF:
        length, start = first & 0x1F, at + 1
    else:
        form = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}[first]
        (length,) = struct.unpack_from(form, raw, at + 1)
        start = at + 1 + struct.calcsize(form)
    if start + length > len(raw):
        raise UnreadableError("cut")
    return raw[start : start + length].decode(), start + length


def _read_many(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    first = raw[at]
    if first <= 0x9F:
        length, at = first & 0x0F, at + 1
    else:
        form = ">H" if first in {0xDC, 0xDE} else ">I"
        (length,) = struct.unpack_from(form, raw, at + 1)
        at += 1 + struct.calcsize(form)
    is_map = first <= 0x8F or first in {0xDE, 0xDF}
    if length > len(raw):
        raise UnreadableError("cut")
    values = []
    for _ in range(length * (2 if is_map else 1)):
        value, at = _read(raw, at, depth + 1)
        values.append(value)
    if is_map:
        return dict(zip(values[::2], values[1::2], strict=True)), at
    return values, at


def _read_timestamp(raw: bytes, at: int) -> tuple[datetime, int]:
    if raw[at] == 0xD6:
        (seconds,) = struct.unpack_from(">I", raw, at + 2)
        return datetime.fromtimestamp(seconds, UTC), at + 6
    (both,) = struct.unpack_from(">Q", raw, at + 2)
    moment = datetime.fromtimestamp(both & 0x3FFFFFFFF, UTC)
    return moment.replace(microsecond=(both >> 34) // 1000), at + 10
