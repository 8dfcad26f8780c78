"""What a venue tells of a symbol: what cannot be so, what has changed, and what is stored of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import spec
from tests.unit.test_filters import BTC
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.instrument import MarginBracket, PositionType
from tradebotd.domain.order_type import OrderType
from tradebotd.ports.venue import Commission
from tradebotd.storage.instrument_versions import from_json
from tradebotd.storage.postgres import json_codec
from tradebotd.trading.instruments.costs import why_no_commission
from tradebotd.trading.instruments.told_filters import differences, warns, why_not_so

D = Decimal
ALL: dict[str, Any] = {
    "max_quantity": D(9000),
    "market_lot": LotSize(maximum=D("120.5")),
    "stop_lot": LotSize(step=D(1), minimum=D(1)),
    "max_notional": D(9_000_000),
    "average_minutes": 5,
    "max_price": D(1_000_000),
    "percent_price": PercentPrice(
        buy_below=D("0.2"), buy_above=D(5), sell_below=D("0.2"), sell_above=D(5)
    ),
    "max_orders": 200,
    "max_stops": 5,
    "order_types": frozenset({OrderType.MARKET, OrderType.LIMIT}),
    "status": SymbolStatus.HALTED,
    "shortable": False,
    "further_brackets": (MarginBracket(floor=D(50_000), rate=D("0.01"), amount=D(250)),),
}
NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"tick_size": D(0)}, "tick_size is 0"),
    ({"lot_size": D(0)}, "lot_size is 0"),
    ({"lot_size": D("-0.001")}, "lot_size is -0.001"),
    ({"lot_size": D("NaN")}, "lot_size is not a number"),
    ({"min_notional": D("Infinity")}, "min_notional is not a number"),
    ({"min_quantity": D(-1)}, "min_quantity is -1"),
    ({"max_quantity": D(0)}, "max_quantity is 0"),
    ({"quote_asset": "EUR"}, "its quote_asset is EUR, and was USDT"),
    ({"symbol": "ETHUSDT"}, "its symbol is ETHUSDT"),
    ({"market_lot": LotSize(step=D(0))}, "market_lot has a step"),
    ({"stop_lot": LotSize(maximum=D("NaN"))}, "stop_lot is not a number"),
    ({"max_stops": -1}, "max_stops is -1"),
    ({"min_quantity": D(2), "max_quantity": D(1)}, "no quantity of a market order"),
    ({"stop_lot": LotSize(step=D(2)), "max_quantity": D(1)}, "no quantity of a stop"),
    ({"min_notional": D(2), "max_notional": D(1)}, "min_notional 2 is more than"),
    (
        {
            "percent_price": PercentPrice(
                buy_below=D(2), buy_above=D(1), sell_below=D(0), sell_above=D(2)
            )
        },
        "percent_price lets buy limits be 2 to 1 times",
    ),
]


@pytest.mark.parametrize(("filters", "why"), NONSENSE)
def test_what_cannot_be_so_is_said(filters: dict[str, Any], why: str) -> None:
    """M4.6: such an answer must not come into force."""
    said = why_not_so(replace(BTC, **filters), BTC, [spec()])
    assert said is not None
    assert why in said


def test_what_may_be_so_is_taken_even_where_a_bot_needs_more() -> None:
    """M4.6: an order type that is gone is denied by name, and keeps no other change out."""
    bots = [spec(entry=EntryRule(kind=EntryKind.LIMIT)), spec(position_type=PositionType.FUTURES)]
    told = replace(BTC, **ALL)
    assert why_not_so(told, BTC, bots) is None
    assert why_not_so(replace(BTC, order_types=frozenset()), BTC, bots) is None
    no_stop = replace(BTC, stop_lot=LotSize(step=D(2)), max_quantity=D(1))
    assert why_not_so(no_stop, BTC, ()) is None  # nobody has a stop there


def test_a_change_is_told_filter_by_filter() -> None:
    """M5.9"""
    assert differences(BTC, BTC) == []
    changed = replace(BTC, lot_size=D("0.1"), market_lot=LotSize(step=D("0.2"), maximum=D(9)))
    assert differences(BTC, changed) == [
        "lot_size 0.001 became 0.1",
        "market_lot none became (step 0.2, minimum 0, maximum 9)",
    ]
    assert warns(BTC, changed)
    assert not warns(BTC, replace(BTC, max_notional=D(9)))


@pytest.mark.parametrize("filters", [{}, ALL])
def test_a_stored_version_is_read_as_it_was_told(filters: dict[str, Any]) -> None:
    """M5.9"""
    told = replace(BTC, **filters)
    stored = json_codec.loads(json_codec.dumps(told))
    assert from_json(stored) == told
    assert from_json({**stored, "of_a_later_version": 1}) == told
    assert from_json({**stored, "status": "of a later version"}) is None


@pytest.mark.parametrize(
    ("maker", "taker", "is_so"),
    [
        ("0.001", "0.001", True),
        ("-0.0001", "0.0004", True),
        ("0", "0.11", False),
        ("0", "NaN", False),
    ],
)
def test_a_commission_of_more_than_a_tenth_is_none(maker: str, taker: str, *, is_so: bool) -> None:
    """M4.6"""
    told = Commission(maker=D(maker), taker=D(taker))
    assert (why_no_commission(told) is None) is is_so
