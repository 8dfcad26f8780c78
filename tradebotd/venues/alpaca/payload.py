"""Strict reading of Alpaca's answers: what every part of the adapter reads the same way.

`net.answers` reads the types; here are instants in RFC 3339 with nanoseconds and offsets (A9), and
what becomes of an answer that cannot be read: a VenueError, and an unknown outcome of an order.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.errors import OutcomeUnknownError, VenueError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.net.answers import Value
from tradebotd.net.errors import MisshapenError

log = structlog.get_logger(__name__)

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class UnreadAnswerError(VenueError):
    """An answer that cannot be read as what it should be."""


@contextmanager
def reading(order: ClientOrderId | None = None) -> Iterator[None]:
    """Raise UnreadAnswerError for what cannot be read; OutcomeUnknownError of an *order*."""
    try:
        yield
    except MisshapenError as error:
        if order is None:
            raise UnreadAnswerError(str(error)) from error
        log.error("answer not read", order=order, error=str(error))  # noqa: TRY400
        raise OutcomeUnknownError(order) from error


def instant_of(told: Value) -> datetime:
    """A9: read an instant with an offset and up to nine decimals, of which six are kept."""
    return told.timestamp()


def id_of(told: Value) -> str:
    """Read an id of the venue's, which may stand in a path."""
    text = told.text()
    if not _ID.fullmatch(text):
        raise told.wrong("is no id")
    return text


def text_if_any(told: Value, name: str) -> str | None:
    found = told.get(name)
    return None if found is None else found.text()


def amount_if_any(told: Value, name: str) -> Decimal | None:
    """Read a number under *name* that is not negative; None where it lacks or is null."""
    found = told.get(name)
    return None if found is None else not_negative(found)


def not_negative(told: Value) -> Decimal:
    number = told.decimal()
    if number < 0:
        raise told.wrong("is negative")
    return number


def stamped(instant: datetime) -> str:
    """Return *instant* as a parameter: whole seconds of UTC, rounded down."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


ONE_SECOND: Final = timedelta(seconds=1)
