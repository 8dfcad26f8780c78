"""Row of an entry: what keeps it out is held and read in the transaction that writes it.

Two statements: `lock` holds the halts and the bot's state, and reads only these; `insert` is sent
behind it, so that its snapshot has whatever was committed before those locks were granted.
"""

from typing import Any, Final, LiteralString, NamedTuple

import asyncpg

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import BotName
from tradebotd.storage import orders, settings
from tradebotd.storage.bots import (
    Counters,
    DecisionRecord,
    PausedBy,
    counters_of,
    values_of_decision,
)
from tradebotd.storage.leadership import LEASE
from tradebotd.storage.orders import COLUMNS_OF_NEW, NewOrder
from tradebotd.storage.postgres.database import Connection

# FOR SHARE: a halt or a pause that commits later comes after the order, and finds it. The rows of the halts always
# exist. A row that was waited for is read as it is then.
LOCK: Final[LiteralString] = """
    WITH halts AS MATERIALIZED (
        SELECT key, value FROM settings WHERE key IN ('account_halt', 'halt') ORDER BY key FOR SHARE
    ), state AS MATERIALIZED (
        SELECT paused_by, day, daily_pnl, daily_trades_count, daily_unconverted FROM bot_states WHERE bot = $1 FOR SHARE
    )
    SELECT (SELECT jsonb_object_agg(key, value) FROM halts) AS halts, s.daily_pnl IS NOT NULL AS is_known, s.*
      FROM (VALUES (1)) AS one LEFT JOIN state AS s ON true
"""
# The lease is compared by the statement that inserts (I5). It may wait for a takeover that is being committed; the
# obstacles are then of before that wait. None of them changes by a takeover, and behind it the lease is empty.
_OBSTACLES: Final = """
    obstacles AS MATERIALIZED (
        SELECT NOT coalesce((SELECT active FROM bot_configs WHERE name = $7), false) AS stopped,
               EXISTS (SELECT 1 FROM positions AS p WHERE p.bot = $7 AND p.closed_at IS NULL) AS holds,
               EXISTS (SELECT 1 FROM orders AS o WHERE o.bot = $7 AND o.role = 'entry' AND NOT o.settled AND o.revived)
               AS revived,
               EXISTS (SELECT 1 FROM orders AS o JOIN positions AS p ON p.id = o.position_id
                        WHERE o.venue = $8 AND o.symbol = $9 AND o.role = 'exit' AND NOT o.settled
                          AND p.closed_at IS NOT NULL) AS left_over,
               EXISTS (SELECT 1 FROM orders AS o
                        WHERE o.venue = $8 AND o.symbol = $9 AND o.status = 'unknown' AND NOT o.settled) AS unknown
    ), free AS (
        SELECT lease.token FROM lease, obstacles AS b
         WHERE NOT ($31 OR b.stopped OR b.holds OR b.revived OR b.left_over OR b.unknown)
    ), decision AS (
        INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, execution_meta, decided_at, order_id)
        SELECT $7, $33, $34, $35, $36, $37, $38, $39, $40, $3
          FROM free
         WHERE $32
           AND NOT EXISTS (SELECT 1 FROM decision_runs
                            WHERE bot = $7 AND candle_ts = $33 AND intent <> $34
                              AND (order_id IS NOT NULL OR intent = 'exit'))
        ON CONFLICT (bot, candle_ts, intent) DO NOTHING
        RETURNING id
    )
"""
_MADE: Final = """
         FROM free AS lease WHERE NOT $32 OR EXISTS (SELECT 1 FROM decision)
        RETURNING id
    )
    SELECT b.*, EXISTS (SELECT 1 FROM lease) AS leads, EXISTS (SELECT 1 FROM made) AS made FROM obstacles AS b
"""
INSERT: Final[LiteralString] = (
    "WITH " + LEASE + "," + _OBSTACLES + ", made AS (" + COLUMNS_OF_NEW + _MADE
)
_RULES: Final = {
    "holds": DenialRule.POSITION_OPEN,
    "revived": DenialRule.ENTRY_REVIVED,
    "left_over": DenialRule.EXIT_LEFT_OVER,
    "unknown": DenialRule.ORDER_UNKNOWN,
}


class HeldState(NamedTuple):
    """The stored halts, and the bot's state; `counters` None: nothing is known of the bot."""

    halt: Any | None
    account_halt: Any | None
    paused_by: PausedBy | None
    counters: Counters | None


class Insertion(NamedTuple):
    """Outcome of an insert. `obstacle`: the rule of what kept it out; `leads`: the lease is ours.

    Without either, and not `made`: a decision on this candle is stored.
    """

    made: bool
    leads: bool
    obstacle: DenialRule | None


async def lock(connection: Connection, bot: BotName) -> HeldState:
    """Hold the halts and the bot's state until the transaction ends."""
    row = await connection.fetchrow(LOCK, bot)
    halts = row["halts"] or {}
    return HeldState(
        halt=halts.get(settings.HALT),
        account_halt=halts.get(settings.ACCOUNT_HALT),
        paused_by=row["paused_by"],
        counters=counters_of(row) if row["is_known"] else None,
    )


async def insert(
    connection: Connection,
    account: str,
    token: int,
    order: NewOrder,
    decision: DecisionRecord | None,
    *,
    is_denied: bool,
) -> Insertion:
    """Insert the order, and *decision* with it, unless something keeps it out.

    *is_denied*: so does something else, which only another obstacle goes before. Raises
    OrderDeniedError while another entry of the bot is unsettled.
    """
    try:
        row = await connection.fetchrow(
            INSERT,
            account,
            token,
            *orders.values_of_new(order),
            is_denied,
            *values_of_decision(decision),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != DenialRule.UNSETTLED_ENTRY:
            raise
        raise orders.denied_unsettled() from error
    return Insertion(made=row["made"], leads=row["leads"], obstacle=_obstacle(row))


def _obstacle(row: Any) -> DenialRule | None:
    if row["stopped"]:
        return DenialRule.BOT_STOPPED
    return next((rule for column, rule in _RULES.items() if row[column]), None)
