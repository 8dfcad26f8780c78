"""Every SQL constant meets the schema here, not at 3 a.m."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import LiteralString, get_args, get_type_hints

import pytest

import tradebotd.storage
from tradebotd.storage.postgres.database import Database

FRAGMENTS = {  # parts of statements, prepared within them
    "tradebotd.storage.leadership.LEASE",
    "tradebotd.storage.positions.COLUMNS",
}
NEVER_PREPARED = ("BEGIN", "SET ", "COPY ", "CREATE ", "DROP ", "TRUNCATE ", "LOCK ")


def all_constants() -> Iterator[tuple[str, str]]:
    for module_info in pkgutil.walk_packages(tradebotd.storage.__path__, "tradebotd.storage."):
        module = importlib.import_module(module_info.name)
        for name, hint in get_type_hints(module, include_extras=True).items():
            if hint is LiteralString or LiteralString in get_args(hint):
                yield f"{module_info.name}.{name}", getattr(module, name).strip()


CONSTANTS = {
    label: sql
    for label, sql in all_constants()
    if label not in FRAGMENTS and not sql.startswith(NEVER_PREPARED)
}


@pytest.mark.parametrize("label", CONSTANTS)
async def test_sql_prepares(database: Database, label: str) -> None:
    async with database.transaction() as connection:
        await connection.prepare(CONSTANTS[label])


# PostgreSQL takes `coalesce($1, 0)` for an int4, and asyncpg then sends 0.648 as 0: money in such a
# parameter loses its decimals without a word. Whoever adds a name here has looked at every one.
WHOLE_NUMBERS = {
    "bots.COUNT_DAY",
    "bots.LIFT_LIMIT",
    "dead_letters.PUT",
    "entry_rows.INSERT",
    "exit_rows.INSERT",
    "job_runs.CLOSE_RUN",
    "job_runs.SET_ATTEMPT",
    "job_runs.TAKE_IDS",
    "postgres.migrations.INSERT_LEDGER",
    "order_searches.UPSERT",
    "orders.INSERT_ORDER",
    "orders.NEXT_IDS",
    "paper_books.PUT_POSITION",
    "paper_orders.INSERT_ORDER",
    "positions.INSERT_POSITION",
    "positions.UPDATE_LEVELS",
    "report_rows.CHANGE",
    "report_rows.OPEN",
    "symbol_setups.PUT_PAPER",
}


async def test_no_amount_is_sent_as_a_whole_number(database: Database) -> None:
    """M4.6: leverage, attempts, counts and steps are whole; nothing else is."""
    found = set()
    async with database.transaction() as connection:
        for label, sql in CONSTANTS.items():
            statement = await connection.prepare(sql)
            if {"int2", "int4"} & {each.name for each in statement.get_parameters()}:
                found.add(label.removeprefix("tradebotd.storage."))
    assert found == WHOLE_NUMBERS


def test_the_constants_are_found() -> None:
    assert "tradebotd.storage.settings.UPSERT_VALUE" in CONSTANTS


# What holds locks meanwhile.
ORDER_PATH = ("entry_rows", "exit_rows", "report_rows")
KNOWN_ARRAYS = {"text[]"}


async def test_no_row_of_an_order_waits_for_what_an_array_is(database: Database) -> None:
    """B3: asyncpg would ask the server, once a connection, for longer than the statement takes."""
    found = set()
    async with database.transaction() as connection:
        for label, sql in CONSTANTS.items():
            if label.split(".")[-2] in ORDER_PATH:
                statement = await connection.prepare(sql)
                types = [*statement.get_parameters(), *(a.type for a in statement.get_attributes())]
                found |= {each.name for each in types if each.kind == "array"}
    assert found == KNOWN_ARRAYS
