"""Error bodies of Twelve Data, told apart by code and words; they come with any HTTP status."""

from enum import StrEnum
from typing import Final, NamedTuple

from tradebotd.feeds.twelvedata.facts import is_plan_gate
from tradebotd.net.answers import Value

_DAY: Final = "for the day"
_NO_DATA: Final = "no data is available"


class Why(StrEnum):
    """Reasons of refusals, by what can be done."""

    MINUTE = "credits of the minute are spent"
    DAY = "credits of the day are spent"
    KEY = "the key is not accepted"
    PLAN = "the plan does not have it"
    SYMBOL = "the symbol is not known there"
    NO_DATA = "nothing was traded in that time"
    SERVER = "the server failed"
    OTHER = "the request is refused"


class Refusal(NamedTuple):
    why: Why
    code: int
    message: str

    def told(self) -> str:
        return f"{self.why} ({self.code}: {self.message})"


def refusal_of(value: Value) -> Refusal | None:
    """The refusal that an object is; None for any other answer. Raises MisshapenError."""
    status = value.get("status")
    if status is None or status.raw != "error":
        return None
    code, message = value["code"].integer(), value["message"].text()
    return Refusal(_why(code, message), code, message)


def _why(code: int, message: str) -> Why:
    """A day that is spent has the code of a minute that is spent, and other words."""
    words = message.lower()
    if code == 429:
        return Why.DAY if _DAY in words else Why.MINUTE
    if code == 401:
        return Why.KEY
    if is_plan_gate(code, message):
        return Why.PLAN
    if _NO_DATA in words:
        return Why.NO_DATA
    if code == 404:
        return Why.SYMBOL
    return Why.SERVER if code >= 500 else Why.OTHER
