"""What a real venue's filters refuse, the paper venue refuses, too. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.ports.venue import Refusal


def filtered(request: OrderRequest, price: Decimal, instrument: Instrument) -> str | None:
    """Why *request*, worth *price* a unit, is refused; None: no filter minds it."""
    return next((f"{name}: {words}" for name, words in _broken(request, price, instrument)), None)


def _broken(
    request: OrderRequest, price: Decimal, instrument: Instrument
) -> Iterator[tuple[Refusal, str]]:
    """Reduce-only orders may be worth less than the minimum, and change no leverage."""
    quantity, lot, most = request.quantity, instrument.lot_size, instrument.max_quantity
    if quantity % lot:
        yield Refusal.OFF_LOT, f"{quantity:f} is not a whole number of {lot:f}"
    if quantity < instrument.min_quantity:
        yield Refusal.BELOW_MIN_QUANTITY, f"{quantity:f} is less than {instrument.min_quantity:f}"
    if most is not None and quantity > most:
        yield Refusal.ABOVE_MAX_QUANTITY, f"{quantity:f} is more than {most:f}"
    for level in (request.limit_price, request.stop_price):
        if level is not None and level % instrument.tick_size:
            tick = instrument.tick_size
            yield Refusal.OFF_TICK, f"{level:f} is not a whole number of {tick:f}"
    if request.reduce_only:
        return
    notional, least = quantity * price, instrument.min_notional
    if notional < least:
        yield Refusal.BELOW_MIN_NOTIONAL, f"{notional:f} is less than {least:f}"
    is_futures = request.position_type is PositionType.FUTURES
    if is_futures and request.leverage > instrument.max_leverage:
        told = f"{request.leverage} is more than {instrument.max_leverage}"
        yield Refusal.ABOVE_MAX_LEVERAGE, told
