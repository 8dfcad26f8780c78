"""What the account and each bot are worth, and how near they are to their limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

import anyio

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.market.price_book import PriceBook
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.risk.limits import AccountState
from tradebotd.storage import equity
from tradebotd.storage.database import Database
from tradebotd.storage.equity import BotFlows, OpenHolding, Snapshot
from tradebotd.trading.days import day_began

MINUTE: Final = timedelta(minutes=1)
LOOKS: Final = 5
LOOK_AGAIN_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Cash and what is held, at the prices of one moment."""

    account: Snapshot
    bots: Mapping[BotName, Snapshot]
    free_cash: Decimal
    open_positions: int
    of_one_moment: bool


class Account:
    """In *currency*; balances of other assets count through open positions only."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        prices: PriceBook,
        specs: Mapping[BotName, BotSpec],
        name: str,
        currency: str,
        zone: tzinfo,
    ) -> None:
        self._database = database
        self._venues = venues
        self._prices = prices
        self._specs = specs
        self.name = name
        self._currency = currency
        self._zone = zone

    async def worth(self) -> Worth:
        """Raises FeedError when something held has no price, VenueError, DatabaseUnavailableError.

        Cash is the venues' and positions are ours: they are of one moment only if no order was
        under way and no fill came in between.
        """
        before = await self._flows()
        accounts = [await venue.account() for _, venue in sorted(self._venues.items())]
        flows, moving = await self._flows()
        cash = sum((_cash(account, self._currency) for account in accounts), ZERO)
        bots = {flow.bot: self._bot_worth(flow) for flow in flows}
        holdings = [flow.holding for flow in flows if flow.holding is not None]
        total = self._snapshot(None, cash, holdings)
        return Worth(
            account=total,
            bots=bots,
            free_cash=cash,
            open_positions=len(holdings),
            of_one_moment=not moving and before == (flows, moving),
        )

    async def _flows(self) -> tuple[list[BotFlows], bool]:
        async with self._database.connection() as connection:
            return await equity.select_bot_flows(connection)

    async def state(self, worth: Worth, now: datetime) -> AccountState:
        """For the limits; without a snapshot yet, the day and the peak begin now."""
        async with self._database.connection() as connection:
            history = await equity.select_history(
                connection, self.name, day_began(now, self._zone), now - MINUTE
            )
        current = worth.account.equity
        pending = sum((self._price(each) * left for each, left in history.pending), ZERO)
        return AccountState(
            equity=current,
            exposure=worth.account.exposure + pending,
            open_positions=worth.open_positions + history.pending_entries,
            orders_last_minute=history.recent_orders,
            day_start_equity=current if history.day_start is None else history.day_start,
            peak_equity=current if history.peak is None else max(history.peak, current),
        )

    async def snapshot(self, now: datetime) -> Worth | None:
        """Store what everything is worth at *now*; a second one at the same instant is skipped.

        None while orders are under way: a sale booked on one side only would be a peak that never
        was, and a drawdown from it ever after.
        """
        worth = await self.worth()
        for _ in range(LOOKS - 1):
            if worth.of_one_moment:
                break
            await anyio.sleep(LOOK_AGAIN_SECONDS)
            worth = await self.worth()
        if not worth.of_one_moment:
            return None
        rows = [worth.account, *worth.bots.values()]
        async with self._database.connection() as connection:
            await equity.insert_snapshots(connection, now, self.name, rows)
        return worth

    def _bot_worth(self, flow: BotFlows) -> Snapshot:
        """Initial capital and what its fills made of it; a spot holding was paid from its cash."""
        spec = self._specs.get(flow.bot)
        cash = flow.realized + (ZERO if spec is None else spec.initial_capital)
        holdings: Sequence[OpenHolding] = ()
        if flow.holding is not None:
            holdings = (flow.holding,)
            if flow.holding.position_type is PositionType.SPOT:
                cash -= flow.holding.quantity * flow.holding.entry_price
        return self._snapshot(flow.bot, cash, holdings)

    def _snapshot(
        self, bot: BotName | None, cash: Decimal, holdings: Sequence[OpenHolding]
    ) -> Snapshot:
        exposure, value, unrealized = ZERO, ZERO, ZERO
        for holding in holdings:
            price = self._price(holding.symbol)
            gain = (price - holding.entry_price) * holding.quantity
            exposure += abs(holding.quantity) * price
            unrealized += gain
            spot = holding.position_type is PositionType.SPOT
            value += holding.quantity * price if spot else gain
        return Snapshot(
            bot=bot,
            equity=cash + value,
            cash=cash,
            exposure=exposure,
            unrealized_pnl=unrealized,
        )

    def _price(self, symbol: str) -> Decimal:
        price = self._prices.price(symbol)
        if price is None:
            raise FeedError(f"{symbol} has no price yet")
        return price


def _cash(account: VenueAccount, currency: str) -> Decimal:
    return account.balances.get(currency, ZERO)
