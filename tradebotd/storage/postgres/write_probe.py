"""Test writes, to learn whether PostgreSQL accepts writes again."""

import secrets
from typing import Final

from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database, Lane

BYTES: Final = 32_768  # more than fits into the gaps of a table that cannot grow


async def probe_writes(database: Database) -> None:
    """Run a durable transaction without lasting effect. Raises DatabaseUnavailableError."""
    async with database.transaction(Lane.ORDERS, durable=True) as connection:
        await settings.put(connection, settings.WRITE_PROBE, secrets.token_hex(BYTES // 2))
        await settings.put(connection, settings.WRITE_PROBE, None)
    database.writes.succeed()
