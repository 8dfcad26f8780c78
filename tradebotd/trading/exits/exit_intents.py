"""Exit orders, at the market, by a ladder step, or resting: built from intents."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.decimals import ZERO, floor_to_step
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import (
    expired,
    ladder_step,
    more_favourable,
    still_to_sell,
    tightest_stop,
    triggered,
)
from tradebotd.risk.resting_types import USUAL, RestingTypes, stop_limit_price
from tradebotd.risk.sellable import sellable

LEAST_MOVE = Decimal("0.0005")  # of the level: a trailing stop is not replaced at a venue for less


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitIntent:
    """Intent to end a position, with the position as it was when that was judged.

    `level`: what a price crossed (None: at the market). `price`: the one that crossed it, of the
    position's `trigger_kind`.
    """

    position: Position
    reason: CloseReason
    level: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingPair:
    """Orders resting at a venue for a position: a stop, with a target where both are linked.

    `quantity`: what both sell; less than is held where the venue's stops take whole lots only.
    `ends_at`: when they end by themselves; None: not at all.
    """

    reason: CloseReason  # of the stop
    stop: Decimal
    target: Decimal | None
    quantity: Decimal
    working_price: PriceKind = PriceKind.LAST
    types: RestingTypes = USUAL
    ends_at: datetime | None = None

    @property
    def has_limit(self) -> bool:
        """Return whether a price may run through the stop without filling it."""
        return self.types.stop is OrderType.STOP_LIMIT

    def fields(self, position: Position) -> Mapping[str, object]:
        """Return the fields of a log event about it."""
        return {
            "bot": position.bot,
            "symbol": position.symbol,
            "stop": self.stop,
            "target": self.target,
            "quantity": self.quantity,
            "working_price": self.working_price,
            "type": self.types.stop,
            "ends_at": self.ends_at,
        }

    def is_over(self, now: datetime) -> bool:
        """Return whether the day of the orders is over; nothing rests any more."""
        return self.ends_at is not None and self.ends_at <= now

    def covers(self, position: Position, exit_: ExitIntent) -> bool:
        """Return whether the price that met *exit_* has also met an order that rests."""
        if exit_.level is None or self.working_price is not position.trigger_kind:
            return False
        if exit_.reason is CloseReason.TAKE_PROFIT:
            by_last = self.types.target is OrderType.LIMIT  # whatever the stop is compared with
            if by_last and position.trigger_kind is not PriceKind.LAST:
                return False
            target, level = self.target, exit_.level  # nearer than the level, on a coarser tick
            return target is not None and more_favourable(position.side, level, target) == level
        return more_favourable(position.side, self.stop, exit_.level) == self.stop


def rejudged(exit_: ExitIntent, current: Position, at: datetime) -> ExitIntent:
    """Return *exit_* with the position as it is *current*.

    The caller may have waited since it was judged: for a quote, for another exit. Raises
    OrderDeniedError (`position_changed`) when the position has moved and would not end so any more:
    its step is taken, its stop was moved by an operator or by a fill, its plan is another.
    """
    if current.version == exit_.position.version:
        return replace(exit_, position=current)
    if exit_.reason is CloseReason.MAX_HOLDING:
        if expired(current.exits, current.opened_at, at):
            return replace(exit_, position=current)
        raise OrderDeniedError(
            DenialRule.POSITION_CHANGED, f"position {current.id} may be held for longer now"
        )
    price = exit_.level if exit_.price is None else exit_.price
    if price is None:  # a signal or an operator ends whatever is held
        return replace(exit_, position=current)
    hit = triggered(current.side, current, price)
    same_price = current.trigger_kind is exit_.position.trigger_kind
    if hit is None or not same_price or not _is_the_same(exit_, current, hit):
        raise OrderDeniedError(
            DenialRule.POSITION_CHANGED, f"{price:f} does not end position {current.id} so any more"
        )
    return replace(exit_, position=current, reason=hit[0], level=hit[1])


def _is_the_same(exit_: ExitIntent, current: Position, hit: tuple[CloseReason, Decimal]) -> bool:
    """Return whether *hit* still ends the position as *exit_* does.

    A stop ends all that is held, whichever it is; a target may be a step of a ladder.
    """
    target = CloseReason.TAKE_PROFIT
    if exit_.reason is target:
        done = exit_.position.ladder_done
        return hit == (exit_.reason, exit_.level) and current.ladder_done == done
    return hit[0] is not target


def unsellable(position: Position, price: Decimal | None, why: str = "") -> OrderDeniedError:
    """Return the denial of an exit of which nothing can be sold, worth *price* a unit."""
    at = "" if price is None else f" at {price:f}"
    return OrderDeniedError(
        DenialRule.BELOW_VENUE_MINIMUM,
        f"{position.venue} sells no {position.quantity:f} {position.symbol}{at}{why}",
    )


def market_exit(
    exit_: ExitIntent, position: Position, instrument: Instrument, price: Decimal | None = None
) -> OrderIntent:
    """Return the market exit of what is held now, worth *price* a unit (None: not known).

    Raises OrderDeniedError: nothing of it can be sold (`below_venue_minimum`), or only more than
    the ladder's step (`ladder_step_too_small`).
    """
    instrument = instrument.order(OrderType.MARKET)
    quantity, step = sellable_now(position, price, instrument), None
    if not quantity:
        raise unsellable(position, price)
    if exit_.reason is CloseReason.DUST:
        raise OrderDeniedError(
            DenialRule.POSITION_CHANGED, f"position {position.id} can be sold now"
        )
    if exit_.reason is CloseReason.TAKE_PROFIT and exit_.level is not None:
        step = ladder_step(
            position.exits,
            position.side,
            position.entry_price,
            position.ladder_done,
            instrument,
        )
    if step is not None:
        quantity = _step_quantity(position, step, quantity, price, instrument)
    return OrderIntent(
        request=_request(
            position,
            OrderType.MARKET,
            quantity,
            trigger=exit_.level,
            working_price=PriceKind.LAST if exit_.level is None else position.trigger_kind,
        ),
        bot=position.bot,
        role=OrderRole.EXIT,
        leverage=position.leverage,
        reason=exit_.reason,
        position_id=position.id,
        position_version=position.version,
        ladder_step=step,
    )


def sellable_now(position: Position, price: Decimal | None, instrument: Instrument) -> Decimal:
    """Return how much of what is held one exit at the market sells; zero: it is dust."""
    return _sellable_by(OrderType.MARKET, position, price, instrument)


def _sellable_by(
    kind: OrderType, position: Position, price: Decimal | None, instrument: Instrument
) -> Decimal:
    by_type, held_as = instrument.order(kind), position.position_type
    return sellable(position.quantity, price, by_type, position_type=held_as)


def _step_quantity(
    position: Position, step: int, most: Decimal, price: Decimal | None, instrument: Instrument
) -> Decimal:
    """Return what step *step* sells; *most* where the rest could not be sold at its own stop."""
    kind = position.position_type
    wanted = still_to_sell(position, step, instrument)
    quantity = sellable(wanted, price, instrument, position_type=kind)
    if not quantity:
        raise OrderDeniedError(
            DenialRule.LADDER_STEP_TOO_SMALL, f"step {step} is too small: {wanted:f}"
        )
    stop = tightest_stop(position.side, position)
    rest = replace(position, quantity=position.quantity - quantity)
    return quantity if sellable_now(rest, price if stop is None else stop, instrument) else most


def with_dust(
    intent: OrderIntent, position: Position, instrument: Instrument, dust: Decimal
) -> OrderIntent:
    """Return *intent* with so much of the *dust* of earlier positions as makes more whole lots.

    Spot only. A step of a ladder leaves the dust to the exit that ends the position.
    """
    instrument = instrument.order(OrderType.MARKET)
    request, most = intent.request, instrument.max_quantity
    ends = position.quantity - request.quantity < instrument.lot_size
    if dust <= 0 or not ends or request.position_type is PositionType.FUTURES:
        return intent
    quantity = position.quantity + dust
    if most is not None:
        quantity = min(quantity, most)
    quantity = floor_to_step(quantity, instrument.lot_size)
    if quantity <= request.quantity:
        return intent
    return replace(
        intent,
        request=replace(request, quantity=quantity),
        sweeps=max(quantity - position.quantity, ZERO),
    )


def pair_for(
    position: Position,
    instrument: Instrument,
    *,
    linked: bool,
    types: RestingTypes = USUAL,
    working_price: PriceKind = PriceKind.LAST,
) -> RestingPair | None:
    """Return what should rest; None without a stop, or if it sells less than the venue takes.

    Its quantity is whole lots of the stop's own type: what is left over is the daemon's to sell.
    Levels stand on the tick that was in force when they were set; orders, on the one that is now.
    """
    stop, trailing = position.stop_loss, position.trailing_stop
    if stop is None and trailing is None:
        return None
    tightest, reason = stop, CloseReason.STOP_LOSS
    if trailing is not None and (
        stop is None or more_favourable(position.side, stop, trailing) != stop
    ):
        tightest, reason = trailing, CloseReason.TRAILING_STOP
    if tightest is None or tightest <= 0 or types.stop is None:
        return None
    is_long = position.side is PositionSide.LONG
    tightest = instrument.price_up(tightest) if is_long else instrument.price_down(tightest)
    if tightest <= 0:
        return None
    worth = tightest
    if types.stop is OrderType.STOP_LIMIT:
        worth = stop_limit_price(position.side.exit, tightest, types.limit_offset, instrument)
    quantity = _sellable_by(types.stop, position, worth, instrument)
    if not quantity:
        return None
    linked = linked and types.target is not None and not position.exits.ladder
    return RestingPair(
        reason=reason,
        stop=tightest,
        target=_target(position, instrument) if linked else None,
        quantity=quantity,
        working_price=working_price,
        types=types,
    )


def _target(position: Position, instrument: Instrument) -> Decimal | None:
    """Return its level on a tick, no farther: a price that meets the level meets the order."""
    target = position.take_profit
    if target is None:
        return None
    is_long = position.side is PositionSide.LONG
    target = instrument.price_down(target) if is_long else instrument.price_up(target)
    return target if target > 0 else None


def near_enough(rests: RestingPair, wanted: RestingPair, side: PositionSide) -> bool:
    """Return whether what rests may stay: it is as wanted, or moving it is not worth a call.

    The latter is a trailing stop that would be only a little tighter. Until then our own check
    stands at the tighter one.
    """
    if not follows(rests, wanted, side):
        return False
    small = abs(wanted.stop - rests.stop) < wanted.stop * LEAST_MOVE
    return rests.stop == wanted.stop or small


def follows(rests: RestingPair, wanted: RestingPair, side: PositionSide) -> bool:
    """Return whether *wanted* is what rests, but for a stop that has trailed tighter."""
    if (rests.target, rests.quantity) != (wanted.target, wanted.quantity):
        return False
    if rests.working_price is not wanted.working_price:
        return False
    if (rests.types.stop, rests.types.stop_lasts) != (wanted.types.stop, wanted.types.stop_lasts):
        return False
    if rests.target is not None and rests.types.target is not wanted.types.target:
        return False
    if rests.stop == wanted.stop:
        return True
    tighter = more_favourable(side, rests.stop, wanted.stop) == wanted.stop
    return tighter and wanted.reason is CloseReason.TRAILING_STOP


def ends_too_early(rests: RestingPair, wanted: RestingPair, position: Position) -> bool:
    """Return whether what rests would end what *wanted* would not: sooner, elsewhere, or more."""
    side = position.side
    tighter = more_favourable(side, rests.stop, wanted.stop) != wanted.stop
    other_price = rests.working_price is not wanted.working_price
    other_target = rests.target is not None and rests.target != wanted.target
    capped = position.position_type is PositionType.FUTURES
    more = rests.quantity > position.quantity and not capped
    return tighter or other_price or other_target or more


def resting_exits(
    position: Position, pair: RestingPair, limit: Decimal | None = None
) -> list[OrderIntent]:
    """Return the orders of *pair*; *limit*: the second price of its stop, if that is a stop-limit.

    A target fills at its own price or better, by whichever type it rests.
    """
    types = pair.types
    if types.stop is None or (pair.has_limit and limit is None):
        raise ValueError(f"a {types.stop} stop without its limit")
    prices: dict[str, Decimal | None] = {"stop": pair.stop, "limit": limit}
    orders = [(types.stop, types.stop_lasts, pair.reason, prices)]
    if pair.target is not None and types.target is not None:
        prices = {
            "stop": None if types.target is OrderType.LIMIT else pair.target,
            "limit": None if types.target is OrderType.TAKE_PROFIT_MARKET else pair.target,
        }
        orders.append((types.target, types.target_lasts, CloseReason.TAKE_PROFIT, prices))
    return [
        OrderIntent(
            request=_request(
                position,
                kind,
                pair.quantity,
                lasts=lasts,
                working_price=PriceKind.LAST if of_order["stop"] is None else pair.working_price,
                **of_order,
            ),
            bot=position.bot,
            role=OrderRole.EXIT,
            leverage=position.leverage,
            reason=reason,
            position_id=position.id,
            position_version=position.version,
        )
        for kind, lasts, reason, of_order in orders
    ]


def _request(
    position: Position,
    kind: OrderType,
    quantity: Decimal,
    *,
    lasts: TimeInForce = TimeInForce.IOC,
    trigger: Decimal | None = None,
    stop: Decimal | None = None,
    limit: Decimal | None = None,
    working_price: PriceKind = PriceKind.LAST,
) -> OrderRequest:
    return OrderRequest(
        venue=position.venue,
        symbol=position.symbol,
        side=position.side.exit,
        type=kind,
        time_in_force=lasts,
        quantity=quantity,
        position_type=position.position_type,
        reduce_only=position.position_type is PositionType.FUTURES,
        trigger_price=trigger,
        stop_price=stop,
        limit_price=limit,
        working_price=working_price,
    )
