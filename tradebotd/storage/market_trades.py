"""`market_trades`: public trades by (venue, symbol, trade_id), each written once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.public_market import PublicTrade
from tradebotd.storage.postgres.database import Connection

TABLE: Final = "market_trades"
_ENSURE_MONTH: Final[LiteralString] = "SELECT ensure_month('market_trades', $1)"
_INSERT: Final[LiteralString] = """
INSERT INTO market_trades (venue, symbol, trade_id, executed_at, price, quantity, side)
SELECT $1, $2, trade_id, executed_at, price, quantity, side
  FROM unnest($3::text[], $4::timestamptz[], $5::float8[], $6::float8[], $7::text[])
       AS t (trade_id, executed_at, price, quantity, side)
ON CONFLICT DO NOTHING
"""
# Many trades may share the newest instant: their ids say which is the last.
_NEWEST: Final[LiteralString] = """
SELECT max(trade_id::bigint) AS trade_id, max(executed_at) AS executed_at
  FROM (SELECT trade_id, executed_at FROM market_trades WHERE venue = $1 AND symbol = $2
         ORDER BY executed_at DESC FETCH FIRST 100 ROWS WITH TIES) AS newest
"""


class NewestTrade(NamedTuple):
    trade_id: int
    executed_at: datetime


async def ensure_month(connection: Connection, instant: datetime) -> None:
    await connection.execute(_ENSURE_MONTH, instant)


async def insert(
    connection: Connection, venue: str, symbol: str, trades: Sequence[PublicTrade]
) -> int:
    """Insert in one statement; return how many were new."""
    status: str = await connection.execute(
        _INSERT,
        venue,
        symbol,
        [str(trade.trade_id) for trade in trades],
        [trade.executed_at for trade in trades],
        [float(trade.price) for trade in trades],
        [float(trade.quantity) for trade in trades],
        [trade.side.value for trade in trades],
    )
    return int(status.rpartition(" ")[2])


async def newest(connection: Connection, venue: str, symbol: str) -> NewestTrade | None:
    """Return the last trade that is stored; None where there is none."""
    row = await connection.fetchrow(_NEWEST, venue, symbol)
    if row is None or row["trade_id"] is None:
        return None
    return NewestTrade(row["trade_id"], row["executed_at"])
