"""`tradebotd migrate`: update the schema; needs no running daemon."""

import sys
from datetime import datetime
from pathlib import Path

import anyio

from tradebotd.config.load import find_config, load_config
from tradebotd.config.model import Config
from tradebotd.daemon.commands.garbage import search_from_now_on
from tradebotd.daemon.lifecycle import open_database_of
from tradebotd.daemon.places import located, placed
from tradebotd.daemon.root_cause import first_cause
from tradebotd.storage.migration_files import Migration, load_migrations
from tradebotd.storage.postgres.migrations import migrate, migration_status


def run_migrations(given: Path | None, *, only_list: bool) -> int:
    """Apply or list the migrations. Raises MigrationError, NoDatabaseError."""
    config = load_config(find_config(given))
    config = located(config) if only_list else placed(config)
    search_from_now_on()
    work = _list if only_list else _apply
    try:
        anyio.run(work, config, load_migrations(), backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    return 0


async def _apply(config: Config, migrations: tuple[Migration, ...]) -> None:
    async with open_database_of(config) as database:
        applied = await migrate(database, migrations)
    names = {migration.version: migration.name for migration in migrations}
    for version in applied:
        sys.stdout.write(f"applied {names[version]}\n")
    if not applied:
        sys.stdout.write("nothing to apply: the schema is current\n")


async def _list(config: Config, migrations: tuple[Migration, ...]) -> None:
    async with open_database_of(config, makes=False) as database:
        for state in await migration_status(database, migrations):
            sys.stdout.write(f"{state.name}  {_when(state.applied_at)}\n")


def _when(applied_at: datetime | None) -> str:
    return "not applied" if applied_at is None else f"applied {applied_at:%Y-%m-%dT%H:%M:%SZ}"
