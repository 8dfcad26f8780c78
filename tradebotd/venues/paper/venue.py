"""Paper venue: orders meet the feed's prices, and its books live in PostgreSQL.

It behaves like a real one: it is asked, it answers, it reports what happens between calls, and it
never reads our tables.
"""

from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.clocks.host import host_now
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.domain.transfer import Transfer
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.ports.venue import (
    Commission,
    Listener,
    OrderLookup,
    Replaced,
    SendBlockedBy,
    StreamListener,
    SymbolSetup,
    VenueAccount,
    VenueClock,
    VenueTraits,
    check_may_leave,
    not_blocked,
)
from tradebotd.storage import paper_books, paper_orders
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.venues.paper.capabilities import commission_of, traits_of
from tradebotd.venues.paper.day_orders import DayEnd, end_of_utc_day
from tradebotd.venues.paper.drills import Drills
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.matching_engine import MatchingEngine
from tradebotd.venues.paper.order_stream import PaperStream
from tradebotd.venues.paper.quotes import quotes_of
from tradebotd.venues.paper.settlement import BookChanges

log = structlog.get_logger(__name__)

ENDPOINTS: Final = frozenset({"orders"})
LAST_ALONE: Final = frozenset({PriceKind.LAST})


class PaperVenue:
    """Implementation of `ports.venue.Venue`. `instruments` by our symbol.

    *price_kinds*: those that *prices* have; it tells them, and compares stops with any of them.
    *day_end*: when DAY orders end; by default with the UTC day.
    """

    def __init__(
        self,
        name: VenueName,
        clock: Clock,
        prices: PriceSource,
        database: Database,
        terms: PaperTerms,
        instruments: Mapping[str, Instrument],
        *,
        price_kinds: frozenset[PriceKind] = LAST_ALONE,
        day_end: DayEnd = end_of_utc_day,
    ) -> None:
        self._name = name
        self._clock = clock
        self._prices = prices
        self._database = database
        self._terms = terms
        self._instruments = instruments
        self._price_kinds = price_kinds
        self._traits = traits_of(terms, price_kinds)
        self._engine = MatchingEngine(
            name, terms, instruments, prices, price_kinds=price_kinds, day_end=day_end
        )
        self._one_at_a_time = anyio.Lock()
        self._is_open = False
        self.stream = PaperStream()
        self.drills = Drills()

    @property
    def name(self) -> VenueName:
        return self._name

    @property
    def traits(self) -> VenueTraits:
        return self._traits

    def listen(self, listener: Listener, on_stream: StreamListener | None = None) -> None:
        self.stream.listen(listener, on_stream)

    # Orders

    async def submit(
        self,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        (report,) = await self._submit([(client_order_id, request)], send_blocked_by)
        return report

    async def submit_linked(
        self,
        orders: Sequence[tuple[ClientOrderId, OrderRequest]],
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Sequence[OrderReport]:
        return await self._submit(orders, send_blocked_by)

    async def replace(
        self,
        symbol: str,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> Replaced:
        self._check([(new, request)])
        await self._end_days()
        prices = self._last_prices(symbol)
        async with self._acting(new, send_blocked_by) as changes:
            await self._engine.replace(changes, old, (new, request), prices)
        reports = await self._answered(changes, new, old)
        return Replaced(new=reports[new], old=reports.get(old))

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        assert_no_connection_held("an order is cancelled")
        self.drills.check()
        await self._end_days()
        async with self._acting(client_order_id) as changes:
            await self._engine.cancel(changes, client_order_id)
        if changes.refused is None:
            return (await self._answered(changes, client_order_id))[client_order_id]
        found = (await self.find_order(symbol, client_order_id)).report
        state = "unknown" if found is None else f"already {found.status}"
        raise OrderRejectedError(f"nothing to cancel: order {client_order_id} is {state}")

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        assert_no_connection_held("an order is sought")
        self.drills.check()
        if self._is_open:
            await self._end_days()
        asked_at = host_now()
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                report = await paper_orders.select_order(
                    connection, self._name, symbol, client_order_id
                )
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        return OrderLookup(report=report, endpoints=ENDPOINTS, venue_time=asked_at)

    async def open_orders(self, symbols: Collection[str] | None = None) -> Sequence[OrderReport]:
        assert_no_connection_held("open orders are fetched")
        self.drills.check()
        await self._end_days()
        return self._engine.open_orders(symbols)

    async def fills_since(
        self, since: datetime, symbols: Collection[str] | None = None
    ) -> Sequence[Fill]:
        assert_no_connection_held("fills are fetched")
        self.drills.check()
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                return await paper_books.select_fills_since(connection, self._name, since, symbols)
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        assert_no_connection_held("funding is fetched")
        self.drills.check()
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                return await paper_books.select_funding_since(connection, self._name, since)
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:  # noqa: ARG002
        """Return nothing: no money can be paid in or out; the starting cash is booked once."""
        assert_no_connection_held("transfers are fetched")
        self.drills.check()
        return ()

    async def account(self) -> VenueAccount:
        assert_no_connection_held("the account is fetched")
        self.drills.check()
        await self._end_days()
        try:
            # Under the lock: resting orders come from memory, which follows the books.
            async with (
                self._one_at_a_time,
                self._database.connection(Lane.ORDERS) as connection,
            ):
                balances, positions, entry_prices = await paper_books.select_account(
                    connection, self._name
                )
                locked, margins = self._engine.resting.locked(), self._engine.margins()
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        return VenueAccount(
            balances=balances,
            locked=dict(locked.by_asset),
            positions=positions,
            entry_prices=entry_prices,
            buying_power=dict(self.drills.buying_power),
            margin_used=margins,
            hedge_mode=self.drills.hedge_mode,
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        self.drills.check()
        now, average = self._clock.now(), self._engine.averages.average
        averages = {symbol.symbol: average(symbol.symbol, now) for symbol in symbols}
        return quotes_of(averages, self._prices, self._price_kinds)

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        """Return the instruments of the configuration: nothing else tells it."""
        self.drills.check()
        names = [symbol.symbol for symbol in symbols]
        return {name: self._instruments[name] for name in names if name in self._instruments}

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        self.drills.check()
        known = [symbol.symbol for symbol in symbols if symbol.symbol in self._instruments]
        return dict.fromkeys(known, commission_of(self._terms))

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        self.drills.check()
        if symbol not in self._instruments:
            raise OrderRejectedError(f"unknown symbol {symbol}")
        async with self._acting(ClientOrderId(f"set-up {symbol}")) as changes:
            await self._engine.set_up(changes, symbol, setup)
        if changes.refused is not None:
            raise OrderRejectedError(changes.refused)

    async def server_clock(self) -> VenueClock:
        self.drills.check()
        return VenueClock(time=host_now())

    # Prices

    def on_tick(self, tick: Tick) -> Awaitable[None] | None:
        """Match resting orders and futures positions against a tick; None when there are none.

        Call it after the price has been recorded. While the books cannot be written nothing
        happens, and the next tick meets what this one would have met.
        """
        self._engine.averages.record(tick)
        if self._is_open and not self._engine.is_concerned(tick.symbol):
            return None
        return self._match_and_notify(tick)

    async def _match_and_notify(self, tick: Tick) -> None:
        try:
            await self._match(tick)
        except (VenueUnavailableError, OutcomeUnknownError) as error:
            log.warning("paper matching deferred", venue=self._name, error=str(error))

    async def _match(self, tick: Tick) -> None:
        await self._end_days()
        last = self._prices.last_prices(tick.symbol)
        if last is None:
            return
        prices = last  # a mark, a bid or an ask trades nothing by itself
        if tick.kind is PriceKind.LAST:
            prices = last._replace(current=tick.price, at=tick.at, after_gap=tick.after_gap)
        if not self._engine.would_act(tick.symbol, prices):
            return
        async with self._acting(ClientOrderId(f"point {tick.at.isoformat()}")) as changes:
            await self._engine.meet(changes, tick.symbol, prices, tick.at, tick.kind)
        await self.stream.tell(changes.reports)

    async def _end_days(self) -> None:
        """End DAY orders whose session is over, before anything is told or matched."""
        await self._open()
        now = self._clock.now()
        if not self._engine.resting.any_day_over(now):
            return
        async with self._acting(ClientOrderId(f"day end {now.isoformat()}")) as changes:
            await self._engine.end_days(changes, now)
        await self.stream.tell(changes.reports)

    # How a change is made

    async def _submit(
        self, orders: Sequence[tuple[ClientOrderId, OrderRequest]], send_blocked_by: SendBlockedBy
    ) -> Sequence[OrderReport]:
        self._check(orders)
        await self._end_days()
        first, request = orders[0]
        async with self._acting(first, send_blocked_by) as changes:
            # Read behind the lock: an order that waited fills at the price of its turn.
            await self._engine.take(changes, orders, self._last_prices(request.symbol))
        if changes.refused is not None:
            raise OrderRejectedError(changes.refused)
        reports = {report.client_order_id: report for report in changes.reports}
        mine = {client_order_id for client_order_id, _ in orders}
        await self.stream.tell([report for name, report in reports.items() if name not in mine])
        return [reports[client_order_id] for client_order_id, _ in orders]

    @asynccontextmanager
    async def _acting(
        self, client_order_id: ClientOrderId, send_blocked_by: SendBlockedBy = not_blocked
    ) -> AsyncIterator[BookChanges]:
        """Run one transaction of the venue's books, alone; memory follows once it has committed.

        An order is on its way until the transaction has begun: *send_blocked_by* is checked then.
        Raises OutcomeUnknownError when the commit may have happened, else VenueUnavailableError.
        """
        await self._open()
        begun = False
        try:
            async with self._one_at_a_time:
                try:
                    async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                        check_may_leave(send_blocked_by)
                        begun = True
                        changes = BookChanges(connection=connection, at=self._clock.now())
                        yield changes
                except BaseException:
                    if begun:  # the state of the books is no longer known here
                        self._is_open = False
                        self.stream.doubt(self._clock.now())
                    raise
                self._engine.follow(changes)
        except DatabaseUnavailableError as error:
            if begun:
                raise OutcomeUnknownError(client_order_id) from error
            raise VenueUnavailableError(str(error)) from error

    async def _answered(
        self, changes: BookChanges, *asked: ClientOrderId
    ) -> dict[ClientOrderId, OrderReport]:
        """Return the reports of those orders; the others go to the listener."""
        if changes.refused is not None:
            raise OrderRejectedError(changes.refused)
        await self.stream.tell(
            [report for report in changes.reports if report.client_order_id not in asked]
        )
        return {
            report.client_order_id: report
            for report in changes.reports
            if report.client_order_id in asked
        }

    def _check(self, orders: Sequence[tuple[ClientOrderId, OrderRequest]]) -> None:
        assert_no_connection_held("an order is sent")
        self.drills.check()
        for _, request in orders:
            if request.symbol not in self._instruments:
                raise OrderRejectedError(f"unknown symbol {request.symbol}")
            if request.venue != self._name or request.quantity <= 0:
                raise OrderRejectedError(f"malformed: {request.quantity} at {request.venue}")

    def _last_prices(self, symbol: str) -> LastPrices:
        prices = self._prices.last_prices(symbol)
        if prices is None:
            raise VenueUnavailableError(f"no price of {symbol} yet")
        return prices

    async def _open(self) -> None:
        """Book the starting cash once and read what rests: at the start, and after any doubt."""
        if self._is_open:
            return
        try:
            async with (
                self._one_at_a_time,
                self._database.transaction(Lane.ORDERS, durable=True) as connection,
            ):
                await paper_books.book_starting_cash(
                    connection, self._name, self._terms.starting_cash
                )
                await self._engine.read(connection)
                self._is_open = True
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        await self.stream.opened()
