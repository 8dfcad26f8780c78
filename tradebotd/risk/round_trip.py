"""The filters of an entry that can be sold again: its own, and those of its exits. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from tradebotd.domain.filters import common_step
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order_type import OrderType


def round_trip(
    instrument: Instrument,
    entry: OrderType,
    exits: Iterable[OrderType],
    position_type: PositionType = PositionType.SPOT,
) -> Instrument:
    """Return *instrument* with one lot and one minimum notional, for quantities that an order of
    type *entry* buys and that each of *exits* can sell again.

    What is bought is whole lots of an exit at the market, so that it leaves nothing over. What the
    lots of a stop leave over is the daemon's to sell, all of it where there is not one. No exit
    limits how much is bought: it sells its most, and the next one the rest. Exits of futures are
    reduce-only: their notional is not judged.
    """
    bought = instrument.order(entry)
    step, least, notional = bought.lot_size, bought.min_quantity, bought.min_notional
    for kind in exits:
        sold = instrument.order(kind)
        if kind is OrderType.MARKET:
            step = common_step(step, sold.lot_size)
            least = max(least, sold.min_quantity, sold.lot_size)
        if position_type is PositionType.SPOT:
            notional = max(notional, sold.min_notional)
    return replace(bought, lot_size=step, min_quantity=least, min_notional=notional)
