"""Mutated answers about markets: read, or a typed error, and nothing that cannot be stored."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest

from tests.unit.feeds.test_twelvedata_parsing import mutated
from tradebotd.feeds.binance.public_answers import (
    LARGEST,
    book_of,
    figures_of,
    listed_of,
    page_of,
)
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "contractType": "PERPETUAL",
    "isSpotTradingAllowed": True,
}
TRADE = {"a": 7, "p": "100.5", "q": "2", "f": 1, "l": 1, "T": MS, "m": False, "M": True}
DAY = {
    "symbol": "BTCUSDT",
    "lastPrice": "100",
    "highPrice": "105",
    "lowPrice": "95",
    "quoteVolume": "1000000.5",
}
BOOK = {
    "lastUpdateId": 7,
    "E": MS,
    "bids": [["99", "1"], ["98", "2"]],
    "asks": [["101", "1"], ["102", "0.5"]],
}
PAYLOADS: list[Any] = [
    {"symbols": [SYMBOL, SYMBOL | {"symbol": "ETHUSDT", "baseAsset": "ETH"}]},
    [TRADE, TRADE | {"a": 8}, TRADE | {"a": 9}],
    [DAY, DAY | {"symbol": "ETHUSDT"}],
    BOOK,
]


def source(payload: Any) -> Source:
    raw = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return Source("bn: GET /x", raw, 200)


def listed(told: Source) -> None:
    for market in ("spot", "usdm"):
        for each in listed_of(told.json(), market):
            assert all(0 < len(text) <= 64 and text.isprintable() for text in each)


def trades(told: Source) -> None:
    page = page_of(told.json(), told, 3, NOW)
    ids = [each.trade_id for each in page.trades]
    assert ids == sorted(set(ids))
    for each in page.trades:
        assert 3 < each.trade_id <= LARGEST
        assert float(each.price) > 0
        assert each.quantity > 0
        assert each.executed_at <= NOW + timedelta(minutes=1)


def figures(told: Source) -> None:
    for day in figures_of(told.json(), {"BTCUSDT", "ETHUSDT"}).values():
        assert 0 < day.low <= day.high
        assert day.volatility >= 0


def book(told: Source) -> None:
    found = book_of(told.json(), told, NOW)
    assert 0 <= found.sequence_id <= LARGEST
    assert found.bids or found.asks
    if found.bids and found.asks:
        assert found.bids[0][0] <= found.asks[0][0]


@pytest.mark.parametrize("seed", range(20))
def test_a_mutated_answer_is_read_or_a_typed_error(seed: int) -> None:
    """M3.2, M3.4: 2,000 a parser, and no exception outside the tree."""
    chance = Random(seed)
    for _ in range(100):
        for payload in PAYLOADS:
            told = source(mutated(payload, chance))
            for reader in (listed, trades, figures, book):
                with suppress(MisshapenError):
                    reader(told)


@pytest.mark.parametrize(
    "changes",
    [
        {"a": 2**63},
        {"a": "9" * 40},
        {"a": True},
    ],
    ids=str,
)
def test_a_number_that_no_column_holds_is_refused(changes: dict[str, Any]) -> None:
    """M3.4: the run fails by name, not at the database."""
    told = source([TRADE | changes])
    with pytest.raises(MisshapenError):
        page_of(told.json(), told, None, NOW)


@pytest.mark.parametrize("at", [0, MS + 61_000, MS + 10**12, 1_498_000_000_000])
def test_a_trade_of_another_time_is_none(at: int) -> None:
    """M3.4: one of the year 9999 would be the newest for ever."""
    told = source([TRADE | {"T": at}, TRADE | {"a": 8, "T": MS + 59_000}])
    page = page_of(told.json(), told, None, NOW)
    assert (page.bad, [each.trade_id for each in page.trades]) == (1, [8])


@pytest.mark.parametrize("change", [{"lastUpdateId": 2**63}, {"lastUpdateId": -1}, {"E": 0}])
def test_a_book_that_would_be_the_newest_for_ever_is_none(change: dict[str, Any]) -> None:
    """M3.4."""
    told = source(BOOK | change)
    with pytest.raises(MisshapenError):
        book_of(told.json(), told, NOW)
