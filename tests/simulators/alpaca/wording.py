"""Figures and moments as Alpaca writes them."""

from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from tests.simulators.shared.money import text

NANOSECONDS: Final = "738"  # behind the microseconds of every moment: clients must bear nine digits
AVERAGE: Final = Decimal("1e-9")


def optional(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def average(value: Decimal) -> str:
    """*value* with nine decimals at most: an average, never a price that was paid."""
    return text(value.quantize(AVERAGE, ROUND_HALF_EVEN))


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with nanoseconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}{NANOSECONDS}Z"


def optional_stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def whole_stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, as bars carry it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def local_stamp(moment: datetime, zone: tzinfo, *, nanoseconds: bool = False) -> str:
    """RFC 3339 with the offset of *zone*."""
    local = moment.astimezone(zone)
    offset = f"{local:%z}"
    fraction = f".{local:%f}{NANOSECONDS}" if nanoseconds else ""
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset[:3]}:{offset[3:]}"


def moment_of(told: str) -> datetime:
    """The moment that a client's *told* means: RFC 3339, nanoseconds cut, or a date (UTC).

    Raises ValueError for anything else.
    """
    head, dot, rest = told.replace("Z", "+00:00").replace("z", "+00:00").partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        told = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    else:
        told = head
    parsed = datetime.fromisoformat(told)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
