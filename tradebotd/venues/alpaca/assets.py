"""Assets of Alpaca as instruments: lots, ticks, status, and whether they can be sold short. Pure.

Shares tell no tick: prices have two decimals from 1 USD on and four below it, each price by itself.
One instrument has one tick, so it is told by the last price: four decimals below 0.50 USD, from
where no exit within twice the price needs fewer, and two from there on, which is valid on both
sides of 1 USD.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.domain.decimals import ONE, ZERO
from tradebotd.domain.filters import LotSize, SymbolStatus
from tradebotd.domain.instrument import Instrument
from tradebotd.net.answers import Value
from tradebotd.venues.alpaca.orders import CRYPTO_TYPES, TYPES
from tradebotd.venues.alpaca.payload import amount_if_any, text_if_any

FRACTION: Final = Decimal("1e-9")  # of a share, and of a coin that tells none
CENT: Final = Decimal("0.01")
HUNDREDTH: Final = Decimal("0.0001")
TICKS_BELOW: Final = Decimal("0.5")  # USD
LEAST_OF_SHARES: Final = ONE  # USD, of an order for a fraction
LEAST_OF_CRYPTO: Final = Decimal(10)  # USD [reported]
WHOLE: Final = LotSize(step=ONE, minimum=ONE)
_BORROWED: Final[Mapping[str, bool]] = MappingProxyType({"easy_to_borrow": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A2: what the asset may do outside the regular session. Orders of ours never leave it, so a
    halt there is none for them.
    """

    overnight_tradable: bool
    overnight_halted: bool
    fractions: bool


def extended_of(told: Value) -> Extended:
    words = told.get("attributes")
    attributes = set() if words is None else {each.text() for each in words.items()}
    return Extended(
        overnight_tradable="overnight_tradable" in attributes,
        overnight_halted="overnight_halted" in attributes,
        fractions="fractional_eh_enabled" in attributes,
    )


def instrument_of(told: Value, known: Instrument, price: Decimal | None) -> Instrument:
    """Return *known* with the filters and the status that an asset tells; *price*: its last one."""
    status = status_of(told)
    if told["class"].text() == "crypto":
        return replace(
            known,
            status=status,
            tick_size=amount_if_any(told, "price_increment") or known.tick_size,
            lot_size=amount_if_any(told, "min_trade_increment") or FRACTION,
            min_quantity=amount_if_any(told, "min_order_size") or ZERO,
            min_notional=LEAST_OF_CRYPTO,
            stop_lot=None,
            order_types=CRYPTO_TYPES,
            shortable=False,
        )
    fractions = told["fractionable"].flag()
    return replace(
        known,
        status=status,
        tick_size=HUNDREDTH if price is not None and price < TICKS_BELOW else CENT,
        lot_size=FRACTION if fractions else ONE,
        min_quantity=ZERO if fractions else ONE,
        min_notional=LEAST_OF_SHARES if fractions else ZERO,
        stop_lot=WHOLE,
        order_types=frozenset(TYPES),
        shortable=can_be_borrowed(told),
    )


def can_be_borrowed(told: Value) -> bool:
    """A4: return whether the asset can be sold short without a locate, by its `borrow_status`.

    `easy_to_borrow`, which it replaces, may be gone; where both lack, it cannot.
    """
    if not told["shortable"].flag():
        return False
    word = text_if_any(told, "borrow_status")
    if word is not None:
        return _BORROWED.get(word, False)
    before = told.get("easy_to_borrow")
    return before is not None and before.flag()


def status_of(told: Value) -> SymbolStatus:
    """Read the status. An asset that is not tradable takes no orders; inactive it is gone."""
    if told["status"].one_of(("active", "inactive")) == "inactive":
        return SymbolStatus.DELISTED
    return SymbolStatus.TRADING if told["tradable"].flag() else SymbolStatus.HALTED
