"""Refused stops: the price is there already, or the venue does not want the stop."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import OrderRejectedError, VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import PriceSource
from tradebotd.ports.venue import Venue
from tradebotd.risk.exit_levels import ExitLevels, triggered
from tradebotd.trading.exits.exit_intents import ExitIntent, RestingPair
from tradebotd.trading.exits.shortfalls import Shortfalls
from tradebotd.trading.prices.fresh_prices import FRESH

log = structlog.get_logger(__name__)

QUOTE_SECONDS: Final = 10.0
MET: Final = "trigger: its price has met it already"  # in the words of a venue


class RefusedStops:
    """Refusals of stops. `venues`: those where exits may rest."""

    def __init__(
        self,
        clock: Clock,
        prices: PriceSource,
        symbols: Mapping[str, MarketSymbol],
        venues: Mapping[VenueName, Venue],
        levels_since: Callable[[Position], datetime],
        shortfalls: Shortfalls,
    ) -> None:
        self._clock = clock
        self._levels_since = levels_since
        self._prices = prices
        self._symbols = symbols
        self.venues = venues
        self.shortfalls = shortfalls

    async def exit_of(
        self, position: Position, pair: RestingPair | None, error: OrderRejectedError
    ) -> ExitIntent | None:
        """Return the exit that a price has met meanwhile; None if refused for another reason.

        A pair is refused as one, whichever of its legs has been met. The price that ends the
        position decides: a fresh, believed one in memory that is no older than the fill which made
        its levels, or the venue's. If neither does, the position ends at the market all the same,
        unless the venue compared the stop with another price: then it goes on without one, and our
        own check guards it.
        """
        if pair is not None:
            await self.shortfalls.note_refused_stop(position, pair, error)
        exit_ = self.met(position)
        if exit_ is not None or "trigger" not in error.reason:
            return exit_
        price = await self._quote(position)
        if price is not None:
            exit_ = _triggered_exit(position, price)
        if exit_ is None and pair is not None and pair.working_price is not position.trigger_kind:
            return None
        return exit_ or ExitIntent(position=position, reason=_nearest(pair, price))

    def met(self, position: Position) -> ExitIntent | None:
        """Return the exit that a fresh, believed price in memory has met; None: none has."""
        last = self._prices.last_prices(position.symbol, position.trigger_kind)
        if last is None or self._clock.now() - last.at > FRESH:
            return None
        if (last.seen_at or last.at) < self._levels_since(position):
            return None  # of before the fill that made its levels
        return _triggered_exit(position, last.believed)

    async def _quote(self, position: Position) -> Decimal | None:
        """Return the venue's price; None when it fails in any way, or is not there in time."""
        symbol, venue = self._symbols[position.symbol], self.venues[position.venue]
        asked_at = self._clock.now()
        try:
            with anyio.fail_after(QUOTE_SECONDS):
                quote = (await venue.quotes([symbol])).get(position.symbol)
                return None if quote is None else self._since_levels(position, quote, asked_at)
        except (VenueError, TimeoutError) as failed:
            log.warning("price lookup failed", symbol=position.symbol, error=str(failed))
        except Exception:
            log.exception("venue quotes failed", venue=position.venue)
        return None

    def _since_levels(self, position: Position, quote: Quote, asked_at: datetime) -> Decimal | None:
        """Return the price that ends the position; None of a trade of before its levels."""
        kind = position.trigger_kind
        at = quote.at(kind, asked_at)
        is_older = kind is PriceKind.LAST and at < self._levels_since(position)
        return None if is_older else quote.price(kind)


def _triggered_exit(position: Position, price: Decimal) -> ExitIntent | None:
    hit = triggered(position.side, ExitLevels.of(position), price)
    if hit is None:
        return None
    return ExitIntent(position=position, reason=hit[0], level=hit[1], price=price)


def _nearest(pair: RestingPair | None, price: Decimal | None) -> CloseReason:
    """Return the reason of the leg that *price* is at, though it has not met that by our levels."""
    if pair is None:
        return CloseReason.STOP_LOSS
    if price is None or pair.target is None:
        return pair.reason
    at_target = abs(price - pair.target) < abs(price - pair.stop)
    return CloseReason.TAKE_PROFIT if at_target else pair.reason
