"""One bad tick ends nothing; a true fall is believed at its second tick."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradebotd.risk.tick_filter import TickFilter

LIMIT = Decimal("0.1")


def accepted(guard: TickFilter, *prices: str) -> list[bool]:
    return [guard.accept("S", Decimal(price)) for price in prices]


def test_a_price_far_from_the_last_waits_for_a_second_one_near_it() -> None:
    """M4.7"""
    guard = TickFilter(LIMIT)
    assert accepted(guard, "100", "110", "90") == [True, True, False]  # 10 % of 110 is 11
    assert guard.doubted("S") == 90
    assert accepted(guard, "85") == [True]
    assert guard.doubted("S") is None
    assert accepted(guard, "84", "110") == [True, False]


def test_a_lonely_bad_tick_is_forgotten_at_the_next_good_one() -> None:
    """M4.7: two bad ticks confirm each other only in a row."""
    guard = TickFilter(LIMIT)
    assert accepted(guard, "100", "1", "100", "1", "100") == [True, False, True, False, True]


def test_bad_ticks_far_from_each_other_confirm_nothing() -> None:
    """M4.7"""
    guard = TickFilter(LIMIT)
    assert accepted(guard, "100", "1", "1000", "1", "100") == [True, False, False, False, True]


def test_a_quote_of_the_venue_settles_it() -> None:
    """M4.7"""
    guard = TickFilter(LIMIT)
    assert accepted(guard, "100", "80") == [True, False]
    guard.confirm("S", Decimal(81))
    assert guard.doubted("S") is None
    assert accepted(guard, "80", "100") == [True, False]


def test_symbols_do_not_vouch_for_each_other() -> None:
    """M4.7: nor does one symbol's good tick forget another's doubt."""
    guard = TickFilter(LIMIT)
    assert accepted(guard, "100", "50") == [True, False]
    assert guard.accept("T", Decimal(50))
    assert guard.doubted("S") == 50
    assert accepted(guard, "50") == [True]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_it_doubts_what_a_naive_reading_of_the_rule_doubts(prices: list[int]) -> None:
    """M4.7"""
    guard = TickFilter(LIMIT)
    believed, doubted = prices[0], 0
    for price in prices:
        near = 10 * abs(price - believed) <= believed
        twice = doubted > 0 and 10 * abs(price - doubted) <= doubted
        assert guard.accept("S", Decimal(price)) == (near or twice)
        believed, doubted = (price, 0) if near or twice else (believed, price)
