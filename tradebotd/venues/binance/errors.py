"""Meaning of Binance's refusals: each known code in one table, and of those that nobody knows.

An unknown code falls on the careful side: an order that was answered with it is unknown, and
reconciliation asks what became of it. So does every answer of 5xx to an order ("could have been a
success"), whatever it says, but for the few words of USDT-M that are documented as a failure.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tradebotd.domain.errors import (
    OrderRejectedError,
    OutcomeUnknownError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId
from tradebotd.venues.binance.payload import Node


class Meaning(StrEnum):
    UNAVAILABLE = "unavailable"  # nothing was executed, and it may be asked again
    REJECTED = "rejected"  # a no, for good
    UNKNOWN = "unknown"  # it may have been executed
    RATE_LIMITED = "rate_limited"  # nothing was executed; nothing is asked until an instant
    TOO_MANY_ORDERS = "too_many_orders"  # nothing was executed; no order until an instant
    AUTH = "auth"  # the key, its signature or its permissions


_MEANINGS: Final[Mapping[Meaning, tuple[int, ...]]] = {
    Meaning.UNKNOWN: (-1000, -1001, -1006, -1007),
    Meaning.UNAVAILABLE: (
        *(-1008, -1016),  # busy, shutting down
        *(-1021, -4188, -5028),  # outside of the receive window: not executed, at any check (S18)
        *(-1034, -1035, -1181),  # connections and messages
        *(-2035, -2036, -2042),  # subscriptions (S8)
    ),
    Meaning.RATE_LIMITED: (-1003,),
    Meaning.TOO_MANY_ORDERS: (-1015,),
    Meaning.AUTH: (-1002, -1022, -2014, -2015),
    Meaning.REJECTED: (
        *(-1010, -1013, -1014, -1020, -1033),
        *range(-1106, -1099),
        *(-1108, -1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119),
        *(-1120, -1121, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1136, -1139),
        *(-1145, -1151, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1168),
        *range(-1180, -1168),
        *range(-1191, -1181),
        *(-1194, -1196, -1197, -1198, -1199, -1210, -1211),
        *range(-1225, -1219),
        *(-2010, -2011, -2013, -2016, -2026, -2038, -2039, -2043),
        *(-2021, -2022),  # spot: cancel-replace; futures: would trigger, reduce-only
        # USDT-M
        *(-2007, -2018, -2019, -2020, -2023, -2024, -2025, -2027, -2028),
        *range(-4006, -4000),  # price, quantity and stop price out of bounds
        *(-4013, -4014, -4015, -4016, -4023, -4024, -4028, -4029, -4045, -4046, -4047, -4048),
        *(-4049, -4050, -4051, -4054, -4059, -4061, -4067, -4068, -4116, -4118, -4120),
        *(-4130, -4131, -4135, -4136, -4137, -4140, -4141, -4161, -4164, -4167, -4168),
        *(-4170, -4171, -4400, -4411, -4509, -4531),
        *(-5021, -5022, -5025, -5026, -5027, -5039, -5040, -5047),
    ),
}
CODES: Final[Mapping[int, Meaning]] = MappingProxyType(
    {code: meaning for meaning, codes in _MEANINGS.items() for code in codes}
)

_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})\b")
_WAF = 403
_TOO_MANY, _BANNED = 429, 418
_NOT_AVAILABLE = 503
_THROTTLED = -1008  # it spares what reduces a position, so one that is told so was not taken
_LONGEST_WAIT: Final = timedelta(days=4)  # bans last for three days at most

# By what the engine says (-1013, -2010, -2011), in the words that people and cases know.
_FILTERS: Final[Mapping[str, FilterName]] = {
    "PRICE_FILTER": FilterName.OFF_TICK,
    "PERCENT_PRICE": FilterName.OUTSIDE_PERCENT_PRICE,
    "PERCENT_PRICE_BY_SIDE": FilterName.OUTSIDE_PERCENT_PRICE,
    "LOT_SIZE": FilterName.OFF_LOT,
    "MARKET_LOT_SIZE": FilterName.OFF_LOT,
    "MIN_NOTIONAL": FilterName.BELOW_MIN_NOTIONAL,
    "NOTIONAL": FilterName.BELOW_MIN_NOTIONAL,
    "MAX_NUM_ORDERS": FilterName.TOO_MANY_ORDERS,
    "EXCHANGE_MAX_NUM_ORDERS": FilterName.TOO_MANY_ORDERS,
    "MAX_NUM_ORDER_LISTS": FilterName.TOO_MANY_ORDERS,
    "EXCHANGE_MAX_NUM_ORDER_LISTS": FilterName.TOO_MANY_ORDERS,
    "MAX_NUM_ALGO_ORDERS": FilterName.TOO_MANY_STOPS,
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": FilterName.TOO_MANY_STOPS,
}
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("Unknown order sent", "nothing to cancel"),
    ("Duplicate order sent", "duplicate client order id"),
    ("insufficient balance", "insufficient balance"),
    ("would trigger immediately", "would trigger immediately"),
    ("would immediately trigger", "would trigger immediately"),
    ("would immediately match and take", "would trigger immediately"),
    ("relationship of the prices", "would trigger immediately"),
    ("Market is closed", FilterName.NOT_TRADING),
    ("orders are not supported for this symbol", FilterName.ORDER_TYPE),
)
_BY_CODE: Final[Mapping[int, str]] = {
    -1115: FilterName.TIME_IN_FORCE,
    -1116: FilterName.ORDER_TYPE,
    -1121: "unknown symbol",
    -1158: FilterName.ORDER_TYPE,
    -2011: "nothing to cancel",
    -2018: "insufficient balance",
    -2019: "insufficient balance",
    -2025: FilterName.TOO_MANY_ORDERS,
    -4001: FilterName.BELOW_MIN_PRICE,
    -4002: FilterName.ABOVE_MAX_PRICE,
    -4003: FilterName.BELOW_MIN_QUANTITY,
    -4004: FilterName.BELOW_MIN_QUANTITY,
    -4005: FilterName.ABOVE_MAX_QUANTITY,
    -4006: FilterName.BELOW_MIN_PRICE,
    -4013: FilterName.BELOW_MIN_PRICE,
    -4014: FilterName.OFF_TICK,
    -4016: FilterName.OUTSIDE_PERCENT_PRICE,
    -4023: FilterName.OFF_LOT,
    -4024: FilterName.OUTSIDE_PERCENT_PRICE,
    -4028: FilterName.ABOVE_MAX_LEVERAGE,
    -4045: FilterName.TOO_MANY_STOPS,
    -4116: "duplicate client order id",
    -4131: FilterName.OUTSIDE_PERCENT_PRICE,
    -4140: FilterName.NOT_TRADING,
    -4141: FilterName.NOT_TRADING,
    -4164: FilterName.BELOW_MIN_NOTIONAL,
}
_PRECISION = -1111
_NOTHING_TO_CANCEL = -2011
_NO_SUCH_ORDER = -2013
_NOTHING_THERE: Final = "Unknown order sent"  # of -2011, which also says that none may be cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Answer that is no success. `code` None: it has none that can be read.

    `retry_after`: seconds, as the header of a 429 or 418 tells. `told`: its body, where that is
    JSON.
    """

    status: int
    code: int | None
    words: str
    retry_after: float | None = None
    told: Node | None = None

    def __str__(self) -> str:
        return f"{self.words} ({self.status if self.code is None else self.code})"


