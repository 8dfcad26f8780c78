"""Excess fills of ours, beyond what was held: settled against what the venue says is there.

Both legs of a pair may fill in a fast market, and a late fill may meet a position that is closed.
On spot, coins that are not ours were sold: the account owner's, if all of ours are still there.
With futures the venue closed dust of earlier positions, or the position was turned round: what that
opened is ours, and is closed at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.errors import (
    AccountTakenError,
    OrderDeniedError,
    RefusedError,
    RolledBackError,
)
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage import externals, positions
from tradebotd.storage.externals import Excess
from tradebotd.storage.postgres.database import Connection, Database, Lane
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.reconciliation.adopted_orders import Adopted, AdoptedOrders
from tradebotd.trading.reconciliation.dust_closes import DustCloses
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.rules import Difference, net

log = structlog.get_logger(__name__)

AT_ONCE: Final = ExitPlan(max_holding=timedelta())


class ExcessFills:
    def __init__(
        self, *, database: Database, holdings: Holdings, orders: AdoptedOrders, dust: DustCloses
    ) -> None:
        self._database = database
        self._holdings = holdings
        self._orders = orders
        self._dust = dust

    async def settle(
        self, differences: Sequence[Difference], accounts: Mapping[VenueName, VenueAccount]
    ) -> int:
        """Settle excess fills; return how many. If any, *differences* is out of date.

        Raises DatabaseUnavailableError.
        """
        settled = 0
        for venue in sorted({difference.venue for difference in differences}):
            async with self._database.connection() as connection:
                open_ones = await externals.select_excess(connection, venue)
            here = {
                difference.subject: difference
                for difference in differences
                if difference.venue == venue
            }
            for excess in open_ones:
                settled += await self._settle(excess, here, accounts[venue])
        return settled

    async def _settle(
        self, excess: Excess, here: dict[str, Difference], account: VenueAccount
    ) -> bool:
        """Settle one excess only as far as the venue shows it, and reduce the difference by it."""
        fill, futures = excess.fill, excess.position_type is PositionType.FUTURES
        base = await self._holdings.base_asset(fill.symbol)
        subject = fill.symbol if futures else base
        difference, change = here.get(subject), net(fill, base)
        if futures:
            change = fill.quantity * fill.side.sign
        if difference is None or difference.excess * change < 0:
            return False
        if abs(difference.excess) < abs(change):
            return False
        done = await (
            self._book_reversal(excess)
            if futures
            else self._charge_owner(excess, difference, account)
        )
        if done:
            here[subject] = replace(difference, theirs=difference.theirs - change)
        return done

    async def _charge_owner(
        self, excess: Excess, difference: Difference, account: VenueAccount
    ) -> bool:
        """Settle from the owner's coins, there before us: all our positions count on is there."""
        fill, asset = excess.fill, difference.subject
        if excess.position_id is None:  # only a long can be entered on spot
            return False
        if account.balances.get(asset, Decimal(0)) < difference.ours:
            return False
        change = net(fill, asset)
        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
            if not await self._holdings.move_baseline(connection, fill.venue, asset, change):
                return False
            await self._mark(connection, fill, excess.position_id)
        self._holdings.forget_baselines()
        log.warning("owner's coins sold", asset=asset, quantity=change)
        return True

    async def _book_reversal(self, excess: Excess) -> bool:
        """Book less of what the bot holds by now, or has left; else a position closed at once."""
        fill = excess.fill
        async with self._database.connection() as connection:
            open_id = await positions.select_open_id(connection, excess.bot, fill.symbol)
            held = None if open_id is None else await positions.select_one(connection, open_id)
        if held is None or not _reduces(fill, held):
            left = await self._dust.oldest(fill)
            if left is not None:
                return await self._close_dust(fill, left)
        adopted = Adopted(
            bot=excess.bot,
            fills=[fill],
            position_type=excess.position_type,
            leverage=excess.leverage,
            exits=AT_ONCE,
            held=held if held is not None and _reduces(fill, held) else None,
        )

        async def mark(connection: Connection, changes: CommittedChanges) -> None:
            await self._mark(connection, fill, changes.touched[0].id)

        try:
            await self._orders.book(adopted, also=mark)
        except (RefusedError, OrderDeniedError, AccountTakenError, RolledBackError) as error:
            log.info("excess fill deferred", trade=fill.trade_id, why=str(error))
            return False
        log.error("position reversed", symbol=fill.symbol)
        return True

    async def _close_dust(self, fill: Fill, left: Position) -> bool:
        try:
            return await self._dust.close(fill, left)
        except AccountTakenError as error:
            log.info("excess fill deferred", trade=fill.trade_id, why=str(error))
            return False

    async def _mark(self, connection: Connection, fill: Fill, position_id: PositionId) -> None:
        await externals.adopt(connection, fill.venue, fill.symbol, [fill.trade_id], position_id)


def _reduces(fill: Fill, held: Position) -> bool:
    return held.side.exit is fill.side
