"""What an entry asks the database does not take longer as the history grows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.trading import ACCOUNT, BOT, NOON, open_desk, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.decimals import ONE
from tradebotd.storage import asset_sums, cash, equity, settings, transfers
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
# The older, the higher: it went down ever since, and somebody has resumed from that.
SNAPSHOTS = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl)
    SELECT $3::timestamptz - n * interval '1 minute', 'default', bot, 1000 + n, 0, 0, 0
      FROM generate_series($1::int, $2::int) AS n, unnest(ARRAY[NULL, 'one']) AS bot
"""
TRANSFERS = """
    INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at)
    SELECT m.venue, 'transfer' || n, 'default', m.quote_asset, 1, 1, n % 2 = 0, at, at
      FROM (SELECT n, $3::timestamptz - n * interval '1 hour' AS at
              FROM generate_series($1::int, $2::int) AS n) AS made, market_symbols AS m
     WHERE m.symbol = 'BTCUSDT'
"""
PURSES = """
    INSERT INTO purses SELECT 'default', venue, quote_asset, 1000, 0, 0, $3::timestamptz, $3::timestamptz
      FROM market_symbols WHERE symbol = 'BTCUSDT' AND ($1::int, $2::int) IS NOT NULL
    ON CONFLICT DO NOTHING
"""
HISTORY = (POSITIONS, SNAPSHOTS, TRANSFERS, PURSES)
RESUMED = NOON - timedelta(minutes=100)
ASKED = {
    "what bots have realized": (equity.SELECT_BOT_FLOWS, ()),
    "the day's first and the highest equity": (
        equity.SELECT_EXTREMES,
        (ACCOUNT, NOON - timedelta(hours=12), NOON - timedelta(minutes=1)),
    ),
    "a snapshot": (
        equity.INSERT_SNAPSHOTS,
        (NOON, ACCOUNT, [None], [ONE], [ONE], [ONE], [ONE]),
    ),
    "what purses have been brought": (transfers.SELECT_PURSES, (ACCOUNT,)),
    "purses as they are now": (
        transfers.PUT_PURSES,
        (ACCOUNT, [SCRIPTED], ["USDT"], [ONE], [ONE], NOON),
    ),
    "transfers that were inferred of late": (
        transfers.LOCK_INFERRED,
        (ACCOUNT, SCRIPTED, "USDT", ONE, NOON - timedelta(hours=3), NOON),
    ),
    "the last transfer that was told": (transfers.SELECT_SINCE, (ACCOUNT, SCRIPTED)),
    "what came and went of each asset": (asset_sums.SELECT_FLOWS, (SCRIPTED,)),
    "what the books expect of cash": (cash.SELECT_EXPECTED, (SCRIPTED, ["USDT"])),
}


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
    await connection.execute("BEGIN")
    (explained,) = await connection.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) " + sql, *values
    )
    await connection.execute("ROLLBACK")
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
        await settings.put(connection, settings.ACCOUNT_PEAK_SINCE, RESUMED.isoformat())
        await lives(connection, 1, FEW)
        rows, blocks = await read_by(connection, sql, values)
        await lives(connection, FEW + 1, MANY)
        later_rows, later_blocks = await read_by(connection, sql, values)

    assert later_rows <= rows + A_FEW_MORE
    assert later_blocks <= 2 * blocks + A_FEW_MORE
