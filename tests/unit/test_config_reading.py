"""What a good file becomes: defaults, values, paths, domain objects."""

import codecs
import tomllib
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.unit.config_text import ONE_BOT, SMALLEST, written
from tradebotd.config import load
from tradebotd.config.load import NOTHING_FOUND, find_config, load_config
from tradebotd.config.model import Config, default_state_dir
from tradebotd.domain.bot import AccountLimits, DailyLimits, SizingKind
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.exit_plan import ExitPlan

# docs/configuration.md, where it states a default.
DOCUMENTED = """
[daemon]
timezone = "UTC"
account = "default"
log_level = "info"
log_format = "auto"
when_taken = "exit"
[database]
url = "embedded"
pool_min = 2
pool_max = 10
migrate_on_start = true
[feeds.history]
kind = "synthetic"
speed = 60
on_end = "stop"
seed = 1
volatility = "60%"
start = "2026-01-01"
[venues.paper]
kind = "paper"
fees = { maker = "0.0002", taker = "0.0004" }
slippage_bps = 1
spread_bps = 1
fee_asset = "quote"
live = false
resting_stops = true
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
names = {}
venue = "paper"
timeframes = ["1m", "5m", "15m", "1h"]
calendar = "24/7"
tick_size = "0.01"
lot_size = "0.00001"
min_notional = "5"
[[bots]]
name = "btc-ema"
symbol = "BTCUSDT"
timeframe = "1m"
entry = "market"
allow_short = false
strategy = "ema_rsi"
params = {}
position_type = "spot"
leverage = 1
initial_capital = "1000"
active = true
sizing = { kind = "percent_equity", value = "10" }
exits = { stop_loss = "0.5%", take_profit = "1.5%", trailing_stop = "0.3%", max_holding = "3d" }
limits = { max_daily_trades = 20, max_daily_loss = "3%", daily_target = "5%" }
[risk]
currency = "USDT"
max_orders_per_minute = 30
max_open_positions = 10
max_exposure = "100%"
max_daily_loss = "5%"
max_drawdown = "20%"
[health]
buy_sell_ratio = 5
buy_sell_for = "1h"
max_position_age = "3d"
job_failure_rate = "10%"
min_free_disk = "1 GB"
[alerts]
urls = []
min_severity = "warning"
"""


def loaded(directory: Path, text: str) -> Config:
    return load_config(written(directory, text))


def test_what_is_left_out_has_the_documented_default(tmp_path: Path) -> None:
    smallest, documented = loaded(tmp_path, ONE_BOT), loaded(tmp_path, DOCUMENTED)

    assert smallest.model_dump() == documented.model_dump()


def test_a_daemon_without_bots_is_allowed(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALLEST).bot_specs() == ()


def test_a_bot_becomes_what_the_core_knows(tmp_path: Path) -> None:
    """M4.1: a bot is declared in the config: strategy, sizing, exits, limits, active or not."""
    (bot,) = loaded(tmp_path, ONE_BOT).bot_specs()

    assert (bot.name, bot.symbol, bot.timeframe, bot.leverage) == ("btc-ema", "BTCUSDT", "1m", 1)
    assert (bot.sizing.kind, bot.sizing.value) == (SizingKind.PERCENT_EQUITY, Decimal(10))
    assert bot.initial_capital == Decimal(1000)
    assert bot.active
    assert bot.day_zone == ZoneInfo("UTC")
    assert bot.exits == ExitPlan(
        stop_loss=Decimal("0.005"),
        take_profit=Decimal("0.015"),
        trailing_stop=Decimal("0.003"),
        max_holding=timedelta(days=3),
    )
    assert bot.limits == DailyLimits(
        max_daily_trades=20, max_daily_loss=Decimal("0.03"), daily_target=Decimal("0.05")
    )


def test_exits_that_are_stated_are_all_there_are(tmp_path: Path) -> None:
    (bot,) = loaded(tmp_path, ONE_BOT + 'exits = { stop_loss = "2%" }').bot_specs()

    assert bot.exits == ExitPlan(stop_loss=Decimal("0.02"))


def test_account_limits_are_fractions(tmp_path: Path) -> None:
    """M4.8: account limits on open positions, exposure, daily loss and drawdown."""
    assert loaded(tmp_path, SMALLEST).account_limits() == AccountLimits(
        currency="USDT",
        max_orders_per_minute=30,
        max_open_positions=10,
        max_exposure=Decimal(1),
        max_daily_loss=Decimal("0.05"),
        max_drawdown=Decimal("0.2"),
    )


