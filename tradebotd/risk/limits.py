"""Pre-trade limits of the account. Only `approve_entry` and `approve_exit` approve an order."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradebotd.domain.bot import AccountLimits
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.order import OrderIntent, OrderRole

_PROOF: Final = object()


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """Proof that the limits were asked; placement accepts nothing else."""

    intent: OrderIntent
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("an ApprovedOrder comes from approve_entry or approve_exit only")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The account as it stands before the order, in its currency.

    `exposure`: notional of open positions and unsettled entries, which `open_positions` counts too.
    `day_start_equity`: the day's first; `peak_equity`: the highest ever.
    """

    equity: Decimal
    exposure: Decimal
    open_positions: int
    orders_last_minute: int
    day_start_equity: Decimal
    peak_equity: Decimal


def approve_entry(
    intent: OrderIntent, price: Decimal, state: AccountState, limits: AccountLimits
) -> ApprovedOrder:
    """Check an entry at *price* against the account. Raises OrderDeniedError."""
    if intent.role is not OrderRole.ENTRY:
        raise ValueError(f"an {intent.role} is not approved as an entry")
    _check_losses(state, limits)
    if state.open_positions >= limits.max_open_positions:
        raise OrderDeniedError(
            "max_open_positions", f"{state.open_positions} of {limits.max_open_positions} are open"
        )
    if state.orders_last_minute >= limits.max_orders_per_minute:
        raise OrderDeniedError(
            "max_orders_per_minute",
            f"{state.orders_last_minute} of {limits.max_orders_per_minute} were made",
        )
    exposure = state.exposure + intent.request.quantity * price
    if exposure > limits.max_exposure * state.equity:
        raise OrderDeniedError(
            "max_exposure", f"{exposure} would be over {limits.max_exposure} of {state.equity}"
        )
    return ApprovedOrder(intent, _PROOF)


def approve_exit(intent: OrderIntent) -> ApprovedOrder:
    """Exits always pass: no limit may hold a loss open."""
    if intent.role is not OrderRole.EXIT:
        raise ValueError(f"an {intent.role} is not approved as an exit")
    return ApprovedOrder(intent, _PROOF)


def _check_losses(state: AccountState, limits: AccountLimits) -> None:
    """A limit counts as reached when it is met exactly."""
    lost_today = state.day_start_equity - state.equity
    if lost_today > 0 and lost_today >= limits.max_daily_loss * state.day_start_equity:
        raise OrderDeniedError(
            "max_daily_loss", f"{lost_today} lost since {state.day_start_equity}"
        )
    drawdown = state.peak_equity - state.equity
    if drawdown > 0 and drawdown >= limits.max_drawdown * state.peak_equity:
        raise OrderDeniedError("max_drawdown", f"{drawdown} below the peak {state.peak_equity}")
