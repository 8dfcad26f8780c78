"""Alpaca, as the file names it: addresses, calendars, the feed of its prices, and its wiring."""

from pathlib import Path

import pytest

from tests.unit.config_text import written
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.price_kinds import told_kinds
from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.real_venues import addresses_of
from tradebotd.daemon.wiring.files import load
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.daemon.wiring.venues import RealVenues
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import VenueName
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of

FILE = """
[feeds.history]
kind = "synthetic"
[venues.alpaca]
kind = "alpaca"
base_url = "http://127.0.0.1:8000"
ws_url = "ws://127.0.0.1:8000/stream"
api_key = { file = "key" }
api_secret = { file = "secret" }
[[symbols]]
symbol = "AAPL"
feeds = ["history"]
venue = "alpaca"
calendar = "XNYS"
base_asset = "AAPL"
quote_asset = "USDT"
"""
ADDRESSES = 'base_url = "http://127.0.0.1:8000"\nws_url = "ws://127.0.0.1:8000/stream"\n'
LIVE = (
    'live = true\nbase_url = "https://api.alpaca.markets"\n'
    'ws_url = "wss://api.alpaca.markets/stream"\n'
)
SIMULATED = "venues.alpaca: a simulated clock trades on paper or on loopback only"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("key", "PKMADEUP"), ("secret", "aSecret")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(directory, text))
    return [each for each in caught.value.problems if each != SIMULATED]


def loaded(directory: Path, text: str = FILE) -> Config:
    return load_config(written(directory, text))


def with_lines(lines: str) -> str:
    return FILE.replace("api_key", f"{lines}\napi_key")


def test_a_rehearsal_is_built_from_the_file(directory: Path) -> None:
    """M6.1: the adapter of Alpaca, with the shares of the file; its key is shown nowhere."""
    config, files = load(written(directory, FILE))
    symbols = {each.symbol: each for each in files.symbols}
    venue = RealVenues(symbols, Outside()).alpaca(
        VenueName("alpaca"), config.venues["alpaca"], files.keys["alpaca"]
    )
    assert isinstance(venue, AlpacaVenue)
    assert venue.name == "alpaca"
    assert venue.traits.linked_orders
    assert "PKMADEUP" not in repr(files.keys)


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (LIVE.replace("//api.", "//paper-api.", 1), "base_url", "no live address"),
        (LIVE.replace("wss://api.", "wss://paper-api."), "ws_url", "no live address"),
        (LIVE.replace("live = true\n", ""), "base_url", "is live"),
        ('base_url = "https://api.alpaca.markets."', "base_url", "is live"),
        (ADDRESSES + 'data_url = "https://api.binance.com"', "data_url", "is of Binance"),
        ('base_url = "https://api.binance.com."', "base_url", "is of Binance, not of Alpaca"),
        (LIVE.replace("https:", "http:"), "base_url", "by https only"),
        (LIVE + 'data_url = "https://data.example"', "data_url", "no address of the venue"),
        (LIVE + 'data_url = "http://data.alpaca.markets"', "data_url", "by https only"),
        (ADDRESSES + 'data_url = "data"', "data_url", "not a URL"),
    ],
)
def test_live_keys_and_paper_addresses_do_not_go_together(
    directory: Path, lines: str, key: str, words: str
) -> None:
    """M6.1: either way round; and a live key is shown to Alpaca's hosts alone."""
    found = problems(directory, FILE.replace(ADDRESSES, lines + "\n"))
    assert any(each.startswith(f"venues.alpaca.{key}: ") and words in each for each in found), found


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (
            LIVE.replace("//api.", "//data.", 1),
            "base_url",
            "data.alpaca.markets is of prices alone",
        ),
        (LIVE.replace("wss://api.", "wss://stream.data."), "ws_url", "is of prices alone"),
        (LIVE + 'data_url = "https://paper-api.alpaca.markets"', "data_url", "tells no prices"),
        (
            'data_url = "https://api.alpaca.markets"',
            "data_url",
            "is of trading, and tells no prices",
        ),
        ('data_url = "https://data.sandbox.alpaca.markets"', "data_url", "of the Broker API"),
        ('base_url = "https://broker-api.alpaca.markets"', "base_url", "of the Broker API"),
    ],
)
def test_prices_and_orders_have_hosts_of_their_own(
    directory: Path, lines: str, key: str, words: str
) -> None:
    """M6.1: also of the vendor, live and paper; each is told by name."""
    (problem,) = problems(directory, FILE.replace(ADDRESSES, lines + "\n"))
    assert problem.startswith(f"venues.alpaca.{key}: ")
    assert words in problem


