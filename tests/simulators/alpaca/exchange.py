"""The exchange as tests and servers use it: an account, a market, and time that catches up."""

import heapq
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.simulators.alpaca import changes, groups, intake, routing
from tests.simulators.alpaca.calendar import NEW_YORK, boundaries
from tests.simulators.alpaca.desk import Clock, Desk
from tests.simulators.alpaca.execution import match_symbol
from tests.simulators.alpaca.ledger import Ledger
from tests.simulators.alpaca.market import Bar, Quote, Split
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock


class Exchange:
    """One account at Alpaca. Every call first does what became due by the clock since the last."""

    def __init__(self, clock: Clock, terms: Terms | None = None) -> None:
        terms = terms or Terms()
        self.desk = Desk(clock=clock, terms=terms, ledger=Ledger(terms.cash))
        self._caught_up = clock.now()

    def served_by(self, clock: SimulatorClock) -> None:
        """Have *clock*'s server catch up by itself: when a session begins, when something is due."""

        async def look() -> None:
            self.catch_up()

        async def session() -> None:
            self.catch_up()
            arm()

        def arm() -> None:
            now = clock.now()
            ahead = boundaries(now, now + timedelta(days=15))
            clock.after(next(ahead).moment - now, session)

        self.desk.wake = lambda delay: clock.after(delay, look)
        arm()

    @property
    def terms(self) -> Terms:
        return self.desk.terms

    def catch_up(self) -> None:
        """Let sessions begin and end, and delayed things happen, in their order up to now."""
        now = self.desk.clock.now()
        for boundary in boundaries(self._caught_up, now):
            self._run_due(boundary.moment)
            with self.desk.at(boundary.moment):
                routing.begin(self.desk, boundary.begins)
        self._run_due(now)
        self._caught_up = max(self._caught_up, now)

    def _run_due(self, until: datetime) -> None:
        due = self.desk.due
        while due and due[0][0] <= until:
            moment, _, action = heapq.heappop(due)
            with self.desk.at(max(moment, self._caught_up)):
                action()

    def quote(
        self,
        symbol: str,
        bid: str | Decimal,
        ask: str | Decimal,
        bid_size: str | Decimal | None = None,
        ask_size: str | Decimal | None = None,
    ) -> None:
        """Give *symbol* a quote and run its orders; 0 is no quote, no size is any size."""
        self.catch_up()
        quote = Quote(
            Decimal(bid),
            Decimal(ask),
            self.desk.now,
            None if bid_size is None else Decimal(bid_size),
            None if ask_size is None else Decimal(ask_size),
        )
        self.desk.market.quote(symbol, quote)
        match_symbol(self.desk, symbol)

    def trade(
        self,
        symbol: str,
        price: str | Decimal,
        size: str | Decimal = "100",
        conditions: tuple[str, ...] = ("@",),
    ) -> None:
        """Print a trade of others: stops look at it."""
        self.catch_up()
        market, now = self.desk.market, self.desk.now
        market.trade(symbol, Decimal(price), Decimal(size), now, conditions)
        match_symbol(self.desk, symbol)

    def withdraw(self, symbol: str, instead: str | Decimal | None = None) -> None:
        """Cancel the newest trade of *symbol*, or correct its price: whoever follows it is told."""
        self.catch_up()
        price = None if instead is None else Decimal(instead)
        self.desk.market.withdraw(symbol, self.desk.now, price)

    def bar(self, symbol: str, bar: Bar, feed: str = "sip") -> None:
        self.catch_up()
        self.desk.market.bar(symbol, bar, feed)

    def halt(self, symbol: str, *, halted: bool = True) -> None:
        """Stop the trading of *symbol*, or let it go on."""
        self.catch_up()
        self.desk.market.halt(symbol, self.desk.now, halted=halted)
        if not halted:
            match_symbol(self.desk, symbol)

    def submit(self, body: Any) -> dict[str, Any]:
        self.catch_up()
        return intake.submit(self.desk, body)

    def cancel(self, order_id: str) -> None:
        self.catch_up()
        changes.cancel(self.desk, self.desk.book.get(order_id))

    def replace(self, order_id: str, body: Any) -> dict[str, Any]:
        self.catch_up()
        return changes.replace(self.desk, self.desk.book.get(order_id), body)

    def order(self, order_id: str) -> Order:
        self.catch_up()
        return self.desk.book.get(order_id)

    def transfer(self, amount: str | Decimal) -> None:
        """Deposit money, or withdraw it when *amount* is below zero."""
        self.catch_up()
        moved = Decimal(amount)
        self.desk.ledger.transfer(moved)
        kind, currency = "CSD" if moved > 0 else "CSW", self.terms.currency
        self.desk.activities.money(kind, self.desk.now, moved, currency=currency)

    def dividend(self, symbol: str, a_share: str | Decimal) -> None:
        """Pay *a_share* for each share that is held; a short position pays it."""
        self.catch_up()
        quantity = self.desk.ledger.quantity(symbol)
        paid = (quantity * Decimal(a_share)).quantize(Decimal("0.01"))
        self.desk.ledger.transfer(paid)
        self.desk.activities.money(
            "DIV",
            self.desk.now,
            paid,
            symbol=symbol,
            qty=str(quantity),
            per_share_amount=str(a_share),
        )

    def split(self, split: Split) -> None:
        """Announce a split; holdings and bars know it from its day on."""
        self.desk.market.splits.append(split)
        day = datetime.combine(split.day, time(), NEW_YORK)
        self.desk.on(day, lambda: self.desk.ledger.split(split.symbol, split.ratio))

    def mark(self, order_id: str, status: Status, event: str | None = None) -> None:
        """Give an order a rare status: suspended, done_for_day, pending_review; `new` ends it."""
        self.catch_up()
        self.desk.turn(self.desk.book.get(order_id), status, event)

    def reject(self, order_id: str) -> None:
        """Have the execution venue reject an open order."""
        self.catch_up()
        groups.end(self.desk, self.desk.book.get(order_id), Status.REJECTED)

    def review_passed(self, order_id: str) -> None:
        """Let an order that waits in pending_review go on."""
        self.catch_up()
        order = self.desk.book.get(order_id)
        desk_terms, self.desk.terms.reviews_orders = self.desk.terms.reviews_orders, False
        try:
            routing.receive(self.desk, order)
            routing.send(self.desk, order)
        finally:
            self.desk.terms.reviews_orders = desk_terms
