"""`decision_runs`: each bot's decision on each candle, and the resulting order."""

from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.ids import BotName
from tradebotd.storage.postgres.database import Connection

# An exit counts once it has filled: until then the strategy is evaluated again; its open order denies a second one.
SELECT_LATEST: Final[LiteralString] = """
    SELECT d.candle_ts FROM decision_runs AS d
     WHERE d.bot = $1
       AND (d.intent <> 'exit'
            OR EXISTS (SELECT 1 FROM orders AS o WHERE o.id = d.order_id AND o.filled_quantity > 0))
     ORDER BY d.candle_ts DESC
     LIMIT 1
"""
ENSURE_MONTH: Final[LiteralString] = "SELECT ensure_month('decision_runs', $1)"


async def select_latest(connection: Connection, bot: BotName) -> datetime | None:
    """Return the newest candle that *bot* has decided on."""
    latest: datetime | None = await connection.fetchval(SELECT_LATEST, bot)
    return latest


async def ensure_month(connection: Connection, candle_ts: datetime) -> None:
    await connection.execute(ENSURE_MONTH, candle_ts)