def test_a_bots_day_is_the_daemons_unless_it_says_so(tmp_path: Path) -> None:
    text = '[daemon]\ntimezone = "Europe/Berlin"\n' + ONE_BOT
    own = loaded(tmp_path, text + 'timezone = "Asia/Tokyo"')

    assert loaded(tmp_path, text).bot_specs()[0].day_zone == ZoneInfo("Europe/Berlin")
    assert own.bot_specs()[0].day_zone == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("keys", "base", "quote"),
    [
        ("", "BTC", "USDT"),
        ('quote_asset = "DT"', "BTCUS", "DT"),
        ('base_asset = "XBT"', "XBT", "USDT"),
    ],
)
def test_assets_are_split_from_the_symbol(keys: str, base: str, quote: str, tmp_path: Path) -> None:
    (symbol,) = loaded(tmp_path, SMALLEST + keys).market_symbols()

    assert (symbol.instrument.base_asset, symbol.instrument.quote_asset) == (base, quote)


def test_a_job_is_overridden_only_where_it_says_so(tmp_path: Path) -> None:
    text = SMALLEST + '[jobs.daily_close]\nat = "20:59"\ndays = "mon-fri"\nhard_limit = "2m"'
    override = loaded(tmp_path, text).job_overrides()["daily_close"]

    assert override.at == time(20, 59)
    assert override.days == ("mon", "tue", "wed", "thu", "fri")
    assert override.hard_limit == timedelta(minutes=2)
    assert (override.every, override.enabled, override.retries) == (None, None, None)


@pytest.mark.parametrize("start", ['"2026-02-01"', "2026-02-01", "2026-02-01T00:00:00Z"])
def test_a_start_is_utc_however_it_is_written(start: str, tmp_path: Path) -> None:
    text = SMALLEST.replace('kind = "synthetic"', f'kind = "synthetic"\nstart = {start}')

    assert loaded(tmp_path, text).feeds["history"].start == datetime(2026, 2, 1, tzinfo=UTC)


def test_relative_paths_start_where_the_file_is(tmp_path: Path) -> None:
    text = '[daemon]\nstate_dir = "./state"\nsocket = "./run/t.sock"\n' + SMALLEST
    config = loaded(tmp_path, text)

    assert (config.state_dir, config.socket) == (tmp_path / "state", tmp_path / "run/t.sock")


def test_systemd_says_where_state_and_socket_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/tradebotd")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/tradebotd")
    config = loaded(tmp_path, SMALLEST)

    assert config.state_dir == Path("/var/lib/tradebotd")
    assert config.socket == Path("/run/tradebotd/tradebotd.sock")


def test_without_systemd_the_state_is_in_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert default_state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/tradebotd")
    assert default_state_dir({}) == Path("/home/somebody/.local/state/tradebotd")


def test_the_file_is_searched_in_the_documented_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "SEARCHED", (Path("config.toml"), tmp_path / "etc.toml"))
    with pytest.raises(ConfigError, match=r"config\.example\.toml") as nothing:
        find_config(None, {})
    written(tmp_path, SMALLEST, "etc.toml")
    assert find_config(None, {}) == tmp_path / "etc.toml"
    written(tmp_path, SMALLEST)

    assert nothing.value.problems == [NOTHING_FOUND]
    assert find_config(Path("a.toml"), {"TRADEBOTD_CONFIG": "b.toml"}) == Path("a.toml")
    assert find_config(None, {"TRADEBOTD_CONFIG": "b.toml"}) == Path("b.toml")
    assert find_config(None, {}) == Path("config.toml")


def test_the_schema_knows_every_table_of_the_documented_file() -> None:
    schema = Config.model_json_schema()

    assert set(tomllib.loads(DOCUMENTED)) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path, mark: bytes) -> None:
    """N38: some editors write one, and show nothing of it."""
    file = tmp_path / "config.toml"
    file.write_bytes(mark + ONE_BOT.strip().encode())

    assert load_config(file).bot_specs()[0].name == "btc-ema"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_said_to_be_so(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(f"# Währung\n{ONE_BOT}".encode(encoding))

    with pytest.raises(
        ConfigError, match=r"config\.toml: not TOML: it is not UTF-8; save it as UTF-8"
    ):
        load_config(file)
