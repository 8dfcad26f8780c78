"""Answers and messages of Binance that are not as they should be: typed errors, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.unit.feeds.test_twelvedata_parsing import mutated
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.depth_messages import depth_event_of, snapshot_of
from tradebotd.feeds.binance.events import Answered, Minute, Others, Shutdown, Trade, event_of
from tradebotd.feeds.binance.parsing import page_of, prices_of
from tradebotd.feeds.kept_candles import KEPT, KeptCandles
from tradebotd.market.validate import validate
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError

LATER = datetime(2030, 1, 1, tzinfo=UTC)
OPENED = 1_772_550_420_000  # 2026-03-03 15:07
ROW = [
    OPENED,
    "60000.1",
    "60010",
    "59990",
    "60005",
    "1.5",
    OPENED + 59_999,
    "90000",
    12,
    "1",
    "2",
    "0",
]
NEXT = [OPENED + 60_000, *ROW[1:6], OPENED + 119_999, *ROW[7:]]
TRADE = {"e": "aggTrade", "E": OPENED, "s": "BTCUSDT", "p": "60000.1", "T": OPENED, "st": 1}
KLINE = {
    "t": OPENED,
    "T": OPENED + 59_999,
    "i": "1m",
    "o": "1",
    "c": "2",
    "h": "3",
    "l": "1",
    "v": "4",
    "x": True,
}
MINUTE = {"e": "kline", "E": OPENED, "s": "BTCUSDT", "k": KLINE}
DEPTH = {"e": "depthUpdate", "U": 1, "u": 2, "pu": 0, "b": [["1", "2"]], "a": [["2", "0"]]}
SNAPSHOT = {"lastUpdateId": 3, "bids": [["1", "2"]], "asks": [["2", "1"]]}


def combined(event: Any, stream: str = "btcusdt@aggTrade") -> dict[str, Any]:
    return {"stream": stream, "data": event}


PAYLOADS: list[Any] = [
    [ROW, NEXT],
    [{"symbol": "BTCUSDT", "price": "60000.1"}, {"symbol": "ETHUSDT", "price": "3000"}],
    {"symbol": "BTCUSDT", "price": "60000.1", "time": OPENED},
    combined(TRADE),
    combined(MINUTE, "btcusdt@kline_1m"),
    combined({"u": 1, "s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}, "b@bookTicker"),
    combined({"e": "markPriceUpdate", "E": OPENED, "s": "BTCUSDT", "p": "1"}, "b@markPrice@1s"),
    {"result": None, "id": 1},
    {"error": {"code": 2, "msg": "Invalid request"}, "id": 1},
    DEPTH,
    SNAPSHOT,
]


def source(told: Any) -> Source:
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Source("bn: GET /klines", raw)


@pytest.mark.parametrize("seed", range(20))
def test_a_mutated_payload_is_read_or_a_typed_error(seed: int) -> None:
    """M3.2, M3.4: 2,000 a parser, no exception outside the tree, no bad candle as a good one."""
    chance = Random(seed)
    for _ in range(100):
        for payload in PAYLOADS:
            _read(source(mutated(payload, chance)))


def _read(told: Source) -> None:
    def page() -> None:
        found = page_of(told.json(), Timeframe.M1, "bn", told, LATER)
        judged = validate(found.candles, Timeframe.M1, "bn", LATER)
        assert all(0 < each.low <= each.high for each in judged.good)

    def prices() -> None:
        assert all(price > 0 for price in prices_of(told.json(), told).values())

    def message() -> None:
        found = event_of(told)
        if isinstance(found, Trade):
            assert found.price > 0
        if isinstance(found, Others):
            assert all(price > 0 for price in found.prices.values())

    def depth() -> None:
        depth_event_of(told.json(), told)

    def snapshot() -> None:
        snapshot_of(told.json(), told)

    for reader in (page, prices, message, depth, snapshot):
        try:
            reader()
        except MisshapenError:
            continue


def test_bad_rows_are_rejected_beside_good_ones() -> None:
    """M3.4: quarantined with the reason, never stored as good."""
    rows = [
        ROW,
        ROW,  # the same once more
        [*ROW[:4], "61000", *ROW[5:]],  # and another of the same time
        ["yesterday", *ROW[1:]],
        [OPENED + 60_000, "NaN", *NEXT[2:]],
        [OPENED + 120_000, *ROW[1:]],  # closes before it opens
        "none",
    ]
    told = source(rows)
    page = page_of(told.json(), Timeframe.M1, "bn", told, LATER)

    assert len(page.candles) == 1
    assert page.duplicates == 1
    assert [each.reason for each in page.rejected] == [
        "another row of that time differs",
        "no open time",
        "a value is no number",
        "not a candle of 1m",
        "no open time",
    ]
    assert page.rows == 7


def test_the_unfinished_row_is_left_out() -> None:
    """M3.6: by its close time and the venue's clock."""
    told = source([ROW, NEXT])
    at = datetime.fromtimestamp(OPENED / 1000, UTC) + timedelta(seconds=90)
    page = page_of(told.json(), Timeframe.M1, "bn", told, at)
    assert len(page.candles) == 1
    assert not page.rejected


def test_messages_are_known_by_what_they_are() -> None:
    """S7, F12: coin-margined rows and all-market streams are none of ours."""
    assert isinstance(event_of(source(combined(TRADE))), Trade)
    found = event_of(source(combined(MINUTE)))
    assert isinstance(found, Minute)
    assert found.candle is not None
    open_ = combined(MINUTE | {"k": KLINE | {"x": False}})
    told = event_of(source(open_))
    assert isinstance(told, Minute)
    assert told.candle is None
    assert isinstance(event_of(source({"e": "serverShutdown", "E": 1})), Shutdown)
    shutdown = combined({"e": "serverShutdown", "E": 1}, "!serverShutdown")
    assert isinstance(event_of(source(shutdown)), Shutdown)
    assert event_of(source(combined(TRADE | {"st": 2}))) is None
    assert facts.is_coin_margined(2)
    assert not facts.is_coin_margined(1)
    assert event_of(source(combined([TRADE], "!ticker@arr"))) is None


def test_subscriptions_are_answered_in_two_shapes() -> None:
    assert event_of(source({"result": None, "id": 7})) == Answered(7, None)
    spot = event_of(source({"code": 2, "msg": "Invalid request: no", "id": 7}))
    usdm = event_of(source({"error": {"code": 4, "msg": "Too many"}, "id": 7}))
    assert spot == Answered(7, "Invalid request: no (2)")
    assert usdm == Answered(7, "Too many (4)")


def test_kept_minutes_are_whole_or_none() -> None:
    """M3.6: a minute that is missing has the whole range asked for."""
    kept = KeptCandles()
    told = source([ROW, NEXT])
    first, second = page_of(told.json(), Timeframe.M1, "bn", told, LATER).candles
    kept.put("BTCUSDT", first)
    end = second.ts + Timeframe.M1.duration
    assert kept.between("BTCUSDT", first.ts, end) is None
    kept.put("BTCUSDT", second)
    assert kept.between("BTCUSDT", first.ts, end) == [first, second]
    assert kept.between("ETHUSDT", first.ts, end) is None
    kept.put("BTCUSDT", first)  # time does not go back: what came before is doubted
    assert kept.between("BTCUSDT", first.ts, end) is None
    for number in range(KEPT + 5):
        kept.put("BTCUSDT", type(first)(LATER + number * Timeframe.M1.duration, 1, 1, 1, 1, 1))
    assert len(kept._kept["BTCUSDT"]) == KEPT
