"""What a real venue refuses by its filters, in its own words. No code of ours in it."""

from decimal import Decimal
from typing import Final

from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest

# One order type may name no level where another must: a venue looks at those that are there.
LEVELS: Final = ("limit_price", "stop_price")


def refusal(request: OrderRequest, price: Decimal, instrument: Instrument) -> str | None:
    """As Binance does: reduce-only orders of futures are free of the least notional."""
    quantity = request.quantity
    if quantity <= 0 or quantity % instrument.lot_size or quantity < instrument.min_quantity:
        return "Filter failure: LOT_SIZE"
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        return "Filter failure: LOT_SIZE (maximum)"
    levels = [level for name in LEVELS if (level := getattr(request, name)) is not None]
    if any(level <= 0 or level % instrument.tick_size for level in levels):
        return "Filter failure: PRICE_FILTER"
    at = levels[0] if levels else price
    if quantity * at < instrument.min_notional and not request.reduce_only:
        return "Filter failure: NOTIONAL"
    return None
