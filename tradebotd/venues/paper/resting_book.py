"""Resting orders of the paper venue in memory: by symbol, with their days and their twins."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.ports.prices import PriceSource
from tradebotd.storage import paper_orders
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.day_orders import DayEnd, DayOrders
from tradebotd.venues.paper.fill_model import Locked, PaperTerms
from tradebotd.venues.paper.resting_orders import family_of, locked_by, margins_of
from tradebotd.venues.paper.settlement import BookChanges


class RestingBook:
    """Orders that rest, in the order of their acceptance; changed by `follow`, after the commit."""

    def __init__(
        self,
        name: VenueName,
        terms: PaperTerms,
        instruments: Mapping[str, Instrument],
        prices: PriceSource,
        day_end: DayEnd,
    ) -> None:
        self._name = name
        self._terms = terms
        self._instruments = instruments
        self._prices = prices
        self._days = DayOrders(day_end)
        self._by_symbol: dict[str, dict[int, RestingOrder]] = {}

    async def read(self, connection: Connection) -> None:
        self._by_symbol.clear()
        self._days.clear()
        for order in await paper_orders.select_resting(connection, self._name):
            self._add(order)

    def follow(self, changes: BookChanges) -> None:
        for symbol in list(self._by_symbol):
            for order_id in changes.ended & self._by_symbol[symbol].keys():
                del self._by_symbol[symbol][order_id]
            if not self._by_symbol[symbol]:
                del self._by_symbol[symbol]
        for order in changes.rested:
            if order.id not in changes.ended:
                self._add(order)
        self._days.discard(changes.ended)

    def _add(self, order: RestingOrder) -> None:
        self._by_symbol.setdefault(order.request.symbol, {})[order.id] = order
        self._days.add(order)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol

    def __iter__(self) -> Iterator[RestingOrder]:
        for orders in self._by_symbol.values():
            yield from orders.values()

    def of_symbol(self, symbol: str) -> Collection[RestingOrder]:
        return self._by_symbol.get(symbol, {}).values()

    def family(self, client_order_id: ClientOrderId) -> list[RestingOrder]:
        """Return the order and what is linked to it; empty when it does not rest."""
        return family_of(client_order_id, list(self))

    def any_day_over(self, now: datetime) -> bool:
        return self._days.any_over(now)

    def days_over(self, now: datetime) -> list[RestingOrder]:
        """Return the DAY orders whose session is over, with those that are linked to them."""
        return self._days.over(self, now)

    def locked(self, but: frozenset[int] = frozenset()) -> Locked:
        """Return what these orders hold of each asset. *but*: orders that hold nothing more."""
        return locked_by(self, self._instruments, self._terms, but=but, market=self.market)

    def margins(self, futures: Iterable[PaperPosition]) -> dict[str, Decimal]:
        """Return what *futures*, and the orders that may open one, hold of each asset."""
        return margins_of(futures, self, self._instruments, self.market)

    def market(self, symbol: str) -> Decimal | None:
        """Return the last price; None until the symbol's first tick."""
        prices = self._prices.last_prices(symbol)
        return None if prices is None else prices.current
