"""Forced closes by a venue are ours: liquidation, auto-deleveraging, settlement."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderDeniedError, RefusedError, RolledBackError
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts, externals, positions
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.reconciliation.adopted_orders import Adopted, AdoptedOrders
from tradebotd.trading.reconciliation.dust_closes import SIDE_CLOSED_BY, DustCloses

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 500
MOST_PARTS: Final = 20  # of one fill: positions whose dust it closed; the others at the next look


class ForcedCloses:
    """Fills that a venue calls forced, booked to the futures position that they went against.

    The configuration lets one bot trade a futures symbol of an account, so there is one position; a
    second one only of a bot that left the configuration, and the older is closed first. What is
    beyond them closed the dust of earlier positions, which the venue has in the same position, and
    what is beyond that was external.
    """

    def __init__(
        self, *, database: Database, clock: Clock, orders: AdoptedOrders, dust: DustCloses
    ) -> None:
        self._database = database
        self._clock = clock
        self._orders = orders
        self._dust = dust
        self._one_at_a_time = anyio.Lock()

    async def book_pending(self) -> int:
        """Book forced fills; return how many.

        Raises DatabaseUnavailableError, AccountTakenError.
        """
        async with self._one_at_a_time:
            async with self._database.connection() as connection:
                forced = await externals.select_forced(connection, MOST_AT_ONCE)
            if not forced:
                return 0
            of_open = [each.fill for each in forced if each.of_open]
            taken = 0
            for (venue, symbol, side), fills in groupby(
                sorted(of_open, key=_place), key=lambda fill: (fill.venue, fill.symbol, fill.side)
            ):
                closed = SIDE_CLOSED_BY[side]
                async with self._database.connection() as connection:
                    held = await positions.select_open_futures(connection, venue, symbol, closed)
                taken += await self._close(held, list(fills))
            return taken + await self._close_dust()

    async def _close(self, held: Sequence[Position], fills: list[Fill]) -> int:
        taken = 0
        for position in held:
            mine, remaining = list[Fill](), position.quantity
            while fills and remaining > 0 and fills[0].executed_at >= position.opened_at:
                mine.append(fills.pop(0))
                remaining -= mine[-1].quantity
            if mine and await self._close_one(position, mine):
                taken += len(mine)
        return taken

    async def _close_one(self, position: Position, fills: Sequence[Fill]) -> bool:
        async def raise_alert(connection: Connection, changes: CommittedChanges) -> None:
            await self._raise_alert(connection, position, fills, changes)

        adopted = Adopted(
            bot=position.bot,
            fills=fills,
            position_type=position.position_type,
            leverage=position.leverage,
            held=position,
        )
        try:
            await self._orders.book(adopted, also=raise_alert)
        except (RefusedError, OrderDeniedError, RolledBackError) as error:
            log.info("forced close deferred", position=position.id, why=str(error))
            return False
        return True

    async def _close_dust(self) -> int:
        """Book what closed dust; what one position has left at a time, so in several rounds."""
        taken = 0
        for _ in range(MOST_PARTS):
            async with self._database.connection() as connection:
                forced = await externals.select_forced(connection, MOST_AT_ONCE)
            booked = 0
            for each in forced:
                if not each.of_open:
                    booked += await self._close_dust_by(each.fill, is_whole=each.is_whole)
            if not booked:
                break
            taken += booked
        return taken

    async def _close_dust_by(self, fill: Fill, *, is_whole: bool) -> bool:
        """Book one that closed dust. Of one that is not *is_whole* the alert is there already."""
        position = await self._dust.oldest(fill)
        if position is None:
            return False
        bot = position.bot

        async def raise_alert(connection: Connection, _: CommittedChanges) -> None:
            message = (
                f"{fill.forced}: {fill.venue} closed {fill.quantity:f} that {bot} had left there"
                f" as dust at {fill.price:f}"
            )
            subject, now = f"{fill.venue} {fill.symbol}", self._clock.now()
            if is_whole:
                await alerts.raise_alert(
                    connection, AlertCode.FORCED_CLOSE, "warning", subject, message, now
                )
            log.warning("forced close booked", subject=subject, detail=message)

        return await self._dust.close(fill, position, raise_alert)

    async def _raise_alert(
        self,
        connection: Connection,
        position: Position,
        fills: Sequence[Fill],
        changes: CommittedChanges,
    ) -> None:
        """Alert the forced close, in the transaction of the fills."""
        kind = next(fill.forced for fill in fills if fill.forced is not None)
        quantity = sum((fill.quantity for fill in fills), ZERO)
        remaining = next((position.quantity for position in changes.changed), ZERO)
        message = (
            f"{kind}: {position.venue} closed {quantity:f} of the {position.side} of"
            f" {position.bot} at {fills[-1].price:f}, {remaining:f} is left"
        )
        severity: alerts.Severity = "critical" if kind is Forced.LIQUIDATION else "warning"
        subject, now = f"{position.venue} {position.symbol}", self._clock.now()
        await alerts.raise_alert(
            connection, AlertCode.FORCED_CLOSE, severity, subject, message, now
        )
        log.error("forced close booked", subject=subject, detail=message)


def _place(fill: Fill) -> tuple[str, ...]:
    return fill.venue, fill.symbol, fill.side, fill.executed_at.isoformat(), fill.trade_id
