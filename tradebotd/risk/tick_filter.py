"""Bad-tick filter: a price far from the others needs a second one, or a quote, to confirm it."""

from decimal import Decimal


class TickFilter:
    """Filter of ticks by symbol; *limit* is a fraction of the last price that was believed."""

    def __init__(self, limit: Decimal) -> None:
        self.limit = limit
        self._believed: dict[str, Decimal] = {}
        self._doubted: dict[str, Decimal] = {}

    def accept(self, symbol: str, price: Decimal) -> bool:
        """Return whether an exit may act on *price*. The first price of a symbol is believed."""
        believed = self._believed.get(symbol)
        if believed is None or self._near(price, believed):
            self._believed[symbol] = price
            if self._doubted:
                self._doubted.pop(symbol, None)
            return True
        doubted = self._doubted.get(symbol)
        if doubted is not None and self._near(price, doubted):
            self.confirm(symbol, price)
            return True
        self._doubted[symbol] = price
        return False

    def confirm(self, symbol: str, price: Decimal) -> None:
        """Believe *price*, which a venue's quote confirms, and drop any doubted price."""
        self._believed[symbol] = price
        self._doubted.pop(symbol, None)

    def doubted(self, symbol: str) -> Decimal | None:
        """Return the price that waits for a second one to confirm it, or None."""
        return self._doubted.get(symbol)

    def vouches(self, symbol: str, price: Decimal) -> bool:
        """Return whether *price* confirms the doubted one."""
        doubted = self._doubted.get(symbol)
        return doubted is not None and self._near(price, doubted)

    def _near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.limit * other
