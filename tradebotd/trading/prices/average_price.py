"""Average prices that a venue judges notionals by, as it tells them at the moment."""

from decimal import Decimal

import anyio
import structlog

from tradebotd.domain.errors import VenueError
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.ports.venue import Venue
from tradebotd.trading.prices.fresh_prices import QUOTE_SECONDS

log = structlog.get_logger(__name__)


async def told_average(venue: Venue, symbol: MarketSymbol) -> Decimal | None:
    """Return the average price that filters of *symbol* are judged by.

    Returns None where they take the last one, or the venue does not tell. It is one call with a
    bound, and only where there is an average.
    """
    if not symbol.instrument.average_minutes:
        return None
    try:
        with anyio.fail_after(QUOTE_SECONDS):
            quote = (await venue.quotes([symbol])).get(symbol.symbol)
    except (VenueError, TimeoutError) as error:
        log.warning("average price not told", symbol=symbol.symbol, error=str(error))
        return None
    average = None if quote is None else quote.average
    is_price = average is not None and average.is_finite() and average > 0
    return average if is_price else None
