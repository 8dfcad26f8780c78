"""What becomes of an order whose answer cannot be read: its outcome is unknown."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from tradebotd.domain.errors import OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.venues.binance.payload import MalformedAnswerError

log = structlog.get_logger(__name__)


@contextmanager
def answer_of(order: ClientOrderId) -> Iterator[None]:
    """Raise OutcomeUnknownError for an answer to *order* that cannot be read, and log its words."""
    try:
        yield
    except MalformedAnswerError as error:
        log.error("answer not read", venue=error.venue, order=order, error=str(error))  # noqa: TRY400
        raise OutcomeUnknownError(order) from error
