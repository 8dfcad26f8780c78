"""Answers of Twelve Data that are not as they should be: typed errors, and nothing else."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.twelvedata.parsing import parts_of, price_of, series_of
from tradebotd.feeds.twelvedata.refusals import Refusal, Why, refusal_of
from tradebotd.market.validate import validate
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError
from tradebotd.net.redaction import Redactor

LATER = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = ["AAPL", "BTC/USD"]
ROW = {
    "datetime": "2026-03-03 15:06:00",
    "open": "190.10000",
    "high": "190.50000",
    "low": "189.90000",
    "close": "190.20000",
    "volume": "6606",
}
META = {
    "symbol": "AAPL",
    "interval": "1min",
    "currency": "USD",
    "exchange_timezone": "America/New_York",
    "exchange": "NASDAQ",
    "mic_code": "XNGS",
    "type": "Common Stock",
}
SINGLE = {
    "meta": META,
    "values": [ROW, ROW | {"datetime": "2026-03-03 15:05:00"}],
    "status": "ok",
}
REFUSED = {"code": 404, "message": "**symbol** is missing or invalid", "status": "error"}
BATCH = {"AAPL": SINGLE, "BTC/USD": REFUSED}
PRICES = {"AAPL": {"price": "190.20000"}, "BTC/USD": {"price": "64000.5"}}
ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        2**70,
        1e308,
        "",
        "NaN",
        "Infinity",
        "-5",
        "1e999",
        "0x1",
        "١٢",
        "a" * 500,
    ),
    *(
        [],
        {},
        [[]],
        [None],
        {"status": "error"},
        {"price": []},
        "2026-02-30",
        "24:00",
        "\ud83d\ude00",
    ),
]


def source(raw: bytes) -> Source:
    return Source("td: GET /time_series", raw, 200, Redactor(["a-secret-key"]))


def mutated(payload: Any, chance: Random) -> bytes:
    """*payload* with a few places changed: values, keys, order, or bytes of its text."""
    made = json.loads(json.dumps(payload))
    for _ in range(chance.randint(1, 4)):
        _change(made, chance)
    raw = json.dumps(made, allow_nan=True, ensure_ascii=chance.random() < 0.5).encode(
        errors="surrogatepass"
    )
    how = chance.random()
    if how < 0.1:
        return raw[: chance.randrange(len(raw))]
    if how < 0.2:
        at = chance.randrange(len(raw))
        return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]
    return raw


def _change(made: Any, chance: Random) -> None:
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(made)
    if not places:
        return
    where, key = chance.choice(places)
    how = chance.random()
    if how < 0.6:
        where[key] = json.loads(json.dumps(chance.choice(ODD)))
    elif how < 0.8 and isinstance(where, dict):
        del where[key]
    elif isinstance(where, list):
        where.insert(0, where[key])
    else:
        where[str(chance.choice(ODD))] = where[key]


@pytest.mark.parametrize("seed", range(20))
def test_a_mutated_answer_is_candles_or_a_typed_error(seed: int) -> None:
    """M3.2, M3.4: 2,000 mutated answers, no exception outside the tree, no bad candle as a good one."""
    chance = Random(seed)
    for number in range(100):
        payload = chance.choice([SINGLE, BATCH, REFUSED, PRICES, {"price": "190.2"}])
        raw = mutated(payload, chance)
        _read(raw, batch=number % 2 == 0)


def _read(raw: bytes, *, batch: bool) -> None:
    told = source(raw)
    try:
        answer = told.json()
        refusal_of(answer)
        parts = parts_of(answer, NAMES, batch=batch)
    except MisshapenError:
        return
    for part in parts.values():
        try:
            series = series_of(part, Timeframe.M1, "td", told)
        except MisshapenError:
            pass
        else:
            if not isinstance(series, Refusal):
                judged = validate(series.candles, Timeframe.M1, "td", LATER)
                assert all(0 < each.low <= each.high for each in judged.good)
        try:
            price = price_of(part, told)
        except MisshapenError:
            continue
        assert isinstance(price, Refusal) or price > 0


def test_bad_rows_are_rejected_beside_good_ones() -> None:
    """M3.4: quarantined with the reason, never stored as good."""
    rows = [
        ROW,
        ROW,  # the same once more
        ROW | {"close": "191"},  # and another of the same time
        ROW | {"datetime": "yesterday"},
        ROW | {"datetime": "2026-03-03 15:04:00", "high": "NaN"},
    ]
    raw = json.dumps({"meta": META, "values": rows, "status": "ok"}).encode()
    told = source(raw)
    series = series_of(told.json(), Timeframe.M1, "td", told)

    assert not isinstance(series, Refusal)
    assert len(series.candles) == 1
    reasons = {each.reason for each in series.rejected}
    assert reasons == {"no open time", "a value is no number", "another row of that time differs"}
    assert series.zone == "America/New_York"


@pytest.mark.parametrize(
    ("code", "message", "why"),
    [
        (429, "You have run out of API credits for the current minute.", Why.MINUTE),
        (429, "You have run out of API credits for the day.", Why.DAY),
        (401, "**apikey** parameter is incorrect", Why.KEY),
        (403, "available exclusively with pro", Why.PLAN),
        (404, "available starting with Grow plan", Why.PLAN),
        (404, "**symbol** is missing", Why.SYMBOL),
        (400, "No data is available on the specified dates.", Why.NO_DATA),
        (400, "Invalid **interval**", Why.OTHER),
        (414, "too long", Why.OTHER),
        (500, "Internal error", Why.SERVER),
        (799, "unheard of", Why.SERVER),
        (418, "unheard of", Why.OTHER),
    ],
)
def test_a_refusal_is_known_by_code_and_words(code: int, message: str, why: Why) -> None:
    """T6, T7, T10: errors inside a 200, by their own code."""
    raw = json.dumps({"code": code, "message": message, "status": "error"}).encode()
    refused = refusal_of(source(raw).json())

    assert refused is not None
    assert refused.why is why


def test_an_error_shows_where_and_how_it_begins_without_secrets() -> None:
    raw = b'{"apikey": "a-secret-key", "rest": "' + b"x" * 1_000 + b'"}'
    told = source(raw)
    with pytest.raises(MisshapenError) as error:
        price_of(told.json(), told)

    assert str(error.value).startswith("td: GET /time_series: answered with status 200")
    assert "a-secret-key" not in str(error.value)
    assert str(error.value).count("x") < 201
