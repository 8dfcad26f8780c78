"""Worth of what an exit sells: the price that its venue's notional filters are expected to take."""

from collections.abc import Container
from decimal import Decimal

from tradebotd.domain.ids import PositionId
from tradebotd.domain.quote import PriceKind
from tradebotd.market.price_cache import PriceCache
from tradebotd.risk.exit_levels import more_favourable
from tradebotd.trading.exits.exit_intents import ExitIntent


class ExitWorth:
    """Worth of a unit by exit. *refused*: positions whose last exit no venue has taken."""

    def __init__(self, prices: PriceCache, refused: Container[PositionId]) -> None:
        self._prices = prices
        self._refused = refused

    def of(self, exit_: ExitIntent) -> Decimal | None:
        """Return the expected price of a unit: the one that met the exit, or else the last one.

        The level, if that is better, as long as no venue has refused it: the price may have gone
        through it just now. What a mark, bid or ask has met is sold at the last price all the same.
        """
        position, last = exit_.position, self._prices.price(exit_.position.symbol)
        if position.trigger_kind is not PriceKind.LAST and last is not None:
            return last
        price = exit_.price if exit_.price is not None else last
        if price is None or exit_.level is None:
            return exit_.level if price is None else price
        refused = position.id in self._refused
        return price if refused else more_favourable(position.side, price, exit_.level)
