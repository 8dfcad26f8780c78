"""Feeds of Alpaca in the file: what they need, what does not fit, and what their key may ask."""

from pathlib import Path

import pytest

from tests.unit.config_text import written
from tradebotd.config import alpaca_feeds
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.domain.errors import ConfigError

FEED = """
[feeds.shares]
kind = "alpaca"
api_key = { file = "key" }
api_secret = { file = "secret" }
"""
SECOND = FEED.replace("feeds.shares", "feeds.second")
VENUE = '[venues.paper]\nkind = "paper"\n'
SYMBOL = """
[[symbols]]
symbol = "{name}"
feeds = ["shares"]
venue = "paper"
calendar = "{calendar}"
quote_asset = "USDT"
"""
STREAM = "wss://stream.data{}.alpaca.markets"
LOOPBACK = 'base_url = "http://127.0.0.1:8083"\nws_url = "ws://127.0.0.1:8083"\n'


def config(directory: Path, feed: str = FEED, *, symbols: int = 1, more: str = "") -> Config:
    for name in ("key", "secret", "other"):
        (directory / name).write_text(f"a-{name}-of-alpaca\n")
        (directory / name).chmod(0o600)
    several = "".join(
        SYMBOL.format(name=f"S{number}", calendar="XNYS") for number in range(symbols)
    )
    return load_config(written(directory, feed + VENUE + several + more))


def problems(directory: Path, feed: str, *, symbols: int = 1, more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(directory, feed, symbols=symbols, more=more)
    return caught.value.problems


def test_the_vendors_addresses_are_known_and_a_simulator_may_be_on_loopback(tmp_path: Path) -> None:
    feed = config(tmp_path).feeds["shares"]
    assert alpaca_feeds.alpaca_addresses(feed) == (
        "https://data.alpaca.markets",
        "wss://stream.data.alpaca.markets",
    )
    assert (alpaca_feeds.data_feed_of(feed), alpaca_feeds.adjustment_of(feed)) == ("iex", "raw")
    feed = config(tmp_path, FEED + LOOPBACK + 'data_feed = "otc"\nadjust = "split"\n').feeds[
        "shares"
    ]
    assert alpaca_feeds.alpaca_addresses(feed).ws_url == "ws://127.0.0.1:8083"
    assert (alpaca_feeds.data_feed_of(feed), alpaca_feeds.adjustment_of(feed)) == ("otc", "split")


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("speed = 60", "feeds.shares.speed", "real time"),
        ('market = "spot"', "feeds.shares.market", "binance"),
        ("credits_per_day = 800", "feeds.shares.credits_per_day", "no limit of a day"),
        ('data_feed = "nasdaq"', "feeds.shares.data_feed", "iex"),
        ('adjust = "none"', "feeds.shares.adjust", "raw"),
        (
            'base_url = "http://far.example"\nws_url = "wss://far.example"',
            "feeds.shares.base_url",
            "https",
        ),
        (
            'base_url = "https://far.example"\nws_url = "ws://far.example"',
            "feeds.shares.ws_url",
            "wss",
        ),
        ('base_url = "https://far.example"', "feeds.shares.ws_url", "required beside"),
        ('ws_url = "wss://far.example"', "feeds.shares.base_url", "required beside"),
        *(
            (f'base_url = "https://{host}"\nws_url = "{told}"', f"feeds.shares.{key}", words)
            for host, told, key, words in (
                ("api.binance.com", "wss://far.example", "base_url", "of Binance, not of Alpaca"),
                ("API.Binance.com.", "wss://far.example", "base_url", "of Binance"),
                ("far.example", "wss://stream.binance.com:9443", "ws_url", "of Binance"),
                ("api.twelvedata.com", "wss://far.example", "base_url", "of Twelve Data"),
                ("api.alpaca.markets", "wss://far.example", "base_url", "is of trading"),
                ("paper-api.alpaca.markets.", "wss://far.example", "base_url", "is of trading"),
                ("broker-api.alpaca.markets", "wss://far.example", "base_url", "Broker API"),
                ("stream.data.alpaca.markets", "wss://far.example", "base_url", "not where"),
                ("far.example", "wss://data.alpaca.markets", "ws_url", "not where this is told"),
                ("data.alpaca.markets", STREAM.format(".sandbox"), "ws_url", "another place"),
                ("data.sandbox.alpaca.markets", STREAM.format(""), "ws_url", "another place"),
                ("data.alpaca.markets", "wss://far.example", "ws_url", "another place"),
                ("far.example", STREAM.format("") + ".", "ws_url", "another place"),
            )
        ),
        ('base_url = "https://api.binance.com"', "feeds.shares.base_url", "of Binance"),
    ],
)
def test_what_does_not_fit_is_refused(line: str, path: str, words: str, tmp_path: Path) -> None:
    """M8.2."""
    (problem,) = problems(tmp_path, FEED + line + "\n")
    assert problem.startswith(f"{path}: ")
    assert words in problem


def test_keys_of_other_kinds_do_not_take_what_is_alpacas(tmp_path: Path) -> None:
    """M8.2."""
    binance = '[feeds.shares]\nkind = "binance"\ndata_feed = "iex"\n'
    (problem,) = problems(tmp_path, binance)
    assert problem.startswith("feeds.shares.data_feed: belongs to kind")
    synthetic = '[feeds.shares]\nkind = "synthetic"\nws_url = "wss://far.example"\n'
    (problem,) = problems(tmp_path, synthetic)
    assert problem.startswith('feeds.shares.ws_url: belongs to kind = "binance" or "alpaca"')


def test_both_halves_of_a_key_are_required(tmp_path: Path) -> None:
    told = problems(tmp_path, '[feeds.shares]\nkind = "alpaca"\n')
    assert [each.partition(":")[0] for each in told] == [
        "feeds.shares.api_key",
        "feeds.shares.api_secret",
    ]


def test_a_key_has_one_stream_of_each_kind(tmp_path: Path) -> None:
    """A11: the second connection of a key is refused."""
    (problem,) = problems(tmp_path, FEED + SECOND)
    assert problem.startswith("feeds.second.api_key: 'shares' has it")
    config(tmp_path, FEED + SECOND.replace('"key"', '"other"'))


def test_shares_trade_in_sessions(tmp_path: Path) -> None:
    """M3.9: else their streams are silent all night, and the evening's price is one of now."""
    coin = SYMBOL.format(name="BTCUSD", calendar="24/7")
    (problem,) = problems(tmp_path, FEED, more=coin)
    assert problem.startswith("symbols[1].calendar: shares trade in sessions")
    config(tmp_path, FEED, more=coin + 'names = { shares = "BTC/USD" }\n')


def test_what_a_free_key_may_not_ask_in_a_minute_is_refused(tmp_path: Path) -> None:
    """M3.3, A13: 200 a minute, a fifth of it for prices; 10,000 paid."""
    config(tmp_path, symbols=160)
    (problem,) = problems(tmp_path, FEED, symbols=161)
    assert problem.startswith(
        "feeds.shares.credits_per_minute: 161 symbols need 185 requests in a minute in which no"
    )
    assert "at most 160 fit" in problem
    feed = config(tmp_path, FEED + "credits_per_minute = 10_000\n", symbols=400).feeds["shares"]
    assert alpaca_feeds.most_traded(feed) is None
    assert alpaca_feeds.most_traded(config(tmp_path).feeds["shares"]) == 30
    slow = '[jobs.realtime_pull]\nevery = "2m"\n'
    assert problems(tmp_path, FEED, symbols=161, more=slow)  # all of them in one minute
