"""Feeds of Binance in the file: a market, its addresses, and nothing that they do not need."""

from pathlib import Path

import pytest

from tests.unit.config_text import written
from tradebotd.config.binance_feeds import feed_addresses, market_of
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.domain.errors import ConfigError

REST = """
[venues.paper]
kind = "paper"

[[symbols]]
symbol = "BTCUSDT"
feeds = ["bn"]
venue = "paper"
"""


def config(directory: Path, *lines: str) -> Config:
    feed = "\n".join(["[feeds.bn]", 'kind = "binance"', *lines])
    return load_config(written(directory, feed + REST))


def problems(directory: Path, *lines: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(directory, *lines)
    return caught.value.problems


def test_a_market_is_enough(tmp_path: Path) -> None:
    """M3.1: no key, and the vendor's addresses."""
    spot = config(tmp_path).feeds["bn"]
    assert market_of(spot) == "spot"
    assert feed_addresses(spot) == ("https://api.binance.com", "wss://stream.binance.com:9443")
    usdm = config(tmp_path, 'market = "usdm"').feeds["bn"]
    assert feed_addresses(usdm) == ("https://fapi.binance.com", "wss://fstream.binance.com")


def test_the_streams_of_the_vendors_hosts_are_known(tmp_path: Path) -> None:
    """S12, S13, F15: demo and testnet have prices of their own."""
    demo = config(tmp_path, 'base_url = "https://demo-api.binance.com/"').feeds["bn"]
    assert feed_addresses(demo).ws_url == "wss://demo-stream.binance.com:9443"
    line = 'base_url = "https://testnet.binancefuture.com"'
    futures = config(tmp_path, 'market = "usdm"', line).feeds["bn"]
    assert feed_addresses(futures).ws_url == "wss://fstream.binancefuture.com"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['market = "coinm"'], "feeds.bn.market:"),
        (['api_key = { env = "K" }'], "feeds.bn.api_key: prices of Binance need no key"),
        (["credits_per_minute = 8"], "feeds.bn.credits_per_minute: prices of Binance need no key"),
        (['price_every = "500ms"'], "feeds.bn.price_every:"),
        (['base_url = "https://proxy.example"'], "feeds.bn.ws_url: required beside a base_url"),
        (
            [
                'base_url = "https://api.binance.com"',
                'ws_url = "wss://fstream.binance.com"',
            ],
            "feeds.bn.ws_url: fstream.binance.com is of USDT-M futures; this feed's market is",
        ),
        (
            ['base_url = "https://api.binance.com."', 'ws_url = "wss://FSTREAM.binance.com."'],
            "feeds.bn.ws_url: fstream.binance.com is of USDT-M futures",
        ),
        (
            [
                'base_url = "https://demo-api.binance.com"',
                'ws_url = "wss://stream.binance.com:9443"',
            ],
            "feeds.bn.ws_url: stream.binance.com is of live, but demo-api.binance.com of demo",
        ),
        (
            ['base_url = "https://data.alpaca.markets"', 'ws_url = "wss://proxy.example"'],
            "feeds.bn.base_url: data.alpaca.markets is of Alpaca, not of Binance",
        ),
        (['ws_url = "wss://proxy.example"'], "feeds.bn.base_url: required beside ws_url"),
        (['base_url = "http://api.binance.com"'], "feeds.bn.base_url: without https"),
        (
            ['base_url = "https://api.binance.com"', 'ws_url = "ws://stream.binance.com"'],
            "feeds.bn.ws_url: without wss",
        ),
        (['base_url = "binance"'], 'feeds.bn.base_url: write "https://HOST"'),
        (
            ['market = "usdm"', 'base_url = "https://api.binance.com"'],
            "feeds.bn.base_url: of the other market",
        ),
        (["seed = 3"], "feeds.bn.seed: belongs to kind"),
        (["speed = 3"], "feeds.bn.speed: 'binance' tells real prices"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, lines: list[str], problem: str) -> None:
    """M3.1."""
    assert any(each.startswith(problem) for each in problems(tmp_path, *lines))


def test_a_simulator_on_this_machine_may_speak_plainly(tmp_path: Path) -> None:
    lines = ('base_url = "http://127.0.0.1:8080"', 'ws_url = "ws://127.0.0.1:8080"')
    assert feed_addresses(config(tmp_path, *lines).feeds["bn"]).base_url == "http://127.0.0.1:8080"


def test_market_belongs_to_binance_alone(tmp_path: Path) -> None:
    text = '[feeds.bn]\nkind = "synthetic"\nmarket = "spot"\n'
    with pytest.raises(ConfigError, match=r"feeds.bn.market: belongs to kind = \"binance\""):
        load_config(written(tmp_path, text + REST))
