"""Plan of an entry before its size: the price, the exits, and reasons against it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.bot import BotSpec, EntryKind, SizingKind
from tradebotd.domain.candle import Candle
from tradebotd.domain.decimals import ONE, plain
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import (
    ExitLevels,
    in_quote,
    levels_for,
    tightest_stop,
    triggered,
)
from tradebotd.risk.liquidation import liquidation_price
from tradebotd.trading.entries.atr import average_true_range


class EntryPlan(NamedTuple):
    """Plan of an entry.

    `price`: where it should fill; `limit_price`: where it rests, None for a market order. `exits`
    has the range it was measured with. `stop`: the tightest one in force from the entry on.
    `levels`: the exits' prices. `stop_distance`: possible loss per unit.
    """

    side: PositionSide
    price: Decimal
    limit_price: Decimal | None
    reference_price: Decimal | None
    exits: ExitPlan
    levels: ExitLevels
    stop: Decimal | None
    stop_distance: Decimal | None


def plan_entry(
    spec: BotSpec,
    instrument: Instrument,
    side: PositionSide,
    price: Decimal,
    candles: Sequence[Candle],
) -> EntryPlan:
    """Plan an entry at *price*.

    *candles*: closed ones of the bot's timeframe, whose last close it decided on. Raises
    OrderDeniedError: too few candles for a range, a stop that the tick cannot tell from the entry,
    an exit at no price.
    """
    limit_price = _limit_price(spec, instrument, side, price)
    expected = price if limit_price is None else limit_price
    exits = spec.exits
    if exits.needs_atr:
        exits = replace(exits, atr=average_true_range(candles, exits.atr_period))
    levels = levels_for(exits, side, expected, instrument)
    _check_distances(exits, expected, instrument)
    for level in (levels.stop_loss, levels.trailing_stop, levels.take_profit):
        if level is not None and level <= 0:
            raise OrderDeniedError(
                DenialRule.EXIT_BELOW_ZERO, f"an exit at {level} would never be met"
            )
    return EntryPlan(
        side=side,
        price=expected,
        limit_price=limit_price,
        reference_price=Decimal(repr(candles[-1].close)) if candles else None,
        exits=exits,
        levels=levels,
        stop=tightest_stop(side, levels),
        stop_distance=_stop_distance(spec, candles, expected, levels.stop_loss),
    )


def check_not_met(plan: EntryPlan, price: Decimal | None) -> None:
    """Raise OrderDeniedError if *price* has met an exit of *plan* already.

    *price*: of the kind that will end the position; None: that is not known. Where the spread is
    wider than the distance of the stop, or the mark is beyond it, the position would be ended by
    the next quote, and entered again. A limit entry fills nearer to its stop than the price is now.
    """
    levels = plan.levels if plan.limit_price is None else replace(plan.levels, take_profit=None)
    if price is None:
        return
    met = triggered(plan.side, levels, price)
    if met is not None:
        kind = plan.exits.trigger_price.kind(plan.side)
        raise OrderDeniedError(
            DenialRule.EXIT_MET,
            f"the {kind} price {plain(price)} has met the {met[0].replace('_', '-')}"
            f" at {plain(met[1])}",
        )


def liquidation_of(
    plan: EntryPlan, spec: BotSpec, instrument: Instrument, quantity: Decimal
) -> Decimal | None:
    """Return the price at which *quantity* would be liquidated; None for spot."""
    if spec.position_type is not PositionType.FUTURES:
        return None
    return liquidation_price(plan.side, plan.price, spec.leverage, instrument, quantity)


def _limit_price(
    spec: BotSpec, instrument: Instrument, side: PositionSide, price: Decimal
) -> Decimal | None:
    """Return the limit price on the tick, never worse than asked; None for a market order.

    A buy rests below the price, a sell above it.
    """
    if spec.entry.kind is EntryKind.MARKET:
        return None
    asked = price * (ONE - side.sign * spec.entry.offset)
    is_long = side is PositionSide.LONG
    on_tick = instrument.price_down(asked) if is_long else instrument.price_up(asked)
    if on_tick <= 0:
        raise OrderDeniedError(DenialRule.PRICE_BELOW_TICK, f"{asked} is less than a tick")
    return on_tick


def _check_distances(exits: ExitPlan, price: Decimal, instrument: Instrument) -> None:
    for fraction, multiple in (
        (exits.stop_loss, exits.stop_loss_atr),
        (exits.trailing_stop, exits.trailing_stop_atr),
    ):
        distance = in_quote(multiple, exits) if fraction is None else fraction * price
        if distance is not None and distance < instrument.tick_size:
            raise OrderDeniedError(
                DenialRule.STOP_WITHIN_TICK,
                f"a stop {distance} from {price} is closer than the tick, {instrument.tick_size}",
            )


def _stop_distance(
    spec: BotSpec, candles: Sequence[Candle], price: Decimal, stop_loss: Decimal | None
) -> Decimal | None:
    if spec.sizing.kind is SizingKind.ATR:
        return spec.sizing.multiple * average_true_range(candles, spec.sizing.period)
    return None if stop_loss is None else abs(price - stop_loss)
