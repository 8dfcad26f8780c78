"""Migrations: numbered, checksummed, locked, all or nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.errors import MigrationError
from tradebotd.storage.migration_files import Migration, load_migrations
from tradebotd.storage.postgres.database import Connection, Database

__all__ = ["Migration", "MigrationState", "load_migrations", "migrate", "migration_status"]

LOCK: Final[LiteralString] = "SELECT pg_advisory_xact_lock(hashtext('tradebotd migrations'))"
CREATE_LEDGER: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version    integer PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
HAS_LEDGER: Final[LiteralString] = "SELECT to_regclass('schema_migrations') IS NOT NULL"
SELECT_LEDGER: Final[LiteralString] = (
    "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version"
)
INSERT_LEDGER: Final[LiteralString] = (
    "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"
)
NO_TIMEOUT: Final[LiteralString] = "SET LOCAL statement_timeout = 0"


class MigrationState(NamedTuple):
    """Migration and its state; `applied_at` is None while it is pending."""

    version: int
    name: str
    applied_at: datetime | None


async def migrate(database: Database, migrations: Sequence[Migration]) -> list[int]:
    """Apply missing migrations in order; return their versions. Raises MigrationError."""
    applied = []
    async with database.transaction(durable=True) as connection:
        await connection.execute(NO_TIMEOUT)
        await connection.execute(LOCK)
        await connection.execute(CREATE_LEDGER)
        known = await _compared(connection, migrations)
        for migration in migrations:
            if migration.version not in known:
                await connection.execute(migration.sql)
                await connection.execute(
                    INSERT_LEDGER, migration.version, migration.name, migration.checksum
                )
                applied.append(migration.version)
    return applied


async def migration_status(
    database: Database, migrations: Sequence[Migration]
) -> list[MigrationState]:
    """Return each migration, applied or pending; changes nothing. Raises MigrationError."""
    async with database.transaction() as connection:
        known: dict[int, datetime] = {}
        if await connection.fetchval(HAS_LEDGER):
            known = await _compared(connection, migrations)
    return [
        MigrationState(version=item.version, name=item.name, applied_at=known.get(item.version))
        for item in migrations
    ]


async def _compared(connection: Connection, migrations: Sequence[Migration]) -> dict[int, datetime]:
    """Compare the ledger with the files; return when each version was applied."""
    files_by_version = {migration.version: migration for migration in migrations}
    rows = await connection.fetch(SELECT_LEDGER)
    for row in rows:
        file = files_by_version.get(row["version"])
        label = f"{row['version']:04}_{row['name']}"
        if file is None:
            raise MigrationError(
                f"the database has migration {label}, which this tradebotd does not know:"
                " it was made by a newer one"
            )
        if file.checksum != row["checksum"]:
            raise MigrationError(f"migration {label} was edited after it was applied")
    return {row["version"]: row["applied_at"] for row in rows}
