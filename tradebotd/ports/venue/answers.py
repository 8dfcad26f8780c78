"""Answers of a venue: balances, orders that were looked up, commissions, its clock and stream."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.order import OrderReport


class OrderLookup(NamedTuple):
    """Answer to a lookup; `report` is None when all `endpoints` have never seen the id."""

    report: OrderReport | None
    endpoints: frozenset[str]
    venue_time: datetime  # the venue's clock when it answered; comparable with host time


class Replaced(NamedTuple):
    """Answer to a replacement. `old` None: the venue does not tell; the caller looks it up.

    The stream tells of orders that were linked to the old one.
    """

    new: OrderReport
    old: OrderReport | None = None


class Balance(NamedTuple):
    """Balance of one asset. `locked`: its part held by resting orders, ours or external."""

    total: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        """Quantity that can be sold or spent now."""
        return self.total - self.locked


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """Balances by asset, and futures positions by symbol (signed). Zeros are left out.

    `balances` are totals: what a resting order holds is still owned. Whoever compares holdings
    compares these; a venue that tells free and locked has the sum of both.

    `buying_power` by asset: the notional that new orders may have, where the venue tells it; less
    than free cash where the account is restricted, more where it may borrow. `margin_used` by
    asset: held by futures positions and their orders. `hedge_mode`: positions of both sides of one
    symbol may exist at once; `positions` cannot say which, and nothing is traded there.
    `wrong_modes`: why nothing may be entered as the account is set up now, in words; none where all
    is as it was at the start. Its positions are what they are said to be.
    """

    balances: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    entry_prices: dict[str, Decimal] = field(default_factory=dict)  # by symbol, where reported
    buying_power: dict[str, Decimal] = field(default_factory=dict)
    margin_used: dict[str, Decimal] = field(default_factory=dict)
    hedge_mode: bool = False
    wrong_modes: tuple[str, ...] = ()

    def balance(self, asset: str) -> Balance:
        return Balance(total=self.balances.get(asset, ZERO), locked=self.locked.get(asset, ZERO))


class Commission(NamedTuple):
    """Fractions of the notional of one symbol. `asset` None: the quote asset is charged.

    `in_base`: a buy is charged in what it buys, so less is held than was bought.
    """

    maker: Decimal
    taker: Decimal
    asset: str | None = None
    in_base: bool = False


class SymbolSetup(NamedTuple):
    """Set-up of futures of one symbol: told once before its first order, never on an order."""

    leverage: int = 1
    isolated: bool = True
    one_way: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueClock:
    """The venue's clock and market. `is_open` None: it has no sessions, or does not tell."""

    time: datetime
    is_open: bool | None = None
    next_open: datetime | None = None
    next_close: datetime | None = None


class KeyVerdict(NamedTuple):
    """Verdict on an API key: why nothing may be traded with it, and what is said at each start."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class StreamState(NamedTuple):
    """The order stream's state. `gap_since`: what happened from then on may not have been told.

    Connected with a gap: subscribed again, and what was missed must be asked for.
    """

    connected: bool
    gap_since: datetime | None = None


StreamListener = Callable[[StreamState], Awaitable[None]]
