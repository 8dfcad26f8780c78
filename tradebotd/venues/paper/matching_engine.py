"""Matching of orders at the paper venue, inside one transaction of its books."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import FilterName, SymbolStatus
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import (
    OrderReport,
    OrderRequest,
    OrderStatus,
)
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.ports.venue import Replacement, SymbolSetup
from tradebotd.storage import paper_books, paper_orders
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.average_prices import AveragePrices
from tradebotd.venues.paper.day_orders import DAY_IS_OVER, DayEnd
from tradebotd.venues.paper.depth import NOTHING_OFFERED, Depth, end_of_rest, works_on
from tradebotd.venues.paper.fill_model import (
    Execution,
    Locked,
    PaperTerms,
    execute,
)
from tradebotd.venues.paper.futures_book import FuturesBook
from tradebotd.venues.paper.order_checks import FilterChecks
from tradebotd.venues.paper.order_prices import OrderPrices
from tradebotd.venues.paper.played_ticks import PlayedTicks
from tradebotd.venues.paper.promises import BEING_REPLACED, Promises
from tradebotd.venues.paper.resting_book import RestingBook
from tradebotd.venues.paper.resting_orders import (
    AT_ONCE,
    TRIGGERED,
    TriggeredOrder,
    cost_price,
    remaining_request,
    triggered_by,
    would_trigger,
)
from tradebotd.venues.paper.self_trades import expires, met_of_ours, refused_by_ours
from tradebotd.venues.paper.settlement import (
    NO_MORE,
    BookChanges,
    book,
    book_expired,
    book_refused,
    end,
    open_reports,
    rest,
    trigger,
    wait,
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
        self.resting = RestingBook(name, terms, instruments, prices, day_end)
        self._name = name
        self._terms = terms
        self._instruments = instruments
        self._prices = prices
        self._price_kinds = price_kinds
        self.averages = AveragePrices(instruments)
        self._filters = FilterChecks(terms, instruments, self.averages)
        self._depth = Depth(terms.depth_notional)
        self._futures = FuturesBook(name, terms, instruments)
        self._order_prices = OrderPrices(terms, instruments, prices, self._futures)
        self._setups = PaperSetups(name)
        self._promises = Promises(self.resting.family, self._refusal_without)
        self._played = PlayedTicks()

    async def read(self, connection: Connection) -> None:
        """Load the memory from the books."""
        await self._setups.read(connection)
        await self.resting.read(connection)
        self._promises.load(await paper_orders.select_promised(connection, self._name))
        await self._futures.read(connection)

    def follow(self, changes: BookChanges) -> None:
        self._played.follow(changes)
        self.resting.follow(changes)
        self._promises.follow(changes)
        self._futures.follow(changes)
        self._setups.follow(changes.setups)

    def is_concerned(self, symbol: str) -> bool:
        live = symbol in self.resting or symbol in self._futures
        return live or bool(self._promises.of_symbol(symbol))

    def open_orders(self, symbols: Collection[str] | None) -> list[OrderReport]:
        return open_reports((*self.resting, *self._promises.orders), symbols)

    def margins(self) -> dict[str, Decimal]:
        return self.resting.margins(self._futures)

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
        locked = self.resting.locked(gone)
        linked_id = orders[0][0] if len(orders) > 1 else None
        ours = {name: self._ours(request, prices, gone) for name, request in orders}
        kind = self._terms.self_trade
        beside = [order.request for order in self.resting if order.id not in gone]
        for name, request in orders:
            changes.refused = self._filters.refusal(request, prices, beside, changes.at)
            if linked_id is not None and self._order_prices.fill_at_once(request, prices):
                changes.refused = AT_ONCE  # its twin would rest alone
            elif changes.refused is None:
                changes.refused = self._refusal(request, prices, balances, locked)
            changes.refused = changes.refused or refused_by_ours(ours[name], kind)
            if changes.refused is not None:
                break
            beside.append(request)
        for client_order_id, request in orders:
            if changes.refused is not None:
                if not gone:  # a replacement that fails leaves no trace
                    await book_refused(changes, client_order_id, request)
            elif await expires(changes, client_order_id, request, ours[client_order_id], kind):
                continue
            elif self._terms.latency or not self._order_prices.fill_at_once(request, prices):
                await self._rest(changes, client_order_id, request, linked_id)
            else:
                await self._fill_at_once(
                    changes, client_order_id, request, prices, balances, locked
                )

    def _ours(
        self, request: OrderRequest, prices: LastPrices, gone: frozenset[int]
    ) -> list[RestingOrder]:
        at_once = self._order_prices.fill_at_once(request, prices)
        price = self._order_prices.at_once(request, prices) if at_once else None
        resting = (order for order in self.resting if order.id not in gone)
        return met_of_ours(request, price, resting, self._terms.self_trade)

    async def replace(
        self,
        changes: BookChanges,
        old: ClientOrderId,
        new: tuple[ClientOrderId, OrderRequest],
        prices: LastPrices,
    ) -> None:
        """End the old order and what is linked to it, and take the new one, in one transaction."""
        family = self.resting.family(old)
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
        beside = [order.request for order in self.resting if order.id not in gone]
        refusal = self._filters.refusal(request, prices, beside, changes.at)
        if refusal is not None:
            return refusal
        balances = await paper_books.lock_balances(changes.connection, self._name)
        return self._refusal(request, prices, balances, self.resting.locked(gone))

    async def cancel(self, changes: BookChanges, client_order_id: ClientOrderId) -> None:
        if self._promises.is_replaced(client_order_id):
            changes.refused = BEING_REPLACED
            return
        if await self._promises.withdraw(changes, client_order_id):
            return
        family = self.resting.family(client_order_id)
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
        if self._trades(symbol) and self._promises.of_symbol(symbol):
            return True
        return bool(self._met(symbol, prices))

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
        if self._played.is_behind(cursor, symbol, at, kind):
            return
        await self._futures.fund(changes, symbol, prices.at, prices.current)
        for met in self._met(symbol, prices):
            if met.order.id in changes.ended:
                continue
            if met.expires:
                await end(changes, [met.order], OrderStatus.EXPIRED, NOTHING_OFFERED)
            elif met.price is None:
                await trigger(changes, met.order)
            else:
                await self._fill_resting(changes, met, met.price, prices)
        resting = self.resting.of_symbol(symbol)
        await self._futures.liquidate(changes, symbol, prices, resting)
        if self._trades(symbol):
            await self._promises.decide(changes, symbol, prices)
        if changes.reports or changes.rested:
            await paper_books.put_cursor(changes.connection, self._name, symbol, at)
            self._played.add(changes, symbol, at, kind)

    async def end_days(self, changes: BookChanges, now: datetime) -> None:
        ended = self.resting.days_over(now)
        await end(changes, ended, OrderStatus.EXPIRED, DAY_IS_OVER)

    def _trades(self, symbol: str) -> bool:
        instrument = self._instruments.get(symbol)
        return instrument is not None and instrument.status is SymbolStatus.TRADING

    def _met(self, symbol: str, prices: LastPrices) -> list[TriggeredOrder]:
        orders = self.resting.of_symbol(symbol)
        if not orders or not self._trades(symbol):
            return []
        return triggered_by(
            orders,
            prices,
            self._instruments[symbol],
            self._terms,
            self._futures.get(symbol),
            others=lambda kind: self._prices.last_prices(symbol, kind),
        )

    # Books

    def _refusal(
        self,
        request: OrderRequest,
        prices: LastPrices,
        balances: Mapping[str, Decimal],
        locked: Locked,
    ) -> str | None:
        if request.type in TRIGGERED:
            if request.working_price not in self._price_kinds:
                return f"{FilterName.WORKING_PRICE}: {request.working_price}"
            compared = self._order_prices.compared(request, prices)
            if compared is None:
                return f"there is no {request.working_price} price of {request.symbol} yet"
            if would_trigger(request, compared.current):
                return AT_ONCE
        if self._order_prices.fill_at_once(request, prices):
            price = self._order_prices.at_once(request, prices)
        else:
            price = cost_price(request, self.resting.market)
        done = self._execution(request, price, self._terms.taker, balances, locked)
        return done if isinstance(done, str) else None

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
        price = self._order_prices.at_once(request, prices)
        offered = self._depth.offered(request, price, prices, self._instruments[request.symbol])
        if not offered:
            if works_on(request):
                await self._rest(changes, client_order_id, request, None)
            else:
                await book_expired(changes, client_order_id, request, NOTHING_OFFERED)
            return
        part = replace(request, quantity=offered)
        done = self._execution(part, price, self._terms.taker, balances, locked)
        if isinstance(done, str):
            raise OrderRejectedError(done)  # a linked order took what was there
        await book(changes, client_order_id, part, done, asked=request, rest=end_of_rest(request))
        self._depth.take(request.symbol, offered * price, prices)

    async def _rest(
        self,
        changes: BookChanges,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        linked_id: str | None,
    ) -> None:
        leverage, on_its_way = self._setups.leverage(request.symbol), bool(self._terms.latency)
        await rest(changes, client_order_id, request, linked_id, leverage, on_its_way=on_its_way)

    async def _fill_resting(
        self, changes: BookChanges, met: TriggeredOrder, price: Decimal, prices: LastPrices
    ) -> None:
        order = met.order
        balances = await paper_books.lock_balances(changes.connection, self._name)
        family = self.resting.family(order.client_order_id)
        gone = frozenset({*changes.ended, *(order.id for order in family)})
        positions = self._futures.after(changes)
        left = remaining_request(order, positions)
        offered = self._depth.offered(left, price, prices, self._instruments[left.symbol])
        if not offered:
            await wait(changes, order)
            return
        part = replace(left, quantity=offered)
        locked = self.resting.locked(gone)
        done = self._execution(part, price, met.fee_rate, balances, locked, positions)
        if isinstance(done, str):  # nothing is left to reduce, or no cash for it
            await end(changes, [order], OrderStatus.EXPIRED, done)
            return
        ends = NO_MORE if offered == left.quantity else end_of_rest(order.request)
        await book(
            changes,
            order.client_order_id,
            part,
            done,
            order=order,
            asked=order.request,
            rest=ends,
        )
        self._depth.take(left.symbol, offered * price, prices)
        others = [resting_order for resting_order in family if resting_order.id != order.id]
        await end(changes, others, OrderStatus.CANCELED, "its twin was filled")
