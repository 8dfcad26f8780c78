"""Numbers as the venue reads and prints them."""

import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from tests.simulators.binance.errors import refusal

DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
LEGAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
PLACES = 8
ZERO = Decimal(0)


def shown(value: Decimal) -> str:
    """Print *value* with eight places; raises ValueError for one that has more: the ledger is exact."""
    text = f"{value:.{PLACES}f}"
    if Decimal(text) != value:
        raise ValueError(f"{value} has more than {PLACES} places")
    return text


def truncated(value: Decimal) -> Decimal:
    """Cut *value* after eight places; the venue never rounds in the customer's favour."""
    return value.quantize(Decimal(1).scaleb(-PLACES), rounding=ROUND_DOWN)


def floored(value: Decimal, step: Decimal) -> Decimal:
    """Cut *value* to a whole multiple of *step*; a step of zero cuts after eight places."""
    return truncated(value) if not step else value // step * step


def decimal_of(params: Mapping[str, str], name: str) -> Decimal | None:
    """Read a decimal parameter; raises -1100 for what is no number, -1111 for too many places."""
    text = params.get(name)
    if text is None:
        return None
    if not text.isascii() or not DECIMAL.fullmatch(text):
        raise refusal(-1100, name, LEGAL)
    value = Decimal(text)
    if truncated(value) != value:
        raise refusal(-1111, name)
    return value


def integer_of(params: Mapping[str, str], name: str) -> int | None:
    """Read a whole number; raises -1100 for anything else."""
    text = params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        raise refusal(-1100, name, "^[0-9]{1,19}$")
    return int(text)


def time_of(params: Mapping[str, str], name: str) -> int | None:
    """Read a time in milliseconds, sent in those or in microseconds."""
    value = integer_of(params, name)
    return value if value is None or value < 10**14 else value // 1000
