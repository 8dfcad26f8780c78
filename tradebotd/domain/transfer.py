"""Money that comes into an account, or leaves it, otherwise than by trading."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Identity is (venue, transfer_id). `amount` is received; negative when it left.

    `at`: when the balance changed.
    """

    venue: VenueName
    transfer_id: str
    asset: str
    amount: Decimal
    at: datetime
