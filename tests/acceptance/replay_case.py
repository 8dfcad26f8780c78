"""A replay as a user would configure it: a data file, two bots, every job on its schedule."""

from dataclasses import dataclass
from pathlib import Path

from tests.recorded import recorded_csv


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCase:
    """One symbol of recorded (or seeded) candles; `calendar` an exchange_calendars code or 24/7."""

    symbol: str
    calendar: str = "24/7"
    quote_asset: str = "USDT"
    tick_size: str = "0.1"
    lot_size: str = "0.0001"
    rows: int | None = None  # only the first so many
    sweep_seconds: int = 60

    def write(self, folder: Path, dsn: str) -> Path:
        """The data and the config in *folder*; returns the config's path."""
        folder.mkdir(parents=True, exist_ok=True)
        recorded_csv(self.symbol, folder, minutes=self.rows)
        config = folder / "config.toml"
        config.write_text(self._config(folder, dsn))
        return config

    def data(self, folder: Path) -> Path:
        return folder / f"{self.symbol}_1m.csv"

    def _config(self, folder: Path, dsn: str) -> str:
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
on_end = "stop"

[venues.paper]
kind = "paper"
starting_cash = {{ {self.quote_asset} = "100000" }}
fees = {{ maker = "0.0002", taker = "0.0004" }}
slippage_bps = 1
spread_bps = 1

[[symbols]]
symbol = "{self.symbol}"
feeds = ["history"]
venue = "paper"
timeframes = ["1m", "5m", "15m", "1h", "1d"]
calendar = "{self.calendar}"
base_asset = "BASE"
quote_asset = "{self.quote_asset}"
tick_size = "{self.tick_size}"
lot_size = "{self.lot_size}"
min_notional = "5"

[[bots]]
name = "fast"
symbol = "{self.symbol}"
timeframe = "1m"
strategy = "ema_rsi"
params = {{ fast = 8, slow = 21, rsi_period = 7, oversold = 35, overbought = 65 }}
initial_capital = "10000"
sizing = {{ kind = "percent_equity", value = "50" }}
exits = {{ stop_loss = "0.3%", take_profit = "0.9%", max_holding = "1d" }}
limits = {{ max_daily_trades = 20, max_daily_loss = "3%", daily_target = "5%" }}

[[bots]]
name = "slow"
symbol = "{self.symbol}"
timeframe = "5m"
strategy = "ema_rsi"
params = {{ fast = 5, slow = 13, rsi_period = 7, oversold = 30, overbought = 80 }}
initial_capital = "10000"
sizing = {{ kind = "fixed_notional", value = "2000" }}
exits = {{ stop_loss = "0.5%", take_profit = "1.5%", trailing_stop = "0.8%", max_holding = "3d" }}
limits = {{ max_daily_trades = 20 }}

[risk]
currency = "{self.quote_asset}"

[jobs.stop_loss_check]
every = "{self.sweep_seconds}s"
"""
