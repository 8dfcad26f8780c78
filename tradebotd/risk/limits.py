"""Pre-trade limits of the account. Only `approve_entry` and `approve_exit` approve an order."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradebotd.domain.bot import AccountLimits
from tradebotd.domain.decimals import ONE
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.order import OrderIntent, OrderRole
from tradebotd.domain.side import PositionSide
from tradebotd.risk.liquidation import is_liquidated_at, stop_is_beyond

_PROOF: Final = object()


@dataclass(frozen=True, slots=True)
class ApprovedOrder:
    """Proof that the limits were checked; placement accepts nothing else."""

    intent: OrderIntent
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("an ApprovedOrder comes from approve_entry or approve_exit only")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The account as it stands before the order, in its currency.

    `exposure`: notional of open positions and unsettled entries, which `open_positions` counts,
    too. `day_start_equity`: the day's first equity; `peak_equity`: the highest ever.
    """

    equity: Decimal
    exposure: Decimal
    open_positions: int
    orders_last_minute: int
    day_start_equity: Decimal
    peak_equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTerms:
    """Terms of one entry, from the bot and its symbol.

    `reference_price`: the last close, which the bot decided on; None: nothing to compare with.
    `stop` (the tightest in force) and `liquidation_price` are of the position as it would be
    opened. `max_notional`: of a position with the bot's leverage, in the quote asset. `rate`: price
    of one unit of the quote asset in the account's currency.
    """

    bot_orders_last_minute: int = 0
    max_bot_orders_per_minute: int | None = None
    reference_price: Decimal | None = None
    side: PositionSide = PositionSide.LONG
    stop: Decimal | None = None
    liquidation_price: Decimal | None = None
    max_leverage: int | None = None
    max_notional: Decimal | None = None
    rate: Decimal = ONE


NO_TERMS: Final = EntryTerms()


def approve_entry(
    intent: OrderIntent,
    price: Decimal,
    state: AccountState,
    limits: AccountLimits,
    terms: EntryTerms = NO_TERMS,
) -> ApprovedOrder:
    """Check an entry at *price* against the account. Raises OrderDeniedError."""
    if intent.role is not OrderRole.ENTRY:
        raise ValueError(f"an {intent.role} is not approved as an entry")
    reached = reached_account_limit(state, limits)
    if reached is not None:
        raise OrderDeniedError(*reached)
    _check_terms(intent, price, limits, terms)
    if state.open_positions >= limits.max_open_positions:
        raise OrderDeniedError(
            DenialRule.MAX_OPEN_POSITIONS,
            f"{state.open_positions} of {limits.max_open_positions} are open",
        )
    if state.orders_last_minute >= limits.max_orders_per_minute:
        raise OrderDeniedError(
            DenialRule.MAX_ORDERS_PER_MINUTE,
            f"{state.orders_last_minute} of {limits.max_orders_per_minute} were made",
        )
    _check_bot_rate(terms)
    exposure = state.exposure + intent.request.quantity * price * terms.rate
    if exposure > limits.max_exposure * state.equity:
        raise OrderDeniedError(
            DenialRule.MAX_EXPOSURE,
            f"{exposure} would be over {limits.max_exposure} of {state.equity}",
        )
    return ApprovedOrder(intent, _PROOF)


def approve_exit(intent: OrderIntent) -> ApprovedOrder:
    """Approve an exit. Exits always pass: no limit may keep a losing position open."""
    if intent.role is not OrderRole.EXIT:
        raise ValueError(f"an {intent.role} is not approved as an exit")
    return ApprovedOrder(intent, _PROOF)


def reached_account_limit(
    state: AccountState, limits: AccountLimits
) -> tuple[DenialRule, str] | None:
    """Return (rule, detail) of the loss limit that stops all entries, or None.

    A limit that is met exactly is reached.
    """
    lost_today = state.day_start_equity - state.equity
    if lost_today > 0 and lost_today >= limits.max_daily_loss * state.day_start_equity:
        return DenialRule.MAX_DAILY_LOSS, f"{lost_today} lost since {state.day_start_equity}"
    drawdown = state.peak_equity - state.equity
    if drawdown > 0 and drawdown >= limits.max_drawdown * state.peak_equity:
        return DenialRule.MAX_DRAWDOWN, f"{drawdown} below the peak {state.peak_equity}"
    return None


def _check_terms(
    intent: OrderIntent, price: Decimal, limits: AccountLimits, terms: EntryTerms
) -> None:
    request = intent.request
    asked = request.limit_price or price
    reference = terms.reference_price
    if reference is not None and abs(asked - reference) > limits.price_collar * reference:
        raise OrderDeniedError(
            DenialRule.PRICE_COLLAR,
            f"{asked} is more than {limits.price_collar:%} from {reference}",
        )
    if terms.max_leverage is not None and intent.leverage > terms.max_leverage:
        raise OrderDeniedError(
            DenialRule.MAX_LEVERAGE, f"{intent.leverage} where {terms.max_leverage} is allowed"
        )
    notional = request.quantity * asked
    if terms.max_notional is not None and notional > terms.max_notional:
        raise OrderDeniedError(
            DenialRule.LEVERAGE_BRACKET,
            f"{notional} with leverage {intent.leverage}, where {terms.max_notional} is allowed",
        )
    liquidation = terms.liquidation_price
    if stop_is_beyond(terms.side, terms.stop, liquidation):
        raise OrderDeniedError(
            DenialRule.STOP_BEYOND_LIQUIDATION,
            f"the stop {terms.stop} lies beyond the liquidation at {liquidation}",
        )
    if is_liquidated_at(terms.side, asked, liquidation):
        raise OrderDeniedError(
            DenialRule.LIQUIDATED_AT_ONCE,
            f"it would be liquidated at {liquidation}, entered at {asked}",
        )


def _check_bot_rate(terms: EntryTerms) -> None:
    most = terms.max_bot_orders_per_minute
    if most is not None and terms.bot_orders_last_minute >= most:
        raise OrderDeniedError(
            DenialRule.BOT_MAX_ORDERS_PER_MINUTE,
            f"{terms.bot_orders_last_minute} of {most} were made",
        )
