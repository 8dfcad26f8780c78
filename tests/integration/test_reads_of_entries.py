"""What an entry asks the database does not take longer as the history grows."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.trading import BOT, NOON, open_desk, spec
from tradebotd.storage import equity
from tradebotd.storage.database import Connection, Database

FEW, MANY = 500, 5000
A_FEW_MORE = 8
# Closed positions from number $1 to $2, one every five minutes up to $3.
POSITIONS = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price, exit_quantity,
                           exit_price, fees, realized_pnl, best_price, exits, opened_at, closed_at, close_reason,
                           entry_cost, exit_proceeds)
    SELECT c.name, m.venue, m.symbol, 'long', 'spot', 0, 1, 100, 1, 101, 0.2, n % 7 - 3, 101, '{}',
           $3::timestamptz - n * interval '5 minutes', $3::timestamptz - n * interval '5 minutes' + interval '1 minute',
           CASE n % 3 WHEN 0 THEN 'stop_loss' ELSE 'signal' END, 100, 101
      FROM generate_series($1::int, $2::int) AS n, bot_configs AS c JOIN market_symbols AS m ON m.symbol = c.symbol
"""
HISTORY = (POSITIONS,)
ASKED = {"what bots have realized": (equity.SELECT_BOT_FLOWS, ())}


async def lives(connection: Connection, first: int, last: int) -> None:
    for statement in HISTORY:
        await connection.execute(statement, first, last, NOON)
    await connection.execute("VACUUM ANALYZE")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def read_by(connection: Connection, sql: str, values: tuple[object, ...]) -> tuple[int, int]:
    """(rows, blocks) that the statement reads from tables and indexes, whether it keeps them or not."""
    (explained,) = await connection.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) " + sql, *values
    )
    rows = 0.0
    for node in nodes(explained["Plan"]):
        if node["Node Type"].endswith("Scan") and "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0)
            rows += (node["Actual Rows"] + removed) * node["Actual Loops"]
    plan = explained["Plan"]
    return round(rows), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("name", ASKED)
async def test_a_longer_history_is_read_no_more(database: Database, name: str) -> None:
    """M5.8: ten times the trades, and a statement of the order path reads as many rows."""
    await open_desk(database, spec(BOT), spec("two"))
    sql, values = ASKED[name]
    async with database.connection() as connection:
        await lives(connection, 1, FEW)
        rows, blocks = await read_by(connection, sql, values)
        await lives(connection, FEW + 1, MANY)
        later_rows, later_blocks = await read_by(connection, sql, values)

    assert later_rows <= rows + A_FEW_MORE
    assert later_blocks <= 2 * blocks + A_FEW_MORE
