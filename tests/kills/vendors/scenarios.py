"""What is traded at the vendors while the daemon is killed: each kind of entry, exit and moved stop."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.kills.scenarios import SIZE, Scenario
from tests.trials.settings import Traded as Market

# An evening in whose middle a day ends, and a session in New York.
EVENING: Final = datetime(2026, 3, 2, 23, 52, tzinfo=UTC)
SESSION: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)
MINUTES: Final = 16
FUTURES: Final = 'position_type = "futures"\nleverage = 3\n'
BOTH_WAYS: Final = "allow_short = true\nparams = { every = 3, shorts = true }\n"
TRAILING: Final = 'exits = { stop_loss = "1%", take_profit = "2%", trailing_stop = "0.8%" }\n'
WIDE: Final = 'exits = { stop_loss = "3%", trailing_stop = "2.5%" }\nparams = { every = 5 }\n'
WIDE_PAIR: Final = (
    'exits = { stop_loss = "4%", take_profit = "5%", trailing_stop = "3%" }\n'
    "params = { every = 7 }\n"
)
LIMIT: Final = 'entry = "limit"\nentry_offset = "0.2%"\nentry_lifetime = "2m"\n'
LADDER: Final = (
    'exits = { stop_loss = "1.5%", break_even = { at = "0.5%" },'
    ' ladder = [{ at = "0.5%", share = "50%" }, { at = "1%", share = "30%" }] }'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A venue, as simulator, configuration and judgement call it; prices begin at 100 `times`."""

    serves: str
    market: Market
    currency: str
    times: int
    lot: str
    symbol_lines: str = ""


PLACES: Final = {
    "binance_spot": Place(
        serves="binance_spot",
        market=Market("BTCUSDT", "spot", "BTCUSDT", "BTC", "USDT", "60000", ("history",)),
        currency="USDT",
        times=600,
        lot="0.00001",
    ),
    "binance_usdm": Place(
        serves="binance_usdm",
        market=Market("BTCPERP", "usdm", "BTCUSDT", "BTC", "USDT", "60000", ("history",), 1),
        currency="USDT",
        times=600,
        lot="0.001",
    ),
    "alpaca": Place(
        serves="alpaca",
        market=Market("AAPL", "alpaca", "AAPL", "AAPL", "USD", "200", ("history",)),
        currency="USD",
        times=2,
        lot="1",
        symbol_lines='calendar = "XNYS"',
    ),
    "alpaca_coins": Place(
        serves="alpaca_coins",
        market=Market("BTCUSD", "alpaca", "BTC/USD", "BTC", "USD", "60000", ("history",)),
        currency="USD",
        times=600,
        lot="0.000000001",
    ),
}


def _at(kind: str, name: str, *bots: str, start: datetime = EVENING) -> Scenario:
    return Scenario(
        name=name,
        kind=kind,
        start=start,
        minutes=MINUTES,
        bots=tuple(SIZE + bot for bot in bots),
    )


_ALL: Final = {
    "binance_spot": (
        _at("binance_spot", "spot_pairs", TRAILING, WIDE_PAIR),
        _at("binance_spot", "spot_stops", WIDE),
        _at("binance_spot", "spot_limit", LIMIT + LADDER),
    ),
    "binance_usdm": (
        _at("binance_usdm", "usdm_both_ways", FUTURES + BOTH_WAYS + TRAILING),
        _at("binance_usdm", "usdm_stops", FUTURES + WIDE),
        _at("binance_usdm", "usdm_limit", FUTURES + LIMIT + LADDER),
    ),
    "alpaca": (
        _at("alpaca", "alpaca_pairs", TRAILING, start=SESSION),
        _at("alpaca", "alpaca_moved", WIDE_PAIR, start=SESSION),
        _at("alpaca", "alpaca_limit", LIMIT + LADDER, start=SESSION),
        _at("alpaca_coins", "alpaca_coins", WIDE),
    ),
}
VENDORS: Final = {kind: {each.name: each for each in known} for kind, known in _ALL.items()}
OPENING: Final = timedelta(seconds=1)  # before the first price
