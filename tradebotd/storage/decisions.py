"""`decision_runs`: each bot's decision on each candle, and the resulting order."""

from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.ids import BotName, OrderId
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.postgres.database import Connection

INSERT_DECISION: Final[LiteralString] = """
    INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, execution_meta, decided_at, order_id)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
     WHERE NOT EXISTS (SELECT 1 FROM decision_runs
                        WHERE bot = $1 AND candle_ts = $2 AND intent <> $3
                          AND (order_id IS NOT NULL OR intent = 'exit'))
    ON CONFLICT (bot, candle_ts, intent) DO UPDATE
       SET reason = excluded.reason, decided_at = excluded.decided_at, order_id = excluded.order_id
     WHERE decision_runs.intent = 'exit'
       AND (decision_runs.order_id IS NULL
            OR EXISTS (SELECT 1 FROM orders AS o
                        WHERE o.id = decision_runs.order_id AND o.settled AND o.filled_quantity = 0))
    RETURNING id
"""
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


async def insert_decision(
    connection: Connection, decision: DecisionRecord, order_id: OrderId
) -> bool:
    """Insert the decision in the order's transaction; False if the candle was acted on already.

    Any order of the candle is an act, and so is the decision to exit: nothing is entered after it.
    An exit whose order filled nothing is made anew.
    """
    row_id = await connection.fetchval(
        INSERT_DECISION,
        decision.bot,
        decision.candle_ts,
        decision.intent,
        decision.signal,
        decision.reason,
        decision.path,
        decision.indicators,
        decision.execution_meta,
        decision.decided_at,
        order_id,
    )
    return row_id is not None


async def select_latest(connection: Connection, bot: BotName) -> datetime | None:
    """Return the newest candle that *bot* has decided on."""
    latest: datetime | None = await connection.fetchval(SELECT_LATEST, bot)
    return latest


async def ensure_month(connection: Connection, candle_ts: datetime) -> None:
    await connection.execute(ENSURE_MONTH, candle_ts)
