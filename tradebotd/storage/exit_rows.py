"""Rows of an exit: its order, and with it the exit group and the decision, in one statement.

The caller holds the position FOR UPDATE: nobody else makes an exit group of it meanwhile.
"""

from typing import Final, LiteralString

import asyncpg

from tradebotd.domain.denial import DenialRule
from tradebotd.storage import orders
from tradebotd.storage.bots import DecisionRecord, decided_already, values_of_decision
from tradebotd.storage.exit_groups import GroupKind, denied_active
from tradebotd.storage.leadership import LEASE, lease_lost
from tradebotd.storage.orders import COLUMNS_IN_GROUP, NewOrder
from tradebotd.storage.postgres.database import Connection

# The lease is compared by the statement that inserts (I5): without it there is no row of any kind. Any order of the candle
# is an act, and so is the decision to exit: nothing is entered after it. An exit whose order filled nothing is made anew.
_BEFORE: Final = """
    , new_group AS (
        INSERT INTO exit_groups (position_id, role, kind, made_at)
        SELECT $5, 'active', $31, $24 FROM lease WHERE $6::bigint IS NULL
        RETURNING id
    ), decision AS (
        INSERT INTO decision_runs (bot, candle_ts, intent, signal, reason, path, indicators, execution_meta, decided_at, order_id)
        SELECT $7, $33, $34, $35, $36, $37, $38, $39, $40, $3
          FROM lease
         WHERE $32
           AND NOT EXISTS (SELECT 1 FROM decision_runs
                            WHERE bot = $7 AND candle_ts = $33 AND intent <> $34
                              AND (order_id IS NOT NULL OR intent = 'exit'))
        ON CONFLICT (bot, candle_ts, intent) DO UPDATE
           SET reason = excluded.reason, decided_at = excluded.decided_at, order_id = excluded.order_id
         WHERE decision_runs.intent = 'exit'
           AND (decision_runs.order_id IS NULL
                OR EXISTS (SELECT 1 FROM orders AS o
                            WHERE o.id = decision_runs.order_id AND o.settled AND o.filled_quantity = 0))
        RETURNING id
    ), made AS ("""
_MADE: Final = """
          FROM lease
        RETURNING exit_group_id
    )
    SELECT (SELECT exit_group_id FROM made) AS group_id, NOT $32 OR EXISTS (SELECT 1 FROM decision) AS decided
"""
INSERT: Final[LiteralString] = "WITH " + LEASE + _BEFORE + COLUMNS_IN_GROUP + _MADE


async def insert(
    connection: Connection,
    account: str,
    token: int,
    order: NewOrder,
    kind: GroupKind,
    decision: DecisionRecord | None,
) -> int:
    """Insert the order, and *decision* with it; return its exit group.

    An order without a group gets a new one, of *kind*. Raises AccountTakenError when the lease is
    no longer ours, OrderDeniedError while the position has an active group, or if the candle was
    acted on already.
    """
    try:
        row = await connection.fetchrow(
            INSERT,
            account,
            token,
            *orders.values_of_new(order),
            kind,
            *values_of_decision(decision),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != DenialRule.EXIT_GROUP_ACTIVE:
            raise
        raise denied_active() from error
    if row["group_id"] is None:
        raise lease_lost(account)
    if decision is not None and not row["decided"]:
        raise decided_already(decision)
    group_id: int = row["group_id"]
    return group_id
