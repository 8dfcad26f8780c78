"""Fingerprints of orders that are stored: the same for ever, or each looks like another order."""

from decimal import Decimal

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.trading.execution.order_identity import request_fingerprint


def test_a_stored_fingerprint_is_that_of_the_same_request_today() -> None:
    """M5.1: computed while orders still told a leverage, of one at leverage 5."""
    request = OrderRequest(
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal("0.010"),
        position_type=PositionType.FUTURES,
        stop_price=Decimal("61900.00"),
        reduce_only=True,
    )

    assert request_fingerprint(request) == "11723b549b11e0cffe2cc966f3ea86d3"
