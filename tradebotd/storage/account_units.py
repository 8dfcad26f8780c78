"""`account_units`: by how much an account has grown by what came in or left."""

from typing import Final, LiteralString

from tradebotd.risk.account_units import Units
from tradebotd.storage.database import Connection

SELECT: Final[LiteralString] = "SELECT units, since FROM account_units WHERE account = $1"
PUT: Final[LiteralString] = """
    INSERT INTO account_units (account, units, since) VALUES ($1, $2, $3)
    ON CONFLICT (account) DO UPDATE SET units = excluded.units, since = excluded.since
"""


async def select(connection: Connection, account: str) -> Units:
    """One unit for one of the currency, until something comes in or leaves."""
    row = await connection.fetchrow(SELECT, account)
    return Units() if row is None else Units(units=row["units"], since=row["since"])


async def put(connection: Connection, account: str, units: Units) -> None:
    """In the caller's transaction; one at a time writes it: who takes the account's snapshot."""
    await connection.execute(PUT, account, units.units, units.since)
