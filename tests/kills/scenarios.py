"""What is traded while the daemon is killed: a few minutes in which everything happens."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
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

PAPER = """
[venues.paper]
kind = "paper"
starting_cash = { USDT = "10000" }
"""
PAPER_SYMBOL = f"""
[[symbols]]
symbol = "{SYMBOL}"
feeds = ["history"]
venue = "paper"
timeframes = ["1m"]
tick_size = "0.01"
lot_size = "0.001"
min_notional = "5"
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
class Traded:
    """What is traded, and where: TOML of the venue and of the symbols; the first price is 100 `times`."""

    venue: str
    symbol: str = SYMBOL
    symbols: str
    currency: str = "USDT"
    times: int = 1
    secrets: Mapping[str, str] = field(default_factory=dict)  # by the names of their files


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`venue` and `bots` are TOML, `bots` without the keys that all share; market time begins at `start`.

    `kind`: the kind of its venue; all but `paper` are in a process of their own.
    """

    name: str
    venue: str = ""
    bots: tuple[str, ...]
    start: datetime = START
    kind: str = "paper"
    minutes: int = MINUTES

    @property
    def rehearsed(self) -> bool:
        return self.kind == "rehearsal"

    @property
    def repeats_itself(self) -> bool:
        """Whether each run has the same steps: nobody else's time is in them."""
        return self.kind in {"paper", "rehearsal"}

    def write(self, folder: Path, dsn: str, traded: Traded | None = None) -> Path:
        """Data, strategy and config in *folder*; the config's path. *traded*: unless it is on paper."""
        folder.mkdir(parents=True, exist_ok=True)
        traded = traded or self._on_paper()
        self._write_candles(folder, traded.symbol, traded.times)
        if self.rehearsed:
            self._write_candles(folder, f"{THIRD}USDT", times=6)
        (folder / "by_the_minute.py").write_text(STRATEGY)
        for name, secret in traded.secrets.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(secret)
        config = folder / "config.toml"
        config.write_text(self._config(folder, dsn, traded))
        return config

    def _write_candles(self, folder: Path, symbol: str, times: int) -> None:
        """A wave of two percent with teeth: stops and targets are met, some within one candle."""
        path = folder / f"{symbol}_1m.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("ts", "open", "high", "low", "close", "volume"))
            last = 100.0
            for minute in range(self.minutes):
                close = round(100 + 2 * sin(minute * 1.3) + (minute % 3) * 0.4, 2)
                high, low = max(last, close) + 0.3, min(last, close) - 0.3
                ts = self.start + timedelta(minutes=minute)
                values = (f"{times * value:.2f}" for value in (last, high, low, close))
                writer.writerow((ts.isoformat(), *values, "1"))
                last = close

    def _on_paper(self) -> Traded:
        symbols = PAPER_SYMBOL + (THIRD_SYMBOL if self.rehearsed else "")
        return Traded(venue=PAPER + self.venue, symbols=symbols)

    def _config(self, folder: Path, dsn: str, traded: Traded) -> str:
        bots = "".join(
            f"""
[[bots]]
name = "bot{number}"
symbol = "{traded.symbol}"
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
{traded.venue}
{traded.symbols}
{bots}
[risk]
currency = "{traded.currency}"
max_orders_per_minute = 1000
max_exposure = "500%"
max_daily_loss = "90%"
max_drawdown = "90%"
[jobs.stop_loss_check]
every = "60s"
"""


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
        kind="rehearsal",
        start=EVENING,
        bots=(SIZE + 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }',),
    ),
    Scenario(
        name="rehearsal_limit",
        kind="rehearsal",
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
        kind="rehearsal",
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
