"""One symbol's market: liquidity from outside, resting orders, trades, the book that clients see."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from tests.simulators.binance.errors import engine_refusal
from tests.simulators.binance.spot.figures import ZERO, floored, shown, truncated
from tests.simulators.binance.spot.orders import Order
from tests.simulators.binance.spot.symbols import Symbol

Level = tuple[Decimal, Decimal]
TRADES_KEPT = 100_000


@dataclass(frozen=True)
class Trade:
    id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_maker: bool

    @property
    def quote(self) -> Decimal:
        return truncated(self.price * self.quantity)


@dataclass(frozen=True)
class Counter:
    """The best that a taker meets: an order of an account, or a level from outside."""

    price: Decimal
    quantity: Decimal
    order: Order | None = None


@dataclass
class Reference:
    """S3: the reference price; `ever` tells -2043 from a null."""

    price: Decimal | None = None
    at_ms: int = 0
    ever: bool = False


@dataclass
class Market:
    symbol: Symbol
    bids: dict[Decimal, Decimal] = field(default_factory=dict)  # from outside
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)  # all that were ever placed, by id
    open: dict[int, Order] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    last: Decimal = ZERO
    reference: Reference = field(default_factory=Reference)
    update_id: int = 1000
    next_trade: int = 1
    next_order: int = 1
    _stale: list[dict[str, Any]] = field(default_factory=list)
    _shown: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = field(
        default_factory=lambda: ({}, {})
    )

    def counter(self, order: Order) -> Counter | None:
        """Find the best that *order* would meet now; resting orders stand before the outside."""
        side = self.asks if order.buys else self.bids
        best = (min if order.buys else max)(side, default=None)
        resting = next(self.resting("SELL" if order.buys else "BUY"), None)
        if resting is not None and (
            best is None or (resting.price <= best if order.buys else resting.price >= best)
        ):
            return Counter(resting.price, resting.left, resting)
        return None if best is None else Counter(best, side[best])

    def resting(self, side: str) -> Iterator[Order]:
        """Iterate over resting orders of *side* by price and then by time."""
        there = [o for o in self.open.values() if o.side == side and o.rests]
        sign = -1 if side == "BUY" else 1
        yield from sorted(there, key=lambda o: (sign * o.price, o.working_ms, o.id))

    def reduce_outside(self, price: Decimal, quantity: Decimal, *, asks: bool) -> None:
        side = self.asks if asks else self.bids
        left = side[price] - quantity
        if left > 0:
            side[price] = left
        else:
            del side[price]

    def available(self, order: Order, within: "Band") -> Decimal:
        """Sum what *order* could take at once: FOK asks before it trades."""
        total = ZERO
        for price, quantity in self.levels(bids=not order.buys):
            if not within.holds(price) or not crosses(order, price):
                break
            total += quantity
        return total

    def cost(self, order: Order, within: "Band") -> Decimal:
        """Sum what a BUY by quantity would pay now."""
        total, left = ZERO, order.left
        for price, quantity in self.levels(bids=False):
            if left <= 0 or not within.holds(price) or not crosses(order, price):
                break
            total += truncated(price * min(left, quantity))
            left -= min(left, quantity)
        return total

    def quantity_for(self, order: Order) -> Decimal:
        """Compute the quantity of a MARKET order by quoteOrderQty: whole lots, level by level.

        A book that ends too early is answered with more than it holds: the rest expires then.
        Raises -2010 where not one lot can be had.
        """
        total, money, step = ZERO, order.quote_quantity, self.symbol.lot_step()
        part, quantity, price = ZERO, ZERO, ZERO
        for price, quantity in self.levels(bids=not order.buys):
            part = floored(money / price, step)
            total += min(part, quantity)
            money -= truncated(price * min(part, quantity))
            if part <= quantity:
                break
        if not total:
            text = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
            raise engine_refusal(text)
        return total + max(ZERO, part - quantity)

    def levels(self, *, bids: bool) -> list[Level]:
        """List the book's side, best first: the outside and resting orders together."""
        total = dict(self.bids if bids else self.asks)
        for order in self.open.values():
            if order.rests and order.buys == bids:
                total[order.price] = total.get(order.price, ZERO) + order.left
        return sorted(total.items(), reverse=bids)

    def best(self) -> tuple[Level, Level]:
        bids, asks = self.levels(bids=True), self.levels(bids=False)
        return (bids or [(ZERO, ZERO)])[0], (asks or [(ZERO, ZERO)])[0]

    def difference(self) -> dict[str, Any] | None:
        """Build the depth update since the last call (S15); None where nothing changed."""
        now = (dict(self.levels(bids=True)), dict(self.levels(bids=False)))
        changed = [_changes(old, new) for old, new in zip(self._shown, now, strict=True)]
        count = len(changed[0]) + len(changed[1])
        if not count:
            return None
        first = self.update_id + 1
        self.update_id += count
        self._shown = now
        return {"U": first, "u": self.update_id, "b": changed[0], "a": changed[1]}

    def keep_snapshot(self, times: int) -> None:
        """Let the next *times* snapshots be today's book, however it moves on (S15: a late cache)."""
        self._stale = [self.depth(5000)] * times

    def depth(self, limit: int) -> dict[str, Any]:
        if self._stale:
            stale = self._stale.pop()
            return stale | {side: stale[side][:limit] for side in ("bids", "asks")}
        return {
            "lastUpdateId": self.update_id,
            "bids": printed(self.levels(bids=True)[:limit]),
            "asks": printed(self.levels(bids=False)[:limit]),
        }

    def book_ticker(self) -> dict[str, Any]:
        (bid, bid_quantity), (ask, ask_quantity) = self.best()
        return {
            "symbol": self.symbol.name,
            "bidPrice": shown(bid),
            "bidQty": shown(bid_quantity),
            "askPrice": shown(ask),
            "askQty": shown(ask_quantity),
        }

    def record(self, price: Decimal, quantity: Decimal, now_ms: int, *, buyer_maker: bool) -> Trade:
        trade = Trade(self.next_trade, price, quantity, now_ms, buyer_maker)
        self.next_trade += 1
        self.trades.append(trade)
        self.last = price
        return trade

    def recent(self, limit: int) -> list[Trade]:
        return list(islice(self.trades, max(0, len(self.trades) - limit), None))

    def average(self, minutes: int, now_ms: int) -> Decimal:
        """Compute the volume weighted price of the last *minutes*; the last price where none is."""
        since, volume, paid = now_ms - minutes * 60_000, ZERO, ZERO
        for trade in reversed(self.trades):
            if trade.time_ms < since or not minutes:
                break
            volume += trade.quantity
            paid += trade.price * trade.quantity
        return truncated(paid / volume) if volume else self.last

    def filter_price(self, minutes: int, now_ms: int) -> Decimal:
        """S10: the reference price, if there is one, serves every filter that needs a price."""
        return self.reference.price or self.average(minutes, now_ms)


