"""Transfers: money that enters or leaves an account other than by trading."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import VenueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer; identity is (venue, transfer_id). `amount` received, negative when it left.

    `at`: when the balance changed.
    """

    venue: VenueName
    transfer_id: str
    asset: str
    amount: Decimal
    at: datetime
