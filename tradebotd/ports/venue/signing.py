"""The last check before an order leaves: an adapter makes it when it signs."""

from collections.abc import Callable

from tradebotd.domain.errors import VenueUnavailableError

SendBlockedBy = Callable[[], str | None]
"""Return why a request may not leave at this moment; None while it may. Never waits."""


def not_blocked() -> None:
    """Return None: the `SendBlockedBy` of requests that may always leave."""


def check_may_leave(send_blocked_by: SendBlockedBy) -> None:
    """Check at signing that a request may still leave.

    An adapter calls it after its last wait (a limiter, a connection from a pool) and directly
    before the bytes leave. Raises VenueUnavailableError: nothing was sent.
    """
    reason = send_blocked_by()
    if reason is not None:
        raise VenueUnavailableError(reason)
