"""Cost of an order at the paper venue, and the effect of its fill on the books. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import BASIS_POINT, ONE, ZERO
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.ports.venue import Replacement, SelfTrade
from tradebotd.storage.paper_books import PaperPosition

INSUFFICIENT_BALANCE: Final = "insufficient balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """Terms of `[venues.paper]`: cash by asset, fees as fractions of the notional, the rest in bps.

    `fee_in_base`: a buy's fee is taken from what was bought. `funding_rate`: fraction of the
    notional that longs pay to shorts, each `funding_every` of market time on the UTC grid.
    `order_types`: those that are taken (None: all); `stop_time_in_force`: the one that orders with
    a stop price must have. `latency`: market time that an order is on its way before it meets a
    price. `depth_notional`: what one price trades at most, in the quote asset (None: everything).
    """

    starting_cash: Mapping[str, Decimal]
    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0004")
    slippage_bps: Decimal = ONE
    spread_bps: Decimal = ONE
    fee_in_base: bool = False
    funding_rate: Decimal = ZERO
    funding_every: timedelta = timedelta(hours=8)
    resting_stops: bool = True
    replacement: Replacement = Replacement.REPLACE
    self_trade: SelfTrade = SelfTrade.NEVER
    order_types: frozenset[OrderType] | None = None
    stop_time_in_force: TimeInForce = TimeInForce.GTC
    latency: timedelta = timedelta()
    depth_notional: Decimal | None = None

    @property
    def base_fee(self) -> Decimal:
        """Fraction of a spot buy that is kept as its fee. A rebate is paid in the quote asset."""
        return max(self.maker, self.taker, ZERO) if self.fee_in_base else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Amounts held by resting orders, by asset: they can be neither sold nor spent."""

    by_asset: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, asset: str) -> Decimal:
        return self.by_asset.get(asset, ZERO)


NOTHING_LOCKED: Final = Locked()


class Execution(NamedTuple):
    """Effect of a fill: changes of balances by asset, and the futures position that results."""

    price: Decimal
    fee: Decimal
    fee_asset: str
    changes: Mapping[str, Decimal]
    position: PaperPosition | None = None


def fill_price(
    request: OrderRequest,
    prices: LastPrices,
    compared: LastPrices | None,
    instrument: Instrument,
    terms: PaperTerms,
) -> Decimal:
    """Return the trigger price if the path went through it, else the current one, both worsened.

    Over a gap the current price is the first one there is. Worsened by half the spread and the
    slippage, then rounded to the tick, both against the trader. *compared*: the prices that met the
    trigger price.
    """
    level, price = request.trigger_price, None
    if level is not None:
        price = taken_at(level, request, compared, instrument, terms)
    return worsened(request.side, prices.current, instrument, terms) if price is None else price


def taken_at(
    level: Decimal,
    request: OrderRequest,
    compared: LastPrices | None,
    instrument: Instrument,
    terms: PaperTerms,
) -> Decimal | None:
    """Return what a taker gets at *level*; None if nothing could be traded there.

    The path of the *compared* prices must have gone through it, and they must be prices of trades:
    the last ones, or what the side trades at itself (a sell the bid, a buy the ask), which are half
    the spread from the last price already. Nothing is traded at a mark.
    """
    if compared is None or not compared.went_through(level):
        return None
    if request.working_price is PriceKind.LAST:
        return worsened(request.side, level, instrument, terms)
    own = PriceKind.BID if request.side is Side.SELL else PriceKind.ASK
    if request.working_price is not own:
        return None
    return worsened(request.side, level, instrument, replace(terms, spread_bps=ZERO))


def worsened(side: Side, price: Decimal, instrument: Instrument, terms: PaperTerms) -> Decimal:
    """Return *price* as a taker gets it."""
    worse = (terms.spread_bps / 2 + terms.slippage_bps) * BASIS_POINT
    if side is Side.BUY:
        return instrument.price_up(price * (ONE + worse))
    return max(instrument.price_down(price * (ONE - worse)), instrument.tick_size)


