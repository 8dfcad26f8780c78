"""How what comes into an account or leaves it moves what its losses are measured from. Pure.

As a fund does (time-weighted return): what comes in buys units at their value, what leaves
redeems some, and the value of a unit changes by gains and losses alone. A loss of 4 % stays one of
4 %, however much is taken out or paid in afterwards.
"""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from tradebotd.domain.decimals import EXACT, ONE, ZERO

# Of what a limit is measured from. Upwards: one that is met exactly is reached.
_MONEY: Final = Context(prec=28, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """*since*: nothing was left before; what was earned until then is compared with nothing."""

    units: Decimal = ONE
    since: datetime | None = None

    def value(self, equity: Decimal) -> Decimal:
        """Of one unit."""
        with decimal.localcontext(EXACT):
            return equity / self.units

    def money(self, value: Decimal | None) -> Decimal | None:
        """What the account would have now at that *value* of a unit, in its currency."""
        if value is None:
            return None
        with decimal.localcontext(EXACT):
            worth = value * self.units
        return _MONEY.plus(worth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A part of what was weighed turns out to be none. *at*: when, *against*: the equity without
    the whole, *worth*: of the whole, *part*: of what is undone. *began_anew*: nothing was weighed
    then.
    """

    at: datetime
    worth: Decimal
    part: Decimal
    against: Decimal | None
    began_anew: bool
    since_before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """*against*: the equity before the transfer; None: there was nothing to weigh it by."""

    units: Units
    against: Decimal | None


def weigh(
    before: Units, equity: Decimal, worth: Decimal, peak_value: Decimal | None, now: datetime
) -> Weighed:
    """*worth* has come in (negative: left) and is part of *equity* now. *peak_value*: the highest
    of a unit so far.

    What was there before may be nothing: if all was lost, the peak is moved by the amount, so that
    what comes in forgives nothing; and else, as where nothing is left, all begins anew.
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
    """As if those *parts* had never been weighed; what has been weighed since stays.

    Those of one moment were weighed together, each against what is there without it alone: they
    leave it together, too.
    """
    together: dict[datetime, list[Undone]] = {}
    for each in parts:
        if each.began_anew:
            if each.part == each.worth:
                units = replace(units, since=each.since_before)
        elif each.against is not None:  # else of an earlier version
            together.setdefault(each.at, []).append(each)
    for some in together.values():
        whole = max(_whole(each) for each in some)
        rest = whole - sum((each.part for each in some), ZERO)
        known = whole > 0 and rest > 0
        units = _scaled(units, rest, whole) if known else replace(units, since=now)
    return units


def _whole(each: Undone) -> Decimal:
    """The equity with it."""
    return each.worth if each.against is None else each.against + each.worth


def _scaled(units: Units, after: Decimal, before: Decimal) -> Units:
    with decimal.localcontext(EXACT):
        return replace(units, units=units.units * after / before)