def meaning_of(refusal: Refusal, *, acts: bool, failed: Collection[str] = ()) -> Meaning:
    """Return what *refusal* means; *acts*: it answers an order, or a cancel.

    *failed*: beginnings of texts with which the venue says under 503 that nothing was executed
    (USDT-M has some, spot has none).
    """
    if refusal.status >= 500:
        is_sure = _has_failed(refusal, failed)
        return Meaning.UNKNOWN if acts and not is_sure else Meaning.UNAVAILABLE
    found = None if refusal.code is None else CODES.get(refusal.code)
    if refusal.status in {_TOO_MANY, _BANNED} and found is not Meaning.TOO_MANY_ORDERS:
        return Meaning.RATE_LIMITED
    if found is None and refusal.code is None and refusal.status == _WAF:
        return Meaning.RATE_LIMITED  # the firewall stands before the interface
    if found is None or refusal.status < 400:
        return Meaning.UNKNOWN  # a code of tomorrow, or an error that calls itself a success
    return found


def _has_failed(refusal: Refusal, failed: Collection[str]) -> bool:
    """Return whether an answer of 5xx proves that nothing was executed.

    Servers in between use the same words, in pages of their own: so the words must be those of the
    venue's JSON, under the status that they are documented for; or it is the code of its throttle.
    """
    if not failed or refusal.told is None:
        return False
    if refusal.code == _THROTTLED:
        return True
    is_documented = refusal.status == _NOT_AVAILABLE
    return is_documented and any(refusal.words.startswith(each) for each in failed)


