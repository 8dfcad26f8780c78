"""Closes of the dust that futures positions have left at a venue: exits of those positions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import (
    AccountTakenError,
    OrderDeniedError,
    RefusedError,
    RolledBackError,
)
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide, Side
from tradebotd.storage import externals, positions
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.execution.recorder import AlsoThen
from tradebotd.trading.reconciliation.adopted_orders import Adopted, AdoptedOrders
from tradebotd.trading.reconciliation.rules import Difference

log = structlog.get_logger(__name__)

SIDE_CLOSED_BY: Final[Mapping[Side, PositionSide]] = {
    Side.SELL: PositionSide.LONG,
    Side.BUY: PositionSide.SHORT,
}


class DustCloses:
    """Booking of fills that closed dust of futures: what no order of ours can close any more.

    What is closed first is nobody's choice at a venue that has one position a symbol: it is the
    oldest. What a fill closed beyond that is kept as its excess, under a name of its own.
    """

    def __init__(self, *, database: Database, orders: AdoptedOrders) -> None:
        self._database = database
        self._orders = orders

    async def oldest(self, fill: Fill) -> Position | None:
        """Return the position whose dust *fill* closes first, or None.

        Raises DatabaseUnavailableError.
        """
        async with self._database.connection() as connection:
            left = await positions.select_futures_dust(
                connection, fill.venue, fill.symbol, SIDE_CLOSED_BY[fill.side]
            )
        return left[0][0] if left else None

    async def close(self, fill: Fill, position: Position, also: AlsoThen | None = None) -> bool:
        """Book *fill* as an exit of the dust of *position*; return whether it was booked.

        *also* in the same transaction. Raises AccountTakenError, DatabaseUnavailableError.
        """

        async def mark(connection: Connection, changes: CommittedChanges) -> None:
            await externals.adopt(connection, fill.venue, fill.symbol, [fill.trade_id], position.id)
            if also is not None:
                await also(connection, changes)

        adopted = Adopted(
            bot=position.bot,
            fills=[fill],
            position_type=position.position_type,
            leverage=position.leverage,
            held=position,
        )
        try:
            await self._orders.book(adopted, also=mark)
        except (RefusedError, OrderDeniedError, RolledBackError) as error:
            log.info("close of dust deferred", position=position.id, why=str(error))
            return False
        return True

    async def settle(self, difference: Difference, fills: Sequence[Fill]) -> int:
        """Book what another hand closed of dust alone; return how many fills.

        *fills* explain the *difference*. Nothing is booked while a position is open in the symbol,
        which they may be of, or when they are more than the dust.
        """
        if not fills or any(fill.symbol != difference.subject for fill in fills):
            return 0
        if len({fill.side for fill in fills}) > 1 or not await self._is_dust_alone(
            difference.venue, fills
        ):
            return 0
        settled = 0
        for fill in fills:
            position = await self.oldest(fill)
            try:
                if position is None or not await self.close(fill, position):
                    break
            except AccountTakenError as error:
                log.warning("close of dust not booked", error=str(error))
                break
            settled += 1
            log.warning("dust closed by another hand", symbol=fill.symbol, quantity=fill.quantity)
        return settled

    async def _is_dust_alone(self, venue: VenueName, fills: Sequence[Fill]) -> bool:
        """Return whether no position is open, and its dust is at least what the fills closed."""
        symbol, closed = fills[0].symbol, SIDE_CLOSED_BY[fills[0].side]
        async with self._database.connection() as connection:
            left = await positions.select_futures_dust(connection, venue, symbol, closed)
            held = [
                position
                for side in (PositionSide if left else ())
                for position in await positions.select_open_futures(connection, venue, symbol, side)
            ]
        first = min(fill.executed_at for fill in fills)
        known: Decimal = sum((dust for position, dust in left if position.opened_at <= first), ZERO)
        return not held and sum((fill.quantity for fill in fills), ZERO) <= known
