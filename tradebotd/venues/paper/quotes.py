"""Quotes of the paper venue: the prices that it has, of the kinds that it tells."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.prices import PriceSource


def quotes_of(
    averages: Mapping[str, Decimal | None], prices: PriceSource, kinds: Collection[PriceKind]
) -> dict[str, Quote]:
    """Return the quotes of those that have a last price. *averages*: of each symbol, or None."""

    def price(symbol: str, kind: PriceKind) -> Decimal | None:
        known = prices.last_prices(symbol, kind) if kind in kinds else None
        return None if known is None else known.current

    last_prices = ((symbol, prices.last_prices(symbol)) for symbol in averages)
    return {
        symbol: Quote(
            last=last.current,
            mark=price(symbol, PriceKind.MARK),
            bid=price(symbol, PriceKind.BID),
            ask=price(symbol, PriceKind.ASK),
            average=averages[symbol],
        )
        for symbol, last in last_prices
        if last is not None
    }