def error_of(
    refusal: Refusal,
    now: datetime,
    *,
    order: ClientOrderId | None = None,
    failed: Collection[str] = (),
    name: str | None = None,
    cancels: bool = False,
) -> VenueError:
    """Return the exception for *refusal*; *order*: the order that was sent or cancelled by it.

    *cancels*: it was a cancel. One that was refused for anything else than an order that is not
    there (the key, its form, a rule) has done nothing: the order rests, and is not "gone already".

    *now*: host time, to which `retry_after` is added. *name*: what the reason begins with, where
    the caller knows better than the venue's words tell.
    """
    meaning = meaning_of(refusal, acts=order is not None, failed=failed)
    if cancels and meaning in {Meaning.REJECTED, Meaning.AUTH} and not finds_nothing(refusal):
        return VenueUnavailableError(f"not cancelled: {refusal}")
    match meaning:
        case Meaning.UNKNOWN if order is not None:
            return OutcomeUnknownError(order)
        case Meaning.RATE_LIMITED:
            # A 403 tells no end: the daemon asks again by one call after growing pauses.
            return VenueUnavailableError(str(refusal), ban_end(refusal, now), banned=True)
        case Meaning.REJECTED:
            return OrderRejectedError(reason_of(refusal, name))
        case Meaning.AUTH:
            return OrderRejectedError(f"auth: {refusal}")
        case Meaning.UNKNOWN | Meaning.UNAVAILABLE | Meaning.TOO_MANY_ORDERS:
            return VenueUnavailableError(str(refusal))


def finds_nothing(refusal: Refusal) -> bool:
    """Return whether a cancel was refused because there is no such order, or none that is open."""
    if refusal.code == _NOTHING_TO_CANCEL:
        return _NOTHING_THERE in refusal.words
    return refusal.code == _NO_SUCH_ORDER


def ban_end(refusal: Refusal, now: datetime) -> datetime | None:
    """Return until when nothing is to be asked: the later of header and text; None: neither tells.

    S17, -1003: a 418 names the end in its text, in the venue's time; the header has seconds.
    """
    ends = []
    if refusal.retry_after is not None and 0 < refusal.retry_after < _LONGEST_WAIT.total_seconds():
        ends.append(now + timedelta(seconds=refusal.retry_after))
    told = _BANNED_UNTIL.search(refusal.words)
    if told is not None:
        ends.append(datetime.fromtimestamp(int(told[1]) / 1000, UTC))
    return max(ends, default=None)


def reason_of(refusal: Refusal, name: str | None = None) -> str:
    """Return the venue's words behind the name that the daemon or an operator knows them by."""
    name = name or filter_of(refusal) or _BY_CODE.get(refusal.code or 0)
    if name is None or refusal.code == -2011:
        name = next((ours for theirs, ours in _WORDS if theirs in refusal.words), name)
    return str(refusal) if name is None else f"{name}: {refusal}"


def filter_of(refusal: Refusal) -> FilterName | None:
    """Return the filter that refused; a bound of LOT_SIZE is told like its step."""
    if refusal.code == _PRECISION:
        return FilterName.OFF_LOT if "quantity" in refusal.words.lower() else FilterName.OFF_TICK
    _, told, name = refusal.words.partition("Filter failure: ")
    return _FILTERS.get(name.strip()) if told else None
