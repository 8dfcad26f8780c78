"""After the last start: our books against the paper venue's, by SQL alone."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import asyncpg

from tests.acceptance import cash

STARTING = {"USDT": 10_000}  # as the scenarios have it
# I1: nothing at the venue that has no row of ours; nothing executed beyond what the row says.
UNKNOWN_ORDERS = """
    SELECT v.client_order_id FROM paper.orders AS v
      LEFT JOIN orders AS o USING (client_order_id)
     WHERE v.client_order_id LIKE 'tb%' AND (o.id IS NULL OR v.filled_quantity > o.quantity)
"""
# I3: each fill once, here as there; the sum of an order's fills is what it says.
DIFFERENT_FILLS = """
    SELECT coalesce(f.trade_id, v.id::text) FROM paper.fills AS v
      JOIN paper.orders AS po ON po.id = v.order_id AND (po.client_order_id LIKE 'tb%' OR po.client_order_id LIKE 'autoclose-%')
      FULL JOIN fills AS f ON f.trade_id = v.id::text
     WHERE f.id IS NULL OR v.id IS NULL OR (f.quantity, f.price, f.fee, f.fee_asset, f.executed_at, f.side)
           IS DISTINCT FROM (v.quantity, v.price, v.fee, v.fee_asset, v.executed_at, v.side)
"""
WRONG_ORDER_SUMS = """
    SELECT o.id FROM orders AS o LEFT JOIN fills AS f ON f.order_id = o.id
     GROUP BY o.id HAVING coalesce(sum(f.quantity), 0) <> o.filled_quantity
"""
WRONG_POSITION_SUMS = """
    SELECT p.id FROM positions AS p JOIN market_symbols AS m USING (symbol)
      LEFT JOIN fills AS f ON f.position_id = p.id
     GROUP BY p.id
    HAVING coalesce(sum(CASE f.side WHEN 'buy' THEN 1 ELSE -1 END * f.quantity
                        - CASE WHEN f.fee_asset = m.base_asset THEN f.fee ELSE 0 END), 0)
           <> (CASE p.side WHEN 'long' THEN 1 ELSE -1 END) * (p.quantity + p.dust - p.swept)
"""
# I2: what all positions add up to is what the venue holds.
HOLDINGS = """
    SELECT coalesce((SELECT sum((CASE side WHEN 'long' THEN 1 ELSE -1 END) * (quantity + dust - swept)) FROM positions), 0)
           - coalesce((SELECT sum(total) FROM paper.balances WHERE asset = 'BTC'), 0)
           - coalesce((SELECT sum(quantity) FROM paper.positions), 0)
"""
# I7: what is not settled rests at the venue, or somebody has been told.
UNSETTLED = """
    SELECT o.id FROM orders AS o LEFT JOIN paper.orders AS v USING (client_order_id)
     WHERE NOT o.settled AND coalesce(v.status, '') NOT IN ('new', 'partially_filled')
"""
OPEN_RUNS = "SELECT id FROM job_runs WHERE status = 'running'"
RESTING_TWICE = """
    SELECT position_id FROM exit_groups WHERE role = 'active' GROUP BY position_id HAVING count(*) > 1
"""
ORPHANED_AT_THE_VENUE = """
    SELECT v.client_order_id FROM paper.orders AS v
      JOIN orders AS o USING (client_order_id)
      JOIN positions AS p ON p.id = o.position_id
     WHERE v.status IN ('new', 'partially_filled') AND o.role = 'exit' AND p.closed_at IS NOT NULL
"""
REALIZED = """
    SELECT p.id FROM positions AS p JOIN fills AS f ON f.position_id = p.id
     WHERE p.closed_at IS NOT NULL AND p.dust = 0 AND p.position_type = 'futures'
     GROUP BY p.id
    HAVING round(sum(CASE f.side WHEN 'sell' THEN 1 ELSE -1 END * f.quantity * f.price - f.fee_value) + p.funding, 12)
           <> round(p.realized_pnl, 12)
"""
# What no venue has to be asked for.
OWN_CHECKS = {
    "I3 an order that is not the sum of its fills": WRONG_ORDER_SUMS,
    "I3 a position that is not the sum of its fills": WRONG_POSITION_SUMS,
    "a job run that is still open": OPEN_RUNS,
    "two active exit groups": RESTING_TWICE,
    "a realized P&L that is not its fills'": REALIZED,
}
CHECKS = OWN_CHECKS | {
    "I1 an order at the venue that is not ours, or beyond its row": UNKNOWN_ORDERS,
    "I3 a fill that differs or is missing": DIFFERENT_FILLS,
    "I7 an order that is not settled and does not rest": UNSETTLED,
    "an exit that rests behind a closed position": ORPHANED_AT_THE_VENUE,
}
FIGURES = """
    SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM fills) AS fills,
           (SELECT count(*) FROM trades) AS trades,
           (SELECT count(*) FROM orders WHERE reason LIKE 'not_sent%') AS not_sent
"""


async def found_by(checks: dict[str, str], connection: asyncpg.Connection) -> list[str]:
    """Each row that a statement of *checks* finds is one too many."""
    return [
        f"{what}: {tuple(row)}"
        for what, statement in checks.items()
        for row in await connection.fetch(statement)
    ]


async def differences(connection: asyncpg.Connection) -> list[str]:
    """What is wrong, but for the money."""
    found = await found_by(CHECKS, connection)
    if difference := await connection.fetchval(HOLDINGS):
        found.append(f"I2 we hold {difference} more than the venue says")
    return found


async def figures(connection: asyncpg.Connection) -> dict[str, Any]:
    """How much there was to look at."""
    return dict(await connection.fetchrow(FIGURES) or {})


class OnPaper:
    """The paper venue is in the daemon: it dies with it, and its ledger is in the database."""

    traded = None

    async def run(self, life: Callable[[], Awaitable[object]]) -> None:
        await life()

    def while_dead(self, chance: Random) -> None:
        """Nothing: it lives by the daemon's prices."""

    async def judge(self, dsn: str) -> tuple[list[str], dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        try:
            found = await differences(connection)
            found += [f"I8 {each}" for each in await cash.violations(connection, STARTING)]
            return found, await figures(connection)
        finally:
            await connection.close()