@dataclass(frozen=True)
class Band:
    """S3: prices at which a taker may trade, set when it begins to take."""

    low: Decimal | None = None
    high: Decimal | None = None

    def holds(self, price: Decimal) -> bool:
        return (self.low is None or price >= self.low) and (self.high is None or price <= self.high)


def band_of(market: Market, side: str) -> Band:
    """S3: the band round the reference price; none without a rule, or without the price."""
    rule, reference = market.symbol.execution_rule, market.reference.price
    if rule is None or reference is None:
        return Band()
    word = "bid" if side == "BUY" else "ask"
    down, up = rule.get(f"{word}LimitMultDown"), rule.get(f"{word}LimitMultUp")
    return Band(
        None if down is None else reference * Decimal(down),
        None if up is None else reference * Decimal(up),
    )


def crosses(order: Order, price: Decimal) -> bool:
    """Tell whether *order* takes at *price*: always, if it has no limit."""
    if not order.limited:
        return True
    return price <= order.price if order.buys else price >= order.price


def printed(levels: Iterable[Level]) -> list[list[str]]:
    return [[shown(price), shown(quantity)] for price, quantity in levels]


def _changes(old: dict[Decimal, Decimal], new: dict[Decimal, Decimal]) -> list[list[str]]:
    gone = [(price, ZERO) for price in old if price not in new]
    there = [(price, quantity) for price, quantity in new.items() if old.get(price) != quantity]
    return printed(sorted(gone + there))
