"""`account_units`: units of an account, which grow and shrink with transfers, not with P&L."""

from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.risk.account_units import Units
from tradebotd.storage.postgres.database import Connection

SELECT: Final[LiteralString] = """
    SELECT u.units, u.since,
           (SELECT coalesce(sum(unweighed), 0) FROM transfers WHERE account = $1 AND unweighed <> 0) AS unweighed
      FROM (VALUES (1)) AS one LEFT JOIN account_units AS u ON u.account = $1
"""
PUT: Final[LiteralString] = """
    INSERT INTO account_units (account, units, since) VALUES ($1, $2, $3)
    ON CONFLICT (account) DO UPDATE SET units = excluded.units, since = excluded.since
"""


async def select(connection: Connection, account: str) -> tuple[Units, Decimal]:
    """Return the units, one per unit of currency until the first transfer.

    Also returns the value of transfers reported since the last snapshot.
    """
    return units_of(await connection.fetchrow(SELECT, account))


def units_of(row: Any) -> tuple[Units, Decimal]:
    """Build both from the columns of SELECT."""
    units = Units() if row["units"] is None else Units(units=row["units"], since=row["since"])
    return units, row["unweighed"]


async def put(connection: Connection, account: str, units: Units) -> None:
    """Store the units in the caller's transaction; only the snapshot writes them."""
    await connection.execute(PUT, account, units.units, units.since)
