"""The folder of the trial's owner: the configuration, the keys and a strategy, as docs/venues.md says.

The strategy turns with each minute's candle, so that an hour has hundreds of orders.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.trials.processes import Simulator


@dataclass(frozen=True)
class Traded:
    """One symbol: what the file, its venue and the vendors of its prices call it; its first price.

    *feeds*: in their order; the second stands in for the first.
    """

    symbol: str
    venue: str
    market: str
    base: str
    quote: str
    price: str
    feeds: tuple[str, ...]
    places: int = 2


SYMBOLS: Final = (
    Traded("BTCUSDT", "spot", "BTCUSDT", "BTC", "USDT", "60000", ("binance",)),
    Traded("ETHUSDT", "spot", "ETHUSDT", "ETH", "USDT", "3000", ("binance",)),
    Traded("BNBUSDT", "spot", "BNBUSDT", "BNB", "USDT", "600", ("binance",)),
    Traded("BTCPERP", "usdm", "BTCUSDT", "BTC", "USDT", "60000", ("futures",), 1),
    Traded("ETHPERP", "usdm", "ETHUSDT", "ETH", "USDT", "3000", ("futures",)),
    Traded("BTCUSD", "alpaca", "BTC/USD", "BTC", "USD", "60000", ("coins", "twelvedata")),
    Traded("ETHUSD", "alpaca", "ETH/USD", "ETH", "USD", "3000", ("twelvedata",)),
    Traded("USDTUSD", "alpaca", "USDT/USD", "USDT", "USD", "1.0000", ("coins",), 4),
)

# Of what the daemon may name: the simulator that it is about.
VENUES: Final = (
    {"spot": "spot", "usdm": "usdm", "alpaca": "alpaca"}
    | {each.symbol: each.venue for each in SYMBOLS}
    | {
        "spot-btc": "spot",
        "spot-eth": "spot",
        "perp-btc": "usdm",
        "perp-eth": "usdm",
        "alpaca-btc": "alpaca",
        "alpaca-eth": "alpaca",
    }
)
FEEDS: Final = {"binance": "spot", "futures": "usdm", "coins": "alpaca", "twelvedata": "twelvedata"}

STRATEGY: Final = '''"""Turn with each candle: up is bought, down is sold."""

from dataclasses import dataclass

from tradebotd.domain.signal import Signal, SignalKind


@dataclass(frozen=True)
class SwingParams:
    pass


class Swing:
    Params = SwingParams
    lookback = 2

    def __init__(self, params):
        self.params = params

    def decide(self, candles):
        last = candles[-1]
        up = last.close >= last.open
        return Signal(kind=SignalKind.BUY if up else SignalKind.SELL, reason="the candle's direction")
'''

BOTS: Final = """
[[bots]]
name = "spot-btc"
symbol = "BTCUSDT"
strategy = "./swing.py:Swing"
initial_capital = "20000"
sizing = { kind = "fixed_notional", value = "1500" }
exits = { stop_loss = "0.25%", take_profit = "0.4%", max_holding = "10m" }
limits = { max_daily_trades = 1000 }

[[bots]]
name = "spot-eth"
symbol = "ETHUSDT"
strategy = "./swing.py:Swing"
entry = "limit"
entry_offset = "0.02%"
entry_lifetime = "90s"
initial_capital = "20000"
sizing = { kind = "fixed_notional", value = "900" }
exits = { stop_loss = "0.4%", trailing_stop = "0.3%", max_holding = "15m" }
limits = { max_daily_trades = 1000 }

[[bots]]
name = "perp-btc"
symbol = "BTCPERP"
strategy = "./swing.py:Swing"
position_type = "futures"
leverage = 3
allow_short = true
initial_capital = "5000"
sizing = { kind = "fixed_notional", value = "1300" }
exits = { stop_loss = "0.3%", take_profit = "0.5%", max_holding = "20m" }
limits = { max_daily_trades = 1000 }

[[bots]]
name = "perp-eth"
symbol = "ETHPERP"
strategy = "./swing.py:Swing"
position_type = "futures"
leverage = 2
allow_short = true
initial_capital = "5000"
sizing = { kind = "fixed_notional", value = "700" }
exits = { stop_loss = "0.4%", ladder = [{ at = "0.15%", share = "50%" }, { at = "0.5%", share = "50%" }], trailing_stop = "0.35%" }
limits = { max_daily_trades = 1000 }

