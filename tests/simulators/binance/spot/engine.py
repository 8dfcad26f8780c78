"""The matching engine: orders come in, trade, rest, trigger, and end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulators.binance.errors import VenueError, engine_refusal
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.accounts import Account
from tests.simulators.binance.spot.market import Band, Counter, Market, band_of, crosses
from tests.simulators.binance.spot.order_lists import OrderLists
from tests.simulators.binance.spot.orders import ALGO_TYPES, Fill, Order
from tests.simulators.binance.spot.self_trades import SelfTrades
from tests.simulators.binance.spot.settlement import Settlement

POOR = "Account has insufficient balance for requested action."


@dataclass
class Engine:
    """One thread of events over all symbols, as the venue's own: an operation ends before the next."""

    markets: dict[str, Market]
    ledger: Settlement
    now_ms: Callable[[], int]
    tell: Callable[[str, dict[str, Any]], None]  # an event of an account's user stream
    tell_trade: Callable[[Market, Any], None]
    tell_book: Callable[[Market, dict[str, Any]], None]
    first_fill: Callable[[str, bool], None]  # account, and whether as a maker
    next_execution: int = 1
    stirred: dict[str, Market] = field(default_factory=dict)  # by this operation
    _named: dict[tuple[str, str], Order] = field(default_factory=dict)  # the last of each name
    lists: OrderLists = field(init=False)
    self_trades: SelfTrades = field(init=False)

    def __post_init__(self) -> None:
        self.lists = OrderLists(self)
        self.self_trades = SelfTrades(self)

    def place(self, order: Order) -> Order:
        """Accept *order* and let it trade; raises -2010 where the engine refuses it."""
        market = self.markets[order.symbol]
        self.check_name(order)
        if order.quote_quantity:
            order.quantity = market.quantity_for(order)
        self.check_funds(order)
        self.check_price(market, order)
        self.register(order)
        self.hold(order)
        self.report(order, "NEW")
        self.begin(order)
        self.finish()
        return order

    def register(self, order: Order) -> None:
        market = self.markets[order.symbol]
        order.id, market.next_order = market.next_order, market.next_order + 1
        order.created_ms = order.updated_ms = self.now_ms()
        if order.trailing_delta and not order.stop_price:
            order.trailing_ms, order.extreme = order.created_ms, market.last
        market.orders.append(order)
        market.open[order.id] = order
        self.rename(order)
        self.stir(market)

    def rename(self, order: Order) -> None:
        """Note the client id of a new or an amended order."""
        self._named[order.account, order.client_id] = order

    def stir(self, market: Market) -> None:
        """Have the operation's end look at *market*: its book, and its stops."""
        self.stirred[market.symbol.name] = market

    def hold(self, *orders: Order) -> None:
        self.ledger.hold(*orders)

    def begin(self, order: Order) -> None:
        """Put *order* to work: at once, unless it waits for its stop price."""
        if order.type not in ALGO_TYPES:
            self.work(order)

    def work(self, order: Order) -> None:
        """Let *order* take what it may, then rest or expire."""
        market = self.markets[order.symbol]
        order.working_ms = self.now_ms()
        band = band_of(market, order.side)
        if order.time_in_force == "FOK" and market.available(order, band) < order.left:
            self.expire(order, "UNFILLED_FOK_ORDER_EXPIRED")
            return
        order.taking = True
        why = self._take(market, order, band)
        order.taking = False
        if not order.is_open:
            return
        if why == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED":
            self.expire(order, why)
        elif not order.limited:
            self.expire(order, "INSUFFICIENT_LIQUIDITY")
        elif order.time_in_force != "GTC":
            self.expire(order, "UNFILLED_IOC_QUANTITY_EXPIRED")

    def cancel(self, order: Order, cancel_id: str) -> None:
        """Cancel *order*, and with it the list that it is a part of."""
        for each in self.lists.siblings(order):
            if each.is_open:
                each.cancel_id = cancel_id
                self.close(each, "CANCELED", "CANCELED")
        self.lists.ended(order)
        self.finish()

    def expire(self, order: Order, reason: str) -> None:
        order.expiry_reason = reason
        self.close(order, "EXPIRED", "EXPIRED")
        self.lists.expired(order)

    def close(self, order: Order, status: str, execution: str) -> None:
        """End an open order; what it had locked is free again."""
        order.status, order.updated_ms = status, self.now_ms()
        market = self.markets[order.symbol]
        market.open.pop(order.id, None)
        self.stir(market)
        self.ledger.refit(order)
        self.report(order, execution)

    def moved(self, market: Market) -> None:
        """Let resting orders meet the outside's new prices, and stops the last one."""
        self.stir(market)
        for side in ("BUY", "SELL"):
            for order in list(market.resting(side)):
                self._meet_outside(market, order)
        self.finish()

    def printed(self, market: Market, price: Decimal, quantity: Decimal) -> None:
        """Let the outside trade *quantity* at *price*; better resting orders trade first."""
        self.stir(market)
        left, buyer_maker = quantity, price <= market.best()[0][0]
        for side in ("BUY", "SELL"):
            for order in list(market.resting(side)):
                behind = order.price < price if order.buys else order.price > price
                if behind or not left or not order.rests:
                    continue
                part = min(left, order.left)
                self.trade(market, order, order.price, part, buyer_maker=order.buys)
                self.ledger.settle_outside(order, order.price, part)
                left -= part
        if left:
            trade = market.record(price, left, self.now_ms(), buyer_maker=buyer_maker)
            self.tell_trade(market, trade)
        self.finish()

    def trade(
        self, market: Market, order: Order, price: Decimal, quantity: Decimal, *, buyer_maker: bool
    ) -> None:
        """Trade *order* with the outside."""
        trade = market.record(price, quantity, self.now_ms(), buyer_maker=buyer_maker)
        self.fill(order, price, quantity, trade.id)
        self.tell_trade(market, trade)

    def fill(self, order: Order, price: Decimal, quantity: Decimal, trade_id: int) -> Fill:
        first = not order.fills
        if first:
            self.lists.started(order)
        self.stir(self.markets[order.symbol])
        now = self.now_ms()
        fill = self.ledger.settle(order, price, quantity, trade_id, now)
        order.updated_ms = now
        if order.left == 0:
            self.markets[order.symbol].open.pop(order.id, None)
        self.report(order, "TRADE", fill)
        if first:
            self.first_fill(order.account, fill.maker)
        if order.status == "FILLED":
            self.lists.filled(order)
        return fill

    def report(self, order: Order, kind: str, fill: Fill | None = None) -> None:
        event = reports.execution(order, kind, self.execution_id(), self.now_ms(), fill)
        self.tell(order.account, event)

    def execution_id(self) -> int:
        self.next_execution += 1
        return self.next_execution - 1

    def finish(self) -> None:
        """End an operation: what its trades set off, changed balances, changed books."""
        while self.lists.place_due() or self._trigger():
            pass
        for name, assets in list(self.ledger.touched.items()):
            self.tell(name, self.account(name).position_event(assets, self.now_ms()))
        self.ledger.touched.clear()
        stirred, self.stirred = self.stirred, {}
        for market in stirred.values():
            changed = market.difference()
            if changed:
                self.tell_book(market, changed)

    def account(self, name: str) -> Account:
        return self.ledger.accounts[name]

    def check_name(self, order: Order) -> None:
        """Refuse a client id of an open order: only of an open one (it is no idempotency key)."""
        last = self._named.get((order.account, order.client_id))
        if last is not None and last.is_open and last.client_id == order.client_id:
            raise engine_refusal("Duplicate order sent.")

    def check_funds(self, *orders: Order) -> None:
        order = orders[0]
        account = self.account(order.account)
        if order.type != "MARKET":
            enough = self.ledger.can_hold(*orders)
        elif not order.buys:
            enough = account.free(order.base) >= order.left
        else:
            market = self.markets[order.symbol]
            cost = market.cost(order, band_of(market, order.side))
            enough = account.free(order.quote_asset) >= cost
        if not enough:
            raise engine_refusal(POOR)

    def check_price(self, market: Market, order: Order) -> None:
        counter = market.counter(order)
        if order.type == "LIMIT_MAKER" and counter and crosses(order, counter.price):
            raise engine_refusal("Order would immediately match and take.")
        if order.type in ALGO_TYPES and order.stop_price and not order.trailing_delta:
            rises = order.rises_to_trigger()
            behind = market.last >= order.stop_price if rises else market.last <= order.stop_price
            if behind:
                raise engine_refusal("Order would trigger immediately.")

    def _take(self, market: Market, order: Order, band: Band) -> str:
        """Trade until nothing is left, or nothing may be had any more: the reason why."""
        while order.is_open:
            counter = market.counter(order)
            if counter is None or not crosses(order, counter.price):
                return "INSUFFICIENT_LIQUIDITY"
            if not band.holds(counter.price):
                return "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
            if self.self_trades.prevented(order, counter):
                continue
            self._trade_with(market, order, counter, min(counter.quantity, order.left))
        return ""

    def _trade_with(
        self, market: Market, order: Order, counter: Counter, quantity: Decimal
    ) -> None:
        if counter.order is None:
            market.reduce_outside(counter.price, quantity, asks=order.buys)
            self.trade(market, order, counter.price, quantity, buyer_maker=not order.buys)
            self.ledger.settle_outside(order, counter.price, quantity)
            return
        now = self.now_ms()
        trade = market.record(counter.price, quantity, now, buyer_maker=counter.order.buys)
        self.fill(counter.order, counter.price, quantity, trade.id)
        self.fill(order, counter.price, quantity, trade.id)
        self.tell_trade(market, trade)

    def _meet_outside(self, market: Market, order: Order) -> None:
        while order.rests:
            side = market.asks if order.buys else market.bids
            best = (min if order.buys else max)(side, default=None)
            if best is None or not crosses(order, best):
                return
            part = min(order.left, side[best])
            market.reduce_outside(best, part, asks=order.buys)
            self.trade(market, order, order.price, part, buyer_maker=order.buys)
            self.ledger.settle_outside(order, order.price, part)

    def _trigger(self) -> bool:
        """Set off the first stop that a last price reached; its trades may set off more."""
        for market in list(self.stirred.values()):
            for order in list(market.open.values()):
                waiting = order.waits and order.type in ALGO_TYPES and order.status == "NEW"
                if waiting and market.last and order.triggers_at(market.last):
                    self.set_off(order)
                    return True
        return False

    def set_off(self, order: Order) -> None:
        """Put a stop to work, as a market or a limit order; its OCO's other leg ends first."""
        market = self.markets[order.symbol]
        self.lists.started(order)
        if order.buys and not order.limited:
            cost = market.cost(order, band_of(market, order.side))
            if cost > order.needs() + self.account(order.account).free(order.quote_asset):
                self.expire(order, "REJECTED")
                return
        order.working_ms = order.updated_ms = self.now_ms()
        self.report(order, "NEW")
        self.work(order)

    def refuse(self, order: Order, error: VenueError) -> None:
        """Tell the user stream of an order that the engine refused after a cancel (cancelReplace)."""
        reasons = {
            POOR: "INSUFFICIENT_BALANCES",
            "Order would trigger immediately.": "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
            "Order would immediately match and take.": "WOULD_MATCH_IMMEDIATELY",
        }
        order.status = "REJECTED"
        order.reject_reason = reasons.get(error.msg, "NONE")
        order.created_ms = order.updated_ms = self.now_ms()
        self.report(order, "REJECTED")
