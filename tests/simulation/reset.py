"""Between two seeds: an empty database, cheaply, whose rows come in the same order each time."""

import asyncpg

from tests.simulation.loop import VirtualLoop

TABLES = """
    SELECT c.relname FROM pg_class AS c
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
       AND c.relname NOT LIKE 'ohlc%' AND c.relname NOT IN ('schema_migrations', 'settings')
     ORDER BY 1
"""


class Reset:
    def __init__(self, loop: VirtualLoop, connection: asyncpg.Connection) -> None:
        self._loop = loop
        self._connection = connection
        self._statement: str | None = None

    async def clean(self) -> None:
        self._loop.asked_outside += 1
        try:
            if self._statement is None:
                rows = await self._connection.fetch(TABLES)
                names = ", ".join(row["relname"] for row in rows)
                self._statement = (
                    f"TRUNCATE {names} RESTART IDENTITY CASCADE;"
                    " DELETE FROM settings WHERE key NOT IN ('instance_nonce', 'halt', 'account_halt');"
                    " UPDATE settings SET value = 'null' WHERE key IN ('halt', 'account_halt')"
                )
            await self._connection.execute(self._statement)
        finally:
            self._loop.asked_outside -= 1
