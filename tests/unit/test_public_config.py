"""Tables about what venues tell everybody: what they need, and what is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.config_text import SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.public_checks import screened_from
from tradebotd.config.public_places import Place, places, recorded_at
from tradebotd.daemon.wiring.files import job_specs
from tradebotd.domain.errors import ConfigError

FEEDS = """
[feeds.spot]
kind = "binance"
[feeds.futures]
kind = "binance"
market = "usdm"
[feeds.td]
kind = "twelvedata"
api_key = { file = "key" }
credits_per_minute = 377
[venues.paper]
kind = "paper"
"""
VENUE = """
[venues.{name}]
kind = "{kind}"
api_key = {{ file = "key" }}
api_secret = {{ file = "key" }}
"""
SYMBOL = """
[[symbols]]
symbol = "{name}"
feeds = ["{feed}"]
venue = "{venue}"
calendar = "{calendar}"
quote_asset = "USDT"
names = {names}
"""


def symbol(
    name: str, feed: str, venue: str = "paper", calendar: str = "24/7", names: str = "{}"
) -> str:
    return SYMBOL.format(name=name, feed=feed, venue=venue, calendar=calendar, names=names)


BTC = symbol("BTCUSDT", "spot")
PERP = symbol("BTCPERP", "futures", names='{ futures = "BTCUSDT" }')
SHARE = symbol("AAPLUSDT", "td", names='{ td = "AAPL", alpaca = "AAPL" }', calendar="XNYS")


def config(directory: Path, text: str) -> Config:
    key = directory / "key"
    key.write_text("a-secret-of-thirty-two-characters\n")
    key.chmod(0o600)
    return load_config(written(directory, text))


def problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(directory, text)
    return caught.value.problems


def on(job: str, more: str = "") -> str:
    return f"[jobs.{job}]\nenabled = true\n{more}"


def test_places_are_those_of_venues_and_of_feeds_in_use(tmp_path: Path) -> None:
    """M3.7: one a market and address, by the venue's name where it has one."""
    found = config(tmp_path, FEEDS + BTC + PERP)
    assert places(found) == (
        Place("spot", "spot", "https://api.binance.com", live=True),
        Place("futures", "usdm", "https://fapi.binance.com", live=True),
    )
    assert {name: at.name for name, at in recorded_at(found).items()} == {
        "BTCUSDT": "BTCUSDT",
        "BTCPERP": "BTCUSDT",
    }
    unused = config(tmp_path, FEEDS + BTC)
    assert [place.name for place in places(unused)] == ["spot"]


def test_a_venue_and_a_feed_at_one_address_are_one_place(tmp_path: Path) -> None:
    """M3.7: its list is kept once, and its records once."""
    feed = '[feeds.bn]\nkind = "binance"\nbase_url = "https://demo-api.binance.com"\n'
    venue = VENUE.format(name="demo", kind="binance_spot")
    text = feed + venue + symbol("BTCUSDT", "bn", venue="demo", names='{ bn = "X", demo = "Y" }')
    found = config(tmp_path, text)
    place = Place("demo", "spot", "https://demo-api.binance.com", live=False)
    assert places(found) == (place,)
    assert recorded_at(found)["BTCUSDT"] == (place, "Y")


def test_a_simulated_file_follows_no_market(tmp_path: Path) -> None:
    """M2: no warm-up in a replay; a live one has them where there is a market of the kind."""
    simulated = {spec.name: spec for spec in job_specs(config(tmp_path, SMALLEST))}
    assert simulated["warmup_spot_symbols"].slots == ()  # type: ignore[index]
    live = {str(spec.name): spec for spec in job_specs(config(tmp_path, FEEDS + BTC))}
    assert live["warmup_spot_symbols"].slots
    assert not live["warmup_futures_symbols"].slots


def test_the_defaults_are_those_of_the_documents(tmp_path: Path) -> None:
    """M3.7, M3.8."""
    found = config(tmp_path, FEEDS + BTC)
    assert found.symbol_cache.quote_asset == "USDT"
    assert found.symbol_cache.popular[:4] == ["BTC", "ETH", "BNB", "SOL"]
    assert found.symbol_cache.keep_for == timedelta(minutes=15)
    assert (found.universe.sample, found.universe.size) == (500, 50)
    assert found.universe.exchanges == ["NYSE", "NASDAQ"]
    assert screened_from(found) == "spot"


