"""`check`, `schema` and `migrate`: what needs no running daemon."""

import json
import sys
from datetime import datetime
from pathlib import Path

import anyio

from tradebotd.config.all_warnings import config_warnings
from tradebotd.config.load import find_config, load_config
from tradebotd.config.model import Config
from tradebotd.daemon.calendar_files import calendar_warnings, data_spans
from tradebotd.daemon.lifecycle import open_database_of
from tradebotd.daemon.places import located, placed
from tradebotd.daemon.root_cause import first_cause
from tradebotd.daemon.wiring.files import load
from tradebotd.daemon.zone_view import time_zones_in_words
from tradebotd.storage.postgres.migrations import (
    Migration,
    load_migrations,
    migrate,
    migration_status,
)


def check(given: Path | None) -> int:
    """Everything that can be known without starting, and what may be so but should be known.

    Raises ConfigError with every problem.
    """
    path = find_config(given)
    config, files = load(path)
    sys.stdout.write(
        f"{path}: good: {_count(len(files.symbols), 'symbol')}, {_count(len(config.bots), 'bot')},"
        f" {_count(len(files.specs), 'job')}, {_state(config)}, {time_zones_in_words()}\n"
    )
    spans = data_spans(config, files.symbols, files.recordings)
    ends = calendar_warnings(files.symbols, files.calendars, spans)
    doubted = [str(warning) for warning in config_warnings(config, files.prices())]
    for warning in [*doubted, *ends]:
        sys.stdout.write(f"  warning: {config.told(warning)}\n")
    return 0


def print_schema() -> int:
    sys.stdout.write(json.dumps(Config.model_json_schema(), indent=2) + "\n")
    return 0


def run_migrations(given: Path | None, *, only_list: bool) -> int:
    """Apply what is missing, or list what there is. Raises MigrationError, NoDatabaseError."""
    config = load_config(find_config(given))
    config = located(config) if only_list else placed(config)
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


def _state(config: Config) -> str:
    if config.state_dir_is_said:
        return f"state in {config.state_dir}"
    return f"state in {config.state_dir} (a service's: in its StateDirectory)"


def _when(applied_at: datetime | None) -> str:
    return "not applied" if applied_at is None else f"applied {applied_at:%Y-%m-%dT%H:%M:%SZ}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
