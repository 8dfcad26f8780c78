"""`account_units`: by how much an account has grown by what came in or left."""

from decimal import Decimal
from typing import Final, LiteralString

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
    """One unit for one of the currency, until something comes in or leaves; and what transfers were
    worth that were told since the last snapshot.
    """
    row = await connection.fetchrow(SELECT, account)
    units = Units() if row["units"] is None else Units(units=row["units"], since=row["since"])
    return units, row["unweighed"]


async def put(connection: Connection, account: str, units: Units) -> None:
    """In the caller's transaction; one at a time writes it: who takes the account's snapshot."""
    await connection.execute(PUT, account, units.units, units.since)
