"""One account currency: what other money is worth in it, by a symbol of the two."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.fakes.trading import market_symbol
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import Instrument
from tradebotd.market.price_cache import PriceCache
from tradebotd.trading.account.conversion import CurrencyConverter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def instrument(symbol: str, base: str, quote: str) -> Instrument:
    one = market_symbol(symbol).instrument
    return Instrument(
        symbol=symbol,
        venue=one.venue,
        base_asset=base,
        quote_asset=quote,
        tick_size=one.tick_size,
        lot_size=one.lot_size,
    )


PRICES = {"EURUSDT": "1.25", "USDTBRL": "5", "BTCEUR": "40000", "BTCBRL": "250000", "XY": "1"}


def currencies(**prices: str) -> CurrencyConverter:
    book = PriceCache()
    for symbol, price in prices.items():
        book.record(Tick(NOW, symbol, Decimal(price)))
    return CurrencyConverter(
        [
            instrument("EURUSDT", "EUR", "USDT"),
            instrument("USDTBRL", "USDT", "BRL"),
            instrument("BTCEUR", "BTC", "EUR"),
            instrument("BTCBRL", "BTC", "BRL"),
            instrument("XY", "X", "Y"),
        ],
        book,
        "USDT",
    )


def test_a_rate_is_read_in_either_direction() -> None:
    """M4.8: EURUSDT says what a euro is worth, USDTBRL the inverse of a real."""
    known = currencies(**PRICES)

    assert known.rate("USDT") == 1
    assert known.rate("EUR") == Decimal("1.25")
    assert known.rate("BRL") == Decimal("0.2")
    assert known.sum({"USDT": Decimal(10), "EUR": Decimal(4), "BRL": Decimal(100)}) == 10 + 5 + 20


def test_what_nothing_converts_is_no_cash_and_has_no_rate() -> None:
    """M2.2: a wrong number is worse than none; one hop only."""
    known = currencies(**PRICES)

    assert known.cash == {"USDT", "EUR", "BRL"}
    assert not known.converts("Y")
    with pytest.raises(FeedError, match="no symbol converts Y to USDT"):
        known.rate("Y")


def test_a_rate_without_a_price_is_none_but_nothing_of_it_needs_no_price() -> None:
    known = currencies()

    assert known.sum({"EUR": Decimal(0), "USDT": Decimal(3)}) == 3
    with pytest.raises(FeedError, match="EURUSDT has no price yet"):
        known.sum({"EUR": Decimal(1)})


def test_two_assets_are_compared_by_their_own_symbol_or_through_the_currency() -> None:
    """M5.4: what a fee in one asset is worth in another: 40,000 EUR a BTC by BTCEUR, 6 BRL a EUR."""
    known = currencies(**PRICES)

    assert known.between("BTC", "EUR") == 40_000
    assert known.between("EUR", "BTC") == 1 / Decimal(40_000)
    assert known.between("EUR", "BRL") == Decimal("6.25")
    assert known.between("XRP", "XRP") == 1
    with pytest.raises(FeedError, match="XRP"):
        known.between("XRP", "BRL")
