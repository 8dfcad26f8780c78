"""Every statement that a daemon sends, with its arguments; and the same sent again without it.

`python -m benchmarks.recorded_daemon FILE run --config …` is the daemon with a logger on each
connection. COPY is not seen by asyncpg's query loggers: where the daemon uses it, the floor lacks
it (a replay pulls minute by minute, below the 500 rows from which the writer takes COPY).
"""

import pickle
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

from tradebotd.storage.postgres import database

# These come without arguments and may not be prepared; all else goes the way the daemon sends it.
_PLAIN: Final = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "CREATE")


@dataclass(frozen=True, slots=True)
class Statement:
    """`session` numbers the daemon's connections; `failed` names the error that it met."""

    session: int
    query: str
    arguments: tuple[Any, ...]
    failed: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """`differing`: statements that failed here and not there, or there and not here."""

    statements: int
    differing: int
    seconds: float


def recorded(path: Path) -> list[Statement]:
    """Return them in the order in which they ended: none waits for a lock when sent again."""
    with path.open("rb") as file:
        return list(_pickles(file))


def replay(dsn: str, statements: list[Statement]) -> Replayed:
    """One after the other, each on the connection that stands for its own."""
    return uvloop.run(_replay(dsn, statements))


async def _replay(dsn: str, statements: list[Statement]) -> Replayed:
    async with AsyncExitStack() as stack:
        sessions: dict[int, asyncpg.Connection] = {}
        for number in {each.session for each in statements}:
            connection = await asyncpg.connect(
                dsn,
                server_settings=database.SERVER_SETTINGS,
                statement_cache_size=500,
                max_cached_statement_lifetime=0,
            )
            stack.push_async_callback(connection.close)
            await database._prepare_connection(connection)  # noqa: SLF001 - the same codecs
            sessions[number] = connection
        differing = 0
        started = time.perf_counter()
        for each in statements:
            error = await _send(sessions[each.session], each)
            differing += error != each.failed
        return Replayed(len(statements), differing, time.perf_counter() - started)


async def _send(connection: asyncpg.Connection, statement: Statement) -> str | None:
    try:
        if not statement.arguments and statement.query.lstrip().startswith(_PLAIN):
            await connection.execute(statement.query)
        else:
            await connection.fetch(statement.query, *statement.arguments)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    return None


def _pickles(file: Any) -> Iterator[Statement]:
    while True:
        try:
            yield pickle.load(file)  # noqa: S301 - written by our own process a moment ago
        except EOFError:
            return


def record(path: Path) -> None:
    """Put a logger on every connection that the pool will open."""
    file = path.open("wb")
    numbers = count()
    prepare = database._prepare_connection  # noqa: SLF001 - there is no other way in

    async def prepare_and_log(connection: asyncpg.Connection) -> None:
        await prepare(connection)
        session = next(numbers)

        def log(query: asyncpg.connection.LoggedQuery) -> None:
            if query.args == []:  # prepared for orders, and not run
                return
            failed = None if query.exception is None else type(query.exception).__name__
            pickle.dump(Statement(session, query.query, tuple(query.args), failed), file)

        connection.add_query_logger(log)

    database._prepare_connection = prepare_and_log  # noqa: SLF001
