"""Samples that are drawn, and the limits of a watchlist."""

from decimal import Decimal

import pytest

from tradebotd.domain.public_market import DayFigures, ListedSymbol
from tradebotd.market.screening import ScreenRules, draw, screen
from tradebotd.market.symbol_cache import CacheRules, arranged

# As a venue tells them: by the alphabet.
NAMES = [f"{letter}{number:02}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for number in range(100)]


def day(
    price: str = "100", high: str = "105", low: str = "95", turnover: str = "5000000"
) -> DayFigures:
    return DayFigures(Decimal(price), Decimal(high), Decimal(low), Decimal(turnover))


def test_a_sample_is_of_the_whole_alphabet() -> None:
    """M3.8: the first 500 of a sorted list are all of A to E."""
    drawn = draw(NAMES, 500, seed=1)
    assert len(set(drawn)) == 500
    assert {name[0] for name in drawn} == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_the_recorded_seed_draws_the_same_sample_again() -> None:
    """M3.8: whatever the order in which the names came, and however often."""
    first = draw(NAMES, 500, seed=7)
    assert draw([*reversed(NAMES), *NAMES], 500, seed=7) == first
    assert draw(NAMES, 500, seed=8) != first


def test_a_short_list_is_taken_whole() -> None:
    """M3.8."""
    assert sorted(draw(NAMES[:5], 500, seed=1)) == NAMES[:5]
    assert draw([], 500, seed=1) == []


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (day(price="0.99"), "price_too_low"),
        (day(price="1001"), "price_too_high"),
        (day(turnover="999999"), "turnover_too_low"),
        (day(high="100.4", low="99.5"), "volatility_too_low"),
        (day(high="111", low="90"), "volatility_too_high"),
        (day(), None),
        (day(price="1", high="1.1", low="0.95"), None),
        (day(turnover="1000000"), None),
        (day(high="100.5", low="99.5"), None),
        (day(high="110", low="90"), None),
    ],
)
def test_each_limit_refuses_by_name(figures: DayFigures, reason: str | None) -> None:
    """M3.8: a limit itself passes."""
    rules = ScreenRules(
        min_price=Decimal(1),
        max_price=Decimal(1000),
        min_turnover=Decimal(1_000_000),
        min_volatility=Decimal("0.01"),
        max_volatility=Decimal("0.2"),
    )
    found = screen({"X": figures}, rules)
    assert dict(found.refused) == ({} if reason is None else {reason: 1})
    assert [name for name, _ in found.ranked] == ([] if reason else ["X"])


def test_the_list_is_ranked_by_turnover_and_cut() -> None:
    """M3.8: equals by name, so that the list is the same each time."""
    figures = {
        "C": day(turnover="5000000"),
        "B": day(turnover="5000000"),
        "A": day(turnover="4000000"),
        "D": day(turnover="9000000"),
    }
    found = screen(figures, ScreenRules(size=3))
    assert [name for name, _ in found.ranked] == ["D", "B", "C"]
    assert dict(found.refused) == {"beyond_size": 1}


def test_symbols_are_arranged_popular_ones_first() -> None:
    """M3.7: in the quote asset, once each; a popular base comes before any other."""
    listed = [
        ListedSymbol(f"{base}{quote}", base, quote)
        for base, quote in (
            *(("ZEC", "USDT"), ("ETH", "BTC"), ("ETH", "USDT"), ("AAVE", "USDT")),
            *(("BTC", "USDT"), ("BTC", "EUR"), ("BTC", "USDT")),
        )
    ]
    rules = CacheRules(popular=("BTC", "ETH"))
    assert [each.symbol for each in arranged(listed, rules)] == [
        "BTCUSDT",
        "ETHUSDT",
        "AAVEUSDT",
        "ZECUSDT",
    ]
