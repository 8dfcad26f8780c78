"""Exit levels of a position, on the tick, and which of them a price has met. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tradebotd.domain.decimals import (
    ONE,
    ZERO,
    floor_to_step,
    round_down_to_tick,
    round_up_to_tick,
)
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.side import PositionSide


class Levels(Protocol):
    """Prices on the tick: an `ExitLevels`, or a position itself where thousands are read."""

    @property
    def stop_loss(self) -> Decimal | None: ...

    @property
    def take_profit(self) -> Decimal | None: ...

    @property
    def trailing_stop(self) -> Decimal | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitLevels:
    """Prices on the tick. `take_profit` is the next step of the ladder while one remains."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None

    @classmethod
    def of(cls, position: Position) -> "ExitLevels":
        return cls(
            stop_loss=position.stop_loss,
            take_profit=position.take_profit,
            trailing_stop=position.trailing_stop,
        )


@dataclass(frozen=True, slots=True, order=True)
class TrailDistance:
    """Distance of a trailing stop: a fraction of the best price, or an amount in quote asset."""

    fraction: Decimal = ZERO
    amount: Decimal = ZERO

    @classmethod
    def of(cls, plan: ExitPlan) -> "TrailDistance | None":
        """Return the distance of a plan, or None when it does not trail.

        Raises ValueError when the plan's range was never measured.
        """
        if plan.trailing_stop is not None:
            return cls(fraction=plan.trailing_stop)
        amount = in_quote(plan.trailing_stop_atr, plan)
        return None if amount is None else cls(amount=amount)

    def level(self, side: PositionSide, best_price: Decimal, tick_size: Decimal) -> Decimal:
        """Return the stop behind *best_price*, rounded toward it."""
        raw = best_price * (ONE - side.sign * self.fraction) - side.sign * self.amount
        return _on_tick(side, raw, tick_size)


def levels_for(
    plan: ExitPlan,
    side: PositionSide,
    entry_price: Decimal,
    instrument: Instrument,
    *,
    ladder_done: int = 0,
) -> ExitLevels:
    """Return the levels of a position just entered; its trailing stop starts at the entry price.

    A stop is rounded toward the entry: closer than asked by less than a tick, never wider. A target
    is rounded away from it. Raises ValueError when the plan needs a range that was not measured.
    """
    tick_size, distance = instrument.tick_size, TrailDistance.of(plan)
    return ExitLevels(
        stop_loss=_stop_loss(plan, side, entry_price, tick_size),
        take_profit=target_in_force(plan, side, entry_price, ladder_done, instrument),
        trailing_stop=None if distance is None else distance.level(side, entry_price, tick_size),
    )


def target_in_force(
    plan: ExitPlan,
    side: PositionSide,
    entry_price: Decimal,
    ladder_done: int,
    instrument: Instrument,
) -> Decimal | None:
    """Return the nearer of the ladder's next step and the take-profit; None if neither is left."""
    tick_size = instrument.tick_size
    final = plan.take_profit_price
    if final is None:
        final = _away(plan.take_profit, plan.take_profit_atr, plan, side, entry_price, tick_size)
    if ladder_done >= len(plan.ladder):
        return final
    step = _level(side, entry_price, side.sign * plan.ladder[ladder_done].at, tick_size)
    return step if final is None else _nearer(side, step, final)


def ladder_step(
    plan: ExitPlan,
    side: PositionSide,
    entry_price: Decimal,
    ladder_done: int,
    instrument: Instrument,
) -> int | None:
    """Return the step (from 1) that the target in force takes; None when it takes all."""
    if ladder_done >= len(plan.ladder):
        return None
    step = _level(side, entry_price, side.sign * plan.ladder[ladder_done].at, instrument.tick_size)
    in_force = target_in_force(plan, side, entry_price, ladder_done, instrument)
    return ladder_done + 1 if in_force == step else None


def step_quantity(
    plan: ExitPlan,
    step: int,
    entry_quantity: Decimal,
    held: Decimal,
    lot_size: Decimal,
    sold: Decimal = ZERO,
) -> Decimal:
    """Return what step *step* (from 1) has still to sell: whole lots, no more than is held.

    *sold*: quantity of the step already sold (`Position.step_sold`). Returns zero when less than a
    lot of it is left. The last step of a ladder that sells everything also takes what rounding down
    has left of the others.
    """
    whole = floor_to_step(held, lot_size)
    if step == len(plan.ladder) and sum(step.share for step in plan.ladder) >= ONE:
        return whole
    share = floor_to_step(plan.ladder[step - 1].share * entry_quantity, lot_size)
    return max(min(floor_to_step(share - sold, lot_size), whole), ZERO)


def still_to_sell(position: Position, step: int, instrument: Instrument) -> Decimal:
    """Return what ladder step *step* (from 1) has yet to sell: whole lots, at most what is held."""
    return step_quantity(
        position.exits,
        step,
        position.entry_quantity,
        position.quantity,
        instrument.lot_size,
        position.step_sold,
    )


def break_even_price(
    plan: ExitPlan, side: PositionSide, entry_price: Decimal, tick_size: Decimal
) -> Decimal | None:
    """Return the price at which the stop moves; None when the plan has no break-even."""
    if plan.break_even is None:
        return None
    return _level(side, entry_price, side.sign * plan.break_even.at, tick_size)


