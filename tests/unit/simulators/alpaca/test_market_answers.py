"""Market data of the simulator of Alpaca."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.alpaca.market import Market, Quote, Split, flat_bars
from tests.simulators.alpaca.market_answers import bars_answer, latest_quotes, latest_trades
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.unit.simulators.alpaca.scenes import moment

NOW = moment("2026-11-18 12:00")
DAY = {"timeframe": "1Min", "start": "2026-11-18T00:00:00Z"}


@pytest.fixture
def market() -> Market:
    made = Market()
    for symbol, price in (("MSFT", 400), ("AAPL", 200)):
        for bar in flat_bars(moment("2026-11-18 09:30"), 60, Decimal(price), Decimal("0.1")):
            made.bar(symbol, bar, "sip")
            made.bar(symbol, bar, "iex")
    return made


def asked(market: Market, **query: str) -> dict[str, Any]:
    return bars_answer(market, DAY | query, NOW, crypto=False)


def test_bars_come_by_symbol_and_in_pages(market: Market) -> None:
    """The limit is of all symbols together; the last page has no token."""
    pages = []
    token: str | None = None
    while True:
        more: dict[str, str] = {"page_token": token} if token else {}
        page = asked(market, symbols="MSFT,AAPL", limit="50", **more)
        pages.append({symbol: len(bars) for symbol, bars in page["bars"].items()})
        token = page["next_page_token"]
        if token is None:
            break

    assert pages == [{"AAPL": 50}, {"AAPL": 10, "MSFT": 40}, {"MSFT": 20}]


@pytest.mark.parametrize(
    ("timeframe", "count", "first"),
    [
        ("1Min", 60, "2026-11-18T14:30:00Z"),
        ("5Min", 12, "2026-11-18T14:30:00Z"),
        ("1Hour", 2, "2026-11-18T14:00:00Z"),
        ("1Day", 1, "2026-11-18T05:00:00Z"),
    ],
)
def test_bars_are_joined(market: Market, timeframe: str, count: int, first: str) -> None:
    """Days are New York's."""
    bars = asked(market, symbols="AAPL", timeframe=timeframe)["bars"]["AAPL"]

    assert (len(bars), bars[0]["t"]) == (count, first)
    assert bars[-1]["c"] == 205.9
    assert sum(bar["v"] for bar in bars) == sum(100 + number % 7 for number in range(60))


def test_a_split_changes_bars_before_it_when_that_is_asked(market: Market) -> None:
    market.splits.append(Split("AAPL", date(2026, 11, 19), Decimal(4)))

    raw = asked(market, symbols="AAPL")["bars"]["AAPL"][0]
    split = asked(market, symbols="AAPL", adjustment="split")["bars"]["AAPL"][0]

    assert (raw["c"], split["c"]) == (200, 50)
    assert split["v"] == raw["v"] * 4


@pytest.mark.parametrize(
    "query",
    [
        {"symbols": ""},
        {"timeframe": "7Day"},
        {"timeframe": "60Min"},
        {"feed": "overnight"},
        {"limit": "0"},
        {"limit": "10001"},
        {"page_token": "what"},
        {"start": "yesterday"},
        {"end": "2026-11-01"},
        {"adjustment": "some"},
        {"sort": "up"},
    ],
)
def test_a_bad_question_is_refused(market: Market, query: dict[str, str]) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        asked(market, **({"symbols": "AAPL"} | query))

    assert caught.value.status == 400


def test_the_free_plan_has_no_recent_sip(market: Market) -> None:
    """A13: sip after 15 minutes; iex at once."""
    recent = DAY | {"symbols": "AAPL", "end": "2026-11-18T17:00:00Z"}

    with pytest.raises(RequestRefusedError) as caught:
        bars_answer(market, recent, NOW, crypto=False, plan="free")
    assert caught.value.status == 403
    assert bars_answer(market, recent | {"feed": "iex"}, NOW, crypto=False, plan="free")["bars"]


def test_newest_quotes_and_trades(market: Market) -> None:
    market.quote("AAPL", Quote(Decimal(0), Decimal("200.5"), NOW))
    market.trade("AAPL", Decimal("200.25"), Decimal(3), NOW)

    quotes = latest_quotes(market, {"symbols": "AAPL,NONE"}, crypto=False)["quotes"]

    assert set(quotes) == {"AAPL"}
    assert (quotes["AAPL"]["bp"], quotes["AAPL"]["bs"], quotes["AAPL"]["ap"]) == (0, 0, 200.5)
    assert latest_quotes(market, {"symbols": "AAPL", "feed": "boats"}, crypto=False)["quotes"]
    trades = latest_trades(market, {"symbols": "AAPL"}, crypto=False)["trades"]
    assert (trades["AAPL"]["p"], trades["AAPL"]["s"]) == (200.25, 3)
    with pytest.raises(RequestRefusedError):
        latest_quotes(market, {"symbols": "AAPL", "feed": "moon"}, crypto=False)
