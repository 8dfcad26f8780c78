"""Binance USDT-M as the file names it: its addresses, its futures, and what its adapter claims."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.config_text import written
from tradebotd.config.load import load_config
from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.real_venues import addresses_of
from tradebotd.daemon.wiring.files import load
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.daemon.wiring.venues import RealVenues
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import VenueName
from tradebotd.ports.venue import RunsBetweenCalls, VetsItsKey
from tradebotd.venues.binance.usdm.venue import BinanceUsdmVenue, usdm_traits

TEXT = """
[feeds.history]
kind = "synthetic"
[venues.usdm]
kind = "binance_usdm"
base_url = "http://127.0.0.1:8000"
ws_url = "ws://127.0.0.1:8000"
api_key = { file = "key" }
api_secret = { file = "secret" }
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "usdm"
[[bots]]
name = "b"
symbol = "BTCUSDT"
strategy = "ema_rsi"
position_type = "futures"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("key", "aKey"), ("secret", "aSecret")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_a_rehearsal_on_the_loopback_is_good(directory: Path) -> None:
    config, files = load(written(directory, TEXT))
    assert files.keys["usdm"].api_key.get_secret_value() == "aKey"
    assert config.venues["usdm"].live is False


def test_addresses_that_are_left_out_are_the_demos_or_the_live_ones(directory: Path) -> None:
    """F15: and a live key's permissions are asked for at the spot host."""
    venue = load_config(written(directory, TEXT)).venues["usdm"]
    bare = venue.model_copy(update={"base_url": None, "ws_url": None})
    demo, live = addresses_of(bare), addresses_of(bare.model_copy(update={"live": True}))
    assert (demo.base_url, demo.ws_url) == (
        "https://demo-fapi.binance.com",
        "wss://demo-fstream.binance.com",
    )
    assert (live.base_url, live.ws_url, live.wallet_url) == (
        "https://fapi.binance.com",
        "wss://fstream.binance.com",
        "https://api.binance.com",
    )


def test_the_testnet_has_a_stream_of_its_own(directory: Path) -> None:
    """F15: left out it is that one, and the demo's beside it is refused."""
    testnet, demo = "https://testnet.binancefuture.com", "wss://demo-fstream.binance.com"
    venue = load_config(written(directory, TEXT)).venues["usdm"]
    bare = venue.model_copy(update={"base_url": testnet, "ws_url": None})
    assert addresses_of(bare).ws_url == "wss://fstream.binancefuture.com"
    text = TEXT.replace("http://127.0.0.1:8000", testnet).replace("ws://127.0.0.1:8000", demo)
    with pytest.raises(ConfigError, match=r"demo-fstream.binance.com is of demo, but orders go to"):
        load(written(directory, text))


@pytest.mark.parametrize("live", [False, True])
def test_the_wiring_builds_it_and_a_live_one_asks_the_wallet(
    directory: Path, *, live: bool
) -> None:
    """M6.1: by its kind alone; demo and testnet have nobody who knows what a key may do."""
    config, files = load(written(directory, TEXT))
    changes = {"live": live, "base_url": None, "ws_url": None}
    section = config.venues["usdm"].model_copy(update=changes)
    built = RealVenues({}, Outside()).binance_usdm(VenueName("usdm"), section, files.keys["usdm"])
    assert isinstance(built, BinanceUsdmVenue)
    assert (built._parts._wallet is not None) == live
    assert isinstance(built, RunsBetweenCalls)
    assert isinstance(built, VetsItsKey)


def test_usdm_has_no_spot(directory: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(directory, TEXT.replace('"futures"', '"spot"')))
    assert any(
        each.startswith("bots[0].position_type: ") and "futures is allowed" in each
        for each in caught.value.problems
    )


def test_what_check_knows_of_the_venue_is_what_its_adapter_claims() -> None:
    """One truth in two places: `check` imports no adapter."""
    facts, traits = REAL_VENUES["binance_usdm"], usdm_traits()
    assert facts.self_trade is traits.self_trade
    assert facts.price_kinds == traits.price_kinds
    assert facts.charges_in_base == (traits.base_fee > 0)


def test_the_adapter_is_imported_where_the_file_names_it_alone() -> None:
    """2.5: nobody else pays for it in memory."""
    code = (
        "import sys, tradebotd.daemon.wiring.venues; print([n for n in sys.modules if 'usdm' in n])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