[[bots]]
name = "alpaca-btc"
symbol = "BTCUSD"
strategy = "./swing.py:Swing"
initial_capital = "20000"
sizing = { kind = "fixed_notional", value = "1100" }
exits = { stop_loss = "0.4%", take_profit = "0.8%", max_holding = "10m" }
limits = { max_daily_trades = 1000 }

[[bots]]
name = "alpaca-eth"
symbol = "ETHUSD"
strategy = "./swing.py:Swing"
initial_capital = "20000"
sizing = { kind = "fixed_notional", value = "800" }
exits = { stop_loss = "0.5%", trailing_stop = "0.5%", max_holding = "10m" }
limits = { max_daily_trades = 1000 }
"""


def write(folder: Path, simulators: dict[str, Simulator]) -> Path:
    """Write the files below *folder*; return the configuration's."""
    spot, usdm, alpaca = (simulators[name] for name in ("spot", "usdm", "alpaca"))
    _keys(folder, "spot", *spot.facts["keys"]["ed25519"])
    _keys(folder, "usdm", *usdm.facts["keys"]["hmac"])
    _keys(folder, "alpaca", alpaca.facts["key"], alpaca.facts["secret"])
    _keys(folder, "twelvedata", simulators["twelvedata"].facts["key"])
    (folder / "swing.py").write_text(STRATEGY)
    config = folder / "trial.toml"
    config.write_text("\n".join((_places(simulators), *map(_symbol, SYMBOLS), BOTS)))
    return config


def _keys(folder: Path, name: str, key: str, secret: str = "") -> None:
    for what, word in (("key", key), ("secret", secret)):
        path = folder / f"{name}.{what}"
        path.touch(mode=0o600)
        path.write_text(word)


def _places(simulators: dict[str, Simulator]) -> str:
    spot, usdm, alpaca = (simulators[name] for name in ("spot", "usdm", "alpaca"))
    return f"""# Written by tests/trials/settings.py
[daemon]
state_dir = "./var"
socket = "./var/tradebotd.sock"
log_format = "json"

[feeds.binance]
kind = "binance"
base_url = "{spot.http}"
ws_url = "{spot.ws}"

[feeds.futures]
kind = "binance"
market = "usdm"
base_url = "{usdm.http}"
ws_url = "{usdm.ws}"

[feeds.coins]
kind = "alpaca"
api_key = {{ file = "alpaca.key" }}
api_secret = {{ file = "alpaca.secret" }}
base_url = "{alpaca.http}"
ws_url = "{alpaca.ws}"

[feeds.twelvedata]
kind = "twelvedata"
api_key = {{ file = "twelvedata.key" }}
base_url = "{simulators["twelvedata"].http}"
credits_per_minute = 377
price_every = "2s"

[venues.spot]
kind = "binance_spot"
api_key = {{ file = "spot.key" }}
api_secret = {{ file = "spot.secret" }}
base_url = "{spot.http}"
ws_url = "{spot.ws}/ws-api/v3"

[venues.usdm]
kind = "binance_usdm"
api_key = {{ file = "usdm.key" }}
api_secret = {{ file = "usdm.secret" }}
base_url = "{usdm.http}"
ws_url = "{usdm.ws}"

[venues.alpaca]
kind = "alpaca"
api_key = {{ file = "alpaca.key" }}
api_secret = {{ file = "alpaca.secret" }}
base_url = "{alpaca.http}"
ws_url = "{alpaca.ws}/stream"

[risk]
currency = "USDT"
max_exposure = "50%"

[jobs.run_bots]
every = "5s"

[jobs.realtime_pull]
every = "15s"

[jobs.equity_snapshot]
every = "60s"
"""


def _symbol(traded: Traded) -> str:
    named = (*traded.feeds, traded.venue)
    names = ", ".join(f'{name} = "{traded.market}"' for name in named)
    return f"""
[[symbols]]
symbol = "{traded.symbol}"
feeds = [{", ".join(f'"{feed}"' for feed in traded.feeds)}]
names = {{ {names} }}
venue = "{traded.venue}"
base_asset = "{traded.base}"
quote_asset = "{traded.quote}"
"""
