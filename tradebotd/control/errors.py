"""Errors as an HTTP status and a JSON answer; `tradebotctl` turns them into exit codes."""

import traceback
from http import HTTPStatus
from typing import Final

import structlog
from starlette.responses import JSONResponse

from tradebotd.control.parameters import RequestValidationError
from tradebotd.control.wire import ErrorAnswer, ErrorDetail
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    OrderDeniedError,
    RefusedError,
    TradebotError,
    VenueError,
    describe_error,
)
from tradebotd.domain.refusal import RefusalCode

log = structlog.get_logger(__name__)

INTERNAL: Final = "internal"
# Values that are invalid regardless of the daemon's state.
WRONG_VALUES: Final = frozenset(
    {
        RefusalCode.USAGE,
        RefusalCode.BAD_LEVEL,
        RefusalCode.BAD_DURATION,
        RefusalCode.BAD_TRIGGER_PRICE,
        RefusalCode.NOTHING_TO_SET,
    }
)
NO_SUCH: Final = frozenset(
    {
        RefusalCode.UNKNOWN_JOB,
        RefusalCode.UNKNOWN_BOT,
        RefusalCode.UNKNOWN_SYMBOL,
        RefusalCode.UNKNOWN_TIMEFRAME,
        RefusalCode.UNKNOWN_LEVELS,
        RefusalCode.UNKNOWN_POSITION,
        RefusalCode.UNKNOWN_ORDER,
        RefusalCode.UNKNOWN_DEAD_LETTER,
    }
)


def refuse(error: Exception) -> JSONResponse:
    """Return the response for a failed call; unexpected errors are logged with traceback."""
    status, answer = explain(error)
    if answer.error.code == INTERNAL:
        log.error("control request failed", error="".join(traceback.format_exception(error)))
    return JSONResponse(answer.model_dump(mode="json"), status)


def explain(error: Exception) -> tuple[HTTPStatus, ErrorAnswer]:
    """Map an error to a status and an answer. The status determines the CLI's exit code:

    400 usage (2), 404 and 409 refused (4), 422 configuration (78), 503 unavailable (69), 500
    anything else (1).
    """
    match error:
        case RequestValidationError():
            answer = _answer(HTTPStatus.BAD_REQUEST, RefusalCode.USAGE, _first_fault(error))
        case RefusedError():
            answer = _answer(
                _refusal_status(error.code), error.code, error.message, error.hint, error.known
            )
        case ConfigError():
            message = "; ".join(error.told)
            answer = _answer(HTTPStatus.UNPROCESSABLE_ENTITY, "configuration", message)
        case DatabaseUnavailableError():
            answer = _answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "database_unavailable",
                f"the database is not available: {error}",
                "tradebotctl status says since when; docs/runbooks/database_unavailable.md",
            )
        case VenueError():
            answer = _answer(HTTPStatus.SERVICE_UNAVAILABLE, "venue_unavailable", str(error))
        case OrderDeniedError():
            answer = _answer(HTTPStatus.CONFLICT, "denied", str(error))
        case TradebotError():
            answer = _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", str(error))
        case _:
            message, hint = describe_error(error), "the daemon's log has the traceback"
            answer = _answer(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL, message, hint)
    return answer


def _refusal_status(code: RefusalCode | DenialRule) -> HTTPStatus:
    if code in WRONG_VALUES:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.NOT_FOUND if code in NO_SUCH else HTTPStatus.CONFLICT


def _answer(
    status: HTTPStatus, code: str, message: str, hint: str = "", known: tuple[str, ...] = ()
) -> tuple[HTTPStatus, ErrorAnswer]:
    detail = ErrorDetail(code=str(code), message=message, hint=hint, known=list(known))
    return status, ErrorAnswer(error=detail)


def _first_fault(error: RequestValidationError) -> str:
    faults = error.errors()
    if not faults:
        return "the request was not understood"
    place = ".".join(str(part) for part in faults[0]["loc"][1:])
    return f"{place}: {faults[0]['msg']}" if place else str(faults[0]["msg"])
