"""What is traded while the daemon is killed: a few minutes in which everything happens."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = 24
SYMBOL = "BTCUSDT"
THIRD = "BNB"  # that the rehearsal venue takes its fees in
THIRD_SYMBOL = f"""
[[symbols]]
symbol = "{THIRD}USDT"
feeds = ["history"]
venue = "paper"
timeframes = ["1m"]
tick_size = "0.01"
lot_size = "0.001"
"""

# Buys and sells by the minute: what is decided does not depend on what was killed.
STRATEGY = """
from collections.abc import Sequence
from dataclasses import dataclass

from tradebotd.domain.candle import Candle
from tradebotd.domain.signal import Signal, SignalKind


@dataclass(frozen=True)
class Params:
    every: int = 4
    shorts: bool = False


class ByTheMinute:
    Params = Params
    lookback = 2

    def __init__(self, params: Params) -> None:
        self.params = params

    def decide(self, candles: Sequence[Candle]) -> Signal:
        minute = candles[-1].ts.minute
        kind = SignalKind.NONE
        if minute % self.params.every == 0:
            short = self.params.shorts and minute % (2 * self.params.every) == 0
            kind = SignalKind.SELL if short else SignalKind.BUY
        elif minute % self.params.every == self.params.every - 1:
            kind = SignalKind.SELL
        return Signal(kind=kind, reason=f"minute {minute}", indicators={})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`venue` and `bots` are TOML, `bots` without the keys that all share; market time begins at `start`."""

    name: str
    venue: str = ""
    bots: tuple[str, ...]
    start: datetime = START
    rehearsed: bool = False  # at the rehearsal venue, in a process of its own

    def write(self, folder: Path, dsn: str) -> Path:
        """Data, strategy and config in *folder*; the config's path."""
        folder.mkdir(parents=True, exist_ok=True)
        _write_candles(folder / f"{SYMBOL}_1m.csv", self.start)
        if self.rehearsed:
            _write_candles(folder / f"{THIRD}USDT_1m.csv", self.start, times=6)
        (folder / "by_the_minute.py").write_text(STRATEGY)
        config = folder / "config.toml"
        config.write_text(self._config(folder, dsn))
        return config

    def _config(self, folder: Path, dsn: str) -> str:
        bots = "".join(
            f"""
[[bots]]
name = "bot{number}"
symbol = "{SYMBOL}"
strategy = "./by_the_minute.py:ByTheMinute"
initial_capital = "2000"
limits = {{}}
{bot}
"""
            for number, bot in enumerate(self.bots)
        )
        return f"""
[daemon]
state_dir = "{folder}/var"
socket = "{folder}/daemon.sock"
log_format = "json"
[database]
url = "{dsn}"
[feeds.history]
kind = "replay"
path = "{folder}/*_1m.csv"
speed = 0
[venues.paper]
kind = "paper"
starting_cash = {{ USDT = "10000" }}
{self.venue}
[[symbols]]
symbol = "{SYMBOL}"
feeds = ["history"]
venue = "paper"
timeframes = ["1m"]
tick_size = "0.01"
lot_size = "0.001"
min_notional = "5"
{THIRD_SYMBOL if self.rehearsed else ""}
{bots}
[risk]
max_orders_per_minute = 1000
max_exposure = "500%"
max_daily_loss = "90%"
max_drawdown = "90%"
[jobs.stop_loss_check]
every = "60s"
"""


def _write_candles(path: Path, start: datetime, times: int = 1) -> None:
    """A wave of two percent with teeth: stops and targets are met, some within one candle."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("ts", "open", "high", "low", "close", "volume"))
        last = 100.0
        for minute in range(MINUTES):
            close = round(100 + 2 * sin(minute * 1.3) + (minute % 3) * 0.4, 2)
            high, low = max(last, close) + 0.3, min(last, close) - 0.3
            ts = start + timedelta(minutes=minute)
            values = (f"{times * value:.2f}" for value in (last, high, low, close))
            writer.writerow((ts.isoformat(), *values, "1"))
            last = close


SIZE = 'sizing = { kind = "fixed_notional", value = "1000" }\n'
_ALL = (
    Scenario(
        name="daemon",
        venue="resting_stops = false",
        bots=(SIZE + 'exits = { stop_loss = "1%", take_profit = "1.5%" }',),
    ),
    Scenario(
        name="two_bots",
        venue='resting_stops = false\nfee_asset = "base"',
        bots=(
            SIZE + 'exits = { stop_loss = "1%", trailing_stop = "0.8%" }\nparams = { every = 3 }',
            SIZE + 'exits = { stop_loss = "2%", max_holding = "3m" }\nparams = { every = 5 }',
        ),
    ),
    Scenario(
        name="resting_replace",
        venue='replacement = "replace"',
        bots=(SIZE + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',),
    ),
    Scenario(
        name="resting_cancel_first",
        venue='replacement = "cancel_first"',
        bots=(
            SIZE + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',
            SIZE + 'exits = { stop_loss = "2%" }\nparams = { every = 5 }',
        ),
    ),
    Scenario(
        name="futures_overlap",
        venue='replacement = "overlap"',
        bots=(
            SIZE
            + 'position_type = "futures"\nleverage = 3\nallow_short = true\n'
            + "params = { every = 3, shorts = true }\n"
            + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',
        ),
    ),
    Scenario(
        name="limit_and_ladder",
        venue='replacement = "replace"',
        bots=(
            SIZE
            + 'entry = "limit"\nentry_offset = "0.2%"\nentry_lifetime = "2m"\n'
            + 'exits = { stop_loss = "1.5%", break_even = { at = "0.5%" },'
            + ' ladder = [{ at = "0.5%", share = "50%" }, { at = "1%", share = "30%" }] }',
        ),
    ),
)
# An evening in the middle: the first of the rehearsal venue's days ends twelve minutes later.
EVENING = START - timedelta(minutes=12)
_REHEARSED = (
    Scenario(
        name="rehearsal_spot",
        rehearsed=True,
        start=EVENING,
        bots=(SIZE + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',),
    ),
    Scenario(
        name="rehearsal_limit",
        rehearsed=True,
        start=EVENING,
        bots=(
            SIZE
            + 'entry = "limit"\nentry_offset = "0.2%"\nentry_lifetime = "2m"\n'
            + 'exits = { stop_loss = "1.5%", break_even = { at = "0.5%" },'
            + ' ladder = [{ at = "0.5%", share = "50%" }, { at = "1%", share = "30%" }] }',
        ),
    ),
    Scenario(
        name="rehearsal_futures",
        rehearsed=True,
        start=EVENING,
        bots=(
            SIZE
            + 'position_type = "futures"\nleverage = 3\nallow_short = true\n'
            + "params = { every = 3, shorts = true }\n"
            + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',
        ),
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
REHEARSED = {scenario.name: scenario for scenario in _REHEARSED}
