"""Lowest and highest price of positions, from the candles of the time without ticks."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import PositionId
from tradebotd.storage.postgres.database import Connection

# Minutes that opened at or after the entry: an earlier one may have had its extreme before it.
# An extreme further than $4 from every price beside it is an outlier: the nearest of those counts.
SELECT_EXTREMES: Final[LiteralString] = """
    SELECT id, coalesce(min(CASE WHEN low >= (1 - $4::double precision) * least(low_beside, before, after) THEN low ELSE low_beside END),
                        min(entered)) AS low,
           coalesce(max(CASE WHEN high <= (1 + $4::double precision) * greatest(high_beside, before, after) THEN high ELSE high_beside END),
                    max(entered)) AS high
      FROM (SELECT p.id, o.low, o.high, p.entry_price::double precision AS entered,
                   least(nullif(o.open, o.low), nullif(o.close, o.low)) AS low_beside,
                   greatest(nullif(o.open, o.high), nullif(o.close, o.high)) AS high_beside,
                   lead(o.open) OVER of_it AS after,
                   coalesce(lag(o.close) OVER of_it, p.entry_price::double precision) AS before
              FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[]) AS span (id, began, ended)
              JOIN positions AS p ON p.id = span.id
              JOIN market_symbols AS m ON m.symbol = p.symbol
              JOIN ohlc AS o ON o.symbol_id = m.id AND o.timeframe = '1m' AND o.ts >= span.began AND o.ts < span.ended
            WINDOW of_it AS (PARTITION BY p.id ORDER BY o.ts)) AS minutes
     GROUP BY id
"""


async def select_extremes(
    connection: Connection,
    spans: Sequence[tuple[PositionId, datetime, datetime]],
    bad_tick: Decimal,
) -> dict[PositionId, tuple[float, float]]:
    """Return (low, high) of the minutes in each position's *spans*; no minutes, no entry.

    An extreme further than *bad_tick* (a fraction) from every other price beside it is ignored.
    """
    columns = (list(column) for column in zip(*spans, strict=True))
    rows = await connection.fetch(SELECT_EXTREMES, *columns, float(bad_tick))
    return {PositionId(row["id"]): (row["low"], row["high"]) for row in rows}
