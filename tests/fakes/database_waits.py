"""Waits for what the sessions of a database do to each other."""

from typing import Final

import anyio.lowlevel

from tradebotd.storage.postgres.database import Database

IS_WAITING: Final = """
    SELECT count(*) > 0 FROM pg_locks WHERE NOT granted
       AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


async def until_somebody_waits(database: Database) -> None:
    """Look until a session waits for a lock; the caller bounds it.

    Each look is a transaction of its own: within one, the list of sessions stays as it was first read.
    """
    while True:
        async with database.connection() as connection:
            if await connection.fetchval(IS_WAITING):
                return
        await anyio.lowlevel.checkpoint()
