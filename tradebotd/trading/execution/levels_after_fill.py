"""Position after a fill: its levels, its ladder, its liquidation price. Pure."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.position import Position, PositionTotals
from tradebotd.risk.exit_levels import (
    levels_for,
    more_favourable,
    still_to_sell,
    target_in_force,
    with_break_even,
    with_trailing_stop,
)
from tradebotd.risk.liquidation import liquidation_price
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import LockedPosition

_NO_POSITION: Final = PositionId(0)


def entered(
    stored: StoredOrder,
    fill: Fill,
    locked: LockedPosition | None,
    books: PositionTotals,
    instrument: Instrument,
) -> Position:
    """Return the position after an entry fill, with the levels of the new average price.

    The best price stays, and a trailing stop never loosens.
    """
    order, plan = stored.order, stored.exits or ExitPlan()
    side, entry, best, done = books.side, books.entry_price, books.entry_price, 0
    step_sold = ZERO if locked is None else locked.position.step_sold
    if locked is not None:
        former = locked.position
        best, plan, done = (
            more_favourable(side, former.best_price, best),
            former.exits,
            former.ladder_done,
        )
    levels = levels_for(plan, side, entry, instrument, ladder_done=done)
    if locked is not None:
        levels = replace(levels, trailing_stop=locked.position.trailing_stop)
        levels = with_trailing_stop(side, plan, levels, best, instrument)
        levels = with_break_even(plan, side, entry, best, levels, instrument)
    is_futures = stored.position_type is PositionType.FUTURES
    leverage = stored.leverage if locked is None else locked.position.leverage
    return Position(
        id=_NO_POSITION if locked is None else locked.position.id,
        bot=order.bot,
        venue=order.venue,
        symbol=order.symbol,
        side=books.side,
        position_type=stored.position_type,
        quantity=books.quantity,
        entry_price=books.entry_price,
        opened_at=fill.executed_at if locked is None else locked.position.opened_at,
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        trailing_stop=levels.trailing_stop,
        best_price=best,
        exits=plan,
        version=1 if locked is None else locked.position.version + 1,
        entry_quantity=books.entry_quantity,
        ladder_done=done,
        step_sold=step_sold,
        leverage=leverage,
        liquidation_price=liquidation_price(side, entry, leverage, instrument, books.quantity)
        if is_futures
        else None,
    )


def after_partial_exit(
    stored: StoredOrder,
    sold: Decimal,
    position: Position,
    quantity: Decimal,
    instrument: Instrument,
) -> Position:
    """Return the position after a partial exit.

    The next step of a ladder becomes the target once the whole quantity of this one is sold.
    """
    remaining = replace(position, quantity=quantity, version=position.version + 1)
    if position.liquidation_price is not None:
        remaining = replace(remaining, liquidation_price=_liquidation(remaining, instrument))
    step = stored.ladder_step
    if step is None or step <= position.ladder_done:
        return remaining
    remaining = replace(remaining, step_sold=position.step_sold + sold)
    return (
        remaining
        if still_to_sell(remaining, step, instrument)
        else with_ladder_steps(remaining, step, instrument)
    )


def _liquidation(position: Position, instrument: Instrument) -> Decimal | None:
    """Return the liquidation price: a smaller notional may fall into a bracket with less margin."""
    return liquidation_price(
        position.side, position.entry_price, position.leverage, instrument, position.quantity
    )


def with_ladder_steps(
    position: Position, done: int, instrument: Instrument, carried: Decimal = ZERO
) -> Position:
    """Return *position* with *done* steps of its ladder taken; *carried* joins the next one."""
    target = target_in_force(position.exits, position.side, position.entry_price, done, instrument)
    return replace(position, ladder_done=done, step_sold=-carried, take_profit=target)
