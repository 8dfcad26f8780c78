"""Feeds of Twelve Data in the file: what they need, and what the plan's credits can pay."""

from pathlib import Path

import pytest

from tests.unit.config_text import written
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.domain.errors import ConfigError

FEED = """
[feeds.td]
kind = "twelvedata"
api_key = { file = "key" }
"""
REST = """
[venues.paper]
kind = "paper"
"""
SYMBOL = """
[[symbols]]
symbol = "{name}"
feeds = ["td"]
venue = "paper"
quote_asset = "USDT"
"""
PAID = "credits_per_minute = 377\n"


def config(directory: Path, feed: str = FEED, symbols: int = 1, more: str = "") -> Config:
    key = directory / "key"
    key.write_text("a-key-of-twelve-data\n")
    key.chmod(0o600)
    several = "".join(SYMBOL.format(name=f"S{number}USDT") for number in range(symbols))
    return load_config(written(directory, feed + REST + several + more))


def problems(directory: Path, feed: str, symbols: int = 1, more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(directory, feed, symbols, more)
    return caught.value.problems


def every(minutes: int) -> tuple[str, str]:
    feed = FEED + f'price_every = "{minutes}m"\n'
    return feed, f'[jobs.realtime_pull]\nevery = "{minutes}m"\n'


def test_a_paid_plan_has_no_limit_of_a_day(tmp_path: Path) -> None:
    """T6."""
    assert not config(tmp_path, FEED + PAID, symbols=20).simulated


def test_a_minute_of_each_symbol_does_not_fit_basic_and_what_fits_is_said(tmp_path: Path) -> None:
    """M3.3, T5, T6: 800 a day."""
    (problem,) = problems(tmp_path, FEED)

    assert problem.startswith("feeds.td.credits_per_day: 1 symbol costs 2880 credits a day, of 800")
    assert problem.endswith('every = "4m" and price_every = "4m" would fit')


@pytest.mark.parametrize("symbols", [1, 2, 3, 4])
def test_what_is_said_to_fit_does(symbols: int, tmp_path: Path) -> None:
    """M3.3."""
    (problem,) = problems(tmp_path, FEED, symbols)
    fits = int(problem.rpartition('price_every = "')[2].partition("m")[0])

    feed, job = every(fits)
    config(tmp_path, feed, symbols, job)
    feed, job = every(fits - 1)
    assert problems(tmp_path, feed, symbols, job)


def test_more_symbols_than_a_minute_has_credits_for_are_refused(tmp_path: Path) -> None:
    """M3.3: five symbols, with candles and prices, are ten credits."""
    (problem,) = problems(tmp_path, FEED, symbols=5)

    assert problem.startswith("feeds.td.credits_per_minute: 5 symbols cost 10 credits")
    assert problem.endswith("at most 4 symbols fit")


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("speed = 60", "feeds.td.speed", "real time"),
        ('on_end = "idle"', "feeds.td.on_end", "real time"),
        ("seed = 2", "feeds.td.seed", "synthetic"),
        ('api_secret = { file = "key" }', "feeds.td.api_secret", "a key alone"),
        ('base_url = "http://far.example"', "feeds.td.base_url", "https"),
        ('base_url = "ftp://far.example"', "feeds.td.base_url", "https"),
        (
            'base_url = "https://data.alpaca.markets."',
            "feeds.td.base_url",
            "of Alpaca, not of Twelve",
        ),
    ],
)
def test_a_key_that_it_has_not_is_refused(line: str, path: str, words: str, tmp_path: Path) -> None:
    """M8.2."""
    (problem,) = problems(tmp_path, FEED + PAID + line + "\n")

    assert problem.startswith(f"{path}: ")
    assert words in problem


def test_its_key_is_required_and_a_simulator_may_be_on_loopback(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[feeds.td]\nkind = "twelvedata"\n' + PAID)
    assert problem.startswith("feeds.td.api_key: required")
    config(tmp_path, FEED + PAID + 'base_url = "http://127.0.0.1:8000"\n')
