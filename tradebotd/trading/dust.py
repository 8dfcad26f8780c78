"""The end of a position of which nothing can be sold any more: what is left of it is dust."""

from collections.abc import Callable
from datetime import date, datetime

from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.storage import bots, orders, positions
from tradebotd.storage.database import Connection
from tradebotd.trading.fill_ledger import Effects


async def write_off(
    connection: Connection,
    position_id: PositionId,
    reason: CloseReason,
    is_dust: Callable[[Position], bool],
    day_of: Callable[[BotName, datetime], date],
    now: datetime,
    effects: Effects,
) -> None:
    """Close it for *reason*; where nothing of it ever was sold, because it is dust.

    Raises OrderDeniedError while an order of it is not settled, or when it is no dust (any more).
    """
    locked = await positions.lock(connection, position_id)
    if locked is None or not locked.is_open:
        raise OrderDeniedError("position_closed", f"position {position_id} is closed")
    if await orders.is_position_unsettled(connection, position_id):
        raise OrderDeniedError("order_unsettled", f"an order of {position_id} is not settled")
    position, books = locked.position, locked.books.written_off()
    if not is_dust(position):
        raise OrderDeniedError("position_changed", f"{position.quantity:f} can be sold now")
    reason = reason if books.exit_quantity else CloseReason.DUST
    await positions.update_books(connection, position_id, books, (now, reason))
    effects.closed.append((position, books, reason))
    await bots.count_day(
        connection,
        position.bot,
        day_of(position.bot, now),
        pnl=books.realized_pnl - locked.books.realized_pnl,
        trades=0,
        in_position=False,
    )
