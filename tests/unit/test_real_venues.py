"""Venues outside, as the file names them: what is missing, superfluous or dangerous."""

from pathlib import Path

import pytest

from tests.unit.binance.test_signing import PEM
from tests.unit.config_text import written
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.price_kinds import told_kinds
from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.real_venues import addresses_of
from tradebotd.daemon.wiring.files import load
from tradebotd.domain.errors import ConfigError
from tradebotd.venues.binance.spot.venue import traits_of

REHEARSAL = """
[feeds.history]
kind = "synthetic"
[venues.spot]
kind = "binance_spot"
base_url = "http://127.0.0.1:8000"
ws_url = "ws://127.0.0.1:8000/ws-api/v3"
api_key = { file = "key" }
api_secret = { file = "secret" }
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "spot"
"""
URL, SOCKET = 'base_url = "http://127.0.0.1:8000"\n', 'ws_url = "ws://127.0.0.1:8000/ws-api/v3"\n'
LIVE = 'live = true\nbase_url = "https://api.binance.com"\nws_url = "wss://ws-api.binance.com/x"\n'
DEMO, TESTNET = "demo-api.binance.com", "testnet.binance.vision"
SIMULATED = "venues.spot: a simulated clock trades on paper or on loopback only"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in (("key", "aKey"), ("secret", "aSecret"), ("pem", PEM)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(directory, text))
    return [each for each in caught.value.problems if each != SIMULATED]


def loaded(directory: Path, text: str = REHEARSAL) -> Config:
    return load_config(written(directory, text))


def test_a_rehearsal_on_the_loopback_is_good(directory: Path) -> None:
    config, files = load(written(directory, REHEARSAL))
    assert files.keys["spot"].api_key.get_secret_value() == "aKey"
    assert "aSecret" not in repr(files.keys)
    assert config.venues["spot"].live is False


@pytest.mark.parametrize("key", ["api_key", "api_secret"])
def test_a_venue_outside_needs_its_key(directory: Path, key: str) -> None:
    text = "\n".join(line for line in REHEARSAL.splitlines() if not line.startswith(key))
    assert problems(directory, text) == [f'venues.spot.{key}: required for kind = "binance_spot"']


