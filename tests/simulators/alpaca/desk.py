"""The trading desk: an account's parts in one place, the moment that is acted at, and what is due."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tests.simulators.alpaca.activities import Activities
from tests.simulators.alpaca.assets import Assets
from tests.simulators.alpaca.book import Book
from tests.simulators.alpaca.ledger import Ledger
from tests.simulators.alpaca.market import Market
from tests.simulators.alpaca.orders import Order, Status
from tests.simulators.alpaca.terms import Terms
from tests.simulators.alpaca.trade_updates import TradeUpdates

Action = Callable[[], None]


class Clock(Protocol):
    def now(self) -> datetime: ...


@dataclass(frozen=True)
class Execution:
    """One fill with its fee. Alpaca tells the fee of none; *total*: of the order, with this one."""

    order: Order
    total: Decimal
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


@dataclass
class Desk:
    clock: Clock
    terms: Terms
    ledger: Ledger
    assets: Assets = field(default_factory=Assets)
    market: Market = field(default_factory=Market)
    book: Book = field(default_factory=Book)
    updates: TradeUpdates = field(default_factory=TradeUpdates)
    activities: Activities = field(default_factory=Activities)
    executions: list[Execution] = field(default_factory=list)
    due: list[tuple[datetime, int, Action]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    wake: Callable[[timedelta], None] = lambda _: None  # has a server look again after that long
    _moment: datetime | None = None

    @property
    def now(self) -> datetime:
        """The clock's time; while the past is caught up with, the moment that is acted at."""
        return self._moment or self.clock.now()

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        before = self._moment
        self._moment = moment
        try:
            yield
        finally:
            self._moment = before

    def after(self, delay: timedelta, action: Action) -> None:
        """Have *action* done *delay* from now; at once when it is zero."""
        if delay <= timedelta(0):
            action()
        else:
            self.on(self.now + delay, action)

    def on(self, moment: datetime, action: Action) -> None:
        heapq.heappush(self.due, (moment, next(self.numbers), action))
        self.wake(max(timedelta(0), moment - self.clock.now()))

    def turn(self, order: Order, status: Status, event: str | None = None) -> None:
        """Give *order* the status *status*, and tell it as *event* (the status, by default)."""
        order.status = status
        order.updated_at = self.now
        self.updates.tell(event or status.value, order, self.now)
