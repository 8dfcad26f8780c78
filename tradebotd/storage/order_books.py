"""`orderbook_snapshots`: by (venue, symbol, server_time_ms, sequence_id), each written once.

Its levels are read by the view `orderbook_levels`.
"""

from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.public_market import OrderBookSnapshot
from tradebotd.domain.timeframe import EPOCH
from tradebotd.storage.postgres.database import Connection

_INSERT: Final[LiteralString] = """
INSERT INTO orderbook_snapshots (venue, symbol, server_time_ms, sequence_id, received_at,
                                 bid_prices, bid_quantities, ask_prices, ask_quantities)
VALUES ($1, $2, $3, $4, $5, $6::float8[], $7::float8[], $8::float8[], $9::float8[])
ON CONFLICT DO NOTHING
"""
_NEWEST: Final[LiteralString] = """
SELECT sequence_id, received_at FROM orderbook_snapshots
 WHERE venue = $1 AND symbol = $2 ORDER BY server_time_ms DESC, sequence_id DESC LIMIT 1
"""


class NewestSnapshot(NamedTuple):
    sequence_id: int
    received_at: datetime


async def insert(
    connection: Connection,
    venue: str,
    symbol: str,
    snapshot: OrderBookSnapshot,
    received_at: datetime,
) -> bool:
    """Insert; return whether it is new."""
    status: str = await connection.execute(
        _INSERT,
        venue,
        symbol,
        round((snapshot.server_time - EPOCH).total_seconds() * 1_000),
        snapshot.sequence_id,
        received_at,
        [float(price) for price, _ in snapshot.bids],
        [float(quantity) for _, quantity in snapshot.bids],
        [float(price) for price, _ in snapshot.asks],
        [float(quantity) for _, quantity in snapshot.asks],
    )
    return status.endswith(" 1")


async def newest(connection: Connection, venue: str, symbol: str) -> NewestSnapshot | None:
    """Return the latest snapshot's sequence and when it came; None where there is none."""
    row = await connection.fetchrow(_NEWEST, venue, symbol)
    return None if row is None else NewestSnapshot(row["sequence_id"], row["received_at"])
