"""Which fills of orders that nobody knows may be those of an order in doubt."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.side import Side
from tradebotd.storage.order_searches import Doubt
from tradebotd.trading.reconciliation.unknown_fills import CLOCK_TOLERANCE, LATE, evidence

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
OURS = ClientOrderId("ours")


def fill(
    quantity: str = "1",
    *,
    name: str | None = None,
    number: str | None = "7",
    side: Side = Side.BUY,
    symbol: str = "BTCUSDT",
    at: datetime = NOON,
    trade: str = "t1",
    forced: Forced | None = None,
) -> Fill:
    return Fill(
        venue=VenueName("v"),
        symbol=symbol,
        trade_id=TradeId(trade),
        client_order_id=None if name is None else ClientOrderId(name),
        venue_order_id=None if number is None else VenueOrderId(number),
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal(0),
        fee_asset="USDT",
        executed_at=at,
        forced=forced,
    )


def doubt(*, inferred: bool = False) -> Doubt:
    return Doubt(
        client_order_id=OURS,
        symbol="BTCUSDT",
        side=Side.BUY,
        missing=Decimal(1),
        created_at=NOON,
        is_inferred_absent=inferred,
    )


@pytest.mark.parametrize(
    ("told", "for_whom"),
    [
        (fill(), {OURS}),
        (fill("0.4"), {OURS}),
        (fill("1.1"), set()),
        (fill(number=None), {OURS}),
        (fill(name="theirs"), {OURS}),
        (fill("0.4", name="theirs"), set()),
        (fill(side=Side.SELL), set()),
        (fill(symbol="ETHUSDT"), set()),
        (fill(at=NOON - CLOCK_TOLERANCE), {OURS}),
        (fill(at=NOON - CLOCK_TOLERANCE - timedelta(seconds=1)), set()),
        (fill(forced=Forced.LIQUIDATION), set()),
    ],
)
def test_what_may_be_ours_is_of_its_side_time_and_size(
    told: Fill, for_whom: set[ClientOrderId]
) -> None:
    """R4: without a name as much as we sent at most; by another name exactly that."""
    assert evidence([told], [doubt()]).keys() == for_whom


def test_the_parts_of_one_order_of_the_venue_count_together() -> None:
    """R5: 0.7 and 0.7 of one order are more than we sent; of two orders each may be ours."""
    one = [fill("0.7"), fill("0.7", trade="t2")]
    two = [fill("0.7"), fill("0.7", trade="t2", number="8")]

    assert evidence(one, [doubt()]) == {}
    assert evidence(two, [doubt()]) == {OURS: two}


def test_what_was_inferred_absent_may_have_been_executed_for_an_hour() -> None:
    """R4: later it would be a market order that lay for an hour."""
    assert evidence([fill(at=NOON + LATE)], [doubt(inferred=True)]) != {}
    late = fill(at=NOON + LATE + timedelta(seconds=1))
    assert evidence([late], [doubt(inferred=True)]) == {}
    assert evidence([late], [doubt()]) != {}
