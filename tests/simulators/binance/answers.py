"""The venue's own errors as faults: what it answers, whatever became of the request."""

from typing import Any

from tests.simulators.binance.errors import (
    VenueError,
    execution_unknown,
    refusal,
    service_unavailable,
)
from tests.simulators.shared.faults import Executed, Fault, answered


def error(told: VenueError, *, executed: Executed = Executed.NEVER, **match: Any) -> Fault:
    """Answer *told* to what matches; it is not executed, unless that is said."""
    headers = dict(told.headers)
    return answered(told.status, told.body(), executed=executed, headers=headers, **match)


def unknown_503(executed: Executed, **match: Any) -> Fault:
    """The 503 that may have been a success, with its truth."""
    return error(execution_unknown(), executed=executed, **match)


def failed_503(**match: Any) -> Fault:
    """The 503 that is a failure."""
    return error(service_unavailable(), **match)


def timed_out(executed: Executed, **match: Any) -> Fault:
    """-1007: the engine did not answer within ten seconds; with its truth."""
    return error(refusal(-1007), executed=executed, **match)


def lost_on_the_bus(executed: Executed, **match: Any) -> Fault:
    """-1006: an unexpected answer within the venue; with its truth."""
    return error(refusal(-1006), executed=executed, **match)


def busy(**match: Any) -> Fault:
    """-1008: overloaded, not executed."""
    return error(refusal(-1008), **match)


def blocked(**match: Any) -> Fault:
    """403 of the firewall before the venue: a page, not JSON."""
    return answered(403, "<html><body>403 Forbidden</body></html>", **match)
