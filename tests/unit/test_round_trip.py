"""An entry is sized so that each order type it needs later can sell it again."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_sizing import instrument, size
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.filters import LotSize
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order_type import OrderType
from tradebotd.risk.round_trip import round_trip
from tradebotd.risk.sellable import sellable

LIMIT, MARKET, STOP = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET
MARKET_LOT = LotSize(step=Decimal("0.01"), minimum=Decimal("0.02"), maximum=Decimal(3))
WHOLE = LotSize(step=Decimal(1))


def traded(entry: OrderType, *exits: OrderType, **filters: Any) -> Instrument:
    return round_trip(replace(instrument(), **filters), entry, exits)


@pytest.mark.parametrize(
    ("met", "step", "least", "most"),
    [
        (traded(LIMIT, market_lot=MARKET_LOT), "0.001", "0", None),
        (traded(LIMIT, MARKET, market_lot=MARKET_LOT), "0.01", "0.02", None),
        (traded(MARKET, MARKET, market_lot=MARKET_LOT), "0.01", "0.02", "3"),
        (traded(MARKET, MARKET, STOP, stop_lot=WHOLE), "0.001", "0.001", None),
        (traded(MARKET, MARKET, stop_lot=WHOLE), "0.001", "0.001", None),
    ],
)
def test_an_entry_meets_its_own_lot_and_those_of_its_exits(
    met: Instrument, step: str, least: str, most: str | None
) -> None:
    """M4.6: no exit limits how much is bought; what no stop can sell is the daemon's."""
    assert (met.lot_size, met.min_quantity) == (Decimal(step), Decimal(least))
    assert met.max_quantity == (None if most is None else Decimal(most))


def test_a_notional_counts_where_an_order_of_the_round_trip_is_judged_by_it() -> None:
    """M4.6: reduce-only exits of futures are not."""
    not_at_market: dict[str, Any] = {"min_notional": Decimal(5), "notional_at_market": False}
    assert traded(MARKET, MARKET, **not_at_market).min_notional == 0
    assert traded(MARKET, MARKET, STOP, **not_at_market).min_notional == 5
    assert traded(LIMIT, MARKET, **not_at_market).min_notional == 5
    futures = round_trip(
        replace(instrument(), **not_at_market), MARKET, (MARKET, STOP), PositionType.FUTURES
    )
    assert futures.min_notional == 0


lots = st.none() | st.builds(
    LotSize,
    step=st.none() | st.sampled_from([Decimal("0.003"), Decimal("0.01"), Decimal("0.5")]),
    minimum=st.sampled_from([Decimal(0), Decimal("0.05"), Decimal(2)]),
)


@given(lots, lots, st.sampled_from([LIMIT, MARKET]), st.decimals("0.1", "5000", places=2))
def test_what_is_sized_leaves_nothing_at_the_market_and_lets_a_stop_rest(
    market_lot: LotSize | None, stop_lot: LotSize | None, entry: OrderType, value: Decimal
) -> None:
    """M4.6."""
    real = replace(instrument(), market_lot=market_lot, stop_lot=stop_lot)
    met = round_trip(real, entry, (MARKET, STOP))
    try:
        quantity = size(
            "fixed_notional", str(value), traded=met, cash="10000", equity="10000", stop="95"
        )
    except OrderDeniedError:
        return
    assert quantity % real.order(entry).lot_size == 0
    assert sellable(quantity, Decimal(95), real.order(MARKET)) == quantity
    assert stop_lot is not None or sellable(quantity, Decimal(95), real.order(STOP)) > 0


def test_shares_shrink_to_the_highest_notional_and_fixed_amounts_are_denied() -> None:
    """M4.6."""
    met = replace(instrument(), max_notional=Decimal(200))
    assert size("percent_equity", "50", traded=met) == 2
    with pytest.raises(OrderDeniedError) as denied:
        size("fixed_notional", "300", traded=met)
    assert denied.value.rule is DenialRule.ABOVE_FILTERS


def test_an_exit_above_the_highest_notional_sells_a_part_and_is_no_dust() -> None:
    """M4.6: what one lot alone is worth too much for is sent, and refused by its venue aloud."""
    met = replace(instrument(), max_notional=Decimal(200))
    assert sellable(Decimal(5), Decimal(100), met) == 2
    assert sellable(Decimal(5), None, met) == 5
    assert sellable(Decimal("0.003"), Decimal(300_000), met) == Decimal("0.001")
