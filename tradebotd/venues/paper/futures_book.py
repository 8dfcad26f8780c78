"""Futures positions of the paper venue in memory: their funding, and their liquidation."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderStatus
from tradebotd.ports.prices import LastPrices
from tradebotd.storage import paper_books
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.fill_model import Execution, PaperTerms, execute
from tradebotd.venues.paper.futures import (
    close_out,
    funding_amount,
    funding_instant,
    funding_instants,
    liquidated_at,
)
from tradebotd.venues.paper.settlement import BookChanges, book, end


class FuturesBook:
    """Positions by symbol, and until when each has been funded; changed by `follow`."""

    def __init__(
        self, name: VenueName, terms: PaperTerms, instruments: Mapping[str, Instrument]
    ) -> None:
        self._name = name
        self._terms = terms
        self._instruments = instruments
        self._positions: dict[str, PaperPosition] = {}
        self._funded: dict[str, datetime] = {}

    async def read(self, connection: Connection) -> None:
        positions = await paper_books.select_positions(connection, self._name)
        self._positions = {position.symbol: position for position in positions}
        for symbol, touched in await paper_books.select_touched(connection, self._name):
            self._funded[symbol] = funding_instant(touched, self._terms.funding_every)

    def follow(self, changes: BookChanges) -> None:
        self._funded |= changes.funded
        for symbol, position in changes.positions.items():
            if position.quantity:
                if symbol not in self._positions:
                    every = self._terms.funding_every
                    self._funded[symbol] = funding_instant(changes.at, every)
                self._positions[symbol] = position
            else:
                self._positions.pop(symbol, None)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._positions

    def __iter__(self) -> Iterator[PaperPosition]:
        return iter(self._positions.values())

    def get(self, symbol: str) -> PaperPosition | None:
        return self._positions.get(symbol)

    def after(self, changes: BookChanges) -> list[PaperPosition]:
        """Return the positions as *changes* leave them."""
        return list({**self._positions, **changes.positions}.values())

    def would_act(self, symbol: str, prices: LastPrices) -> bool:
        """Return whether a price liquidates the position, or a period is to be funded."""
        position = self._positions.get(symbol)
        if position is None:
            return False
        if liquidated_at(position, prices, self._instruments[symbol]) is not None:
            return True
        return self._is_due(symbol, prices.at)

    def _is_due(self, symbol: str, at: datetime) -> bool:
        if not self._terms.funding_rate or symbol not in self._positions:
            return False
        return self._funded[symbol] < funding_instant(at, self._terms.funding_every)

    async def fund(self, changes: BookChanges, symbol: str, at: datetime, price: Decimal) -> None:
        """Book funding once a period, at its first tick or order, for what was held before it.

        Periods without a tick are paid at the first price after them.
        """
        if not self._is_due(symbol, at):
            return
        every, since = self._terms.funding_every, self._funded[symbol]
        latest, position = funding_instant(at, every), self._positions[symbol]
        asset = self._instruments[symbol].quote_asset
        amount = funding_amount(position, price, self._terms.funding_rate)
        for due in funding_instants(since, latest, every):
            if await paper_books.insert_funding(
                changes.connection, self._name, symbol, amount, asset, due
            ):
                await paper_books.add_to_balances(changes.connection, self._name, {asset: amount})
        changes.funded[symbol] = latest

    async def liquidate(
        self,
        changes: BookChanges,
        symbol: str,
        prices: LastPrices,
        resting: Collection[RestingOrder],
    ) -> None:
        """Close the position if a price has reached its liquidation, and end what reduces it."""
        position = changes.positions.get(symbol) or self._positions.get(symbol)
        if position is None or not position.quantity:
            return
        instrument = self._instruments[symbol]
        price = liquidated_at(position, prices, instrument)
        if price is None:
            return
        request = close_out(position, self._name)
        name = ClientOrderId(f"autoclose-{symbol}-{prices.at:%Y%m%d%H%M%S}"[:36])
        balances = await paper_books.lock_balances(changes.connection, self._name)
        done = execute(request, price, instrument, self._terms.taker, balances, [position])
        if isinstance(done, Execution):
            await book(changes, name, request, done)
        bare = _reducing(resting, but=changes.ended)
        await end(changes, bare, OrderStatus.EXPIRED, "the position was liquidated")


def _reducing(resting: Iterable[RestingOrder], *, but: Collection[int]) -> list[RestingOrder]:
    return [order for order in resting if order.request.reduce_only and order.id not in but]
