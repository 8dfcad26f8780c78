"""From a side to an order: price, size, account limits, and the row that proves all three."""

from datetime import datetime
from decimal import Decimal

import anyio

from tradebotd.domain.bot import AccountLimits, BotSpec
from tradebotd.domain.errors import FeedError, VenueError
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import (
    OrderIntent,
    OrderReport,
    OrderRequest,
    OrderRole,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import PositionSide
from tradebotd.market.price_book import PriceBook
from tradebotd.risk.limits import approve_entry
from tradebotd.risk.sizing import entry_quantity
from tradebotd.storage.bots import DecisionRecord
from tradebotd.trading.account import Account, Worth
from tradebotd.trading.placement import Placement


class Entries:
    """Entries of one account are sized and approved one after the other, and sent side by side:

    two bots must not both fit into the same last share of the exposure.
    """

    def __init__(
        self,
        *,
        account: Account,
        prices: PriceBook,
        placement: Placement,
        limits: AccountLimits,
    ) -> None:
        self.account = account
        self._prices = prices
        self._placement = placement
        self.limits = limits
        self._one_at_a_time = anyio.Lock()

    async def enter(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        side: PositionSide,
        decision: DecisionRecord,
        now: datetime,
    ) -> OrderReport:
        """Raises OrderDeniedError (with its rule), FeedError without a price, VenueError."""
        price = self._prices.price(spec.symbol)
        if price is None:
            raise FeedError(f"{spec.symbol} has no price yet")
        async with self._one_at_a_time:
            worth = await self._worth()
            intent = _intent(spec, symbol, side, _quantity(spec, symbol, price, worth), decision)
            state = await self.account.state(worth, now)
            approved = approve_entry(intent, price, state, self.limits)
            prepared = await self._placement.prepare(approved, exits=spec.exits, decision=decision)
        return await self._placement.send(prepared)

    async def _worth(self) -> Worth:
        """A venue that does not say what we own has not been sent an order either."""
        try:
            return await self.account.worth()
        except VenueError as error:
            raise FeedError(f"the account cannot be read: {error}") from error


def _quantity(spec: BotSpec, symbol: MarketSymbol, price: Decimal, worth: Worth) -> Decimal:
    own = worth.bots[spec.name]
    return entry_quantity(
        spec.sizing,
        price=price,
        equity=own.equity,
        free_cash=min(worth.free_cash, own.cash),
        instrument=symbol.instrument,
        leverage=spec.leverage,
        position_type=spec.position_type,
    )


def _intent(
    spec: BotSpec,
    symbol: MarketSymbol,
    side: PositionSide,
    quantity: Decimal,
    decision: DecisionRecord,
) -> OrderIntent:
    request = OrderRequest(
        venue=symbol.instrument.venue,
        symbol=spec.symbol,
        side=side.entry,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=quantity,
        position_type=spec.position_type,
        leverage=spec.leverage,
    )
    return OrderIntent(request=request, bot=spec.name, role=OrderRole.ENTRY, reason=decision.reason)
