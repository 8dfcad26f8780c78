"""A single tick far from the others is not believed until a second one, or a quote, confirms it."""

from decimal import Decimal


class TickFilter:
    """By symbol; *limit* is a fraction of the last price that was believed."""

    def __init__(self, limit: Decimal) -> None:
        self.limit = limit
        self._believed: dict[str, Decimal] = {}
        self._doubted: dict[str, Decimal] = {}

    def accept(self, symbol: str, price: Decimal) -> bool:
        """Whether an exit may act on *price*. The first price of a symbol is believed."""
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
        """A venue's quote says so: what was doubted is over."""
        self._believed[symbol] = price
        self._doubted.pop(symbol, None)

    def doubted(self, symbol: str) -> Decimal | None:
        """The price that waits for a second one."""
        return self._doubted.get(symbol)

    def vouches(self, symbol: str, price: Decimal) -> bool:
        """Whether *price* says the same as what is doubted."""
        doubted = self._doubted.get(symbol)
        return doubted is not None and self._near(price, doubted)

    def _near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.limit * other
