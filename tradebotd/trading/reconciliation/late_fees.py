"""Fees without a known worth when their fills were booked: valued once there is a price.

Fills found at a start are booked before the first price of the asset that their fee was taken in.
"""

from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import BotName
from tradebotd.ports.clock import Clock
from tradebotd.storage import unvalued_fees
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.storage.postgres.rolled_back import repeated
from tradebotd.storage.unvalued_fees import FIRST, Unvalued, place_of
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.execution.fees import RATE_SCALE, clear_if_all_valued

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200


class LateFees:
    def __init__(self, *, database: Database, clock: Clock, days: BotDays) -> None:
        self._database = database
        self._clock = clock
        self._days = days
        self._after = FIRST  # a fee that never converts must not block the others
        self._none_at: int | None = None  # the database's durable state when there was none

    async def value(self) -> int:
        """Value the next few fees; return how many. Raises DatabaseUnavailableError."""
        state = self._database.durable_state
        if state is not None and self._none_at == state:
            return 0
        from_the_first = self._after == FIRST
        async with self._database.connection() as connection:
            page = await unvalued_fees.select_page(connection, self._after, AT_ONCE)
        self._after = place_of(page[-1]) if len(page) == AT_ONCE else FIRST
        self._none_at = state if from_the_first and not page else None
        valued = 0
        for fee in page:
            valued += await self._value(fee)
        return valued

    async def _value(self, fee: Unvalued) -> bool:
        try:
            rate = self._days.currencies.between(fee.fee_asset, fee.quote_asset)
        except FeedError:
            return False  # its alert says so
        rate = rate.quantize(RATE_SCALE)
        worth = await repeated(
            self._database, lambda connection: self._write(connection, fee, rate)
        )
        if worth is None:
            return False
        log.info("late fee valued", bot=fee.bot, asset=fee.fee_asset, rate=rate, worth=worth)
        return True

    async def _write(self, connection: Connection, fee: Unvalued, rate: Decimal) -> Decimal | None:
        """Write the fee's worth and return it; None: it was valued meanwhile."""
        now = self._clock.now()
        worth = await unvalued_fees.value(connection, fee.id, rate)
        if worth is None:
            return None
        at = min(fee.executed_at, now)  # as one from the future was counted
        await self._days.count(connection, BotName(fee.bot), at, -worth, fee.quote_asset)
        await clear_if_all_valued(connection, fee.venue, fee.fee_asset, now)
        return worth
