"""The last check before an order leaves: an adapter makes it when it signs."""

from collections.abc import Callable

from tradebotd.domain.errors import VenueUnavailableError

WhyNot = Callable[[], str | None]
"""Return why a request may not leave at this moment; None while it may. Never waits."""


def unhindered() -> None:
    """Return None: the `WhyNot` of requests that may always leave."""


def check_may_leave(why_not: WhyNot) -> None:
    """Check at signing that a request may still leave.

    An adapter calls it after its last wait (a limiter, a connection from a pool) and directly
    before the bytes leave. Raises VenueUnavailableError: nothing was sent.
    """
    reason = why_not()
    if reason is not None:
        raise VenueUnavailableError(reason)
