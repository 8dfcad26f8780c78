"""Units of an account: keep its loss limits independent of money paid in or out. Pure.

As in a fund (time-weighted return), a payment in buys units at their value, a payment out redeems
some, and the value of a unit changes by gains and losses alone. A loss of 4 % stays a loss of 4 %,
however much is paid in or out afterwards.
"""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import EXACT, ONE, ZERO

# Precision of a limit's base. Rounded up: a limit that is met exactly is reached.
_MONEY: Final = Context(prec=28, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Units of the account; *since*: when they began anew because nothing was left before.

    Results earned until then are compared with nothing.
    """

    units: Decimal = ONE
    since: datetime | None = None

    def value(self, equity: Decimal) -> Decimal:
        """Return the value of one unit."""
        with decimal.localcontext(EXACT):
            return equity / self.units

    def money(self, value: Decimal | None) -> Decimal | None:
        """Return the account's equity now at that *value* of a unit, in its currency."""
        if value is None:
            return None
        with decimal.localcontext(EXACT):
            worth = value * self.units
        return _MONEY.plus(worth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Part of a weighed transfer that turns out not to be one.

    *at*: when it was weighed. *against*: the equity without the whole transfer, *worth*: its whole
    value, *part*: the value that is undone. *began_anew*: nothing was weighed then.
    """

    at: datetime
    worth: Decimal
    part: Decimal
    against: Decimal | None
    began_anew: bool
    since_before: datetime | None


class Weighed(NamedTuple):
    """Result of a weighing. *against*: equity before the transfer; None: nothing to weigh it by."""

    units: Units
    against: Decimal | None


def weigh(
    before: Units, equity: Decimal, worth: Decimal, peak_value: Decimal | None, now: datetime
) -> Weighed:
    """Weigh a transfer of *worth* (negative: paid out), which is part of *equity* already.

    *peak_value*: the highest value of a unit so far. If everything was lost before, the peak moves
    by the amount, so that new money forgives no loss; in other cases without a positive equity
    before and after, as when nothing is left, the units begin anew.
    """
    against = equity - worth
    if not worth:
        return Weighed(units=before, against=against)
    if against > 0 and equity > 0:
        return Weighed(units=_scaled(before, equity, against), against=against)
    peak = before.money(peak_value)
    if against <= 0 and peak is not None and peak > 0 and peak + worth > 0:
        return Weighed(units=_scaled(before, peak + worth, peak), against=peak)
    return Weighed(units=replace(before, since=now), against=None)


def undo(units: Units, parts: Sequence[Undone], now: datetime) -> Units:
    """Return the units as if *parts* had never been weighed; later transfers keep their effect.

    Transfers of one moment were weighed together, each against the equity without it alone; they
    are undone together, too.
    """
    together: dict[datetime, list[Undone]] = {}
    for undone in parts:
        if undone.began_anew:
            if undone.part == undone.worth:
                units = replace(units, since=undone.since_before)
        elif undone.against is not None:  # else stored by an earlier version
            together.setdefault(undone.at, []).append(undone)
    for some in together.values():
        whole = max(_whole(undone) for undone in some)
        rest = whole - sum((undone.part for undone in some), ZERO)
        is_defined = whole > 0 and rest > 0
        units = _scaled(units, rest, whole) if is_defined else replace(units, since=now)
    return units


def _whole(undone: Undone) -> Decimal:
    """Return the equity including the transfer."""
    return undone.worth if undone.against is None else undone.against + undone.worth


def _scaled(units: Units, after: Decimal, before: Decimal) -> Units:
    with decimal.localcontext(EXACT):
        return replace(units, units=units.units * after / before)