def break_even_stop(
    plan: ExitPlan, side: PositionSide, entry_price: Decimal, tick_size: Decimal
) -> Decimal | None:
    """Return the stop after the move: at most a tick on the losing side of the entry."""
    if plan.break_even is None:
        return None
    return _level(side, entry_price, side.sign * plan.break_even.lock, tick_size)


def with_break_even(
    plan: ExitPlan,
    side: PositionSide,
    entry_price: Decimal,
    best_price: Decimal,
    levels: ExitLevels,
    instrument: Instrument,
) -> ExitLevels:
    """Return *levels* with the break-even move, if *best_price* has earned it; it only tightens."""
    at = break_even_price(plan, side, entry_price, instrument.tick_size)
    stop = break_even_stop(plan, side, entry_price, instrument.tick_size)
    if at is None or stop is None or more_favourable(side, best_price, at) != best_price:
        return levels
    if levels.stop_loss is not None:
        stop = more_favourable(side, stop, levels.stop_loss)
    return replace(levels, stop_loss=stop)


def in_quote(multiple: Decimal | None, plan: ExitPlan) -> Decimal | None:
    """Return *multiple* average true ranges as an amount of the quote asset.

    Raises ValueError when the plan's range was never measured.
    """
    if multiple is None:
        return None
    if plan.atr is None:
        raise ValueError("the average true range of this plan was never measured")
    return multiple * plan.atr


def more_favourable(side: PositionSide, one: Decimal, other: Decimal) -> Decimal:
    """Return the more favourable price: the higher for a long. Of two stops: the tighter."""
    return max(one, other) if side is PositionSide.LONG else min(one, other)


def tightest_stop(side: PositionSide, levels: Levels) -> Decimal | None:
    """Return the stop that an adverse price meets first; None when there is none."""
    stop, trailing = levels.stop_loss, levels.trailing_stop
    if stop is None or trailing is None:
        return trailing if stop is None else stop
    return more_favourable(side, stop, trailing)


def with_trailing_stop(
    side: PositionSide,
    plan: ExitPlan,
    levels: ExitLevels,
    best_price: Decimal,
    instrument: Instrument,
) -> ExitLevels:
    """Return *levels* with the trailing stop that *best_price* gives; it only ever tightens."""
    distance = TrailDistance.of(plan)
    if distance is None:
        return levels
    level = distance.level(side, best_price, instrument.tick_size)
    if levels.trailing_stop is not None:
        level = more_favourable(side, level, levels.trailing_stop)
    return replace(levels, trailing_stop=level)


def triggered(
    side: PositionSide, levels: Levels, price: Decimal
) -> tuple[CloseReason, Decimal] | None:
    """Return the reason and the level that *price* has met; of several, the one met first.

    That is the stop nearest to where the price came from. The stop-loss wins a tie.
    """
    is_long = side is PositionSide.LONG
    hit: tuple[CloseReason, Decimal] | None = None
    for reason, level in (
        (CloseReason.STOP_LOSS, levels.stop_loss),
        (CloseReason.TRAILING_STOP, levels.trailing_stop),
    ):
        if level is None or (price > level if is_long else price < level):
            continue
        if hit is None or (level > hit[1] if is_long else level < hit[1]):
            hit = (reason, level)
    if hit is not None:
        return hit
    target = levels.take_profit
    if target is not None and (price >= target if is_long else price <= target):
        return CloseReason.TAKE_PROFIT, target
    return None


def expired(plan: ExitPlan, opened_at: datetime, now: datetime) -> bool:
    """Return whether the holding time is over; both instants are in market time."""
    return plan.max_holding is not None and now - opened_at >= plan.max_holding


def _stop_loss(
    plan: ExitPlan, side: PositionSide, entry_price: Decimal, tick_size: Decimal
) -> Decimal | None:
    if plan.stop_loss_price is not None:
        return plan.stop_loss_price
    amount = in_quote(plan.stop_loss_atr, plan)
    if amount is not None:
        return _on_tick(side, entry_price - side.sign * amount, tick_size)
    if plan.stop_loss is None:
        return None
    return _level(side, entry_price, -side.sign * plan.stop_loss, tick_size)


def _away(
    fraction: Decimal | None,
    multiple: Decimal | None,
    plan: ExitPlan,
    side: PositionSide,
    entry_price: Decimal,
    tick_size: Decimal,
) -> Decimal | None:
    amount = in_quote(multiple, plan)
    if amount is not None:
        return _on_tick(side, entry_price + side.sign * amount, tick_size)
    if fraction is None:
        return None
    return _level(side, entry_price, side.sign * fraction, tick_size)


def _nearer(side: PositionSide, one: Decimal, other: Decimal) -> Decimal:
    """Return the target, of two, that the price meets first."""
    return min(one, other) if side is PositionSide.LONG else max(one, other)


def _level(side: PositionSide, price: Decimal, change: Decimal, tick_size: Decimal) -> Decimal:
    """Return *price* moved by the fraction *change*."""
    return _on_tick(side, price * (ONE + change), tick_size)


def _on_tick(side: PositionSide, raw: Decimal, tick_size: Decimal) -> Decimal:
    """Round up to the tick for longs, down for shorts."""
    if side is PositionSide.LONG:
        return round_up_to_tick(raw, tick_size)
    return round_down_to_tick(raw, tick_size)
