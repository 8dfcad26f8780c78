"""B11: memory of a daemon with three venues, 20 symbols and 10 bots, which trades meanwhile.

`tradebotd run` as a process, as without the extra `calendars`; the venues and Twelve Data are
simulators in processes of their own, as large as real ones, with prices that move.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cluster import Cluster
from benchmarks.daemon_process import Daemon, running
from benchmarks.measure import Limit, Options, Row
from benchmarks.venue_process import base_of, name_of, venue_process, write_keys

MEGABYTES: Final = 110
AT_EACH: Final = 9  # symbols of each Binance market, and as many streams of trades
BOTS_EACH: Final = 4
TRADES: Final = 45  # a second and market
RUNS_FOR: Final = 150.0  # seconds: two minutes end meanwhile, and bots look at each
PERCENT: Final = 100
CONVERTS: Final = f"spot-{name_of(AT_EACH - 1)}"  # the price of Alpaca's USD in USDT
CONVERTED: Final = "USD"

CONFIG: Final = """
[daemon]
state_dir = "{home}/var"
socket = "{home}/daemon.sock"
log_format = "json"

[database]
url = "{dsn}"

[feeds.of-spot]
kind = "binance"
base_url = "{spot.http}"
ws_url = "{spot.ws}"

[feeds.of-usdm]
kind = "binance"
market = "usdm"
base_url = "{usdm.http}"
ws_url = "{usdm.ws}"

[feeds.coins]
kind = "twelvedata"
api_key = {{ file = "{home}/coins.key" }}
base_url = "{coins.http}"
credits_per_minute = 55

[venues.spot]
kind = "binance_spot"
api_key = {{ file = "{home}/spot.key" }}
api_secret = {{ file = "{home}/spot.secret" }}
base_url = "{spot.http}"
ws_url = "{spot.ws}/ws-api/v3"

[venues.usdm]
kind = "binance_usdm"
api_key = {{ file = "{home}/usdm.key" }}
api_secret = {{ file = "{home}/usdm.secret" }}
base_url = "{usdm.http}"
ws_url = "{usdm.ws}"

[venues.alpaca]
kind = "alpaca"
api_key = {{ file = "{home}/alpaca.key" }}
api_secret = {{ file = "{home}/alpaca.secret" }}
base_url = "{alpaca.http}"
data_url = "{alpaca.http}"
ws_url = "{alpaca.ws}/stream"

[risk]
currency = "USDT"
"""

SYMBOL: Final = """
[[symbols]]
symbol = "{symbol}"
feeds = ["{feed}"]
venue = "{venue}"
names = {{ {feed} = "{at_feed}", {venue} = "{at_venue}" }}
base_asset = "{base}"
quote_asset = "{quote}"
"""

BOT: Final = """
[[bots]]
name = "bot-{symbol}"
symbol = "{symbol}"
timeframe = "1m"
strategy = "ema_rsi"
initial_capital = "1000"
position_type = "{position_type}"
sizing = {{ kind = "percent_equity", value = "10" }}
exits = {{ stop_loss = "1%", take_profit = "2%" }}
"""


class Memory(NamedTuple):
    """Megabytes, and percent of a core."""

    resident: float
    peak: float
    cpu: float


def measure(cluster: Cluster, options: Options) -> list[Row]:  # noqa: ARG001
    taken = [_run(cluster)]  # one round: it takes minutes, and bytes are not noisy
    return [
        Row(
            budget="B11",
            work=f"three venues, 20 symbols, 10 bots: RSS after {RUNS_FOR:.0f} s",
            unit="MB",
            rounds=tuple(each.resident for each in taken),
            limit=Limit(sense="at most", value=MEGABYTES),
        ),
        Row(
            budget="B11",
            work="the most it was until then",
            unit="MB",
            rounds=tuple(each.peak for each in taken),
        ),
        Row(
            budget="B11",
            work=f"CPU meanwhile, start left out, {2 * TRADES} trades a second",
            unit="% of a core",
            rounds=tuple(each.cpu for each in taken),
        ),
    ]


def _run(cluster: Cluster) -> Memory:
    with three_venues(cluster) as config:
        command = [sys.executable, "-m", "benchmarks.bare_daemon"]
        with running(config, command) as daemon:
            before = _cpu_seconds(daemon)
            time.sleep(RUNS_FOR)
            if daemon.process.poll() is not None:
                raise RuntimeError(f"tradebotd ended:\n{daemon.tail()}")
            resident, peak = (_megabytes(daemon, each) for each in ("VmRSS", "VmHWM"))
            cpu = (_cpu_seconds(daemon) - before) / RUNS_FOR * PERCENT
            return Memory(resident, peak, cpu)


@contextmanager
def three_venues(cluster: Cluster) -> Iterator[Path]:
    """Start the venues; return the configuration of a daemon that trades at them."""
    home = Path(tempfile.mkdtemp(prefix="tb-b11-"))  # short, as the path of a socket must be
    moving = {"moved": AT_EACH, "rate": TRADES}
    try:
        with ExitStack() as stack:
            dsn = stack.enter_context(cluster.fresh_dsn())
            told = {
                "spot": stack.enter_context(venue_process("spot", **moving)),
                "usdm": stack.enter_context(venue_process("usdm", **moving)),
                "alpaca": stack.enter_context(venue_process("alpaca")),
                "coins": stack.enter_context(venue_process("twelvedata")),
            }
            for name, venue in told.items():
                write_keys(home, name, venue)
            config = home / "config.toml"
            config.write_text(CONFIG.format(home=home, dsn=dsn, **told) + _symbols_and_bots())
            yield config
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _symbols_and_bots() -> str:
    parts = []
    for venue, position_type in (("spot", "spot"), ("usdm", "futures")):
        for number in range(AT_EACH):
            there = name_of(number)
            symbol = f"{venue}-{there}"
            parts.append(
                SYMBOL.format(
                    symbol=symbol,
                    feed=f"of-{venue}",
                    venue=venue,
                    at_feed=there,
                    at_venue=there,
                    base=CONVERTED if symbol == CONVERTS else base_of(number),
                    quote="USDT",
                )
            )
            if number < BOTS_EACH:
                parts.append(BOT.format(symbol=symbol, position_type=position_type))
    for coin in ("BTC", "ETH"):
        symbol = f"{coin}USD"
        parts.append(
            SYMBOL.format(
                symbol=symbol,
                feed="coins",
                venue="alpaca",
                at_feed="BTC/USD",
                at_venue=f"{coin}/USD",
                base=coin,
                quote="USD",
            )
        )
        parts.append(BOT.format(symbol=symbol, position_type="spot"))
    return "".join(parts)


def _megabytes(daemon: Daemon, what: str) -> float:
    """Return megabytes, shared libraries included, PostgreSQL's processes not."""
    status = (Path("/proc") / str(daemon.process.pid) / "status").read_text()
    line = next(each for each in status.splitlines() if each.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024 / 1_000_000


def _cpu_seconds(daemon: Daemon) -> float:
    fields = (Path("/proc") / str(daemon.process.pid) / "stat").read_text().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / 100
