"""Refusals of the venue: HTTP status, code and text, as its documents print them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class VenueError(Exception):
    """A JSON error that the venue answers: `{"code": …, "msg": …}`, sometimes with `data`."""

    code: int
    msg: str
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"code": self.code, "msg": self.msg}
        return answer if self.data is None else answer | {"data": dict(self.data)}


# One text a code where the documents leave no choice; `%s` stands where they print it.
TEXTS: Mapping[int, tuple[int, str]] = {
    -1000: (500, "An unknown error occurred while processing the request."),
    -1001: (500, "Internal error; unable to process your request. Please try again."),
    -1002: (401, "You are not authorized to execute this request."),
    -1003: (429, "Too many requests queued."),
    -1006: (
        500,
        "An unexpected response was received from the message bus. Execution status unknown.",
    ),
    -1007: (
        504,
        (
            "Timeout waiting for response from backend server."
            " Send status unknown; execution status unknown."
        ),
    ),
    -1008: (
        503,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    -1014: (400, "Unsupported order combination."),
    -1015: (429, "Too many new orders; current limit is %s orders per %s."),
    -1016: (410, "This service is no longer available."),
    -1020: (400, "This operation is not supported."),
    -1021: (400, "Timestamp for this request is outside of the recvWindow."),
    -1022: (400, "Signature for this request is not valid."),
    -1034: (429, "Too many connection attempts from IP; current limit is %s per '%s'."),
    -1100: (400, "Illegal characters found in parameter '%s'; legal range is '%s'."),
    -1101: (400, "Too many parameters sent for this endpoint."),
    -1102: (400, "Mandatory parameter '%s' was not sent, was empty/null, or malformed."),
    -1104: (400, "Not all sent parameters were read; read '%s' parameter(s) but was sent '%s'."),
    -1105: (400, "Parameter '%s' was empty."),
    -1106: (400, "Parameter '%s' sent when not required."),
    -1111: (400, "Parameter '%s' has too much precision."),
    -1112: (400, "No orders on book for symbol."),
    -1114: (400, "TimeInForce parameter sent when not required."),
    -1115: (400, "Invalid timeInForce."),
    -1116: (400, "Invalid orderType."),
    -1117: (400, "Invalid side."),
    -1120: (400, "Invalid interval."),
    -1121: (400, "Invalid symbol."),
    -1122: (400, "Invalid symbolStatus."),
    -1125: (400, "This listenKey does not exist."),
    -1127: (400, "More than %s hours between startTime and endTime."),
    -1128: (400, "Combination of optional parameters invalid."),
    -1130: (400, "Data sent for parameter '%s' is not valid."),
    -1131: (400, "recvWindow must be less than 60000."),
    -1135: (400, "Invalid JSON Request"),
    -1139: (400, "Invalid ticker type."),
    -1145: (400, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."),
    -1151: (400, "Symbol is present multiple times in the list."),
    -1158: (400, "Order type not supported in OCO."),
    -1165: (400, "A limit order in a buy OCO must be below."),
    -1166: (400, "A limit order in a sell OCO must be above."),
    -1168: (400, "At least one OCO order must be contingent."),
    -1194: (400, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."),
    -1196: (400, "A stop loss order in a buy OCO must be above."),
    -1197: (400, "A stop loss order in a sell OCO must be below."),
    -1198: (400, "A take profit order in a buy OCO must be below."),
    -1199: (400, "A take profit order in a sell OCO must be above."),
    -1220: (400, "The symbol's status does not match the requested symbolStatus."),
    -2013: (400, "Order does not exist."),
    -2014: (401, "API-key format invalid."),
    -2015: (401, "Invalid API-key, IP, or permissions for action."),
    -2026: (
        400,
        "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
    ),
    -2035: (400, "User Data Stream subscription already active."),
    -2036: (400, "User Data Stream subscription not active."),
    -2039: (400, "Client order ID is not correct for this order ID."),
    -2042: (400, "Maximum subscription ID reached for this connection."),
    -2043: (400, "This symbol doesn't have a reference price."),
}


def refusal(code: int, *words: object, data: Mapping[str, Any] | None = None) -> VenueError:
    """Fill the text of *code* with *words*."""
    status, text = TEXTS[code]
    return VenueError(code, text % words if words else text, status, data=data)


def engine_refusal(msg: str, code: int = -2010) -> VenueError:
    """Tell what the matching engine answers: -2010 on placing, -2011 on cancelling, -2038 on amending."""
    return VenueError(code, msg)


def filter_failure(name: str) -> VenueError:
    return VenueError(-1013, f"Filter failure: {name}")


def execution_unknown() -> VenueError:
    """A 503 that may have been a success: the request may have reached the engine."""
    return VenueError(-1000, "Unknown error, please check your request or try again later.", 503)


def service_unavailable() -> VenueError:
    """A 503 that is a failure: the request was not passed on."""
    return VenueError(-1000, "Service Unavailable.", 503)


def throttled_by_the_system() -> VenueError:
    """A 503 that is a failure (USDT-M): shed before the engine."""
    return VenueError(-1008, "Request throttled by system-level protection.", 503)
