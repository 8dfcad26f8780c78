"""Money that a futures position pays or receives while it is held."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """A funding payment; identity is (venue, payment_id). `amount` received, negative when paid."""

    venue: VenueName
    payment_id: str
    symbol: str
    amount: Decimal
    asset: str
    paid_at: datetime
