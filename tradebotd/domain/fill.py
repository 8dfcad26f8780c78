"""One execution at a venue."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName
from tradebotd.domain.side import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """FIX ExecutionReport with ExecType Trade; identity is (venue, symbol, trade_id)."""

    venue: VenueName
    symbol: str
    trade_id: TradeId
    client_order_id: ClientOrderId
    side: Side
    quantity: Decimal  # FIX LastQty (32), base asset
    price: Decimal  # FIX LastPx (31), quote asset per unit
    fee: Decimal  # in fee_asset, positive when paid
    fee_asset: str
    executed_at: datetime
