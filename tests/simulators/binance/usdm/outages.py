"""Faults in this venue's words: each of its 503 answers, its time-outs, its throttling.

Three of them share the status 503 and mean different things: after "Unknown error" the order may
stand, after the others it does not.
"""

from datetime import timedelta
from typing import Any

from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.shared.faults import Executed, Fault, Kind, answered

UNKNOWN_ERROR = "Unknown error, please check your request or try again later."
UNAVAILABLE = "Service Unavailable."
INTERNAL_ERROR = "Internal error; unable to process your request. Please try again."


def unknown_error(executed: Executed, after: timedelta = timedelta(0), **match: Any) -> Fault:
    """503 of the first kind: the request may have been executed, or may be later."""
    body = {"code": -1000, "msg": UNKNOWN_ERROR}
    return Fault(kind=Kind.ANSWER, status=503, body=body, executed=executed, after=after, **match)


def unavailable(**match: Any) -> Fault:
    return answered(503, {"code": -1000, "msg": UNAVAILABLE}, **match)


def internal_error(**match: Any) -> Fault:
    return answered(503, {"code": -1001, "msg": INTERNAL_ERROR}, **match)


def throttled(**match: Any) -> Fault:
    """-1008 for whatever matches; `Venue.throttled` spares reduce-only orders by itself."""
    return _refused(-1008, Executed.NEVER, **match)


def timed_out(executed: Executed, **match: Any) -> Fault:
    """-1007: the backend did not answer in time; execution unknown."""
    return _refused(-1007, executed, **match)


def _refused(code: int, executed: Executed, **match: Any) -> Fault:
    refusal = RefusalError(code)
    return answered(refusal.status, refusal.body(), executed=executed, **match)
