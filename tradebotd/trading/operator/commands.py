"""Commands of an operator: on bots, positions and symbols, and the flatten of everything."""

from tradebotd.domain.errors import OrderDeniedError, RefusedError
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.refusal import RefusalCode
from tradebotd.storage import bots, positions
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.exits.exit_changes import (
    ExitChanges,
    Level,
    parse_holding,
    parse_level,
    parse_trigger_price,
)
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.operator.flatten import Flatten, FlattenResult, Progress
from tradebotd.trading.reconciliation.adoption import Adoption


class OperatorCommands:
    """Commands of an operator; each raises RefusedError where the state does not allow it."""

    def __init__(
        self,
        *,
        database: Database,
        exits: ExitManager,
        gate: EntryGate,
        flatten: Flatten,
        adoption: Adoption,
        changes: ExitChanges,
    ) -> None:
        self._database = database
        self._exits = exits
        self._gate = gate
        self._flatten = flatten
        self._adoption = adoption
        self._changes = changes

    async def pause_bot(self, bot: BotName) -> None:
        """Stop the bot's entries until it is resumed; its exits go on."""
        self._gate.pause(bot)
        try:
            async with self._database.connection() as connection:
                paused = await bots.pause_by_user(connection, bot)
        except BaseException:
            self._gate.unpause(bot)
            raise
        if not paused:
            raise RefusedError(RefusalCode.ALREADY_PAUSED, f"{bot} is paused already")
        self._gate.notify_stopped()

    async def resume_bot(self, bot: BotName) -> None:
        async with self._database.connection() as connection:
            if not await bots.resume(connection, bot):
                raise RefusedError(RefusalCode.NOT_PAUSED, f"{bot} is not paused")
        self._gate.unpause(bot)

    async def close_position(self, position_id: PositionId) -> None:
        """Close a position; the exit is then settled like any other. Raises VenueError, too."""
        async with self._database.connection() as connection:
            position = await positions.select_one(connection, position_id)
        if position is None:
            raise RefusedError(
                RefusalCode.NO_SUCH_POSITION, f"there is no open position {position_id}"
            )
        try:
            await self._exits.close_now(position, CloseReason.MANUAL)
        except OrderDeniedError as error:
            raise RefusedError(error.rule, error.detail) from error

    async def flatten(self, progress: Progress) -> FlattenResult:
        return await self._flatten.run(progress)

    async def adopt(self, venue: str, symbol: str, bot: str) -> PositionId:
        """Adopt for *bot* what external trades did in *symbol*. Raises AccountTakenError, too."""
        return await self._adoption.adopt(VenueName(venue), symbol, BotName(bot))

    async def resume_symbol(self, symbol: str) -> None:
        await self._exits.symbol_pauses.resume(symbol)

    async def set_exits(
        self,
        position_id: PositionId,
        *,
        stop_loss: str | None,
        take_profit: str | None,
        trailing_stop: str | None,
        max_holding: str | None,
        trigger_price: str | None = None,
    ) -> Position:
        """Change exits: prices, percentages, a duration or "none", as written; None keeps one."""
        return await self._changes.set(
            position_id,
            stop_loss=_level(stop_loss),
            take_profit=_level(take_profit),
            trailing_stop=_level(trailing_stop),
            max_holding=None if max_holding is None else parse_holding(max_holding),
            trigger_price=None if trigger_price is None else parse_trigger_price(trigger_price),
        )


def _level(text: str | None) -> Level | None:
    return None if text is None else parse_level(text)
