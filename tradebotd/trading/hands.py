"""What an operator does to bots and positions."""

from tradebotd.domain.errors import OrderDeniedError, RefusedError
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.position import CloseReason
from tradebotd.storage import bots, positions
from tradebotd.storage.database import Database
from tradebotd.trading.protection import Protection


class OperatorHands:
    """Raises RefusedError where the state does not allow it."""

    def __init__(self, database: Database, protection: Protection) -> None:
        self._database = database
        self._protection = protection

    async def pause_bot(self, bot: BotName) -> None:
        """No entries until it is resumed; its exits go on."""
        async with self._database.connection() as connection:
            if not await bots.pause_by_user(connection, bot):
                raise RefusedError("already_paused", f"{bot} is paused already")

    async def resume_bot(self, bot: BotName) -> None:
        async with self._database.connection() as connection:
            if not await bots.resume(connection, bot):
                raise RefusedError("not_paused", f"{bot} is not paused")

    async def close_position(self, position_id: PositionId) -> None:
        """Raises VenueError, too; the exit is then settled like any other."""
        async with self._database.connection() as connection:
            position = await positions.select_one(connection, position_id)
        if position is None:
            raise RefusedError("no_such_position", f"there is no open position {position_id}")
        try:
            await self._protection.close_by_hand(position, CloseReason.MANUAL)
        except OrderDeniedError as error:
            raise RefusedError(error.rule, error.detail) from error