def test_updates_of_a_paper_account_are_not_those_of_a_simulator(directory: Path) -> None:
    (problem,) = problems(directory, FILE.replace('ws_url = "ws://127.0.0.1:8000/stream"\n', ""))
    assert problem.startswith("venues.alpaca.ws_url: required beside a base_url")


def test_addresses_that_are_left_out_are_of_the_paper_account(directory: Path) -> None:
    """M6.1: prices are the same for both; a simulator's are its own."""
    venue = loaded(directory).venues["alpaca"]
    assert addresses_of(venue).data_url == "http://127.0.0.1:8000"
    bare = venue.model_copy(update={"base_url": None, "ws_url": None})
    reached = addresses_of(bare)
    assert reached.base_url == "https://paper-api.alpaca.markets"
    assert reached.ws_url == "wss://paper-api.alpaca.markets/stream"
    assert reached.data_url == "https://data.alpaca.markets"
    live = addresses_of(bare.model_copy(update={"live": True}))
    assert live.base_url == "https://api.alpaca.markets"
    assert live.data_url == "https://data.alpaca.markets"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FILE.replace('calendar = "XNYS"\n', ""), "symbols[0].calendar: shares trade in sessions"),
        (
            with_lines("live = true\nallow_unrestricted_key = true").replace(ADDRESSES, ""),
            "venues.alpaca.allow_unrestricted_key: 'alpaca' does not tell",
        ),
        (with_lines("slippage_bps = 1"), 'venues.alpaca.slippage_bps: belongs to kind = "paper"'),
        (
            f'{FILE}\n[venues.b]\nkind = "paper"\ndata_url = "https://x"',
            "venues.b.data_url: a paper venue has none",
        ),
        (
            f'{FILE}\n[venues.b]\nkind = "paper"\ndata_feed = "sip"',
            "venues.b.data_feed: a paper venue has none",
        ),
    ],
)
def test_what_alpaca_has_no_use_for_is_refused(directory: Path, text: str, problem: str) -> None:
    """M8.2."""
    found = problems(directory, text)
    assert any(each.startswith(problem) for each in found), found


def test_a_second_venue_of_one_account_is_refused(directory: Path) -> None:
    """A11: an account has one order stream."""
    second = FILE[FILE.index("[venues.alpaca]") : FILE.index("[[symbols]]")]
    found = problems(directory, FILE + second.replace("[venues.alpaca]", "[venues.again]"))
    assert any(each.startswith("venues.again.api_key: 'alpaca' has it") for each in found), found


def test_binance_has_no_feed_of_prices_of_its_own(directory: Path) -> None:
    text = FILE.replace('kind = "alpaca"', 'kind = "binance_spot"').replace(
        "api_key", 'data_feed = "sip"\napi_key', 1
    )
    found = problems(directory, text)
    assert any(each.startswith("venues.alpaca.data_feed: a venue of kind") for each in found), found


@pytest.mark.parametrize("feed", ["iex", "sip"])
def test_what_check_knows_of_alpaca_is_what_its_adapter_claims(directory: Path, feed: str) -> None:
    """One truth in two places: `check` imports no adapter."""
    facts = REAL_VENUES["alpaca"]
    traits = traits_of(crypto=False, stocks=True, feed=feed)
    assert facts.self_trade is traits.self_trade
    assert facts.charges_in_base == (traits.base_fee > 0)
    config = loaded(directory, with_lines(f'data_feed = "{feed}"'))
    told = told_kinds(config.symbols[0], config.feeds, config.venues["alpaca"])
    assert told == traits.price_kinds
