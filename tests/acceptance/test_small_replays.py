"""A few minutes of made-up candles through the installed daemon: where did the position end?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from tests.acceptance import cash
from tests.acceptance.daemon_process import run_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

START = datetime(2025, 1, 1, tzinfo=UTC)
BUY, SELL = 777, 888
STARTING_CASH = 10_000
STRATEGY = """
from dataclasses import dataclass
from tradebotd.domain.signal import Signal, SignalKind


@dataclass(frozen=True, kw_only=True)
class Params:
    pass


class Script:
    Params = Params
    lookback = 1

    def __init__(self, params):
        pass

    def decide(self, candles):
        word = {777: SignalKind.BUY, 888: SignalKind.SELL}.get(candles[-1].volume, SignalKind.NONE)
        return Signal(kind=word, reason="told so", indicators={})
"""


@dataclass(frozen=True, kw_only=True)
class Small:
    """*rows*: (minute, open, high, low, close, volume); one bot of *size* USDT, no costs but fees."""

    rows: Sequence[tuple[float, ...]]
    bot: str = ""
    size: str = "500"
    venue: str = ""
    symbol: str = ""
    rest: str = ""

    def run(self, folder: Path, dsn: str) -> list[dict[str, Any]]:
        """The positions it left."""
        (folder / "script.py").write_text(STRATEGY)
        lines = ["ts,open,high,low,close,volume"]
        for minute, *values in self.rows:
            at = START + timedelta(minutes=minute)
            lines.append(",".join([at.isoformat(), *(f"{value:g}" for value in values)]))
        (folder / "AAAUSDT_1m.csv").write_text("\n".join(lines) + "\n")
        config = folder / "config.toml"
        config.write_text(self._config(folder, dsn))
        ended = run_to_end(config, 100)
        assert ended.exit_code == 0, ended.log[-4000:]
        assert anyio.run(money, dsn) == []
        return anyio.run(positions, dsn)

    def _config(self, folder: Path, dsn: str) -> str:
        return f"""
