"""Cash jumps: changes of a purse between two snapshots that nothing explains. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.storage.equity import CashKey
from tradebotd.storage.transfers import LastSeen, Part


class Jump(NamedTuple):
    """Unexplained change of the cash in one purse.

    *booked*: parts that were inferred earlier and are in our books now. *returned*: parts that went
    back. *amount*: the new part, in the asset. *worth*: value of the returned and the new part, in
    the account's currency. *absorbed*: amounts too small to be noticed, up to now.
    """

    cash_key: CashKey
    booked: Sequence[Part]
    returned: Sequence[Part]
    amount: Decimal
    worth: Decimal
    absorbed: Decimal


def no_jump(cash_key: CashKey, last_seen: LastSeen | None) -> Jump:
    absorbed = ZERO if last_seen is None else last_seen.absorbed
    return Jump(
        cash_key=cash_key, booked=(), returned=(), amount=ZERO, worth=ZERO, absorbed=absorbed
    )


def common(remaining: Decimal, late: Decimal, absorbed: Decimal) -> Decimal:
    """Return the part of *remaining* that our books have moved late and that was absorbed before.

    Zero unless all three have the same sign.
    """
    if remaining * late <= 0 or remaining * absorbed <= 0:
        return ZERO
    return min(remaining, late, absorbed, key=abs)


def split(parts: Sequence[Part], late: Decimal) -> tuple[list[Part], list[Part]]:
    """Split *parts* into those explained by our books' late move of *late*, and those returned."""
    booked, returned = [], []
    remaining = abs(late)
    for part in parts:
        same = part.amount * late > 0
        first, rest = part.split(remaining if same else ZERO)
        if first is not None:
            booked.append(first)
            remaining -= abs(first.amount)
        if rest is not None:
            returned.append(rest)
    return booked, returned


def unexplained(seen: LastSeen | None, cash: Decimal | None, booked: Decimal) -> Decimal:
    if seen is None:
        return ZERO if cash is None else cash
    if cash is None:
        return -seen.cash
    return cash - seen.cash - (booked - seen.booked) - seen.told