UNIVERSE = "[universe]\n"
ALPACA = VENUE.format(name="alpaca", kind="alpaca")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BTC + '[public_data]\nsymbols = ["X"]', "public_data.symbols[0]: there is no symbol 'X'"),
        (SHARE + BTC + '[public_data]\nsymbols = ["AAPLUSDT"]', "neither its venue nor a feed"),
        (BTC + "[public_data]\nlevels = 30", "public_data.levels"),
        (SHARE + on("ingest_trades"), "jobs.ingest_trades.enabled: no symbol has a venue or feed"),
        (BTC + UNIVERSE + 'source = "futures"', "universe.source: 'futures' is none"),
        (BTC + UNIVERSE + 'source = "paper"', "universe.source: 'paper' is none"),
        (BTC + PERP + UNIVERSE + 'source = "futures"', "universe.source: 'futures' is none"),
        (SHARE + on("universe_screen"), "universe.source: required; it names"),
        (ALPACA + BTC + on("universe_screen"), "there are spot, alpaca"),
        (
            BTC + UNIVERSE + 'min_price = "5"\nmax_price = "4"',
            "universe.min_price: above max_price",
        ),
        (BTC + UNIVERSE + 'min_volatility = "30%"', "universe.min_volatility: above"),
        (BTC + UNIVERSE + "size = 50\nsample = 10", "universe.size: at most the sample of 10"),
        (BTC + UNIVERSE + "sample = 0", "universe.sample"),
        (BTC + UNIVERSE + "exchanges = []", "universe.exchanges"),
        (BTC + UNIVERSE + 'pull_from = "nowhere"', "universe.pull_from: 'nowhere' is no feed"),
        (BTC + UNIVERSE + 'pull_from = "futures"', "universe.pull_from: 'futures' is no feed of a"),
        (BTC + PERP + UNIVERSE + 'pull_from = "futures"', "is no feed of Binance spot"),
        (BTC + SHARE + UNIVERSE + 'pull_from = "td"', "is no feed of Binance spot"),
        (SHARE + UNIVERSE + 'pull_from = "td"', "without a source there is no watchlist"),
        (ALPACA + SHARE + UNIVERSE + 'pull_from = "td"', "come from a feed of Alpaca"),
        (BTC + '[symbol_cache]\nquote_asset = "usdt"', "symbol_cache.quote_asset"),
        (BTC + '[symbol_cache]\nkeep_for = "0s"', "symbol_cache.keep_for"),
        (BTC + "[universe]\nseed = 1", "universe.seed"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(tmp_path: Path, text: str, told: str) -> None:
    """3.1: every problem at once, and what is allowed."""
    assert any(told in problem for problem in problems(tmp_path, FEEDS + text))


def test_a_watchlist_counts_in_what_its_feed_may_be_asked(tmp_path: Path) -> None:
    """M3.3: each of its shares is a request a minute."""
    feed = '[feeds.shares]\nkind = "alpaca"\n'
    feed += 'api_key = { file = "key" }\napi_secret = { file = "key" }\n'
    share = symbol("AAPLUSDT", "shares", names='{ shares = "AAPL" }', calendar="XNYS")
    text = FEEDS + feed + ALPACA + share + '[universe]\npull_from = "shares"\n'
    config(tmp_path, text)
    (problem,) = problems(tmp_path, text + "size = 200\n")
    assert problem.startswith(
        "feeds.shares.credits_per_minute: 1 and a watchlist of 200 (universe.size) need"
    )


def test_records_leave_half_of_the_weight_to_the_others(tmp_path: Path) -> None:
    """M3.3: a schedule that cannot fit is refused, and what fits is said."""
    names = [f"S{number}USDT" for number in range(11)]
    text = FEEDS + "".join(symbol(name, "futures") for name in names)
    (problem,) = problems(tmp_path, text + on("ingest_trades"))
    assert problem == (
        "public_data.symbols: 11 symbols of futures cost 1320 of weight a minute by"
        " ingest_trades; half of what there is are 1200: name 10 symbols, or let the jobs run less"
        " often"
    )
    few = ", ".join(f'"{name}"' for name in names[:10])
    config(tmp_path, text + on("ingest_trades") + f"[public_data]\nsymbols = [{few}]")
    config(tmp_path, text + on("ingest_trades", 'every = "30s"\n'))
    both = problems(
        tmp_path, text + on("ingest_trades", 'every = "12s"\n') + on("ingest_orderbook")
    )
    assert "ingest_trades and ingest_orderbook" in both[0]
