"""Filters per order type in `[[symbols]]`, and those that exclude each other: told by `check`."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.daemon.commands import main
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.filters import LotSize, PercentPrice
from tradebotd.domain.order_type import OrderType

D = Decimal
BAND = (
    'percent_price = { buy_below = "0.96", buy_above = "5", sell_below = "0.2", sell_above = "5" }'
)
ALL = f"""
market_lot = {{ step = "0.001", min = "0.002", max = "50" }}
stop_lot = {{ step = "1" }}
max_notional = "9000000"
notional_at_market = false
average_minutes = 5
min_price = "0.01"
max_price = "1000000"
{BAND}
max_orders = 200
max_stops = 5
order_types = ["market", "limit", "stop_market", "take_profit_market"]
shortable = false
"""


def text(filters: str, bot: str = "") -> str:
    head, table, rest = ONE_BOT.partition("[[bots]]")
    return f"{head}{filters}\n{table}{rest}{bot}\n"


def problems(directory: Path, filters: str, bot: str = "") -> list[str]:
    try:
        load_config(written(directory, text(filters, bot)))
    except ConfigError as error:
        return error.problems
    return []


def test_every_filter_can_be_said(tmp_path: Path) -> None:
    """M4.6, M6.1."""
    (symbol,) = load_config(written(tmp_path, text(ALL))).market_symbols()
    told = symbol.instrument
    assert told.market_lot == LotSize(step=D("0.001"), minimum=D("0.002"), maximum=D(50))
    assert told.stop_lot == LotSize(step=D(1))
    assert (told.max_notional, told.notional_at_market) == (D(9_000_000), False)
    assert (told.average_minutes, told.min_price, told.max_price) == (5, D("0.01"), D(1_000_000))
    assert told.percent_price == PercentPrice(
        buy_below=D("0.96"), buy_above=D(5), sell_below=D("0.2"), sell_above=D(5)
    )
    assert (told.max_orders, told.max_stops, told.shortable) == (200, 5, False)
    assert told.order_types == frozenset(OrderType) - {
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
    }


WRONG = [
    # filters, the bot, the path, some words of the reason
    ('min_notional = "10"\nmax_notional = "9"', "", "symbols[0]", "min_notional 10 is more than"),
    ('max_price = "0.001"', "", "symbols[0]", "no price is within"),
    ('min_price = "5"\nmax_price = "4"', "", "symbols[0]", "no price is within 5 and 4"),
    ('market_lot = { max = "0.000001" }', "", "symbols[0]", "no quantity of a market order"),
    (
        'lot_size = "0.3"\nmarket_lot = { step = "0.2", max = "0.5" }',
        "",
        "symbols[0]",
        "no quantity of a market order",
    ),
    (
        'stop_lot = { step = "1", max = "0.5" }',
        "",
        "symbols[0]",
        "no quantity of a stop_market order",
    ),
    ("market_lot = {}", "", "symbols[0].market_lot", "says nothing"),
    (
        'stop_lot = { min = "2", max = "1" }',
        "exits = { stop_loss = 'none' }",
        "symbols[0].stop_lot.min",
        "2 is above its max (1)",
    ),
    ("max_orders = 4\nmax_stops = 5", "", "symbols[0].max_stops", "5 is above max_orders (4)"),
    (
        'order_types = ["limit", "stop_market", "take_profit_market"]',
        "",
        "symbols[0].order_types",
        "market orders are not taken, and its bots send them",
    ),
    (
        'order_types = ["market", "stop_limit"]\nstop_lot = { step = "1", max = "0.5" }',
        "",
        "symbols[0]",
        "no quantity of a stop_limit order",
    ),
    (
        'percent_price = { buy_below = "1.1", buy_above = "5", sell_below = "1", sell_above = "5" }',
        "",
        "symbols[0].percent_price",
        "a buy limit from 1.1 to 5 times",
    ),
    ('min_notional = "0"\naverage_minutes = 5', "", "symbols[0].average_minutes", "nothing is"),
    (
        BAND,
        'entry = "limit"\nentry_offset = "4.5%"',
        "bots[0].entry_offset",
        "percent_price; at most 4% is allowed",
    ),
    (
        "shortable = false",
        'position_type = "futures"\nallow_short = true',
        "bots[0].allow_short",
        "cannot be sold short",
    ),
    (
        'max_notional = "50"',
        'sizing = { kind = "fixed_notional", value = "51" }',
        "bots[0].sizing.value",
        "51 is above BTCUSDT's max_notional, 50",
    ),
    (
        'market_lot = { step = "0.1" }',
        'sizing = { kind = "fixed_quantity", value = "0.25" }',
        "bots[0].sizing.value",
        "a lot is 0.1",
    ),
    (
        'market_lot = { min = "2" }',
        'entry = "limit"\nsizing = { kind = "fixed_quantity", value = "1" }',
        "bots[0].sizing.value",
        "could not be sold at the market; at least 2",
    ),
    (
        'market_lot = { max = "2" }',
        'sizing = { kind = "fixed_quantity", value = "3" }',
        "bots[0].sizing.value",
        "3 is more than a market order of BTCUSDT may have, 2",
    ),
]


@pytest.mark.parametrize(("filters", "bot", "path", "reason"), WRONG)
def test_filters_that_exclude_each_other_or_their_bot_are_told(
    filters: str, bot: str, path: str, reason: str, tmp_path: Path
) -> None:
    """M4.6, M6.1: by the path of what is wrong, for each order type once."""
    found = problems(tmp_path, filters, bot)
    assert len(found) == len(set(found))
    assert {each.partition(": ")[0] for each in found} == {path}
    assert reason in found[0]


@pytest.mark.parametrize(
    ("filters", "bot"),
    [
        ('order_types = ["market"]', "exits = { stop_loss = 'none', take_profit = '1%' }"),
        ('order_types = ["market", "limit"]', ""),  # a warning: the daemon alone guards
        (
            'market_lot = { max = "2" }',
            'entry = "limit"\nsizing = { kind = "fixed_quantity", value = "3" }',
        ),
        (
            "notional_at_market = false",
            """sizing = { kind = "fixed_notional", value = "4" }\nexits = { stop_loss = "none" }""",
        ),
        (BAND, 'entry = "limit"\nentry_offset = "4%"'),
    ],
)
def test_what_can_be_done_is_not_refused(filters: str, bot: str, tmp_path: Path) -> None:
    """M4.6."""
    assert problems(tmp_path, filters, bot) == []


def test_a_contradiction_ends_check_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """M4.6."""
    file = written(tmp_path, text('min_notional = "10"\nmax_notional = "9"'))
    assert main.main(["check", "--config", str(file)]) == 78
    assert "min_notional 10 is more than max_notional 9" in capsys.readouterr().err
