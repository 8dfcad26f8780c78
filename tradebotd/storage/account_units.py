"""`account_units`: units of an account, which grow and shrink with transfers, not with P&L."""

from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.risk.account_units import Units
from tradebotd.storage.postgres.database import Connection

SELECT: Final[LiteralString] = """
    SELECT u.units, u.since,
           ARRAY(SELECT (venue, sum(unweighed)) FROM transfers WHERE account = $1 AND unweighed <> 0
                  GROUP BY venue) AS unweighed
      FROM (VALUES (1)) AS one LEFT JOIN account_units AS u ON u.account = $1
"""
PUT: Final[LiteralString] = """
    INSERT INTO account_units (account, units, since) VALUES ($1, $2, $3)
    ON CONFLICT (account) DO UPDATE SET units = excluded.units, since = excluded.since
"""


async def select(connection: Connection, account: str) -> tuple[Units, dict[VenueName, Decimal]]:
    """Return the units, one per unit of currency until the first transfer.

    Also returns the value of transfers that no snapshot has counted yet, by their venue.
    """
    return units_of(await connection.fetchrow(SELECT, account))


def units_of(row: Any) -> tuple[Units, dict[VenueName, Decimal]]:
    """Build both from the columns of SELECT."""
    units = Units() if row["units"] is None else Units(units=row["units"], since=row["since"])
    return units, {VenueName(venue): worth for venue, worth in row["unweighed"]}


async def put(connection: Connection, account: str, units: Units) -> None:
    """Store the units in the caller's transaction; only the snapshot writes them."""
    await connection.execute(PUT, account, units.units, units.since)
