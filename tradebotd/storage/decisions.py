"""`decision_runs`: what each bot decided on each candle, and the order that came of it."""

from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.ids import BotName, OrderId
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.database import Connection

INSERT_DECISION: Final[LiteralString] = """
    INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, execution_meta, decided_at, order_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (bot, candle_ts, intent) DO NOTHING
    RETURNING id
"""
SELECT_LATEST: Final[LiteralString] = "SELECT max(candle_ts) FROM decision_runs WHERE bot = $1"
ENSURE_MONTH: Final[LiteralString] = "SELECT ensure_month('decision_runs', $1)"


async def insert_decision(
    connection: Connection, decision: DecisionRecord, order_id: OrderId
) -> bool:
    """In the transaction of the order. False: this candle was acted on already."""
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
    """The newest candle *bot* has decided on."""
    latest: datetime | None = await connection.fetchval(SELECT_LATEST, bot)
    return latest


async def ensure_month(connection: Connection, candle_ts: datetime) -> None:
    await connection.execute(ENSURE_MONTH, candle_ts)
