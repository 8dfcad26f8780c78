"""Shortfalls: what a venue has free to sell, where that is less than our books hold.

A fee that was told wrongly or has changed, or an order of another hand that locks a part: each exit
of the whole would be refused for ever. So one that is refused for its balance is made anew for what
is free, which is never more than is ours. What is left stays in the books: reconciliation reports
the difference, and adoption books it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Balance, Venue
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.condition_alerts import subject

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 5.0
# A venue may free what a cancelled stop has locked a moment after it has answered.
FREED_WITHIN: Final = timedelta(seconds=1)


class _Bound(NamedTuple):
    held: Decimal  # what our books held when it was asked; other holdings are judged anew
    free: Decimal


class Shortfalls:
    """Shortfalls of spot positions. The bounds of their stops are kept in this process."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
    ) -> None:
        self._database = database
        self._clock = clock
        self._venues = venues
        self._symbols = symbols
        self._bounds: dict[PositionId, _Bound] = {}
        self._refused_since: dict[PositionId, datetime] = {}  # stops, in a row

    def forget(self, position_id: PositionId) -> None:
        self._bounds.pop(position_id, None)
        self._refused_since.pop(position_id, None)

    def bounded(self, position: Position) -> Position:
        """Return *position* with no more than its venue is known to have for a stop of it."""
        bound = self._bounds.get(position.id)
        if bound is None or bound.held != position.quantity:
            return position
        return replace(position, quantity=bound.free)

    async def free_to_sell(
        self, position: Position, quantity: Decimal, error: OrderRejectedError
    ) -> Decimal | None:
        """Return how much an exit of *position* may sell, after *error* refused *quantity* of it.

        Less than *quantity*, and more than nothing; None: the refusal is for another reason, or
        the venue does not tell of less. Alerts it.
        """
        if not _is_short(position, error):
            return None
        told = await self._told(position)
        if told is None:
            return None
        free = told.free
        log.warning(
            "exit exceeds balance",
            bot=position.bot,
            symbol=position.symbol,
            quantity=quantity,
            free=free,
            total=told.total,
        )
        if not ZERO < free < quantity:
            return None
        await self._alert(position, quantity, told)
        return free

    async def note_refused_stop(
        self, position: Position, quantity: Decimal, error: OrderRejectedError
    ) -> None:
        """Bound the stops of *position*, where its venue goes on refusing one for its balance."""
        if not _is_short(position, error):
            self._refused_since.pop(position.id, None)
            return
        now = self._clock.now()
        if now - self._refused_since.setdefault(position.id, now) < FREED_WITHIN:
            return
        free = await self.free_to_sell(position, quantity, error)
        if free is not None:
            self._bounds[position.id] = _Bound(position.quantity, free)

    async def _told(self, position: Position) -> Balance | None:
        venue, symbol = self._venues.get(position.venue), self._symbols.get(position.symbol)
        if venue is None or symbol is None:
            return None
        try:
            with anyio.fail_after(ASK_SECONDS):
                account = await venue.account()
        except (VenueError, TimeoutError) as error:
            log.warning("balance lookup failed", venue=position.venue, error=describe_error(error))
            return None
        return account.balance(symbol.instrument.base_asset)

    async def _alert(self, position: Position, quantity: Decimal, told: Balance) -> None:
        asset = self._symbols[position.symbol].instrument.base_asset
        message = (
            f"{position.venue} refused to sell {quantity:f} {asset}: it has {told.free:f} free of"
            f" {told.total:f}, and that much is sold. Our books hold {position.quantity:f} in this"
            " position"
        )
        try:
            async with self._database.transaction(durable=True) as connection:
                await alerts.raise_alert(
                    connection,
                    AlertCode.EXIT_EXCEEDS_BALANCE,
                    "critical",
                    subject(position.id),
                    message,
                    self._clock.now(),
                )
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.critical("balance alert not stored", error=str(error), message=message)


def _is_short(position: Position, error: OrderRejectedError) -> bool:
    """Return whether *error* refuses a sale of spot for what the account has of it."""
    is_spot = position.position_type is PositionType.SPOT
    return is_spot and error.reason.startswith(DenialRule.INSUFFICIENT_BALANCE)
