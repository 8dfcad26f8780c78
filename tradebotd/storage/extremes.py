"""The lowest and the highest price of positions, from the candles of the time they were not watched."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.ids import PositionId
from tradebotd.storage.database import Connection

# Minutes that opened at or after the entry: an earlier one may have had its extreme before it.
SELECT_EXTREMES: Final[LiteralString] = """
    SELECT p.id, min(o.low) AS low, max(o.high) AS high
      FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS span (id, began, ended)
      JOIN positions AS p ON p.id = span.id
      JOIN market_symbols AS m ON m.symbol = p.symbol
      JOIN ohlc AS o ON o.symbol_id = m.id AND o.timeframe = '1m' AND o.ts >= span.began AND o.ts < span.ended
     GROUP BY p.id
"""


async def select_extremes(
    connection: Connection, spans: Sequence[tuple[PositionId, datetime, datetime]]
) -> dict[PositionId, tuple[float, float]]:
    """(low, high) of the minutes in each position's *spans*; without any, it is left out."""
    columns = (list(column) for column in zip(*spans, strict=True))
    rows = await connection.fetch(SELECT_EXTREMES, *columns)
    return {PositionId(row["id"]): (row["low"], row["high"]) for row in rows}
