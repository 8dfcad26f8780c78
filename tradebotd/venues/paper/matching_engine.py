"""Matching of orders at the paper venue, inside one transaction of its books."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
)
from tradebotd.domain.order_filters import refused_by
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.ports.venue import Replacement, SymbolSetup
from tradebotd.storage import paper_books, paper_orders
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.capabilities import not_taken
from tradebotd.venues.paper.day_orders import DAY_IS_OVER, DayEnd, DayOrders
from tradebotd.venues.paper.fill_model import (
    Execution,
    Locked,
    PaperTerms,
    execute,
    fill_price,
)
from tradebotd.venues.paper.futures import exit_price
from tradebotd.venues.paper.futures_book import FuturesBook
from tradebotd.venues.paper.promises import BEING_REPLACED, Promises
from tradebotd.venues.paper.resting_orders import (
    AT_ONCE,
    TRIGGERED,
    TriggeredOrder,
    cost_price,
    family_of,
    fills_at_once,
    locked_by,
    margins_of,
    remaining_request,
    triggered_by,
    worth_of,
    would_trigger,
)
from tradebotd.venues.paper.self_trades import expires, met_of_ours, refused_by_ours
from tradebotd.venues.paper.settlement import (
    BookChanges,
    book,
    book_refused,
    end,
    open_reports,
    rest,
    trigger,
)
from tradebotd.venues.paper.symbol_setups import PaperSetups

NOTHING_RESTS: Final = "nothing rests under that id"


class MatchingEngine:
    """Resting orders and futures positions in memory; changed by `follow`, after the commit."""

    def __init__(
        self,
        name: VenueName,
        terms: PaperTerms,
        instruments: Mapping[str, Instrument],
        prices: PriceSource,
        *,
        price_kinds: frozenset[PriceKind],
        day_end: DayEnd,
    ) -> None:
        self.days = DayOrders(day_end)
        self._name = name
        self._terms = terms
        self._instruments = instruments
        self._prices = prices
        self._price_kinds = price_kinds
        self._resting: dict[str, dict[int, RestingOrder]] = {}
        self._futures = FuturesBook(name, terms, instruments)
        self._setups = PaperSetups(name)
        self._promises = Promises(self._family, self._refusal_without)
        self._acting: tuple[BookChanges, str, datetime, PriceKind] | None = None
        self._acted: dict[str, tuple[datetime, frozenset[PriceKind]]] = {}  # at the cursor

    async def read(self, connection: Connection) -> None:
        """Load the memory from the books."""
        await self._setups.read(connection)
        self._resting.clear()
        self.days.clear()
        for order in await paper_orders.select_resting(connection, self._name):
            self._resting.setdefault(order.request.symbol, {})[order.id] = order
            self.days.add(order)
        self._promises.load(await paper_orders.select_promised(connection, self._name))
        await self._futures.read(connection)

    def follow(self, changes: BookChanges) -> None:
        if self._acting is not None and self._acting[0] is changes:
            _, symbol, at, kind = self._acting
            acted_at, kinds = self._acted.get(symbol, (None, frozenset[PriceKind]()))
            self._acted[symbol] = at, (kinds if acted_at == at else frozenset()) | {kind}
        self._acting = None
        for symbol in list(self._resting):
            for order_id in changes.ended & self._resting[symbol].keys():
                del self._resting[symbol][order_id]
            if not self._resting[symbol]:
                del self._resting[symbol]
        for order in changes.rested:
            if order.id not in changes.ended:
                self._resting.setdefault(order.request.symbol, {})[order.id] = order
                self.days.add(order)
        self.days.discard(changes.ended)
        self._promises.follow(changes)
        self._futures.follow(changes)
        self._setups.follow(changes.setups)

    def is_concerned(self, symbol: str) -> bool:
        live = symbol in self._resting or symbol in self._futures
        return live or bool(self._promises.of_symbol(symbol))

    def open_orders(self, symbols: Collection[str] | None) -> list[OrderReport]:
        return open_reports((*self.all_resting(), *self._promises.orders), symbols)

    def margins(self) -> dict[str, Decimal]:
        return margins_of(self._futures, self.all_resting(), self._instruments)

    # Orders

    async def take(
        self,
        changes: BookChanges,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        prices: LastPrices,
        *,
        gone: frozenset[int] = frozenset(),
    ) -> None:
        """Accept all orders or none. *gone*: resting orders that this transaction has ended."""
        # Before the order changes the holding: a period is paid by the holder at its end.
        await self._futures.fund(changes, orders[0][1].symbol, changes.at, prices.current)
        balances = await paper_books.lock_balances(changes.connection, self._name)
        locked = locked_by(self.all_resting(), self._instruments, self._terms, but=gone)
        linked_id = orders[0][0] if len(orders) > 1 else None
        ours = {name: self._ours(request, prices, gone) for name, request in orders}
        kind = self._terms.self_trade
        for name, request in orders:
            if linked_id is not None and self._fills_at_once(request, prices):
                changes.refused = AT_ONCE  # its twin would rest alone
            else:
                changes.refused = self._refusal(request, prices, balances, locked)
            changes.refused = changes.refused or refused_by_ours(ours[name], kind)
            if changes.refused is not None:
                break
        for client_order_id, request in orders:
            if changes.refused is not None:
                if not gone:  # a replacement that fails leaves no trace
                    await book_refused(changes, client_order_id, request)
            elif await expires(changes, client_order_id, request, ours[client_order_id], kind):
                continue
            elif self._fills_at_once(request, prices):
                await self._fill_at_once(
                    changes, client_order_id, request, prices, balances, locked
                )
            else:
                leverage = self._setups.leverage(request.symbol)
                await rest(changes, client_order_id, request, linked_id, leverage)

    def _ours(
        self, request: OrderRequest, prices: LastPrices, gone: frozenset[int]
    ) -> list[RestingOrder]:
        at_once = self._fills_at_once(request, prices)
        price = self._price_at_once(request, prices) if at_once else None
        resting = (order for order in self.all_resting() if order.id not in gone)
        return met_of_ours(request, price, resting, self._terms.self_trade)

    async def replace(
        self,
        changes: BookChanges,
        old: ClientOrderId,
        new: tuple[ClientOrderId, OrderRequest],
        prices: LastPrices,
    ) -> None:
        """End the old order and what is linked to it, and take the new one, in one transaction."""
        family = self._family(old)
        if not family:
            changes.refused = NOTHING_RESTS
            return
        gone = frozenset(order.id for order in family)
        if self._terms.replacement is Replacement.PROMISED:
            await self._promises.add(changes, old, new, prices)
            return
        await self.take(changes, [new], prices, gone=gone)
        if changes.refused is None:
            await end(changes, family, OrderStatus.CANCELED, "replaced")

    async def _refusal_without(
        self,
        changes: BookChanges,
        request: OrderRequest,
        prices: LastPrices,
        gone: frozenset[int],
    ) -> str | None:
        balances = await paper_books.lock_balances(changes.connection, self._name)
        locked = locked_by(self.all_resting(), self._instruments, self._terms, but=gone)
        return self._refusal(request, prices, balances, locked)

    async def cancel(self, changes: BookChanges, client_order_id: ClientOrderId) -> None:
        if self._promises.is_replaced(client_order_id):
            changes.refused = BEING_REPLACED
            return
        if await self._promises.withdraw(changes, client_order_id):
            return
        family = self._family(client_order_id)
        if not family:
            changes.refused = NOTHING_RESTS
            return
        await end(changes, family, OrderStatus.CANCELED, None)

    async def set_up(self, changes: BookChanges, symbol: str, setup: SymbolSetup) -> None:
        in_use, instrument = self.is_concerned(symbol), self._instruments[symbol]
        await self._setups.set_up(changes, setup, instrument, in_use=in_use)

    # Prices

    def would_act(self, symbol: str, prices: LastPrices) -> bool:
        """Return whether a tick acts, without a statement: most ticks meet nothing."""
        if self._futures.would_act(symbol, prices):
            return True
        return bool(self._met(symbol, prices) or self._promises.of_symbol(symbol))

    async def meet(
        self,
        changes: BookChanges,
        symbol: str,
        prices: LastPrices,
        at: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> None:
        """Apply funding, resting orders, liquidation: each once, however often a tick is played.

        *at*, *kind*: of the tick; ticks of several kinds may have one time.
        """
        cursor = await paper_books.select_cursor(changes.connection, self._name, symbol)
        if cursor is not None and (
            cursor > at or (cursor == at and self._was_played(symbol, at, kind))
        ):
            return
        await self._futures.fund(changes, symbol, prices.at, prices.current)
        for met in self._met(symbol, prices):
            if met.order.id in changes.ended:
                continue
            if met.price is None:
                await trigger(changes, met.order)
            else:
                await self._fill_resting(changes, met.order, met.price, met.fee_rate)
        resting = self._resting.get(symbol, {}).values()
        await self._futures.liquidate(changes, symbol, prices, resting)
        await self._promises.decide(changes, symbol, prices)
        if changes.reports or changes.rested:
            await paper_books.put_cursor(changes.connection, self._name, symbol, at)
            self._acting = changes, symbol, at, kind

    def _was_played(self, symbol: str, at: datetime, kind: PriceKind) -> bool:
        """Return whether the tick at the cursor was of *kind*; after a restart, a last price."""
        acted_at, kinds = self._acted.get(symbol, (None, frozenset[PriceKind]()))
        return kind in kinds if acted_at == at else kind is PriceKind.LAST

    async def end_days(self, changes: BookChanges, now: datetime) -> None:
        ended = self.days.over(self.all_resting(), now)
        await end(changes, ended, OrderStatus.EXPIRED, DAY_IS_OVER)

    def _met(self, symbol: str, prices: LastPrices) -> list[TriggeredOrder]:
        orders = self._resting.get(symbol)
        if not orders:
            return []
        position, instrument = self._futures.get(symbol), self._instruments[symbol]
        return triggered_by(
            orders.values(),
            prices,
            instrument,
            self._terms,
            position,
            others=lambda kind: self._prices.last_prices(symbol, kind),
        )

    def _compared(self, request: OrderRequest, prices: LastPrices) -> LastPrices | None:
        """Return the prices that the order's level is compared with."""
        if request.working_price is PriceKind.LAST:
            return prices
        return self._prices.last_prices(request.symbol, request.working_price)

    # Books

    def _refusal(
        self,
        request: OrderRequest,
        prices: LastPrices,
        balances: Mapping[str, Decimal],
        locked: Locked,
    ) -> str | None:
        instrument = self._instruments[request.symbol]
        quote = Quote(last=worth_of(request, prices))
        refusal = not_taken(request, self._terms) or refused_by(request, instrument, quote)
        if refusal is not None:
            return refusal
        if request.type in TRIGGERED:
            if request.working_price not in self._price_kinds:
                return f"{FilterName.WORKING_PRICE}: {request.working_price}"
            compared = self._compared(request, prices)
            if compared is None:
                return f"there is no {request.working_price} price of {request.symbol} yet"
            if would_trigger(request, compared.current):
                return AT_ONCE
        if self._fills_at_once(request, prices):
            price = self._price_at_once(request, prices)
        else:
            price = cost_price(request)
        done = self._execution(request, price, self._terms.taker, balances, locked)
        return done if isinstance(done, str) else None

    def _fills_at_once(self, request: OrderRequest, prices: LastPrices) -> bool:
        instrument = self._instruments[request.symbol]
        return fills_at_once(request, prices.current, instrument, self._terms)

    def _price_at_once(self, request: OrderRequest, prices: LastPrices) -> Decimal:
        instrument = self._instruments[request.symbol]
        compared = self._compared(request, prices)
        price = fill_price(request, prices, compared, instrument, self._terms)
        return exit_price(request, price, prices, self._futures.get(request.symbol), instrument)

    def _execution(
        self,
        request: OrderRequest,
        price: Decimal,
        fee_rate: Decimal,
        balances: Mapping[str, Decimal],
        locked: Locked,
        positions: Iterable[PaperPosition] | None = None,
    ) -> Execution | str:
        return execute(
            request,
            price,
            self._instruments[request.symbol],
            fee_rate,
            balances,
            self._futures if positions is None else positions,
            locked=locked,
            fee_in_base=self._terms.fee_in_base,
            leverage=self._setups.leverage(request.symbol),
        )

    async def _fill_at_once(
        self,
        changes: BookChanges,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        prices: LastPrices,
        balances: Mapping[str, Decimal],
        locked: Locked,
    ) -> None:
        price = self._price_at_once(request, prices)
        done = self._execution(request, price, self._terms.taker, balances, locked)
        if isinstance(done, str):
            raise OrderRejectedError(done)  # a linked order took what was there
        await book(changes, client_order_id, request, done, order_id=None)

    async def _fill_resting(
        self, changes: BookChanges, order: RestingOrder, price: Decimal, fee_rate: Decimal
    ) -> None:
        balances = await paper_books.lock_balances(changes.connection, self._name)
        family = self._family(order.client_order_id)
        gone = frozenset({*changes.ended, *(order.id for order in family)})
        locked = locked_by(self.all_resting(), self._instruments, self._terms, but=gone)
        positions = self._futures.after(changes)
        request = remaining_request(order.request, positions)
        done = self._execution(request, price, fee_rate, balances, locked, positions)
        if isinstance(done, str):  # nothing is left to reduce, or no cash for it
            await end(changes, [order], OrderStatus.EXPIRED, done)
            return
        changes.ended.add(order.id)
        asked = None if request is order.request else order.request
        await book(changes, order.client_order_id, request, done, order_id=order.id, asked=asked)
        await paper_orders.fill_order(changes.connection, order.id, changes.reports[-1])
        others = [resting_order for resting_order in family if resting_order.id != order.id]
        await end(changes, others, OrderStatus.CANCELED, "its twin was filled")

    def all_resting(self) -> list[RestingOrder]:
        return [order for orders in self._resting.values() for order in orders.values()]

    def _family(self, client_order_id: ClientOrderId) -> list[RestingOrder]:
        return family_of(client_order_id, self.all_resting())