def test_a_private_key_is_read_before_anything_starts(directory: Path) -> None:
    """S6: Ed25519 in PEM; what is none is said without being shown."""
    text = REHEARSAL.replace('"secret"', '"pem"')
    assert list(load(written(directory, text))[1].keys) == ["spot"]
    (directory / "pem").write_text(PEM.replace("MC4C", "MC5C"))
    (problem,) = problems(directory, text)
    assert problem.startswith("venues.spot.api_secret: no private key")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('starting_cash = { USDT = "1" }', "starting_cash"),
        ("slippage_bps = 1", "slippage_bps"),
        ('self_trade = "never"', "self_trade"),
        ('replacement = "replace"', "replacement"),
    ],
)
def test_what_belongs_to_paper_is_refused(directory: Path, line: str, key: str) -> None:
    """M8.2: also at its default: the venue tells it."""
    (problem,) = problems(directory, REHEARSAL.replace(URL, f"{URL}{line}\n"))
    assert problem.startswith(f'venues.spot.{key}: belongs to kind = "paper"')


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (LIVE.replace("api.binance.com", "demo-api.binance.com"), "base_url", "no live address"),
        (LIVE.replace("api.binance.com", "testnet.binance.vision"), "base_url", "no live address"),
        (LIVE.replace("ws-api.", "demo-ws-api."), "ws_url", "no live address"),
        (LIVE.replace("https://api", "http://api"), "base_url", "by https only"),
        (LIVE.replace("wss:", "ws:"), "ws_url", "by wss only"),
        (LIVE.replace("api.binance.com", "binance.com.evil.example"), "base_url", "no live"),
        (LIVE.replace("live = true\n", "").replace("ws-api", "demo-ws-api"), "base_url", "is live"),
        (LIVE.replace("live = true\n", "").replace("api.", "demo-api.", 1), "ws_url", "is live"),
        ('base_url = "https://api.binance.com."\n', "base_url", "is live"),
        ('base_url = "https://FAPI.binance.com."\n', "base_url", "is of USDT-M futures"),
        ('base_url = "https://paper-api.alpaca.markets"\n', "base_url", "is of Alpaca, not of Bin"),
        (URL.replace("http:", "ftp:") + SOCKET, "base_url", "not a URL"),
        (URL + SOCKET.replace("ws:", "http:"), "ws_url", "not a URL"),
        (URL.replace("http://127.0.0.1:8000", "http://[") + SOCKET, "base_url", "not a URL"),
    ],
)
def test_live_keys_and_test_addresses_do_not_go_together(
    directory: Path, lines: str, key: str, words: str
) -> None:
    """S12, S13: either way round; and a live key leaves encrypted alone."""
    found = problems(directory, REHEARSAL.replace(URL + SOCKET, lines))
    assert any(each.startswith(f"venues.spot.{key}: ") and words in each for each in found), found


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (f'base_url = "http://{DEMO}"\n', "base_url: http is for this machine alone; write https"),
        (
            'base_url = "http://192.168.1.9:1"\nws_url = "ws://127.0.0.1:1/x"\n',
            "base_url: http is for this machine alone",
        ),
        (URL + 'ws_url = "ws://proxy.example/x"\n', "ws_url: ws is for this machine alone"),
    ],
)
def test_nothing_leaves_this_machine_unencrypted(directory: Path, lines: str, problem: str) -> None:
    """S12: nor does the key of a rehearsal."""
    found = problems(directory, REHEARSAL.replace(URL + SOCKET, lines))
    assert [each.startswith(f"venues.spot.{problem}") for each in found] == [True]


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.example"])
def test_a_live_key_on_an_address_that_is_not_the_vendors_is_told_both(
    directory: Path, host: str
) -> None:
    """S12: https alone would not mend it."""
    lines = f'live = true\nbase_url = "http://{host}"\nws_url = "ws://{host}/x"\n'
    base, stream = problems(directory, REHEARSAL.replace(URL + SOCKET, lines))
    for told, scheme in ((base, "https"), (stream, "wss")):
        assert f"live = true, but {host} is no live address of the venue" in told
        assert f"a live key is sent by {scheme} only" in told


def test_addresses_that_are_left_out_are_the_demos_or_the_live_ones(directory: Path) -> None:
    """S13: a rehearsal belongs to the demo, which has the live filters and limits."""
    config = loaded(directory)
    bare = config.venues["spot"].model_copy(update={"base_url": None, "ws_url": None})
    assert addresses_of(bare).base_url == "https://demo-api.binance.com"
    live = bare.model_copy(update={"live": True})
    assert addresses_of(live).ws_url == "wss://ws-api.binance.com:443/ws-api/v3"


@pytest.mark.parametrize(
    ("base", "told_at"),
    [
        (f"https://{DEMO}", "wss://demo-ws-api.binance.com/ws-api/v3"),
        (f"https://{TESTNET}/", "wss://ws-api.testnet.binance.vision/ws-api/v3"),
        ("https://api1.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
    ],
)
def test_a_known_address_takes_its_own_stream(directory: Path, base: str, told_at: str) -> None:
    """S13: fills of the testnet are not told at the demo."""
    venue = loaded(directory).venues["spot"]
    changes = {"base_url": base, "ws_url": None, "live": "api1" in base}
    assert addresses_of(venue.model_copy(update=changes)).ws_url == told_at


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (URL, "required beside a base_url that is not the vendor's"),
        (
            f'base_url = "https://{TESTNET}"\nws_url = "wss://demo-ws-api.binance.com/ws-api/v3"\n',
            "demo-ws-api.binance.com is of demo, but orders go to testnet.binance.vision, of test",
        ),
        (f'ws_url = "wss://ws-api.{TESTNET}/ws-api/v3"\n', f"{TESTNET} is of testnet, but"),
        (SOCKET, "127.0.0.1 is no address of the vendor, but orders go to demo-api.binance.com"),
        (URL + 'ws_url = "wss://demo-ws-api.binance.com/ws-api/v3"\n', "127.0.0.1, no address"),
    ],
)
def test_orders_are_told_where_they_are_sent(directory: Path, lines: str, words: str) -> None:
    """S13: a venue whose stream is another place's would hear of no fill."""
    (problem,) = problems(directory, REHEARSAL.replace(URL + SOCKET, lines))
    assert problem.startswith("venues.spot.ws_url: ")
    assert words in problem


