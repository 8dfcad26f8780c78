"""Filters as a venue tells them: whether they can be so, and which have changed. Pure."""

from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Final

from tradebotd.domain.bot import BotSpec, EntryKind
from tradebotd.domain.decimals import plain
from tradebotd.domain.filters import LotSize, PercentPrice
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order_filters import contradictions
from tradebotd.domain.order_type import CONDITIONAL, OrderType
from tradebotd.domain.position import Position
from tradebotd.risk.sellable import sellable

_IDENTITY: Final = ("symbol", "venue", "base_asset", "quote_asset")
_POSITIVE: Final = ("tick_size", "lot_size", "max_quantity", "max_notional", "max_price")
_NOT_NEGATIVE: Final = ("min_quantity", "min_notional", "min_price", "maintenance_margin")
GREATEST_GROWTH: Final = 100  # of a lot or a minimum at once: more is doubted
# An order that was right a moment ago may be wrong now, and what rests may not fit.
_WARNS: Final = frozenset(
    {
        *("tick_size", "lot_size", "min_quantity", "market_lot", "stop_lot", "min_notional"),
        *("order_types", "status", "shortable", "percent_price", "max_orders", "max_stops"),
    }
)


def why_not_so(told: Instrument, known: Instrument, specs: Collection[BotSpec]) -> str | None:
    """Return why *told* must not come into force; None: it may.

    *specs*: the bots of the symbol. An order type that the symbol takes no more is a change, and no
    nonsense: what needs it is denied by name.
    """
    return next(_nonsense(told, known, specs), None)


def _nonsense(told: Instrument, known: Instrument, specs: Collection[BotSpec]) -> Iterator[str]:
    for name in _IDENTITY:
        if getattr(told, name) != getattr(known, name):
            yield f"its {name} is {getattr(told, name)}, and was {getattr(known, name)}"
    yield from _impossible_numbers(told)
    for name, lot in (("market_lot", told.market_lot), ("stop_lot", told.stop_lot)):
        if lot is not None:
            yield from _impossible_lot(name, lot)
    if told.percent_price is not None:
        yield from _impossible_band(told.percent_price)
    for name in ("max_orders", "max_stops"):
        most = getattr(told, name)
        if most is not None and most < 0:
            yield f"{name} is {most}"
    types = frozenset(
        kind for kind in _sent_by(specs) if told.order_types is None or kind in told.order_types
    )
    futures = any(each.position_type is PositionType.FUTURES for each in specs)
    kind = PositionType.FUTURES if futures else PositionType.SPOT
    for _, words in contradictions(told, types=types, position_type=kind):
        yield words


def _impossible_numbers(told: Instrument) -> Iterator[str]:
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        value: Decimal | None = getattr(told, name)
        if value is None:
            continue
        if not value.is_finite():
            yield f"{name} is not a number"
        elif value < 0 or (value == 0 and name in _POSITIVE):
            yield f"{name} is {plain(value)}"


def _impossible_lot(name: str, lot: LotSize) -> Iterator[str]:
    values = (lot.step, lot.minimum, lot.maximum)
    if any(value is not None and not value.is_finite() for value in values):
        yield f"{name} is not a number"
    elif (lot.step is not None and lot.step <= 0) or lot.minimum < 0:
        yield f"{name} has a step or a minimum below zero"


def _impossible_band(band: PercentPrice) -> Iterator[str]:
    for side, low, high in (
        ("buy", band.buy_below, band.buy_above),
        ("sell", band.sell_below, band.sell_above),
    ):
        if not (low.is_finite() and high.is_finite() and 0 <= low < high):
            yield f"percent_price lets {side} limits be {low} to {high} times the price"


def _sent_by(specs: Collection[BotSpec]) -> Iterator[OrderType]:
    """Yield the order types of these bots' quantities, and those that rest beside their exits."""
    yield OrderType.MARKET
    for spec in specs:
        if spec.entry.kind is EntryKind.LIMIT:
            yield OrderType.LIMIT
        if spec.exits.stop_loss or spec.exits.trailing_stop or spec.exits.needs_atr:
            yield from CONDITIONAL


def why_doubted(told: Instrument, known: Instrument, held: Iterable[Position]) -> str | None:
    """Return why *told* is to be told twice before it comes into force; None: once will do.

    *held*: the open positions of the symbol, which a single wrong number could shut in.
    """
    now, then = told.order(OrderType.MARKET), known.order(OrderType.MARKET)
    any_held = False
    for position in held:
        any_held = True
        if _sells(position, then) and not _sells(position, now):
            return f"by {_compared(now, then)} nothing of position {position.id} could be sold"
    for name in ("lot_size", "min_quantity", "min_notional"):
        was, becomes = getattr(then, name), getattr(now, name)
        if any_held and was > 0 and becomes > was * GREATEST_GROWTH:
            return f"{name} {plain(was)} would become {plain(becomes)} while positions are open"
    return None


def _sells(position: Position, instrument: Instrument) -> bool:
    kind = position.position_type
    return bool(sellable(position.quantity, position.entry_price, instrument, position_type=kind))


def _compared(now: Instrument, then: Instrument) -> str:
    return "; ".join(differences(then, now)) or "the same filters"


def differences(old: Instrument, new: Instrument, among: Container[str] | None = None) -> list[str]:
    """Return each filter that differs, in words: "lot_size 0.001 became 0.01".

    *among*: the filters that are looked at; None: all.
    """
    return [
        f"{name} {_shown(getattr(old, name))} became {_shown(getattr(new, name))}"
        for name in _changed(old, new)
        if among is None or name in among
    ]


def warns(old: Instrument, new: Instrument) -> bool:
    """Return whether orders that rest, or are decided by the old filters, may be wrong now."""
    return any(name in _WARNS for name in _changed(old, new))


def _changed(old: Instrument, new: Instrument) -> list[str]:
    names = [each.name for each in fields(Instrument)]
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, LotSize | PercentPrice):
        return _table({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, frozenset):
        return ", ".join(sorted(str(each) for each in value)) or "nothing"
    if isinstance(value, tuple):
        return f"{len(value)} brackets"
    return "none" if value is None else str(value)


def _table(values: dict[str, Decimal | None]) -> str:
    told = (f"{name} {plain(each)}" for name, each in values.items() if each is not None)
    return f"({', '.join(told)})"
