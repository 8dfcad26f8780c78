"""Lots that combine, prices that are bounded, and filters that exclude each other."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.filters import (
    LotSize,
    PercentPrice,
    RestingCounts,
    SymbolStatus,
    common_step,
)
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_filters import contradictions, refused_by
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind, Quote, TriggerPrice
from tradebotd.domain.side import PositionSide, Side

STEPS = st.integers(1, 5000).map(lambda units: Decimal(units).scaleb(-3))
QUANTITIES = st.integers(0, 20_000).map(lambda units: Decimal(units).scaleb(-3))
BTC = Instrument(
    symbol="BTCUSDT",
    venue=VenueName("v"),
    base_asset="BTC",
    quote_asset="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.001"),
)


def order(kind: OrderType = OrderType.MARKET, quantity: str = "1", **changes: Any) -> OrderRequest:
    request: dict[str, Any] = {
        "venue": BTC.venue,
        "symbol": BTC.symbol,
        "side": Side.BUY,
        "type": kind,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal(quantity),
    }
    return OrderRequest(**{**request, **changes})


@st.composite
def lots(draw: Callable[[Any], Any]) -> LotSize:
    step = draw(st.none() | STEPS)
    return LotSize(step=step, minimum=draw(QUANTITIES), maximum=draw(st.none() | QUANTITIES))


def passes(quantity: Decimal, lot: LotSize) -> bool:
    if lot.step is not None and quantity % lot.step:
        return False
    return lot.minimum <= quantity and (lot.maximum is None or quantity <= lot.maximum)


@given(STEPS, STEPS)
def test_a_common_step_is_the_least_multiple_of_both(one: Decimal, other: Decimal) -> None:
    """M4.6."""
    step = common_step(one, other)
    assert step % one == step % other == 0
    assert not any((step * part / 12) % one == (step * part / 12) % other == 0 for part in (4, 6))


@given(lots(), lots(), QUANTITIES)
def test_a_quantity_passes_combined_lots_if_it_passes_both(
    one: LotSize, other: LotSize, quantity: Decimal
) -> None:
    """M4.6: a market order is judged by LOT_SIZE and MARKET_LOT_SIZE."""
    assert passes(quantity, one.combined(other)) == (
        passes(quantity, one) and passes(quantity, other)
    )


@given(lots(), lots())
def test_lots_that_nothing_passes_are_empty(one: LotSize, other: LotSize) -> None:
    lot = one.combined(other)
    if lot.maximum is None:
        assert not lot.is_empty
        return
    units = range(int(lot.maximum.scaleb(3)) + 1)
    found = any(unit and passes(Decimal(unit).scaleb(-3), lot) for unit in units)
    assert lot.is_empty == (not found)


def test_an_order_type_meets_its_own_lot() -> None:
    """M4.6: market lots hold at the market, stop lots for what waits for its stop price."""
    instrument = replace(
        BTC,
        market_lot=LotSize(maximum=Decimal(2)),
        stop_lot=LotSize(step=Decimal(1), minimum=Decimal(1)),
    )
    assert instrument.order(OrderType.LIMIT).max_quantity is None
    assert instrument.order(OrderType.MARKET).max_quantity == 2
    stop = instrument.order(OrderType.STOP_MARKET)
    assert stop.lot == LotSize(step=Decimal(1), minimum=Decimal(1), maximum=Decimal(2))
    assert BTC.order(OrderType.MARKET) is BTC


PERCENT = PercentPrice(
    buy_below=Decimal("0.5"),
    buy_above=Decimal("1.1"),
    sell_below=Decimal("0.9"),
    sell_above=Decimal(2),
)
LIMIT, STOP_LIMIT, STOP = OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.STOP_MARKET
VERDICTS: list[tuple[dict[str, Any], OrderRequest, str | None]] = [
    ({"status": SymbolStatus.CANCEL_ONLY}, order(), "symbol_not_trading"),
    ({"order_types": frozenset({LIMIT})}, order(), "order_type_not_taken"),
    ({"market_lot": LotSize(step=Decimal("0.1"))}, order(quantity="1.01"), "quantity_off_lot"),
    (
        {"market_lot": LotSize(step=Decimal("0.1"))},
        order(LIMIT, "1.01", limit_price=Decimal(9)),
        None,
    ),
    ({"max_price": Decimal(9)}, order(LIMIT, limit_price=Decimal(10)), "price_above_maximum"),
    ({"min_price": Decimal(9)}, order(STOP, stop_price=Decimal(8)), "price_below_minimum"),
    ({"percent_price": PERCENT}, order(LIMIT, limit_price=Decimal("11.01")), "price_outside"),
    ({"percent_price": PERCENT}, order(LIMIT, limit_price=Decimal(11)), None),
    (
        {"percent_price": PERCENT},
        order(STOP_LIMIT, side=Side.SELL, limit_price=Decimal("8.99"), stop_price=Decimal("9.5")),
        "price_outside",
    ),
    ({"percent_price": PERCENT}, order(STOP, stop_price=Decimal(30)), None),
    ({"min_notional": Decimal(11)}, order(), "notional_below_minimum"),
    ({"min_notional": Decimal(11), "average_minutes": 5}, order(), None),
    ({"min_notional": Decimal(11), "notional_at_market": False}, order(), None),
    ({"max_notional": Decimal(9)}, order(), "notional_above_maximum"),
    ({"max_orders": 2}, order(LIMIT, limit_price=Decimal(9)), "too_many_orders"),
    ({"max_orders": 2}, order(), None),
    ({"max_stops": 1}, order(STOP, stop_price=Decimal(9)), "too_many_stop_orders"),
    ({"max_stops": 1}, order(LIMIT, limit_price=Decimal(9)), None),
]


@pytest.mark.parametrize(("filters", "request_", "refused"), VERDICTS)
def test_each_filter_names_itself(
    filters: dict[str, Any], request_: OrderRequest, refused: str | None
) -> None:
    """M4.6, M6.1: last 10, average 12 over five minutes, two orders of which one is a stop rest."""
    instrument = replace(BTC, **filters)
    average = Decimal(12) if instrument.average_minutes else None
    quote = Quote(last=Decimal(10), average=average)
    resting = RestingCounts(orders=2, stops=1)
    told = refused_by(request_, instrument, quote, resting=resting)
    assert (told is None) if refused is None else (told or "").startswith(refused)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"min_notional": Decimal(10), "max_notional": Decimal(9)}, "min_notional 10 is more"),
        ({"min_price": Decimal(5), "max_price": Decimal(4)}, "no price is within 5 and 4"),
        ({"max_price": Decimal("0.001")}, "no price is within 0 and 0.001"),
        ({"min_quantity": Decimal(2), "max_quantity": Decimal(1)}, "no quantity of a market"),
        ({"market_lot": LotSize(maximum=Decimal("0.0001"))}, "no quantity of a market"),
        ({"order_types": frozenset({LIMIT})}, "market orders are not taken"),
        ({}, None),
    ],
)
def test_filters_that_exclude_each_other_are_said(
    filters: dict[str, Any], said: str | None
) -> None:
    """M4.6: an order that nothing satisfies is found before it is needed."""
    types = frozenset({OrderType.MARKET})
    symbol, spot = replace(BTC, **filters), PositionType.SPOT
    found = [words for _, words in contradictions(symbol, types=types, position_type=spot)]
    assert ([] if said is None else [True]) == [each.startswith(said or "") for each in found]


@pytest.mark.parametrize(
    ("trigger", "side", "kind"),
    [
        (TriggerPrice.LAST, PositionSide.LONG, PriceKind.LAST),
        (TriggerPrice.MARK, PositionSide.SHORT, PriceKind.MARK),
        (TriggerPrice.BID_ASK, PositionSide.LONG, PriceKind.BID),
        (TriggerPrice.BID_ASK, PositionSide.SHORT, PriceKind.ASK),
    ],
)
def test_a_position_ends_at_the_price_it_could_be_closed_at(
    trigger: TriggerPrice, side: PositionSide, kind: PriceKind
) -> None:
    """M4.7."""
    assert trigger.kind(side) is kind
