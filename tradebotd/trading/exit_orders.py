"""What is asked of a venue to end a position: at the market, by a step, by orders that rest."""

from dataclasses import dataclass
from decimal import Decimal

from tradebotd.domain.decimals import floor_to_step
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason, Position
from tradebotd.risk.exits import better, ladder_step, step_quantity

STEP_BELOW_LOT = "ladder_step_below_lot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A position that must end: why, and the level a price crossed (None: at the market)."""

    position: Position
    reason: CloseReason
    level: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What rests at a venue for a position: a stop, and with it a target where both are linked."""

    reason: CloseReason  # of the stop
    stop: Decimal
    target: Decimal | None
    quantity: Decimal

    def covers(self, position: Position, each: Exit) -> bool:
        """Whether the price that met *each* has met an order that rests, too."""
        if each.level is None:
            return False
        if each.reason is CloseReason.TAKE_PROFIT:
            return self.target == each.level
        return better(position.side, self.stop, each.level) == self.stop


def market_exit(each: Exit, position: Position, instrument: Instrument) -> OrderIntent:
    """Of what is held now. Raises OrderDeniedError below a lot, also of a ladder's step."""
    quantity, step = floor_to_step(position.quantity, instrument.lot_size), None
    if each.reason is CloseReason.TAKE_PROFIT and each.level is not None:
        step = ladder_step(
            position.exits,
            position.side,
            position.entry_price,
            position.ladder_done,
            instrument,
        )
    if step is not None:
        quantity = step_quantity(
            position.exits, step, position.entry_quantity, position.quantity, instrument.lot_size
        )
        if quantity <= 0:
            raise OrderDeniedError(STEP_BELOW_LOT, f"step {step} is less than a lot")
    if quantity <= 0:
        raise OrderDeniedError("below_lot_size", f"{position.quantity} is less than a lot")
    return OrderIntent(
        request=_request(position, OrderType.MARKET, quantity, trigger=each.level),
        bot=position.bot,
        role=OrderRole.EXIT,
        reason=each.reason,
        position_id=position.id,
        ladder_step=step,
    )


def guard_for(position: Position, instrument: Instrument, *, linked: bool) -> Guard | None:
    """None: there is no stop to rest, or less than a lot to sell."""
    quantity = floor_to_step(position.quantity, instrument.lot_size)
    stop, trailing = position.stop_loss, position.trailing_stop
    if quantity <= 0 or (stop is None and trailing is None):
        return None
    tightest, reason = stop, CloseReason.STOP_LOSS
    if trailing is not None and (stop is None or better(position.side, stop, trailing) != stop):
        tightest, reason = trailing, CloseReason.TRAILING_STOP
    if tightest is None or tightest <= 0:
        return None
    target = position.take_profit if linked and not position.exits.ladder else None
    return Guard(reason=reason, stop=tightest, target=target, quantity=quantity)


def resting_exits(position: Position, guard: Guard) -> list[OrderIntent]:
    orders = [(OrderType.STOP_MARKET, guard.reason, guard.stop)]
    if guard.target is not None:
        orders.append((OrderType.TAKE_PROFIT_MARKET, CloseReason.TAKE_PROFIT, guard.target))
    return [
        OrderIntent(
            request=_request(position, kind, guard.quantity, stop=price),
            bot=position.bot,
            role=OrderRole.EXIT,
            reason=reason,
            position_id=position.id,
        )
        for kind, reason, price in orders
    ]


def _request(
    position: Position,
    kind: OrderType,
    quantity: Decimal,
    *,
    trigger: Decimal | None = None,
    stop: Decimal | None = None,
) -> OrderRequest:
    return OrderRequest(
        venue=position.venue,
        symbol=position.symbol,
        side=position.side.exit,
        type=kind,
        time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        quantity=quantity,
        position_type=position.position_type,
        reduce_only=position.position_type is PositionType.FUTURES,
        trigger_price=trigger,
        stop_price=stop,
    )
