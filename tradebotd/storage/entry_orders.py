"""Entries that rest at a venue, or wait there at the market."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.ids import BotName, ClientOrderId, VenueName
from tradebotd.domain.side import Side
from tradebotd.storage.bots import amounts
from tradebotd.storage.postgres.database import Connection

# `pending_new` and `unknown` may not rest at the venue: reconciliation settles them.
SELECT_RESTING: Final[LiteralString] = """
    SELECT o.client_order_id, o.venue, o.symbol, o.bot, o.side, o.expires_at, s.paused_by,
           s.day, coalesce(s.daily_pnl, 0) AS daily_pnl, coalesce(s.daily_unconverted, '{}') AS daily_unconverted,
           greatest(coalesce(s.daily_trades_count, 0) - (o.filled_quantity > 0)::int, 0) AS daily_trades_count,
           coalesce(c.active, false) AS active, coalesce(p.closed_at IS NOT NULL, false) AS position_closed
      FROM orders AS o
      LEFT JOIN bot_states AS s ON s.bot = o.bot
      LEFT JOIN bot_configs AS c ON c.name = o.bot
      LEFT JOIN positions AS p ON p.id = o.position_id
     WHERE NOT o.settled AND o.role = 'entry'
       AND (o.type <> 'market' OR o.time_in_force <> 'ioc') AND o.status IN ('new', 'partially_filled')
       AND ($1::text IS NULL OR o.bot = $1)
     ORDER BY o.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingEntry:
    """Entry that rests. `active`: its bot may enter; `position_closed`: its filled part is closed.

    The counters are of the bot's `day`, without a trade that this entry itself has begun.
    """

    client_order_id: ClientOrderId
    venue: VenueName
    symbol: str
    bot: BotName
    side: Side
    expires_at: datetime | None
    paused_by_user: bool
    day: date | None
    daily_pnl: Decimal
    daily_trades_count: int
    active: bool
    position_closed: bool
    daily_unconverted: Mapping[str, Decimal]


async def select_resting(connection: Connection, bot: BotName | None = None) -> list[RestingEntry]:
    """Return all resting entries, or those of *bot*, oldest first."""
    return [_resting(row) for row in await connection.fetch(SELECT_RESTING, bot)]


def _resting(row: Any) -> RestingEntry:
    return RestingEntry(
        client_order_id=ClientOrderId(row["client_order_id"]),
        venue=VenueName(row["venue"]),
        symbol=row["symbol"],
        bot=BotName(row["bot"]),
        side=Side(row["side"]),
        expires_at=row["expires_at"],
        paused_by_user=row["paused_by"] == "user",
        day=row["day"],
        daily_pnl=row["daily_pnl"],
        daily_trades_count=row["daily_trades_count"],
        active=row["active"],
        position_closed=row["position_closed"],
        daily_unconverted=amounts(row["daily_unconverted"]),
    )
