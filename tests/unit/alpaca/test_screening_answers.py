"""Mutated assets and daily bars of Alpaca: read, or left out, and nothing else."""

from datetime import date
from random import Random
from typing import Any

import pytest

from tests.unit.feeds.test_twelvedata_parsing import mutated
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError
from tradebotd.venues.alpaca.screening import day_of, traded_symbol

TODAY = date(2026, 3, 3)
ASSET = {"symbol": "AAPL", "status": "active", "tradable": True, "class": "us_equity"}
BAR = {"t": "2026-03-02T05:00:00Z", "o": 20, "h": 21, "l": 19.5, "c": 20, "v": 1000, "vw": 20.1}


def value(payload: Any) -> Value:
    return Value(payload, "x", Source("alpaca: GET /x", b"{}", 200))


def test_a_whole_bar_and_a_whole_asset_are_read() -> None:
    """M3.8: turnover by the average price of the day."""
    day = day_of("AAPL", value(BAR), TODAY)
    assert day is not None
    assert (str(day.turnover), str(day.volatility)) == ("20100.0", "0.075")
    assert traded_symbol(value(ASSET)) == "AAPL"


@pytest.mark.parametrize(
    "changes",
    [
        {"t": "2026-03-03T05:00:00Z"},
        {"t": "yesterday"},
        {"h": 19},
        {"l": 0},
        {"l": 22},
        {"c": 30},
        {"v": -1},
        {"c": None},
        {"vw": "x"},
    ],
    ids=str,
)
def test_a_bar_that_is_not_over_or_makes_no_sense_is_none(changes: dict[str, Any]) -> None:
    """M3.4, M3.9."""
    assert day_of("AAPL", value(BAR | changes), TODAY) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "inactive"},
        {"tradable": False},
        {"symbol": "A,B"},
        {"symbol": ""},
        {"symbol": "A&feed=sip"},
        {"symbol": 5},
        {"status": "?"},
    ],
    ids=str,
)
def test_an_asset_that_cannot_be_asked_for_is_left_out(changes: dict[str, Any]) -> None:
    """M3.8: a name is one name."""
    assert traded_symbol(value(ASSET | changes)) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_mutated_answer_is_read_or_left_out(seed: int) -> None:
    """M3.2: 2,000 of each, and no exception outside the tree."""
    chance = Random(seed)
    for _ in range(100):
        for payload in (BAR, ASSET):
            told = Source("alpaca: GET /x", mutated(payload, chance), 200)
            try:
                found = told.json()
                found.object()
            except MisshapenError:
                continue
            day = day_of("AAPL", found, TODAY)
            assert day is None or (0 < day.low <= day.price <= day.high and day.turnover >= 0)
            assert traded_symbol(found) is None or len(str(traded_symbol(found))) <= 32
