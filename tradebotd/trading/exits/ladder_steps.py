"""Ladder steps that are less than their venue sells: each joins the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.risk.exit_levels import still_to_sell
from tradebotd.storage import positions
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.levels_after_fill import with_ladder_steps
from tradebotd.trading.execution.listeners import PositionListener
from tradebotd.trading.exits.tracked_positions import TrackedPositions


@dataclass(frozen=True, slots=True)
class LadderSteps:
    """Ladder steps in the table; *listeners* learn of the positions changed."""

    database: Database
    symbols: Mapping[str, MarketSymbol]
    listeners: PositionListener
    tracked: TrackedPositions

    async def skip(self, judged: Position) -> None:
        """Join the next step of *judged* to the one after it. Raises DatabaseUnavailableError."""
        async with self.database.transaction(durable=True) as connection:
            locked = await positions.lock(connection, judged.id)
            if locked is None or not locked.is_open:
                return
            position = locked.position
            if position.ladder_done != judged.ladder_done:
                return  # it was taken meanwhile
            instrument = self.symbols[position.symbol].instrument
            step = position.ladder_done + 1
            position = with_ladder_steps(
                position, step, instrument, still_to_sell(position, step, instrument)
            )
            position = replace(position, version=position.version + 1)
            await positions.update_plan(connection, position)
        self.listeners.watch(position)
        self.tracked.release(position.id)
