"""Prices that come in any order: a print that tells its time is hidden by newer prints alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.candle import Tick
from tradebotd.market.price_cache import PriceCache

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
STREAMED, POLLED, TIMED = "streamed", "polled", "timed"


class Told(NamedTuple):
    """Price of *seconds* after noon: of a stream, of a question, or of a print told with its time."""

    how: str
    seconds: int
    price: int

    def tick(self) -> Tick:
        at = NOON + timedelta(seconds=self.seconds)
        repeats = self.how != STREAMED
        return Tick(at, "A", Decimal(self.price), repeats=repeats, timed=self.how == TIMED)


def told(*prices: Told) -> tuple[list[bool], Decimal | None]:
    """Which of *prices* were recorded, and the one that is known then."""
    cache = PriceCache()
    return [cache.record(each.tick()) for each in prices], cache.price("A")


@pytest.mark.parametrize(
    ("prices", "recorded", "known"),
    [
        ([Told(TIMED, 0, 1), Told(POLLED, 60, 2), Told(TIMED, 58, 3)], [True] * 3, 3),
        ([Told(POLLED, 60, 2), Told(TIMED, 58, 3)], [True] * 2, 3),
        ([Told(TIMED, 58, 3), Told(POLLED, 60, 2)], [True] * 2, 2),
        ([Told(TIMED, 0, 1), Told(POLLED, 60, 2), Told(TIMED, 0, 1)], [True, True, False], 2),
        ([Told(STREAMED, 59, 1), Told(POLLED, 60, 2), Told(TIMED, 58, 3)], [True, True, False], 2),
        ([Told(TIMED, 58, 3), Told(POLLED, 60, 2), Told(TIMED, 57, 1)], [True, True, False], 2),
    ],
    ids=[
        "a newer print behind a question",
        "the first print behind a question",
        "a question behind a print",
        "a known print once more",
        "a print that a stream has overtaken",
        "a print that another one has overtaken",
    ],
)
def test_a_price_without_a_time_hides_no_newer_print(
    prices: Sequence[Told], recorded: list[bool], known: int
) -> None:
    """M3.10: it is dated at its question, and may be of any print before that."""
    assert told(*prices) == (recorded, Decimal(known))


def test_a_print_is_seen_when_it_was_traded() -> None:
    """M4.7: another feed has told the same price before, with a later time."""
    cache = PriceCache()
    cache.record(Told(POLLED, 60, 2).tick())
    cache.record(Told(TIMED, 58, 2).tick())
    assert cache.seen_at("A") == NOON + timedelta(seconds=58)


LAGS: Final = {STREAMED: 2, POLLED: 10, TIMED: 240}  # seconds, at most


@st.composite
def tellings(draw: st.DrawFn) -> list[Told]:
    """Prices as they come in, each of some seconds before that, within ten minutes."""
    now, made = 240, list[Told]()
    for price in range(1, draw(st.integers(2, 25)) + 1):
        now += draw(st.integers(0, 10))
        how = draw(st.sampled_from(sorted(LAGS)))
        made.append(Told(how, now - draw(st.integers(0, LAGS[how])), price))
    return made


@given(tellings())
def test_the_newest_print_known_is_never_hidden_by_a_price_without_a_time(
    prices: list[Told],
) -> None:
    """M3.10: whatever the order, a newer print is the price, and an older one changes nothing."""
    cache, newest = PriceCache(), -1
    for each in prices:
        before = cache.last_prices("A")
        recorded = cache.record(each.tick())
        if each.how == TIMED and each.seconds > newest:
            assert recorded
            assert cache.price("A") == each.price
        elif each.how == TIMED and each.seconds < newest:
            assert not recorded
        if not recorded:
            assert cache.last_prices("A") is before
        if each.how == STREAMED or (each.how == TIMED and recorded):
            newest = max(newest, each.seconds)
