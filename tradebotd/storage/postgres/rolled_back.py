"""Transactions that the server may roll back, and that are run again then: nothing of them happened.

Only for what finds by its own locks how far things are, and awaits nothing but the database.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from tradebotd.domain.errors import RolledBackError

log = structlog.get_logger(__name__)

T = TypeVar("T")

ATTEMPTS = 3  # not final: a test allows one


async def repeated(transaction: Callable[[], Awaitable[T]]) -> T:
    """Run *transaction*, ATTEMPTS times at most. Raises as it does, the last RolledBackError too."""
    for number in range(1, ATTEMPTS):
        try:
            return await transaction()
        except RolledBackError as error:
            log.warning("transaction rolled back", attempt=number, error=str(error))
    return await transaction()
