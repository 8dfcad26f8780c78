"""Order lists: one leg ends the other (OCO), or a filled order places the others (OTO, OPO)."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulators.binance.errors import VenueError, engine_refusal
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.figures import ZERO, floored
from tests.simulators.binance.spot.orders import ALGO_TYPES, STOPS, Order, OrderList

if TYPE_CHECKING:
    from tests.simulators.binance.spot.engine import Engine

RELATION = "The relationship of the prices for the orders is not correct."


@dataclass
class OrderLists:
    engine: "Engine"
    all: dict[int, OrderList] = field(default_factory=dict)
    open: dict[int, OrderList] = field(default_factory=dict)
    _due: list[OrderList] = field(default_factory=list)  # their working order is filled

    def of(self, order: Order) -> OrderList | None:
        return self.all.get(order.list_id)

    def siblings(self, order: Order) -> list[Order]:
        found = self.of(order)
        return [order] if found is None else found.orders

    def legs(self, order: Order) -> list[Order]:
        """List *order* and, of an OCO, the leg that has the same quantity."""
        found = self.of(order)
        return (self._legs(found, order) if found else None) or [order]

    def place_oco(self, orders: OrderList) -> None:
        """Place two legs that share one lock of funds; raises -2010, and then nothing was placed."""
        engine = self.engine
        self._check_names(orders)
        check_prices(orders.working, engine.markets[orders.symbol].last)
        engine.check_funds(*orders.working)
        for leg in orders.working:
            engine.check_price(engine.markets[leg.symbol], leg)
        self._register(orders)
        engine.hold(*orders.working)
        for leg in orders.working:
            engine.report(leg, "NEW")
        self.tell(orders)
        for leg in orders.working:
            if leg.is_open:
                engine.begin(leg)
        engine.finish()

    def place_oto(self, orders: OrderList) -> None:
        """Place the working order; the pending ones wait until it is filled completely.

        The caller ends the operation (`finish`) behind its answer: in that, pending orders are
        PENDING_NEW even if the working one was filled at once.
        """
        engine = self.engine
        self._check_names(orders)
        working = orders.working[0]
        engine.check_funds(working)
        engine.check_price(engine.markets[working.symbol], working)
        self._register(orders)
        engine.hold(working)
        for order in orders.pending:
            order.status = "PENDING_NEW"
        for order in orders.orders:
            engine.report(order, "NEW")
        self.tell(orders)
        engine.begin(working)

    def started(self, order: Order) -> None:
        """End an OCO's other leg: *order* trades, or its stop was reached."""
        found = self.of(order)
        if found is None:
            return
        for each in self._legs(found, order):
            if each is not order and each.is_open:
                each.expiry_reason = "OCO_TRIGGER"
                self.engine.close(each, "EXPIRED", "EXPIRED")

    def filled(self, order: Order) -> None:
        """Note a filled working order, whose pending ones are placed when the operation ends."""
        found = self.of(order)
        if found is None:
            return
        if found.contingency == "OTO" and order is found.working[0]:
            self._due.append(found)
        self.ended(order)

    def place_due(self) -> bool:
        """Place the pending orders of one list whose working order is filled; False: there is none."""
        if not self._due:
            return False
        found = self._due.pop(0)
        self._place_pending(found, found.working[0])
        self.ended(found.working[0])
        return True

    def expired(self, order: Order) -> None:
        found = self.of(order)
        if found is None:
            return
        first = found.contingency == "OTO" and order is found.working[0]
        if first:
            # What the working order got before it ended is not protected: pending orders go, too.
            for each in found.pending:
                if each.is_open:
                    each.expiry_reason = "OTO_PHASE_ONE_EXPIRED"
                    self.engine.close(each, "EXPIRED", "EXPIRED")
        else:
            self.started(order)
        self.ended(order)

    def ended(self, order: Order) -> None:
        """Tell that the list is done, once none of its orders is open."""
        found = self.of(order)
        if found is not None and not found.is_open and found.status_type != "ALL_DONE":
            found.status_type = found.order_status = "ALL_DONE"
            self.open.pop(found.id, None)
            self.tell(found)

    def tell(self, orders: OrderList) -> None:
        now = self.engine.now_ms()
        orders.time_ms = orders.time_ms or now
        self.engine.tell(orders.account, reports.list_event(orders, now))

    def _legs(self, found: OrderList, order: Order) -> list[Order]:
        if found.contingency == "OCO":
            return found.working
        return found.pending if order in found.pending else []

    def _check_names(self, orders: OrderList) -> None:
        names = [order.client_id for order in orders.orders]
        mine = [each for each in self.open.values() if each.account == orders.account]
        if any(each.client_id == orders.client_id for each in mine):
            raise engine_refusal("Duplicate order sent.")
        if len(set(names)) != len(names):
            raise engine_refusal("Duplicate order sent.")
        for order in orders.orders:
            self.engine.check_name(order)

    def _register(self, orders: OrderList) -> None:
        orders.id = len(self.all) + 1
        self.all[orders.id] = self.open[orders.id] = orders
        for order in orders.orders:
            order.list_id = orders.id
            self.engine.register(order)

    def _place_pending(self, found: OrderList, working: Order) -> None:
        engine = self.engine
        for order in found.pending:
            if order.status != "PENDING_NEW":
                return
            order.status = "NEW"
            if found.pays:
                order.quantity = self._received(working)
        try:
            engine.check_funds(*found.pending)
            for order in found.pending:
                engine.check_price(engine.markets[order.symbol], order)
        except VenueError:
            for order in found.pending:
                order.expiry_reason = "REJECTED"
                engine.close(order, "EXPIRED", "EXPIRED")
            return
        engine.hold(*found.pending)
        for order in found.pending:
            engine.report(order, "NEW")
        for order in found.pending:
            if order.is_open:
                engine.begin(order)

    def _received(self, working: Order) -> Decimal:
        fees = sum((f.fee for f in working.fills if f.fee_asset == working.base), ZERO)
        step = self.engine.markets[working.symbol].symbol.lot_step()
        return floored(working.executed - fees, step)


def check_prices(legs: list[Order], last: Decimal) -> None:
    """Refuse an OCO whose legs do not stand on both sides of the last price.

    SELL: limit (or take-profit stop) > last > stop; BUY the other way round.
    """
    stop = next(leg for leg in legs if leg.type in STOPS)
    other = next(leg for leg in legs if leg is not stop)
    target = other.stop_price if other.type in ALGO_TYPES else other.price
    if stop.trailing_delta and not stop.stop_price:
        return
    low, high = (target, stop.stop_price) if stop.buys else (stop.stop_price, target)
    if not low < last < high:
        raise engine_refusal(RELATION)
