"""A venue of our own: market orders meet the feed's prices, and its books live in PostgreSQL.

It keeps the manners of a real one: it is asked, it answers, and it never looks into our tables.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio

from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import ClientOrderId, VenueName, VenueOrderId
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.ports.venue import Listener, OrderSearch, VenueAccount, VenueTraits
from tradebotd.storage import paper_books
from tradebotd.storage.database import Connection, Database, Lane, assert_no_connection_held
from tradebotd.venues.paper.matching import Execution, PaperTerms, execute, fill_price

DUPLICATE: Final = "duplicate client order id"
ENDPOINTS: Final = frozenset({"orders"})
# Its books are of one piece with ours: what they have not seen when asked never arrived.
TRAITS: Final = VenueTraits(
    receive_window=timedelta(), absence_margin=timedelta(), negatives=1, endpoints=1
)


class PaperVenue:
    """Implements `ports.venue.Venue`. `instruments` by our symbol."""

    def __init__(
        self,
        name: VenueName,
        clock: Clock,
        prices: PriceSource,
        database: Database,
        terms: PaperTerms,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self._name = name
        self._clock = clock
        self._prices = prices
        self._database = database
        self._terms = terms
        self._instruments = instruments
        self._one_at_a_time = anyio.Lock()
        self._cash_is_booked = False
        self._listener: Listener | None = None

    @property
    def name(self) -> VenueName:
        return self._name

    @property
    def traits(self) -> VenueTraits:
        return TRAITS

    async def submit(self, client_order_id: ClientOrderId, request: OrderRequest) -> OrderReport:
        assert_no_connection_held("an order is sent")
        instrument = self._instruments.get(request.symbol)
        if instrument is None:
            raise OrderRejectedError(f"unknown symbol {request.symbol}")
        if request.venue != self._name or request.quantity <= 0:
            raise OrderRejectedError(f"malformed: {request.quantity} at {request.venue}")
        await self._book_starting_cash()
        begun = False
        try:
            async with self._one_at_a_time:
                # Read behind the lock: an order that waited fills at the price of its turn.
                prices = self._last_prices(request.symbol)
                async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                    begun = True
                    answer = await self._match(
                        connection, client_order_id, request, instrument, prices
                    )
        except DatabaseUnavailableError as error:
            if begun:  # the commit may have happened
                raise OutcomeUnknownError(client_order_id) from error
            raise VenueUnavailableError(str(error)) from error
        if isinstance(answer, str):
            raise OrderRejectedError(answer)
        return answer

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderSearch:
        assert_no_connection_held("an order is sought")
        asked_at = host_now()
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                report = await paper_books.select_order(
                    connection, self._name, symbol, client_order_id
                )
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        return OrderSearch(report=report, endpoints=ENDPOINTS, venue_time=asked_at)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    async def submit_linked(
        self, orders: Sequence[tuple[ClientOrderId, OrderRequest]]
    ) -> Sequence[OrderReport]:
        raise OrderRejectedError("linked orders are not taken")

    async def replace(
        self, symbol: str, old: ClientOrderId, new: ClientOrderId, request: OrderRequest
    ) -> OrderReport:
        raise OrderRejectedError("orders are not replaced")

    async def open_orders(self) -> Sequence[OrderReport]:
        return []

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        return []

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Market orders never rest, so there is never anything to cancel."""
        found = (await self.find_order(symbol, client_order_id)).report
        state = "unknown" if found is None else f"already {found.status}"
        raise OrderRejectedError(f"nothing to cancel: order {client_order_id} is {state}")

    async def fills_since(self, since: datetime) -> Sequence[Fill]:
        assert_no_connection_held("fills are fetched")
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                return await paper_books.select_fills_since(connection, self._name, since)
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error

    async def account(self) -> VenueAccount:
        assert_no_connection_held("the account is fetched")
        await self._book_starting_cash()
        try:
            async with self._database.connection(Lane.ORDERS) as connection:
                balances, positions = await paper_books.select_account(connection, self._name)
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        return VenueAccount(balances=balances, positions=positions)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        known = ((each.symbol, self._prices.last_prices(each.symbol)) for each in symbols)
        return {symbol: prices.current for symbol, prices in known if prices is not None}

    def _last_prices(self, symbol: str) -> LastPrices:
        prices = self._prices.last_prices(symbol)
        if prices is None:
            raise VenueUnavailableError(f"no price of {symbol} yet")
        return prices

    async def _book_starting_cash(self) -> None:
        if self._cash_is_booked:
            return
        try:
            async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                await paper_books.book_starting_cash(
                    connection, self._name, self._terms.starting_cash
                )
        except DatabaseUnavailableError as error:
            raise VenueUnavailableError(str(error)) from error
        self._cash_is_booked = True

    async def _match(
        self,
        connection: Connection,
        client_order_id: ClientOrderId,
        request: OrderRequest,
        instrument: Instrument,
        prices: LastPrices,
    ) -> OrderReport | str:
        """The report of a fill, or the reason of a rejection; both are in the books."""
        balances = await paper_books.lock_balances(connection, self._name)
        positions = await paper_books.select_positions(connection, self._name)
        result: Execution | str | None = _refusal(request, instrument)
        if result is None:
            price = fill_price(request, prices, instrument, self._terms)
            result = execute(request, price, instrument, self._terms.taker, balances, positions)
        now = self._clock.now()
        rejected = result if isinstance(result, str) else None
        order_id = await paper_books.insert_order(
            connection, client_order_id, request, now, rejected
        )
        if order_id is None:
            return DUPLICATE
        if isinstance(result, str):
            return result
        fill = await self._book(
            connection, client_order_id, order_id, request, instrument, result, now
        )
        return OrderReport(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(str(order_id)),
            status=OrderStatus.FILLED,
            filled_quantity=request.quantity,
            at=now,
            fills=(fill,),
        )

    async def _book(
        self,
        connection: Connection,
        client_order_id: ClientOrderId,
        order_id: int,
        request: OrderRequest,
        instrument: Instrument,
        result: Execution,
        now: datetime,
    ) -> Fill:
        fee_asset = instrument.quote_asset
        trade_id = await paper_books.insert_fill(
            connection, order_id, request, result.price, result.fee, fee_asset, now
        )
        await paper_books.add_to_balances(connection, self._name, result.changes)
        if result.position is not None:
            await paper_books.put_position(connection, self._name, result.position)
        return Fill(
            venue=self._name,
            symbol=request.symbol,
            trade_id=trade_id,
            client_order_id=client_order_id,
            side=request.side,
            quantity=request.quantity,
            price=result.price,
            fee=result.fee,
            fee_asset=fee_asset,
            executed_at=now,
        )


def _refusal(request: OrderRequest, instrument: Instrument) -> str | None:
    if request.type is not OrderType.MARKET:
        return "the paper venue takes market orders so far"
    if request.quantity % instrument.lot_size:
        return f"quantity {request.quantity} is not a whole number of {instrument.lot_size}"
    return None
