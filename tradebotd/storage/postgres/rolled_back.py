"""Transactions that the server may roll back, and that are run again then: nothing of them happened.

Only for what finds by its own locks how far things are, and awaits nothing but the database.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from tradebotd.domain.errors import RolledBackError
from tradebotd.storage.postgres.database import Connection, Database, Lane

log = structlog.get_logger(__name__)

T = TypeVar("T")

ATTEMPTS = 3  # not final: a test allows one


async def repeated(database: Database, write: Callable[[Connection], Awaitable[T]]) -> T:
    """Run *write* in a durable transaction of its own each time, ATTEMPTS times at most.

    Raises as it does, the last RolledBackError too, DatabaseUnavailableError.
    """
    for number in range(1, ATTEMPTS):
        try:
            return await _once(database, write)
        except RolledBackError as error:
            log.warning("transaction rolled back", attempt=number, error=str(error))
    return await _once(database, write)


async def _once(database: Database, write: Callable[[Connection], Awaitable[T]]) -> T:
    async with database.transaction(Lane.ORDERS, durable=True) as connection:
        return await write(connection)
