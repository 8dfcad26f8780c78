"""What we need from a venue; every adapter must pass tests/contract/test_venue.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """Balances by asset, and futures positions by symbol (signed). Zeros are left out."""

    balances: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)


class Venue(Protocol):
    @property
    def name(self) -> VenueName: ...

    async def submit(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        """Send once. Raises OrderRejectedError, VenueUnavailableError, OutcomeUnknownError."""
        ...

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport | None:
        """The order with all its fills; None only when the venue says it has never seen the id."""
        ...

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Raises OrderRejectedError when there is nothing to cancel, else as `submit`."""
        ...

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        """Every fill of the account executed at or after *since*, oldest first."""
        ...

    async def account(self) -> VenueAccount: ...

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        """Last prices by our symbol, in one call where the venue has a batch call."""
        ...
