"""The simulated venue's own books: what was really executed, and for whom. No code of ours in it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side

VENUE = VenueName("simulated")
LIVE = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
OURS = "tb"


@dataclass
class VenueOrder:
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    request: OrderRequest
    at: datetime
    status: OrderStatus = OrderStatus.NEW
    reason: str | None = None
    fills: list[Fill] = field(default_factory=list)
    linked: str | None = None
    triggered: bool = False
    hidden_until: float = 0.0  # virtual seconds: "never seen" before

    @property
    def executed(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def left(self) -> Decimal:
        return self.request.quantity - self.executed

    def report(self, *, fills: int | None = None) -> OrderReport:
        """As the venue says it; *fills*: only so many of them are told yet."""
        told = self.fills if fills is None else self.fills[:fills]
        return OrderReport(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            status=self.status,
            filled_quantity=self.executed,
            reason=self.reason,
            at=self.at,
            fills=tuple(told),
            asked=self.request,
        )


@dataclass
class Ledger:
    """*fee_in_base*: buys pay their fee in what they bought (spot)."""

    instruments: dict[str, Instrument]
    cash: Decimal
    fee: Decimal
    fee_in_base: bool
    orders: dict[ClientOrderId, VenueOrder] = field(default_factory=dict)
    arrivals: list[tuple[ClientOrderId, datetime]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    balances: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    by_hand: dict[str, Decimal] = field(default_factory=dict)  # what somebody else bought
    tokens: list[str] = field(default_factory=list)  # orders that carried no current token

    def refusal(
        self, request: OrderRequest, price: Decimal, linked: str | None = None
    ) -> str | None:
        instrument = self.instruments.get(request.symbol)
        if instrument is None:
            return "unknown symbol"
        if request.quantity % instrument.lot_size or request.quantity <= 0:
            return "LOT_SIZE"
        if request.position_type is PositionType.FUTURES:
            return "ReduceOnly Order is rejected" if self._enlarges(request) else None
        held = self.balances.get(instrument.base_asset, Decimal(0))
        if request.side is Side.SELL:
            free = held - self._locked(request, linked)
            return None if request.quantity <= free else "insufficient balance"
        cost = request.quantity * price * (1 + self.fee)
        return None if cost <= self.cash else "insufficient balance"

    def _enlarges(self, request: OrderRequest) -> bool:
        held = self.positions.get(request.symbol, Decimal(0))
        return request.reduce_only and (held * request.side.sign >= 0)

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
                locked[key] = max(locked.get(key, Decimal(0)), each.left)
        return sum(locked.values(), Decimal(0))

    def execute(
        self, order: VenueOrder, quantity: Decimal, price: Decimal, at: datetime
    ) -> Fill | None:
        """None: reduce-only, and nothing is left to reduce."""
        request, instrument = order.request, self.instruments[order.request.symbol]
        futures = request.position_type is PositionType.FUTURES
        if futures and request.reduce_only:
            held = self.positions.get(request.symbol, Decimal(0)) * -request.side.sign
            quantity = min(quantity, max(held, Decimal(0)))
            if quantity <= 0:
                return None
        in_base = self.fee_in_base and not futures and request.side is Side.BUY
        fee = quantity * self.fee if in_base else quantity * price * self.fee
        fill = Fill(
            venue=VENUE,
            symbol=request.symbol,
            trade_id=TradeId(str(len(self.fills) + 1)),
            client_order_id=order.client_order_id,
            side=request.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=instrument.base_asset if in_base else instrument.quote_asset,
            executed_at=at,
        )
        self.fills.append(fill)
        order.fills.append(fill)
        change = quantity * request.side.sign
        if futures:
            self._add(self.positions, request.symbol, change)
            self.cash -= fee
        else:
            self._add(self.balances, instrument.base_asset, change - (fee if in_base else 0))
            self.cash -= change * price + (0 if in_base else fee)
        whole = order.executed >= request.quantity
        order.status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        return fill

    def hand_buys(self, symbol: str, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Somebody else's trade on the same account, paid with somebody else's money."""
        instrument = self.instruments[symbol]
        number = len(self.orders) + 1
        order = VenueOrder(
            client_order_id=ClientOrderId(f"web_{number}"),
            venue_order_id=VenueOrderId(f"v{number}"),
            request=OrderRequest(
                venue=VENUE,
                symbol=symbol,
                side=Side.BUY,
                type=OrderType.MARKET,
                time_in_force=TimeInForce.IOC,
                quantity=quantity,
            ),
            at=at,
        )
        self.orders[order.client_order_id] = order
        cash = self.cash
        fill = self.execute(order, quantity, price, at)
        self.cash = cash
        if fill is not None:
            kept = quantity - (fill.fee if fill.fee_asset == instrument.base_asset else Decimal(0))
            self._add(self.by_hand, instrument.base_asset, kept)

    def ours(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.client_order_id.startswith(OURS)]

    def held(self, symbol: str, kind: PositionType) -> Fraction:
        """What our orders left behind of it, signed."""
        if kind is PositionType.FUTURES:
            return Fraction(self.positions.get(symbol, Decimal(0)))
        asset = self.instruments[symbol].base_asset
        mine = self.balances.get(asset, Decimal(0)) - self.by_hand.get(asset, Decimal(0))
        return Fraction(mine)

    @staticmethod
    def _add(where: dict[str, Decimal], key: str, change: Decimal) -> None:
        where[key] = where.get(key, Decimal(0)) + change