[daemon]
state_dir = "{folder}/var"
socket = "{folder}/s.sock"
log_format = "json"
[database]
url = "{dsn}"
[feeds.h]
kind = "replay"
path = "{folder}/*.csv"
speed = 0
[venues.paper]
kind = "paper"
starting_cash = {{ USDT = "{STARTING_CASH}" }}
slippage_bps = 0
spread_bps = 0
{self.venue}
[[symbols]]
symbol = "AAAUSDT"
feeds = ["h"]
venue = "paper"
{self.symbol}
[[bots]]
name = "g"
symbol = "AAAUSDT"
strategy = "{folder}/script.py:Script"
{self.bot or 'exits = { stop_loss = "2%" }'}
sizing = {{ kind = "fixed_notional", value = "{self.size}" }}
limits = {{ max_daily_trades = 100 }}
{self.rest}
"""


async def money(dsn: str) -> list[str]:
    """Where it does not add up: cash against realized P&L and what is open."""
    connection = await asyncpg.connect(dsn)
    try:
        return await cash.violations(connection, {"USDT": STARTING_CASH})
    finally:
        await connection.close()


async def positions(dsn: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch("SELECT * FROM positions ORDER BY id")]
    finally:
        await connection.close()


def flat(first: int, last: int, price: float = 100) -> list[tuple[float, ...]]:
    return [(minute, price, price, price, price, 1) for minute in range(first, last)]


def at_100(signal: float = BUY) -> list[tuple[float, ...]]:
    """Entered at 00:04, held until 00:09."""
    return [*flat(0, 3), (3, 100, 100, 100, 100, signal), *flat(4, 9)]


FUNDED = 'funding_rate = "0.003"\nfunding_every = "5m"'
FUTURES = 'position_type = "futures"\nexits = { stop_loss = "2%" }\n'


@pytest.mark.parametrize("resting", ["true", "false"])
@pytest.mark.parametrize(
    ("rows", "bot", "price", "pnl"),
    [
        pytest.param(
            [*at_100(), (129, 92, 92.5, 91.5, 92, 1), *flat(130, 133, 92)],
            "",
            "92",
            "-40.384",
            id="over two hours without candles",
        ),
        pytest.param(
            [*at_100(), (9, 92, 92.5, 91.5, 92, 1), *flat(10, 13, 92)],
            "",
            "92",
            "-40.384",
            id="from one candle to the next",
        ),
        pytest.param(
            [*at_100(), (9, 99, 99, 91.5, 92, 1), *flat(10, 13, 92)],
            "",
            "98",
            "-10.396",
            id="inside a candle",
        ),
        pytest.param(
            [*at_100(SELL), (129, 109, 109, 109, 109, 1), *flat(130, 133, 109)],
            FUTURES + "leverage = 3\nallow_short = true",
            "109",
            "-45.418",
            id="a short",
        ),
    ],
)
def test_a_gap_over_the_stop_ends_at_the_first_price(
    tmp_path: Path,
    empty_database: Callable[[], str],
    rows: list[tuple[float, ...]],
    bot: str,
    price: str,
    pnl: str,
    resting: str,
) -> None:
    """3.8, M6.1: whether the stop rests at the venue or the daemon watches it."""
    case = Small(rows=rows, bot=bot, venue=f"resting_stops = {resting}")
    (position,) = case.run(tmp_path, empty_database())
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", Decimal(price))
    assert position["realized_pnl"] == Decimal(pnl)


@pytest.mark.parametrize("every", ["5s", "7m"])
@pytest.mark.parametrize(
    ("bot", "signal", "high", "low"),
    [
        ('exits = { stop_loss = "2%" }', BUY, 100, 1),
        ('exits = { trailing_stop = "2%" }', BUY, 1000, 100),
        (FUTURES + "leverage = 3\nallow_short = true", SELL, 120, 100),
    ],
)
def test_a_bad_print_does_not_confirm_itself(
    tmp_path: Path,
    empty_database: Callable[[], str],
    bot: str,
    signal: float,
    high: float,
    low: float,
    every: str,
) -> None:
    """M3.10: whenever the sweep looks; the replay's quote is the very print it doubts."""
    case = Small(
        rows=[*at_100(signal), (9, 100, high, low, 100, 1), *flat(10, 20)],
        bot=bot,
        venue="resting_stops = false",
        rest=f'[jobs.stop_loss_check]\nevery = "{every}"',
    )
    (position,) = case.run(tmp_path, empty_database())
    assert (position["closed_at"], position["close_reason"]) == (None, None)


@pytest.mark.parametrize("resting", ["true", "false"])
def test_a_gap_over_stop_and_liquidation_costs_the_margin(
    tmp_path: Path, empty_database: Callable[[], str], resting: str
) -> None:
    """3.8, M6.4: 20x, liquidated at 95.5: no better than that, and no worse than 95."""
    case = Small(
        rows=[*at_100(), *flat(36, 40, 80)],
        bot=FUTURES + "leverage = 20",
        venue=f"resting_stops = {resting}",
        rest='[risk]\nbad_tick = "50%"',
    )
    (position,) = case.run(tmp_path, empty_database())
    assert position["exit_price"] == 95
    assert position["realized_pnl"] == Decimal("-25.39")


@pytest.mark.parametrize(
    ("later", "entered"), [pytest.param(99, ["99"], id="near"), pytest.param(85, [], id="far off")]
)
def test_an_hour_that_ends_in_silence_is_entered_at_the_first_price_after_it(
    tmp_path: Path, empty_database: Callable[[], str], later: int, entered: list[str]
) -> None:
    """M3.10: of seven minutes' candles at 100; nothing is traded until 02:09, the collar is 5 %."""
    rows = [(minute, 100, 100, 100, 100, BUY / 7) for minute in range(7)]
    case = Small(
        rows=[*rows, *flat(129, 133, later)],
        bot='exits = { stop_loss = "2%" }\ntimeframe = "1h"',
    )
    found = case.run(tmp_path, empty_database())
    assert [position["entry_price"] for position in found] == [Decimal(each) for each in entered]
    assert all(each["opened_at"] >= START + timedelta(minutes=129) for each in found)


