"""A simulated venue's own books: what was really executed, and for whom. No code of ours in it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from tests.simulation.filters import refusal
from tests.simulation.plan import FeeIn
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.side import Side

NEW: Final = OrderStatus.NEW
LIVE: Final = frozenset({NEW, OrderStatus.PARTIALLY_FILLED})
OURS: Final = "tb"
FORCED: Final = {
    "autoclose-": Forced.LIQUIDATION,
    "adl_autoclose": Forced.ADL,
    "settlement_autoclose-": Forced.SETTLEMENT,
}
ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.00000001")  # what a balance is counted in


@dataclass
class VenueOrder:
    """*triggered*: a stop that was met, and whose rest is filled at the next prices.

    *replaced_by*: the order that was promised in its place; that one is `pending_new` until then,
    which is told as `new`, and neither rests nor holds anything.
    """

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    request: OrderRequest
    at: datetime
    status: OrderStatus = OrderStatus.NEW
    reason: str | None = None
    fills: list[Fill] = field(default_factory=list)
    linked: str | None = None
    triggered: bool = False
    run_through: bool = False  # a stop whose price went beyond its limit before it was filled
    rested: bool = False
    hidden_until: float = 0.0  # virtual seconds: "never seen" before
    by_hand: bool = False  # cancelled by somebody else
    forgotten: bool = False  # refused, and the venue keeps nothing of it: nobody can ask for it
    replaced_by: ClientOrderId | None = None

    @property
    def executed(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def left(self) -> Decimal:
        return self.request.quantity - self.executed

    @property
    def is_ours(self) -> bool:
        return self.client_order_id.startswith(OURS)

    @property
    def is_forced(self) -> bool:
        return self.forced is not None

    @property
    def forced(self) -> Forced | None:
        """As the venue's own names say it."""
        kinds = (kind for name, kind in FORCED.items() if self.client_order_id.startswith(name))
        return next(kinds, None)

    def report(self, *, fills: int | None = None) -> OrderReport:
        """As the venue says it; *fills*: only so many of them are told yet."""
        told = self.fills if fills is None else self.fills[:fills]
        return OrderReport(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            status=NEW if self.status is OrderStatus.PENDING_NEW else self.status,
            filled_quantity=self.executed,
            reason=self.reason,
            at=self.at,
            fills=tuple(told),
            asked=self.request,
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """One change of a balance. *kind*: trade, fee, gain, funding, transfer; *ref*: of what."""

    at: datetime
    asset: str
    amount: Decimal
    kind: str
    ref: str
    ours: bool


@dataclass
class FuturesPosition:
    """One-way, isolated. *cost* is what the quantity (signed) was opened for, signed alike."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    leverage: int = 1

    @property
    def entry_price(self) -> Decimal:
        return self.cost / self.quantity

    @property
    def margin(self) -> Decimal:
        return abs(self.cost) / self.leverage

    def take(self, change: Decimal, price: Decimal, leverage: int) -> Decimal:
        """Add a signed *change* at *price*; what it gains."""
        gained = ZERO
        if self.quantity * change < 0:
            closing = min(abs(change), abs(self.quantity))
            sign = 1 if self.quantity > 0 else -1
            part = self.cost * closing / abs(self.quantity)
            gained = sign * closing * price - part
            self.quantity -= sign * closing
            self.cost -= part
            change += sign * closing
        if change:
            self.leverage = leverage
            self.quantity += change
            self.cost += change * price
        return gained


@dataclass
class Ledger:
    """*balances*: every asset, money included. *by_hand*: what somebody else's trades made of it.

    *before_us*: what of that was there when we looked for the first time. *strict*: it refuses what
    a real venue refuses.
    """

    venue: VenueName
    instruments: dict[str, Instrument]
    balances: dict[str, Decimal]
    maker: Decimal
    taker: Decimal
    fee_in: FeeIn
    third: str
    strict: bool
    orders: dict[ClientOrderId, VenueOrder] = field(default_factory=dict)
    arrivals: list[tuple[ClientOrderId, datetime]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    positions: dict[str, FuturesPosition] = field(default_factory=dict)
    by_hand: dict[str, Decimal] = field(default_factory=dict)  # of coins, and of futures by symbol
    began_with: dict[str, Decimal] = field(default_factory=dict)
    before_us: dict[str, Decimal] = field(default_factory=dict)
    leverages: dict[str, int] = field(default_factory=dict)  # as symbols were set up

    def __post_init__(self) -> None:
        self.began_with = dict(self.balances)

    def leverage(self, symbol: str) -> int:
        return self.leverages.get(symbol, 1)

    def set_leverage(self, symbol: str, leverage: int) -> str | None:
        """Why not; what is set already is taken, whatever is held."""
        if leverage > self.instruments[symbol].max_leverage:
            return f"Leverage {leverage} is not valid"
        rests = any(
            each.request.symbol == symbol and each.status in LIVE for each in self.orders.values()
        )
        if leverage != self.leverage(symbol) and (rests or self.held_futures(symbol)):
            return "Leverage cannot change while there are positions or orders"
        self.leverages[symbol] = leverage
        return None

    def refusal(
        self, request: OrderRequest, price: Decimal, linked: str | None = None
    ) -> str | None:
        instrument = self.instruments.get(request.symbol)
        if instrument is None:
            return "unknown symbol"
        if self.strict or request.quantity % instrument.lot_size or request.quantity <= 0:
            reason = refusal(request, price, instrument)
            if reason is not None:
                return reason
        if request.position_type is PositionType.FUTURES:
            return self._no_margin(request, price, instrument)
        held = self.balances.get(instrument.base_asset, ZERO)
        if request.side is Side.SELL:
            free = held - self._locked(request, linked)
            return None if request.quantity <= free else "insufficient balance"
        cost = request.quantity * (request.limit_price or price)
        return None if cost <= self.free(instrument.quote_asset) else "insufficient balance"

    def _no_margin(
        self, request: OrderRequest, price: Decimal, instrument: Instrument
    ) -> str | None:
        held = self.held_futures(request.symbol)
        if request.reduce_only:
            return "ReduceOnly Order is rejected" if held * request.side.sign >= 0 else None
        if not self.strict:
            return None
        opening = max(request.quantity - max(-held * request.side.sign, ZERO), ZERO)
        notional = opening * (request.limit_price or price)
        needed = notional / self.leverage(request.symbol) + notional * max(self.taker, ZERO)
        return None if needed <= self.free(instrument.quote_asset) else "Margin is insufficient"

    def free(self, asset: str) -> Decimal:
        """Money that no margin and no resting buy holds."""
        held = self.balances.get(asset, ZERO)
        for symbol, position in self.positions.items():
            if self.instruments[symbol].quote_asset == asset:
                held -= position.margin
        for each in self.orders.values():
            asked = each.request
            if each.status not in LIVE or asked.limit_price is None or asked.reduce_only:
                continue
            spends = asked.side is Side.BUY or asked.position_type is PositionType.FUTURES
            if spends and self.instruments[asked.symbol].quote_asset == asset:
                held -= each.left * asked.limit_price / self.leverage(asked.symbol)
        return held

    def held_futures(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return ZERO if position is None else position.quantity

    def _locked(self, request: OrderRequest, linked: str | None) -> Decimal:
        """Spot: what rests to be sold already; one of linked orders counts for all of them."""
        locked: dict[str, Decimal] = {}
        for each in self.orders.values():
            asked = each.request
            resting = each.status in LIVE and asked.symbol == request.symbol
            if resting and asked.side is Side.SELL and asked.position_type is PositionType.SPOT:
                key = each.linked or each.client_order_id
                if key == linked:
                    continue
                locked[key] = max(locked.get(key, ZERO), each.left)
        return sum(locked.values(), ZERO)

    def execute(
        self,
        order: VenueOrder,
        quantity: Decimal,
        price: Decimal,
        at: datetime,
        third_price: Decimal = ZERO,
    ) -> Fill | None:
        """None: reduce-only, and nothing is left to reduce. *third_price*: of the fee's asset."""
        request, instrument = order.request, self.instruments[order.request.symbol]
        futures = request.position_type is PositionType.FUTURES
        if futures and request.reduce_only:
            held = self.held_futures(request.symbol) * -request.side.sign
            quantity = min(quantity, max(held, ZERO))
            if quantity <= 0:
                return None
        fee, asset = self._fee(order, quantity, price, third_price)
        fill = Fill(
            venue=self.venue,
            symbol=request.symbol,
            trade_id=TradeId(str(len(self.fills) + 1)),
            client_order_id=order.client_order_id,
            side=request.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=asset,
            executed_at=at,
            forced=order.forced,
        )
        self.fills.append(fill)
        order.fills.append(fill)
        self._change_hands(order, fill, instrument)
        whole = order.executed >= request.quantity
        order.status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        return fill

    def _fee(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, third_price: Decimal
    ) -> tuple[Decimal, str]:
        request, instrument = order.request, self.instruments[order.request.symbol]
        rate = self.maker if order.rested and order.request.limit_price is not None else self.taker
        fee = quantity * price * rate
        if self.fee_in == "third" and third_price > 0:
            in_third = (fee / third_price).quantize(CENT)
            if in_third <= self.balances.get(self.third, ZERO):
                return in_third, self.third
        spot = request.position_type is PositionType.SPOT
        if self.fee_in == "base" and spot and request.side is Side.BUY:
            return quantity * rate, instrument.base_asset
        return fee, instrument.quote_asset

    def _change_hands(self, order: VenueOrder, fill: Fill, instrument: Instrument) -> None:
        change = fill.quantity * fill.side.sign
        ours, ref = order.is_ours or order.is_forced, fill.trade_id
        if order.request.position_type is PositionType.FUTURES:
            position = self.positions.setdefault(fill.symbol, FuturesPosition())
            gained = position.take(change, fill.price, self.leverage(fill.symbol))
            self._flow(fill.executed_at, instrument.quote_asset, gained, "gain", ref, ours=ours)
            subject = fill.symbol
        else:
            money = -change * fill.price
            self._flow(fill.executed_at, instrument.base_asset, change, "trade", ref, ours=ours)
            self._flow(fill.executed_at, instrument.quote_asset, money, "trade", ref, ours=ours)
            subject = instrument.base_asset
        self._flow(fill.executed_at, fill.fee_asset, -fill.fee, "fee", ref, ours=ours)
        if not ours:
            kept = change - (fill.fee if fill.fee_asset == instrument.base_asset else ZERO)
            self.by_hand[subject] = self.by_hand.get(subject, ZERO) + kept

    def pay(self, at: datetime, asset: str, amount: Decimal, kind: str, ref: str) -> None:
        """Funding (ours) or a transfer."""
        self._flow(at, asset, amount, kind, ref, ours=kind == "funding")

    def _flow(
        self, at: datetime, asset: str, amount: Decimal, kind: str, ref: str, *, ours: bool
    ) -> None:
        if amount:
            self.flows.append(Flow(at, asset, amount, kind, ref, ours))
            self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def ours(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_ours]

    def held(self, symbol: str, kind: PositionType) -> Fraction:
        """What our orders left behind of it, signed."""
        if kind is PositionType.FUTURES:
            return Fraction(self.held_futures(symbol) - self.by_hand.get(symbol, ZERO))
        asset = self.instruments[symbol].base_asset
        began = self.began_with.get(asset, ZERO) + self.before_us.get(asset, ZERO)
        return Fraction(self.balances.get(asset, ZERO) - began - self.by_hand.get(asset, ZERO))