def execute(
    request: OrderRequest,
    price: Decimal,
    instrument: Instrument,
    fee_rate: Decimal,
    balances: Mapping[str, Decimal],
    positions: Iterable[PaperPosition],
    *,
    locked: Locked = NOTHING_LOCKED,
    fee_in_base: bool = False,
    leverage: int = 1,
) -> Execution | str:
    """The fill's effect, or why it is refused. *leverage*: of futures, as the symbol is set up."""
    held = {position.symbol: position for position in positions}
    # What margins hold cannot be spent. All positions are taken to share the quote asset: one
    # account has one, and where it has not, this errs on the strict side.
    margins = sum((margin_of(position) for position in held.values()), ZERO)
    cash = balances.get(instrument.quote_asset, ZERO) - locked.of(instrument.quote_asset)
    if request.position_type is PositionType.SPOT:
        inventory = balances.get(instrument.base_asset, ZERO) - locked.of(instrument.base_asset)
        return _spot(
            request, price, instrument, fee_rate, inventory, cash - margins, fee_in_base=fee_in_base
        )
    nothing = PaperPosition(request.symbol, ZERO, price, leverage)
    return _futures(request, price, instrument, fee_rate, cash, held, nothing=nothing)


def moved(
    position: PaperPosition, change: Decimal, price: Decimal
) -> tuple[PaperPosition, Decimal]:
    """Return the position after *change* (signed) at *price*, and the P&L that this realized."""
    held, entry = position.quantity, position.entry_price
    total = held + change
    if held * change >= 0:
        average = (held * entry + change * price) / total
        return PaperPosition(position.symbol, total, average, position.leverage), ZERO
    closed = min(abs(held), abs(change)).copy_sign(held)
    realized = closed * (price - entry)
    if total * held < 0:
        entry = price  # through zero: the rest is a new position
    return PaperPosition(position.symbol, total, entry, position.leverage), realized


def _spot(
    request: OrderRequest,
    price: Decimal,
    instrument: Instrument,
    fee_rate: Decimal,
    inventory: Decimal,
    free: Decimal,
    *,
    fee_in_base: bool,
) -> Execution | str:
    notional = request.quantity * price
    fee = notional * fee_rate
    base, quote = instrument.base_asset, instrument.quote_asset
    if request.side is Side.SELL:
        if request.quantity > inventory:
            return INSUFFICIENT_BALANCE
        changes = {base: -request.quantity, quote: notional - fee}
        return Execution(price=price, fee=fee, fee_asset=quote, changes=changes)
    if fee_in_base and fee_rate > 0:
        if notional > free:
            return INSUFFICIENT_BALANCE
        fee = request.quantity * fee_rate
        changes = {base: request.quantity - fee, quote: -notional}
        return Execution(price=price, fee=fee, fee_asset=base, changes=changes)
    if notional + fee > free:
        return INSUFFICIENT_BALANCE
    changes = {base: request.quantity, quote: -notional - fee}
    return Execution(price=price, fee=fee, fee_asset=quote, changes=changes)


def _futures(
    request: OrderRequest,
    price: Decimal,
    instrument: Instrument,
    fee_rate: Decimal,
    cash: Decimal,
    held: Mapping[str, PaperPosition],
    *,
    nothing: PaperPosition,
) -> Execution | str:
    """*nothing*: what is held where nothing is, with the leverage that an order has."""
    before = held.get(request.symbol, nothing)
    change = request.quantity * request.side.sign
    reduces = before.quantity * change < 0 and request.quantity <= abs(before.quantity)
    if request.reduce_only and not reduces:
        return "reduce-only, and there is no such position to reduce"
    if not reduces:
        before = PaperPosition(before.symbol, before.quantity, before.entry_price, nothing.leverage)
    after, realized = moved(before, change, price)
    fee = request.quantity * price * fee_rate
    if not reduces:
        others = sum((margin_of(p) for p in held.values() if p.symbol != request.symbol), ZERO)
        if others + margin_of(after) > cash + realized - fee:
            return INSUFFICIENT_BALANCE
    return Execution(
        price=price,
        fee=fee,
        fee_asset=instrument.quote_asset,
        changes={instrument.quote_asset: realized - fee},
        position=after,
    )


def margin_of(position: PaperPosition) -> Decimal:
    return abs(position.quantity) * position.entry_price / position.leverage
