"""Every SQL constant meets the schema here, not at 3 a.m."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import LiteralString, get_args, get_type_hints

import pytest

import tradebotd.storage
from tradebotd.storage.database import Database

FRAGMENTS = {  # parts of statements, prepared within them
    "tradebotd.storage.leadership.LEASE",
    "tradebotd.storage.positions.COLUMNS",
}
NEVER_PREPARED = ("SET ", "COPY ", "CREATE ", "DROP ", "TRUNCATE ", "LOCK ")


def all_constants() -> Iterator[tuple[str, str]]:
    for module_info in pkgutil.walk_packages(tradebotd.storage.__path__, "tradebotd.storage."):
        module = importlib.import_module(module_info.name)
        for name, hint in get_type_hints(module, include_extras=True).items():
            if hint is LiteralString or LiteralString in get_args(hint):
                yield f"{module_info.name}.{name}", getattr(module, name).strip()


EVERY = dict(all_constants())
STAGING = [sql for sql in EVERY.values() if sql.startswith("CREATE TEMP TABLE")]
CONSTANTS = {
    label: sql
    for label, sql in EVERY.items()
    if label not in FRAGMENTS and not sql.startswith(NEVER_PREPARED)
}


@pytest.mark.parametrize("label", CONSTANTS)
async def test_sql_prepares(database: Database, label: str) -> None:
    async with database.transaction() as connection:
        for create in STAGING:
            await connection.execute(create)
        await connection.prepare(CONSTANTS[label])


def test_the_constants_are_found() -> None:
    assert "tradebotd.storage.settings.UPSERT_VALUE" in CONSTANTS
