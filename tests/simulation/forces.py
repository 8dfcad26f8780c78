"""What befalls the account at a venue by no order of ours: hands, funding, force, transfers."""

import random
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final

from tests.simulation.ledger import LIVE, FuturesPosition
from tests.simulation.street import Street
from tests.simulation.switches import Draw
from tests.simulation.venue import SimulatedVenue
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import Side

ZERO: Final = Decimal(0)
FUNDING_RATE: Final = Decimal("0.0003")
SETTLED: Final = 0.2  # of the forced closes of what is sound: a contract that is delivered
CENT: Final = Decimal("0.01")


@dataclass
class Forces:
    """*taken*: (venue, coin or futures symbol) where somebody took or may have taken what is ours.

    *cancelled*: our orders that somebody else cancelled.
    """

    venue: SimulatedVenue
    street: Street
    chance: random.Random
    taken: set[tuple[str, str]] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    _numbers: int = 0
    _funded: int = 0

    @property
    def _mine(self) -> list[str]:
        return sorted(
            each.name
            for each in self.street.plan.markets
            if each.instrument.venue == self.venue.name
        )

    def act(self) -> None:
        """Once a second, behind the market's move. Funding and liquidation know no calm."""
        self._fund()
        self._liquidate()
        if not self.street.faults.on:
            return
        if Draw.FORCED in self.street.plan.on:
            self._deleverage()
        if self.chance.random() < self.street.plan.hands:
            self._hand()
        if self.chance.random() < self.street.plan.transfers:
            self._transfer()

    # Somebody else

    def _hand(self) -> None:
        if not self._mine:
            return  # nothing is traded at this venue
        symbol = self.chance.choice(self._mine)
        if not self.venue.has_coins:
            self._cancel()
            return
        if Draw.HANDS not in self.street.plan.on or self.chance.random() < 0.4:
            self._trade(symbol, Side.BUY, "hand")
            return
        if self.chance.random() < 0.5:
            self._trade(symbol, Side.SELL, "hand sells")
            return
        self._cancel()

    def _cancel(self) -> None:
        ours = [
            order
            for order in self.venue.ledger.orders.values()
            if order.is_ours and order.status in LIVE
        ]
        if ours:
            order = self.chance.choice(ours)
            order.by_hand = True
            self.cancelled.add(order.client_order_id)
            self.venue.cancel(order)
            self.street.record.say("hand cancels", order.client_order_id)

    def _trade(self, symbol: str, side: Side, what: str) -> None:
        """Spot coins, of which a sale takes what is free, be it ours."""
        ledger, market = self.venue.ledger, self.street.market(symbol)
        lot, price = market.instrument.lot_size, self.street.prices[symbol]
        quantity = Decimal(self.chance.randint(1, 500)) / 10 / price / market.worth // lot * lot
        if side is Side.SELL:
            quantity = min(quantity, ledger.balances.get(market.instrument.base_asset, ZERO))
            quantity = quantity // lot * lot
        request = self._request(symbol, side, quantity, PositionType.SPOT)
        if quantity <= 0 or ledger.refusal(request, price) is not None:
            return
        self._execute("web_", request, price)
        self.street.record.say(what, symbol)
        if side is Side.SELL:
            self.taken.add((self.venue.name, market.instrument.base_asset))

    def _transfer(self) -> None:
        """Money comes, or as much as is free goes."""
        ledger = self.venue.ledger
        asset = self.chance.choice(sorted(set(ledger.balances) & {"USDT", "EUR", "JPY"}))
        share = Decimal(self.chance.choice(["-0.5", "-0.1", "0.1", "1"]))
        amount = (ledger.began_with.get(asset, ZERO) * share).quantize(CENT)
        amount = max(amount, -ledger.free(asset).quantize(CENT, ROUND_DOWN))
        if amount:
            self._numbers += 1
            self.venue.transfer(asset, amount, f"transfer {self._numbers}")
            self.street.record.say("transfer", f"{amount} {asset}")

    # The venue

    def _fund(self) -> None:
        every = self.street.plan.funding_every
        if every is None or self.street.time.monotonic() // every <= self._funded:
            return
        self._funded = int(self.street.time.monotonic() // every)
        for symbol, position in sorted(self.venue.ledger.positions.items()):
            if position.quantity:
                self._numbers += 1
                rate = FUNDING_RATE * self.chance.choice([1, 1, -1])
                ref = f"{symbol} {self._numbers}"
                self.venue.fund(symbol, rate, ref)
                self.street.record.say("funding", ref)

    def _liquidate(self) -> None:
        """Isolated margin: at what the margin less the maintenance has lost."""
        if Draw.FORCED not in self.street.plan.on or self.venue.liquidates_itself:
            return
        for symbol, position in sorted(self.venue.ledger.positions.items()):
            price = self.street.prices[symbol]
            if position.quantity and self._is_bust(symbol, position, price):
                self._force("autoclose-", symbol, abs(position.quantity))

    def _is_bust(self, symbol: str, position: FuturesPosition, price: Decimal) -> bool:
        worth = position.margin + position.quantity * price - position.cost
        keeps = self.street.market(symbol).instrument.maintenance_margin
        return worth <= abs(position.quantity) * price * keeps

    def _deleverage(self) -> None:
        for symbol, position in sorted(self.venue.ledger.positions.items()):
            if position.quantity and self.street.faults.strikes("deleveraged"):
                lot = self.street.market(symbol).instrument.lot_size
                part = abs(position.quantity) * self.chance.choice([1, 1, 2]) / 2 // lot * lot
                if self.chance.random() < SETTLED:
                    self._force("settlement_autoclose-", symbol, abs(position.quantity))
                else:
                    self._force("adl_autoclose", symbol, part or abs(position.quantity))

    def _force(self, kind: str, symbol: str, quantity: Decimal) -> None:
        """By the venue's own order, of its own name; what rests of ours there is void."""
        held = self.venue.ledger.held_futures(symbol)
        side = Side.SELL if held > 0 else Side.BUY
        request = self._request(symbol, side, quantity, PositionType.FUTURES)
        self._numbers += 1
        self.venue.force(f"{kind}{self.venue.name}{self._numbers}", request)
        self.street.record.say("forced", f"{kind} {symbol}")

    def _execute(self, prefix: str, request: OrderRequest, price: Decimal) -> None:
        self._numbers += 1
        self.venue.by_hand(f"{prefix}{self.venue.name}{self._numbers}", request, price)

    def _request(
        self, symbol: str, side: Side, quantity: Decimal, kind: PositionType
    ) -> OrderRequest:
        return OrderRequest(
            venue=self.venue.name,
            symbol=symbol,
            side=side,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=quantity,
            position_type=kind,
            reduce_only=kind is PositionType.FUTURES,
        )
