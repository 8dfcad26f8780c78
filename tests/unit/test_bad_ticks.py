"""What a venue's quote confirms is what it says, and no print that has come meanwhile."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tradebotd.domain.candle import Tick
from tradebotd.market.price_cache import PriceCache
from tradebotd.trading.prices.bad_ticks import BadTickFilter

SYMBOL = "BTCUSDT"
NOON = datetime(2022, 3, 1, 12, tzinfo=UTC)


def test_a_quote_confirms_no_print_that_came_while_it_was_on_its_way() -> None:
    """M3.10: 150 was asked about, and is true; of 300 nobody has said anything."""
    book = PriceCache()
    doubts = BadTickFilter(book)
    for second, price in enumerate(["100", "150"]):
        book.record(Tick(NOON + timedelta(seconds=second), SYMBOL, Decimal(price)))
    assert not doubts.believes(SYMBOL, Decimal(150))
    book.record(Tick(NOON + timedelta(seconds=2), SYMBOL, Decimal(300)))

    doubts.on_quote(SYMBOL, Decimal(150))

    assert doubts.price(SYMBOL) == 100
    assert doubts.is_doubted(SYMBOL)