def usdm(lines: str) -> str:
    return REHEARSAL.replace("binance_spot", "binance_usdm").replace(URL + SOCKET, lines)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (
            REHEARSAL.replace(URL + SOCKET, 'base_url = "https://demo-fapi.binance.com"\n'),
            "base_url",
            "demo-fapi.binance.com is of USDT-M futures; 'binance_spot' is spot: say kind = \"bin",
        ),
        (
            REHEARSAL.replace(URL + SOCKET, LIVE.replace("//api.", "//fapi.")),
            "base_url",
            "fapi.binance.com is of USDT-M futures",
        ),
        (
            REHEARSAL.replace(
                URL + SOCKET, LIVE.replace("ws-api.binance.com/x", "stream.binance.com")
            ),
            "ws_url",
            "stream.binance.com is of spot prices alone",
        ),
        (
            REHEARSAL.replace(URL + SOCKET, 'base_url = "https://testnet.binancefuture.com"\n'),
            "base_url",
            "of USDT-M futures",
        ),
        (usdm(f'base_url = "https://{DEMO}"\n'), "base_url", 'say kind = "binance_spot"'),
        (
            usdm(f'base_url = "https://{TESTNET}"\n'),
            "base_url",
            "testnet.binance.vision is of spot",
        ),
        (usdm('ws_url = "wss://demo-ws-api.binance.com/ws-api/v3"\n'), "ws_url", "is of spot"),
        (
            usdm('live = true\nbase_url = "https://dapi.binance.com"\n'),
            "base_url",
            "COIN-M futures",
        ),
        (usdm('live = true\nbase_url = "https://api1.binance.com"\n'), "base_url", "is of spot"),
        (usdm('live = true\nbase_url = "https://papi.binance.com"\n'), "base_url", "portfolio"),
    ],
)
def test_an_address_of_another_market_is_refused_by_name(
    directory: Path, text: str, key: str, words: str
) -> None:
    """S12, F15: it is told what the host is of, and nothing beside it that confuses."""
    (problem,) = problems(directory, text)
    assert problem.startswith(f"venues.spot.{key}: ")
    assert words in problem


def test_other_hosts_of_the_same_market_are_good(directory: Path) -> None:
    """S12: the vendor has several for one market."""
    for lines in (LIVE.replace("//api.", "//api4."), f'base_url = "https://{TESTNET}"\n'):
        loaded_problems = REHEARSAL.replace(URL + SOCKET, lines).replace(
            'kind = "synthetic"', 'kind = "binance"'
        )
        assert loaded(directory, loaded_problems).venues["spot"].base_url


def test_an_unrestricted_key_is_allowed_live_alone(directory: Path) -> None:
    (problem,) = problems(
        directory, REHEARSAL.replace(URL, f"{URL}allow_unrestricted_key = true\n")
    )
    assert problem.startswith("venues.spot.allow_unrestricted_key: only a live key")


def test_spot_has_no_futures(directory: Path) -> None:
    bot = (
        '[[bots]]\nname = "b"\nsymbol = "BTCUSDT"\nstrategy = "ema_rsi"\nposition_type = "futures"'
    )
    (problem,) = problems(directory, f"{REHEARSAL}\n{bot}\n")
    assert problem.startswith("bots[0].position_type: ")
    assert "spot is allowed" in problem


def test_what_check_knows_of_a_venue_is_what_its_adapter_claims(directory: Path) -> None:
    """One truth in two places: `check` imports no adapter."""
    facts, traits = REAL_VENUES["binance_spot"], traits_of(live=True)
    assert facts.self_trade is traits.self_trade
    assert facts.price_kinds == traits.price_kinds
    assert facts.charges_in_base == (traits.base_fee > 0)
    config = loaded(directory)
    told = told_kinds(config.symbols[0], config.feeds, config.venues["spot"])
    assert told == traits.price_kinds
