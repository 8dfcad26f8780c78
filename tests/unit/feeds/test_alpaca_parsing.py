"""Answers and messages of Alpaca that are not as they should be: typed errors, and nothing else."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.unit.feeds.test_twelvedata_parsing import mutated
from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.alpaca.client import ALLOWED
from tradebotd.feeds.alpaca.messages import Halt, Minute, Subscribed, Trade, event_of
from tradebotd.feeds.alpaca.parsing import page_of, trades_of
from tradebotd.feeds.kept_candles import KEPT, KeptCandles
from tradebotd.market.validate import validate
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError, PathNotAllowedError
from tradebotd.net.redaction import Redactor

MUTATIONS: Final = 2_000
LATER: Final = datetime(2030, 1, 1, tzinfo=UTC)
ROW: Final = {
    "t": "2026-03-03T15:06:00Z",
    "o": 190.1,
    "h": 190.5,
    "l": 189.9,
    "c": 190.2,
    "v": 6606,
    "n": 41,
    "vw": 190.15,
}
NEXT: Final = ROW | {"t": "2026-03-03T15:07:00Z"}
BARS: Final = {"bars": {"AAPL": [ROW, NEXT]}, "next_page_token": "QUFQTHxNfDIwMjI="}
TRADE: Final = {
    "t": "2026-03-03T15:06:07.086175744Z",
    "x": "P",
    "p": 178.26,
    "s": 246,
    "i": 1,
    "c": ["@", "I"],
    "z": "C",
}
TRADES: Final = {"trades": {"AAPL": TRADE, "MSFT": TRADE | {"u": "corrected"}}}
STATUS: Final = {
    "T": "s",
    "S": "AAPL",
    "sc": "H",
    "sm": "Trading Halt",
    "rc": "T12",
    "z": "C",
    "rm": "Information requested",
    "t": "2026-03-03T15:06:07Z",
}
SUBSCRIBED: Final = {"T": "subscription", "trades": ["AAPL"], "bars": ["AAPL", "MSFT"]}
MESSAGES: Final[dict[str, dict[str, Any]]] = {
    "trade": {"T": "t", "S": "AAPL", **TRADE},
    "bar": {"T": "b", "S": "AAPL", **ROW},
    "revised bar": {"T": "u", "S": "AAPL", **ROW},
    "correction": {"T": "c", "S": "AAPL", "op": 39.1, "cp": 39.2, "t": "2026-03-03T15:06:07Z"},
    "cancel": {"T": "x", "S": "AAPL", "i": 465, "p": 120.1, "a": "C", "t": "2026-03-03T15:06:07Z"},
    "status": STATUS,
    "success": {"T": "success", "msg": "connected"},
    "subscription": SUBSCRIBED,
    "error": {"T": "error", "code": 406, "msg": "connection limit exceeded"},
}


def source(raw: bytes) -> Source:
    return Source("shares: GET /v2/stocks/bars", raw, 200, Redactor(["a-secret-key"]))


def value(told: object) -> Value:
    return source(json.dumps(told).encode()).json()


def _page(told: Value, timeframe: Timeframe = Timeframe.M1) -> object:
    page = page_of(told, "AAPL", timeframe, "shares", source(b""))
    good = validate(page.candles, timeframe, "shares", LATER).good
    assert all(0 < each.low <= each.high for each in good)
    assert [each.ts for each in good] == sorted({each.ts for each in good})
    return page


def _trades(told: Value) -> object:
    found = trades_of(told)
    assert all(each.price > 0 for each in found.values())
    return found


READERS: Final[dict[str, tuple[Any, Callable[[Value], object]]]] = {
    "bars": (BARS, _page),
    "days": (BARS, lambda told: _page(told, Timeframe.D1)),
    "trades": (TRADES, _trades),
    **{name: (sample, event_of) for name, sample in MESSAGES.items()},
}


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_answer_is_read_or_misshapen(name: str) -> None:
    """M3.2, M3.4: 2,000 of each reader; no other exception, and no bad candle as a good one."""
    sample, reader = READERS[name]
    chance, misshapen = Random(f"alpaca {name}"), 0
    reader(value(sample))
    for _ in range(MUTATIONS):
        raw = mutated(sample, chance)
        try:
            reader(source(raw).json())
        except MisshapenError as error:
            misshapen += len(str(error)) < 1_000
    assert misshapen > MUTATIONS // 20


def test_messages_are_read_as_what_they_say() -> None:
    """M3.10."""
    trade = event_of(value(MESSAGES["trade"]))
    assert isinstance(trade, Trade)
    assert (str(trade.price), trade.at.microsecond) == ("178.26", 86_175)
    minute = event_of(value(MESSAGES["revised bar"]))
    assert isinstance(minute, Minute)
    assert minute.revised
    assert not event_of(value(MESSAGES["bar"])).revised  # type: ignore[union-attr]
    told = event_of(value(SUBSCRIBED))
    assert isinstance(told, Subscribed)
    assert told.channels == facts.Channels(bars=("AAPL", "MSFT"), trades=("AAPL",))
    for sign, begins in (("H", True), ("P", True), ("2", True), ("T", False), ("3", False)):
        halt = event_of(value(STATUS | {"sc": sign}))
        assert isinstance(halt, Halt)
        assert halt.begins is begins
    assert event_of(value(STATUS | {"sc": "Q"})) is None  # quotes alone: not yet traded
    assert event_of(value({"T": "d", "S": "AAPL", **ROW})) is None
    assert event_of(value({"T": "l", "S": "AAPL", "u": 3.24, "d": 2.65})) is None
    with pytest.raises(MisshapenError, match="no minute"):
        event_of(value(MESSAGES["bar"] | {"t": "2026-03-03T15:06:30Z"}))


# By the sale conditions of CTA (tapes A and B) and UTP (tape C), as both plans print them: whether
# the consolidated last price is updated. What they leave to conditions (sold out of sequence,
# derivatively priced, prior reference) is of another moment: none here. `9` corrects a close.
# Compared with what Alpaca leaves out of a close of a minute (alpaca.markets/learn/stock-minute-bars,
# forum.alpaca.markets/t/13850 and /t/18440): the same, but for `I` and `L`, which are told apart.
OF_VENDOR: Final = "479CGHIMNPQRTUVWZ"
NO_LAST_ON_ALL: Final = "479CGHLMNPQRTUVWZ"
LAST_ON_ALL: Final = "@ 156ADEFIKOSXY"  # I, an odd lot, updates none there, and counts here


@pytest.mark.parametrize("tape", ["A", "B", "C", None])
def test_each_sale_condition_makes_a_last_price_or_none(tape: str | None) -> None:
    """M3.10: `B` is an average price on tapes A and B, and a bunched trade of now on tape C."""
    want = dict.fromkeys(LAST_ON_ALL, True) | dict.fromkeys(NO_LAST_ON_ALL, False)
    want["B"] = tape == "C"
    found = {code: facts.makes_last_price(["@", code], None, tape) for code in want}
    assert found == want
    assert {*OF_VENDOR} ^ {*NO_LAST_ON_ALL} == {"I", "L"}
    assert len(want) == len(LAST_ON_ALL) + len(NO_LAST_ON_ALL) + 1  # each code once
    trade = TRADE | {"c": ["@", "B"], "z": tape}
    if tape is None:
        del trade["z"]
    read = event_of(value({"T": "t", "S": "AAPL", **trade}))
    assert isinstance(read, Trade)
    assert (read.price is not None) == (tape == "C")
    assert ("AAPL" in trades_of(value({"trades": {"AAPL": trade}}))) == (tape == "C")


def test_bad_rows_are_rejected_beside_good_ones() -> None:
    """M3.4: quarantined with the reason, never stored as good."""
    rows = [
        ROW,
        ROW,  # the same once more
        ROW | {"c": 191},  # and another of the same time
        ROW | {"t": "yesterday"},
        NEXT | {"h": "NaN"},
    ]
    page = page_of(value({"bars": {"AAPL": rows}}), "AAPL", Timeframe.M1, "shares", source(b""))
    assert len(page.candles) == page.duplicates == 1
    reasons = {each.reason for each in page.rejected}
    assert reasons == {"no open time", "a value is no number", "another row of that time differs"}
    assert page.more is None
    others = page_of(value({"bars": {"MSFT": rows}}), "AAPL", Timeframe.M1, "shares", source(b""))
    assert not others.candles
    assert not others.rejected
    nothing = page_of(value({"bars": None}), "AAPL", Timeframe.M1, "shares", source(b""))
    assert not nothing.candles


def test_a_minute_that_is_kept_is_revised_and_another_is_not_made_up() -> None:
    """M3.10."""
    kept, ts = KeptCandles(), datetime(2026, 3, 3, 15, 6, tzinfo=UTC)
    minute = timedelta(minutes=1)
    for number in range(2):
        kept.put("AAPL", Candle(ts + number * minute, 1, 1, 1, 1, 1))
    kept.revise("AAPL", Candle(ts, 2, 2, 2, 2, 2))
    kept.revise("AAPL", Candle(ts - minute, 3, 3, 3, 3, 3))
    kept.revise("MSFT", Candle(ts, 2, 2, 2, 2, 2))
    found = kept.between("AAPL", ts, ts + 2 * minute)
    assert found is not None
    assert [each.close for each in found] == [2, 1]
    assert kept.between("AAPL", ts - minute, ts + minute) is None
    assert kept.between("MSFT", ts, ts + minute) is None
    assert KEPT >= 2


FILLED_IN: Final = {"{loc}": "us", "{symbol}": "AAPL"}
METHODS: Final = ("get", "post", "put", "patch", "delete")
FEW: Final = {
    ("GET", "/v2/stocks/bars"),
    ("GET", "/v2/stocks/trades/latest"),
    ("GET", "/v1beta3/crypto/{loc}/bars"),
    ("GET", "/v1beta3/crypto/{loc}/latest/trades"),
}


@pytest.mark.skipif(
    "TRADEBOTD_TEST_DATA" not in os.environ, reason="needs the vendor's specifications"
)
@pytest.mark.parametrize(
    ("file", "few"),
    [("alpaca_market_data_openapi.json", FEW), ("alpaca_trading_openapi.json", set())],
)
def test_few_of_all_paths_can_be_called(file: str, few: set[tuple[str, str]]) -> None:
    """A10: every path of the vendor's specifications, and those that are let through."""
    folder = Path(os.environ["TRADEBOTD_TEST_DATA"]) / "venue_examples"
    found = set()
    for path, methods in json.loads((folder / file).read_text())["paths"].items():
        concrete = path
        for name, each in FILLED_IN.items():
            concrete = concrete.replace(name, each)
        concrete = concrete.replace("{", "x").replace("}", "x")
        for method in (each.upper() for each in methods if each in METHODS):
            if _passes(ALLOWED, method, concrete):
                found.add((method, path))
    assert found == few


def _passes(allowed: AllowList, method: str, path: str) -> bool:
    try:
        allowed.check("alpaca", method, path)
    except PathNotAllowedError:
        return False
    return True