@pytest.mark.parametrize("resting", ["true", "false"])
@pytest.mark.parametrize(
    ("venue", "entry", "entered"),
    [
        pytest.param("latency_ms = 25000", "101", "5", id="late"),
        pytest.param('depth_notional = "210"', "100", "2.1", id="thin"),
        pytest.param(
            'latency_ms = 25000\ndepth_notional = "210"',
            "101",
            "2.0792",
            id="late and thin",
        ),
    ],
)
def test_orders_that_come_late_or_meet_little_are_traded_out_all_the_same(
    tmp_path: Path,
    empty_database: Callable[[], str],
    venue: str,
    entry: str,
    entered: str,
    resting: str,
) -> None:
    """M6.1: the entry is what was bought, the stop sells all of it, and the money adds up."""
    rows = [*flat(0, 3), (3, 100, 100, 100, 100, BUY), (4, 100, 101, 101, 101, 1)]
    down = [(9, 101, 101, 98, 98, 1), (10, 96, 96, 96, 96, 1), *flat(11, 20, 95)]
    case = Small(
        rows=[*rows, *flat(5, 9, 101), *down],
        bot='exits = { stop_loss = "2%" }',
        venue=f"{venue}\nresting_stops = {resting}",
    )
    (position,) = case.run(tmp_path, empty_database())
    assert position["close_reason"] == "stop_loss"
    assert position["entry_price"] == Decimal(entry)
    assert position["entry_quantity"] == position["exit_quantity"] == Decimal(entered)


def test_steps_below_the_minimum_notional_are_sold_together(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """M4.7, M6.1: 3.03 at 101 and 3.09 at 103, of a minimum of 5: 6.18 at 103, in one order."""
    steps = "ladder = [{ at = '1%', share = '50%' }, { at = '3%', share = '50%' }]"
    up = [(9, 100, 102, 100, 102, 1), (10, 102, 104, 102, 104, 1), *flat(11, 14, 104)]
    case = Small(rows=[*at_100(), *up], bot=f"exits = {{ stop_loss = '5%', {steps} }}", size="6")
    (position,) = case.run(tmp_path, empty_database())
    assert (position["close_reason"], position["exit_price"]) == ("take_profit", 103)
    assert (position["exit_quantity"], position["dust"]) == (Decimal("0.06"), 0)


@pytest.mark.parametrize(
    ("bot", "signal", "venue", "end"),
    [
        pytest.param('exits = { stop_loss = "2%" }', BUY, 'fee_asset = "base"', 97, id="base"),
        pytest.param(FUTURES + "leverage = 3", BUY, FUNDED, 97, id="funding"),
        pytest.param(
            FUTURES + "leverage = 3\nallow_short = true", SELL, FUNDED, 103, id="funding of a short"
        ),
    ],
)
def test_money_adds_up(
    tmp_path: Path,
    empty_database: Callable[[], str],
    bot: str,
    signal: float,
    venue: str,
    end: float,
) -> None:
    """I8: three positions after each other, with dust, and funding at 00:15 and 00:30."""
    rows = []
    for first in (0, 12, 24):
        rows += [(first + each, *row) for each, *row in at_100(signal)[:-1]]
        rows += [(first + 9, 100, max(100, end), min(100, end), end, 1)]
        rows += [(first + each, end, end, end, end, 1) for each in (10, 11)]
    held = Small(rows=rows, bot=bot, venue=venue).run(tmp_path, empty_database())

    assert [each["close_reason"] for each in held] == ["stop_loss"] * 3
