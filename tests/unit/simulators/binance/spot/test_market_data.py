"""Candles, tickers, trades, and the book."""

from decimal import Decimal

import pytest

from tests.simulators.binance.spot.candles import Candle, closing, opening
from tests.unit.simulators.binance.spot.desk import START, Desk

MINUTE = 60_000


def test_the_last_candle_is_unfinished_and_quiet_minutes_are_flat() -> None:
    desk = Desk()
    desk.clock.advance(90_000)
    desk.venue.print_trade("BTCUSDT", "60010", "0.5")

    rows = desk.public("/api/v3/klines", symbol="BTCUSDT", interval="1m")
    half = desk.public("/api/v3/klines", symbol="BTCUSDT", interval="30m")

    assert [row[0] for row in rows] == [START, START + MINUTE]
    assert rows[0][4] == "60000.00000000"
    assert rows[1][1:6] == ["60010.00000000"] * 4 + ["0.50000000"]
    assert rows[1][6] > desk.clock.ms
    assert half[-1][5] == "0.50100000"
    desk.clock.advance(2 * MINUTE)
    flat = desk.public("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=1)[0]
    assert (flat[1], flat[5], flat[8]) == ("60010.00000000", "0.00000000", 0)


def test_candles_are_chosen_from_either_end() -> None:
    desk = Desk()
    desk.clock.advance(10 * MINUTE)

    def opened(**params: int) -> list[int]:
        rows = desk.public("/api/v3/klines", symbol="BTCUSDT", interval="1m", **params)
        return [(row[0] - START) // MINUTE for row in rows]

    assert opened(limit=2) == [9, 10]
    assert opened(startTime=START, limit=2) == [0, 1]
    assert opened(endTime=START + 4 * MINUTE, limit=2) == [3, 4]
    assert opened(startTime=START + MINUTE, endTime=START + 2 * MINUTE) == [1, 2]


@pytest.mark.parametrize(
    ("interval", "at", "opened", "closed"),
    [
        ("1w", 1_700_000_000_000, 1_699_833_600_000, 1_700_438_399_999),  # from a Monday
        ("1M", 1_700_000_000_000, 1_698_796_800_000, 1_701_388_799_999),  # November 2023
        ("3d", 1_700_000_000_000, 1_699_833_600_000, 1_700_092_799_999),
        ("8h", 1_700_000_000_000, 1_699_977_600_000, 1_700_006_399_999),
    ],
)
def test_candles_open_where_the_venue_opens_them(
    interval: str, at: int, opened: int, closed: int
) -> None:
    assert opening(interval, at) == opened
    assert closing(interval, opened) == closed


def test_seeded_candles_are_the_past() -> None:
    desk = Desk()
    price = Decimal(50_000)
    past = [Candle(START - n * 86_400_000, price, price, price, price) for n in (1, 2)]
    desk.venue.candles["BTCUSDT"].seed(
        "1d", [Candle(opening("1d", c.opened_ms), price, price, price, price) for c in past]
    )

    rows = desk.public("/api/v3/klines", symbol="BTCUSDT", interval="1d")

    assert [row[4] for row in rows] == ["50000.00000000"] * 2 + ["60000.00000000"]


def test_an_interval_is_case_sensitive() -> None:
    desk = Desk()

    wrong = desk.ask("GET", "/api/v3/klines", signed=False, symbol="BTCUSDT", interval="1H")

    assert desk.code(wrong) == -1120


def test_trades_are_paged_by_id_and_by_time() -> None:
    desk = Desk()
    for price in ("60001", "60002", "60003"):
        desk.clock.advance(1000)
        desk.venue.print_trade("BTCUSDT", price)

    def prices(**params: int) -> list[str]:
        rows = desk.public("/api/v3/aggTrades", symbol="BTCUSDT", **params)
        return [row["p"][:5] for row in rows]

    assert prices(limit=2) == ["60002", "60003"]
    assert prices(fromId=2, limit=2) == ["60001", "60002"]
    assert prices(startTime=START + 1500) == ["60002", "60003"]
    assert prices(endTime=START + 1500) == ["60000", "60001"]


def test_one_symbol_is_an_object_and_several_are_a_list() -> None:
    desk = Desk()
    desk.venue.move("ETHUSDT", "3000")

    one = desk.public("/api/v3/ticker/bookTicker", symbol="BTCUSDT")
    many = desk.public("/api/v3/ticker/price", symbols='["BTCUSDT","ETHUSDT"]')

    assert (one["bidPrice"], one["askPrice"]) == ("60000.00000000", "60000.01000000")
    assert [row["price"] for row in many] == ["60000.00000000", "3000.00000000"]
    both = desk.ask(
        "GET", "/api/v3/ticker/price", signed=False, symbol="BTCUSDT", symbols='["ETHUSDT"]'
    )
    assert desk.code(both) == -1128


def test_resting_orders_are_in_the_book() -> None:
    desk = Desk()
    desk.place("BUY", "LIMIT", "0.5", price="60000")

    book = desk.public("/api/v3/depth", symbol="BTCUSDT", limit=5)

    assert book["bids"][0] == ["60000.00000000", "10.50000000"]
