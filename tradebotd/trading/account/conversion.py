"""Conversion of assets to the account's currency, at the feed's prices."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradebotd.domain.decimals import ONE
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import Instrument
from tradebotd.ports.prices import BelievedPrices


class CurrencyConverter:
    """Converter with one hop: a configured symbol that has both assets, in either direction.

    *prices* are believed ones: what is booked at a price stays booked at it.
    """

    def __init__(
        self, instruments: Iterable[Instrument], prices: BelievedPrices, currency: str
    ) -> None:
        self._prices = prices
        self.currency = currency
        self._quotes = {currency}
        self._direct: dict[str, str] = {}  # asset -> the symbol that it is the base of
        self._inverse: dict[str, str] = {}  # asset -> the symbol that it is the quote of
        self._pairs: dict[tuple[str, str], str] = {}  # (base, quote) -> the symbol
        for instrument in sorted(instruments, key=lambda one: one.symbol):
            self._quotes.add(instrument.quote_asset)
            self._pairs.setdefault(
                (instrument.base_asset, instrument.quote_asset), instrument.symbol
            )
            if instrument.quote_asset == currency:
                self._direct.setdefault(instrument.base_asset, instrument.symbol)
            elif instrument.base_asset == currency:
                self._inverse.setdefault(instrument.quote_asset, instrument.symbol)

    def converts(self, asset: str) -> bool:
        return asset == self.currency or asset in self._direct or asset in self._inverse

    @property
    def cash(self) -> frozenset[str]:
        """Assets that count as cash: quote assets that convert to the account's currency."""
        return frozenset(asset for asset in self._quotes if self.converts(asset))

    def rate(self, asset: str) -> Decimal:
        """Return the currency's amount for one of *asset*.

        Raises FeedError without a symbol or a price.
        """
        if asset == self.currency:
            return ONE
        if asset in self._direct:
            return self._price(self._direct[asset])
        if asset in self._inverse:
            return ONE / self._price(self._inverse[asset])
        raise FeedError(f"no symbol converts {asset} to {self.currency}")

    def between(self, asset: str, other: str) -> Decimal:
        """Return the amount of *other* for one of *asset*.

        Converted by a symbol that has both, else through the currency. Raises FeedError as `rate`.
        """
        if asset == other:
            return ONE
        if (asset, other) in self._pairs:
            return self._price(self._pairs[asset, other])
        if (other, asset) in self._pairs:
            return ONE / self._price(self._pairs[other, asset])
        return self.rate(asset) / self.rate(other)

    def knows(self, asset: str) -> bool:
        """Return whether *asset* has a rate now."""
        try:
            self.rate(asset)
        except FeedError:
            return False
        return True

    def sum(self, amounts: Mapping[str, Decimal]) -> Decimal:
        """Return the worth of *amounts* by asset together; a zero amount needs no price."""
        return sum(
            (amount * self.rate(asset) for asset, amount in sorted(amounts.items()) if amount),
            Decimal(0),
        )

    def _price(self, symbol: str) -> Decimal:
        price = self._prices.price(symbol)
        if price is None:
            raise FeedError(f"{symbol} has no price yet")
        return price
