"""Write-off of a position of which nothing can be sold any more: what is left is dust."""

from collections.abc import Callable
from datetime import datetime

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import CloseReason, Position
from tradebotd.storage import fills, orders, positions
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.contradictions import latest_possible
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.execution.fill_rules import close_reason


async def write_off(
    connection: Connection,
    position_id: PositionId,
    is_dust: Callable[[Position], bool],
    changes: CommittedChanges,
    *,
    days: BotDays,
    instrument: Instrument,
    now: datetime,
) -> None:
    """Close the position as dust, for the reason of its latest exit.

    The exit that is due now sells nothing, and a stop on a mere remainder must start no cooldown of
    the bot. Where nothing of the position was ever sold, the reason is dust. Raises
    OrderDeniedError while an order of it is not settled, or when it is not dust (any more).
    """
    locked = await positions.lock(connection, position_id)
    if locked is None or not locked.is_open:
        raise OrderDeniedError(DenialRule.POSITION_CLOSED, f"position {position_id} is closed")
    if await orders.is_position_unsettled(connection, position_id):
        raise OrderDeniedError(
            DenialRule.ORDER_UNSETTLED, f"an order of {position_id} is not settled"
        )
    position, books = locked.position, locked.books.written_off()
    if not is_dust(position):
        raise OrderDeniedError(
            DenialRule.POSITION_CHANGED, f"{position.quantity:f} can be sold now"
        )
    reason = CloseReason.DUST
    if books.exit_quantity:
        latest = await fills.select_latest(connection, position_id, latest_possible(now))
        reason = close_reason(latest.exit_reason)
    pnl = books.realized_pnl - locked.books.realized_pnl
    asset = instrument.quote_asset
    await days.count(connection, position.bot, now, pnl, asset, in_position=False)
    await positions.update_books(connection, position_id, books, (now, reason))
    changes.closed.append((position, books, reason))
