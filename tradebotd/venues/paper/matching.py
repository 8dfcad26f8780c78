"""What a market order costs at the paper venue, and what it does to the books. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import BASIS_POINT, ONE, ZERO
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.storage.paper_books import PaperPosition

INSUFFICIENT_BALANCE: Final = "insufficient balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """`[venues.paper]`: cash by asset, fees as fractions of the notional, the rest in bps."""

    starting_cash: Mapping[str, Decimal]
    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0004")
    slippage_bps: Decimal = ONE
    spread_bps: Decimal = ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a fill changes: balances by asset, and the futures position it leaves."""

    price: Decimal
    fee: Decimal
    changes: Mapping[str, Decimal]
    position: PaperPosition | None = None


def fill_price(
    request: OrderRequest, prices: LastPrices, instrument: Instrument, terms: PaperTerms
) -> Decimal:
    """The trigger price if the path went through it, else the current one; then against the trader.

    Worse by half the spread and the slippage, rounded to the tick against the trader too.
    """
    price = prices.current
    if request.trigger_price is not None:
        low, high = sorted((prices.previous, prices.current))
        if low <= request.trigger_price <= high:
            price = request.trigger_price
    worse = (terms.spread_bps / 2 + terms.slippage_bps) * BASIS_POINT
    if request.side is Side.BUY:
        return instrument.price_up(price * (ONE + worse))
    return max(instrument.price_down(price * (ONE - worse)), instrument.tick_size)


def execute(
    request: OrderRequest,
    price: Decimal,
    instrument: Instrument,
    taker: Decimal,
    balances: Mapping[str, Decimal],
    positions: Iterable[PaperPosition],
) -> Execution | str:
    """The fill's effect, or why it is refused."""
    held = {position.symbol: position for position in positions}
    # What margins hold cannot be spent. All positions are taken to share the quote asset: one
    # account has one, and where it has not, this errs on the strict side.
    margins = sum((_margin(position) for position in held.values()), ZERO)
    cash = balances.get(instrument.quote_asset, ZERO)
    if request.position_type is PositionType.SPOT:
        return _spot(request, price, instrument, taker, balances, cash - margins)
    return _futures(request, price, instrument, taker, cash, held)


def moved(
    position: PaperPosition, change: Decimal, price: Decimal
) -> tuple[PaperPosition, Decimal]:
    """The position after *change* (signed) at *price*, and the P&L that this realized."""
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
    taker: Decimal,
    balances: Mapping[str, Decimal],
    free: Decimal,
) -> Execution | str:
    notional = request.quantity * price
    fee = notional * taker
    base, quote = instrument.base_asset, instrument.quote_asset
    if request.side is Side.BUY:
        if notional + fee > free:
            return INSUFFICIENT_BALANCE
        changes = {base: request.quantity, quote: -notional - fee}
    else:
        if request.quantity > balances.get(base, ZERO):
            return INSUFFICIENT_BALANCE
        changes = {base: -request.quantity, quote: notional - fee}
    return Execution(price=price, fee=fee, changes=changes)


def _futures(
    request: OrderRequest,
    price: Decimal,
    instrument: Instrument,
    taker: Decimal,
    cash: Decimal,
    held: Mapping[str, PaperPosition],
) -> Execution | str:
    nothing = PaperPosition(request.symbol, ZERO, price, request.leverage)
    before = held.get(request.symbol, nothing)
    change = request.quantity * request.side.sign
    reduces = before.quantity * change < 0 and request.quantity <= abs(before.quantity)
    if request.reduce_only and not reduces:
        return "reduce-only, and there is no such position to reduce"
    if not reduces:
        before = PaperPosition(before.symbol, before.quantity, before.entry_price, request.leverage)
    after, realized = moved(before, change, price)
    fee = request.quantity * price * taker
    if not reduces:
        others = sum((_margin(p) for p in held.values() if p.symbol != request.symbol), ZERO)
        if others + _margin(after) > cash + realized - fee:
            return INSUFFICIENT_BALANCE
    return Execution(
        price=price,
        fee=fee,
        changes={instrument.quote_asset: realized - fee},
        position=after,
    )


def _margin(position: PaperPosition) -> Decimal:
    return abs(position.quantity) * position.entry_price / position.leverage
