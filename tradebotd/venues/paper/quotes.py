"""Quotes of the paper venue: the prices that it has, of the kinds that it tells."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.prices import PriceSource


def quotes_of(
    symbols: Iterable[str], prices: PriceSource, kinds: Collection[PriceKind]
) -> dict[str, Quote]:
    """Return the quotes of those that have a last price."""

    def price(symbol: str, kind: PriceKind) -> Decimal | None:
        known = prices.last_prices(symbol, kind) if kind in kinds else None
        return None if known is None else known.current

    last_prices = ((symbol, prices.last_prices(symbol)) for symbol in symbols)
    return {
        symbol: Quote(
            last=last.current,
            mark=price(symbol, PriceKind.MARK),
            bid=price(symbol, PriceKind.BID),
            ask=price(symbol, PriceKind.ASK),
        )
        for symbol, last in last_prices
        if last is not None
    }
