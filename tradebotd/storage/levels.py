"""`levels_daily`: one row for each (coming session, symbol), made once."""

from collections.abc import Sequence
from datetime import date
from typing import Final, LiteralString, NamedTuple

import asyncpg

from tradebotd.domain.ids import SymbolId
from tradebotd.domain.levels import PivotLevels
from tradebotd.storage.postgres.database import Connection


class LevelsRow(NamedTuple):
    """Daily levels; `trade_date`: the session they apply to, `y_`: values of the one before."""

    trade_date: date
    symbol_id: SymbolId
    y_date: date
    y_high: float
    y_low: float
    y_close: float
    pivots: PivotLevels | None = None


_INSERT: Final[LiteralString] = """
INSERT INTO levels_daily (trade_date, symbol_id, y_date, y_high, y_low, y_close)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""

_NEWEST: Final[LiteralString] = "SELECT max(y_date) FROM levels_daily WHERE symbol_id = $1"

_UNCALCULATED: Final[LiteralString] = """
SELECT * FROM levels_daily WHERE pp IS NULL AND symbol_id = ANY($1::bigint[])
 ORDER BY trade_date, symbol_id
"""

_LATEST: Final[LiteralString] = """
SELECT DISTINCT ON (symbol_id) * FROM levels_daily WHERE symbol_id = ANY($1::bigint[])
 ORDER BY symbol_id, trade_date DESC
"""

_SET_PIVOTS: Final[LiteralString] = """
UPDATE levels_daily SET pp = $3, r1 = $4, r2 = $5, s1 = $6, s2 = $7
 WHERE trade_date = $1 AND symbol_id = $2 AND pp IS NULL
"""


_PIVOTS: Final[LiteralString] = """
SELECT l.pp, l.r1, l.r2, l.s1, l.s2 FROM levels_daily AS l JOIN market_symbols AS m ON m.id = l.symbol_id
 WHERE m.symbol = $1 AND l.trade_date = $2 AND l.pp IS NOT NULL
"""


async def select_pivots(
    connection: Connection, symbol: str, trade_date: date
) -> PivotLevels | None:
    """Return the pivots for that session; None until they are calculated."""
    row = await connection.fetchrow(_PIVOTS, symbol, trade_date)
    return None if row is None else PivotLevels(*row)


async def insert(connection: Connection, row: LevelsRow) -> bool:
    """Insert the row; return False if it was there already."""
    status: str = await connection.execute(
        _INSERT, row.trade_date, row.symbol_id, row.y_date, row.y_high, row.y_low, row.y_close
    )
    return status == "INSERT 0 1"


async def newest_session(connection: Connection, symbol_id: SymbolId) -> date | None:
    """Return the latest completed session that has its row."""
    newest: date | None = await connection.fetchval(_NEWEST, symbol_id)
    return newest


async def uncalculated(connection: Connection, symbol_ids: Sequence[SymbolId]) -> list[LevelsRow]:
    return [_row(row) for row in await connection.fetch(_UNCALCULATED, symbol_ids)]


async def latest(connection: Connection, symbol_ids: Sequence[SymbolId]) -> list[LevelsRow]:
    """Return the newest row of each symbol that has one."""
    return [_row(row) for row in await connection.fetch(_LATEST, symbol_ids)]


async def set_pivots(
    connection: Connection, trade_date: date, symbol_id: SymbolId, pivots: PivotLevels
) -> bool:
    """Set the pivots once; return False if they were set already."""
    status: str = await connection.execute(
        _SET_PIVOTS, trade_date, symbol_id, pivots.pp, pivots.r1, pivots.r2, pivots.s1, pivots.s2
    )
    return status == "UPDATE 1"


def _row(row: asyncpg.Record) -> LevelsRow:
    pivots = None
    if row["pp"] is not None:
        pivots = PivotLevels(row["pp"], row["r1"], row["r2"], row["s1"], row["s2"])
    return LevelsRow(
        trade_date=row["trade_date"],
        symbol_id=SymbolId(row["symbol_id"]),
        y_date=row["y_date"],
        y_high=row["y_high"],
        y_low=row["y_low"],
        y_close=row["y_close"],
        pivots=pivots,
    )
