"""Meaning of Alpaca's refusals: status and code in one table, and of those that nobody knows.

What is not in the table falls on the careful side: an order that was answered so is unknown, and
reconciliation asks what became of it. So does every answer of 5xx to an order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
from tradebotd.domain.self_trade import SELF_TRADE

NOTHING_TO_CANCEL: Final = "nothing to cancel"
DUPLICATE: Final = "duplicate client order id"
INSUFFICIENT: Final = "insufficient balance"
AT_ONCE: Final = "would trigger immediately"


class Meaning(StrEnum):
    UNAVAILABLE = "unavailable"  # nothing was executed, and it may be asked again
    REJECTED = "rejected"  # a no, for good
    UNKNOWN = "unknown"  # it may have been executed
    RATE_LIMITED = "rate_limited"  # nothing was executed; nothing is asked until an instant
    AUTH = "auth"  # the key, its secret, or what the account may do


# By HTTP status and the code in the body; None: a body without a code.
MEANINGS: Final[Mapping[tuple[int, int | None], Meaning]] = MappingProxyType(
    {
        (401, 40110000): Meaning.AUTH,
        (401, None): Meaning.AUTH,
        (403, None): Meaning.AUTH,  # {"message": "forbidden."}: the secret is another key's
        (403, 40310000): Meaning.REJECTED,  # buying power, shares, shorts, wash trades
        (404, 40410000): Meaning.REJECTED,
        (422, 40010001): Meaning.REJECTED,  # a parameter, a client order id that was used
        (422, 42210000): Meaning.REJECTED,  # a rule: sub-penny prices, states, sides
    }
)
_TOO_MANY: Final = 429

# The vendor's words, in lower case, and the names that the daemon or an operator knows them by.
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("client_order_id must be unique", DUPLICATE),
    ("wash trade", SELF_TRADE),
    ("insufficient buying power", INSUFFICIENT),
    ("insufficient balance", INSUFFICIENT),
    ("insufficient qty", INSUFFICIENT),
    ("position intent mismatch", INSUFFICIENT),  # a sale that would have opened a short
    ("sold short", INSUFFICIENT),
    ("hard to borrow", INSUFFICIENT),
    ("exit orders", INSUFFICIENT),  # a pair with nothing to end
    ("not found", "unknown symbol"),
    ("is not active", FilterName.NOT_TRADING),
    ("not tradable", FilterName.NOT_TRADING),
    ("sub-penny", FilterName.OFF_TICK),
    ("must be a multiple", FilterName.OFF_TICK),
    ("minimal qty", FilterName.BELOW_MIN_QUANTITY),
    ("minimal amount", FilterName.BELOW_MIN_NOTIONAL),
    ("fractional", FilterName.OFF_LOT),
    ("not fractionable", FilterName.OFF_LOT),
    ("qty must be integer", FilterName.OFF_LOT),
    ("base_price", AT_ONCE),
    ("wrong sides", AT_ONCE),
    ("time_in_force", FilterName.TIME_IN_FORCE),
    ("invalid order type", FilterName.ORDER_TYPE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Answer that is no success. `code` None: it has none that can be read."""

    status: int
    code: int | None
    words: str
    until: datetime | None = None  # of a 429: not to be asked before it

    def __str__(self) -> str:
        return f"{self.words} ({self.status if self.code is None else self.code})"

    @property
    def is_not_found(self) -> bool:
        return self.status == 404 and self.code == 40410000

    @property
    def says_too_late(self) -> bool:
        """Whether it refuses a cancel or a change for the state that the order is in."""
        return self.status == 422 and meaning_of(self, acts=True) is Meaning.REJECTED


def meaning_of(refusal: Refusal, *, acts: bool) -> Meaning:
    """Return what *refusal* means; *acts*: it answers an order, a replacement or a cancel."""
    if refusal.status == _TOO_MANY:
        return Meaning.RATE_LIMITED
    known = MEANINGS.get((refusal.status, refusal.code))
    if known is not None:
        return known
    return Meaning.UNKNOWN if acts else Meaning.UNAVAILABLE


def error_of(
    refusal: Refusal, order: ClientOrderId | None = None, name: str | None = None
) -> VenueError:
    """Return the exception for *refusal*; *order*: that was sent or cancelled by it.

    *name*: what the reason begins with, where the caller knows better than the words tell.
    """
    match meaning_of(refusal, acts=order is not None):
        case Meaning.UNKNOWN if order is not None:
            return OutcomeUnknownError(order)
        case Meaning.RATE_LIMITED:
            return VenueUnavailableError(str(refusal), refusal.until, banned=True)
        case Meaning.REJECTED:
            return OrderRejectedError(reason_of(refusal, name))
        case Meaning.AUTH:
            return OrderRejectedError(f"auth: {refusal}")
        case Meaning.UNKNOWN | Meaning.UNAVAILABLE:
            return VenueUnavailableError(str(refusal))


def cancel_error_of(refusal: Refusal, order: ClientOrderId) -> VenueError:
    """Return the exception for a cancel's *refusal*: a no, while the order may rest.

    There is nothing to cancel only where the venue has no such order.
    """
    if refusal.is_not_found:
        return OrderRejectedError(reason_of(refusal, NOTHING_TO_CANCEL))
    if meaning_of(refusal, acts=True) in {Meaning.REJECTED, Meaning.AUTH}:
        return VenueUnavailableError(f"not cancelled: {refusal}")
    return error_of(refusal, order)


def reason_of(refusal: Refusal, name: str | None = None) -> str:
    """Return the venue's words behind the name that the daemon or an operator knows them by."""
    words = refusal.words.lower()
    name = name or next((ours for theirs, ours in _WORDS if theirs in words), None)
    return str(refusal) if name is None else f"{name}: {refusal}"
