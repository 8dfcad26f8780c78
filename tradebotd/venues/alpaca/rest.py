"""Requests to Alpaca's two hosts, each sent once, and what became of them.

A request waits for its turn at the gate and for a connection; directly before its bytes leave it is
checked whether it may still leave. A POST is never sent again, though the permanent client order
ids would allow it: what became of it is settled by asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson
import structlog

from tradebotd.domain.errors import OutcomeUnknownError, VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError, NoAnswerError, NotSentError
from tradebotd.net.http import Answer, Unsigned
from tradebotd.net.limited import Call as Place
from tradebotd.net.limited import LimitedClient
from tradebotd.net.rate_limit import Priority
from tradebotd.net.redaction import Redactor
from tradebotd.ports.venue import SendBlockedBy, check_may_leave, not_blocked
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.alpaca.errors import Refusal, error_of
from tradebotd.venues.alpaca.limits import Limits
from tradebotd.venues.alpaca.paths import Call, Host

log = structlog.get_logger(__name__)

KEY_ID: Final = "APCA-API-KEY-ID"
SECRET: Final = "APCA-API-SECRET-KEY"  # noqa: S105 - the header's name
WAIT_TO_ACT: Final = 2.0  # seconds at the gate: then an order's row does not allow it any more
WAIT_TO_ASK: Final = 5.0
Query = Mapping[str, str]
Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Lines:
    """Clients of one host, and its limits. *acts*: one of its own, so that no order waits for a
    connection behind a question.
    """

    asks: LimitedClient
    acts: LimitedClient
    limits: Limits


class _Unsent(NamedTuple):
    path: str
    query: Query | str
    body: bytes
    priority: Priority


class Rest:
    """Both hosts of one account. *order* in a call: the one that is sent or cancelled by it.

    `answer` and `ask` raise VenueUnavailableError where nothing was executed, OutcomeUnknownError
    of an *order* that may have been; MisshapenError for what cannot be read (`payload.reading`).
    """

    def __init__(self, venue: VenueName, lines: Mapping[Host, Lines], redact: Redactor) -> None:
        self._venue, self._lines, self._redact = venue, lines, redact

    async def ask(
        self,
        call: Call,
        query: Query | None = None,
        *,
        of: str = "",
        priority: Priority = Priority.READ,
    ) -> Value:
        """Return the answer to a question. A refusal raises what it means (`errors.error_of`)."""
        told = await self.answer(call, query, of=of, priority=priority)
        if isinstance(told, Refusal):
            raise error_of(told)
        return told

    async def answer(
        self,
        call: Call,
        query: Query | None = None,
        *,
        of: str = "",
        body: Body | None = None,
        order: ClientOrderId | None = None,
        send_blocked_by: SendBlockedBy = not_blocked,
        priority: Priority = Priority.READ,
    ) -> Value | Refusal:
        """Return the answer, null without a body, or the refusal. *of*: a name in the path."""
        path = call.of(of)
        assert_no_connection_held(f"{self._venue} is asked: {path}")
        lines = self._lines[call.host]
        client = lines.acts if call.acts else lines.asks
        unsent = _Unsent(path, query or "", b"" if body is None else orjson.dumps(body), priority)
        told = await self._sent(call, unsent, order, send_blocked_by)
        source = client.client.source(call.method, path, told)
        if told.status == 204 and not told.body:
            return Value(None, "", source)
        if 200 <= told.status < 300:
            return source.json()
        return refusal_of(source, told, lines.limits, self._redact)

    async def _sent(
        self,
        call: Call,
        unsent: "_Unsent",
        order: ClientOrderId | None,
        send_blocked_by: SendBlockedBy,
    ) -> Answer:
        lines = self._lines[call.host]

        def may_leave(unsigned: Unsigned) -> Unsigned:
            check_may_leave(send_blocked_by)
            return unsigned

        try:
            return await (lines.acts if call.acts else lines.asks).request(
                call.method,
                unsent.path,
                Place(
                    costs=lines.limits.costs,
                    priority=unsent.priority,
                    wait=WAIT_TO_ACT if call.acts else WAIT_TO_ASK,
                    acts=call.acts,
                ),
                query=unsent.query,
                body=unsent.body,
                headers={"content-type": "application/json"} if unsent.body else {},
                sign_now=may_leave,
            )
        except NotSentError as error:
            # An end of a ban is the one that the venue has told; the gate's own pauses are none.
            until = lines.limits.ban_ends_at if error.banned else None
            raise VenueUnavailableError(str(error), until, banned=error.banned) from error
        except NoAnswerError as error:
            if order is not None:
                log.warning("no answer to an order", order=order, error=str(error))
                raise OutcomeUnknownError(order) from error
            raise VenueUnavailableError(str(error)) from error


def refusal_of(
    source: Source,
    answer: Answer,
    limits: Limits,
    redact: Redactor = Redactor(),  # noqa: B008 - immutable
) -> Refusal:
    """Return the refusal of an answer that is no success, whatever its body is."""
    until = limits.until(answer) if answer.status == 429 else None
    code: int | None = None
    try:
        told = source.json()
        words = " ".join(redact(told["message"].text())[:300].split())
        number = told.get("code")
        code = None if number is None else number.integer()
        extra = told.get("base_price")
        if extra is not None:
            words += f" (base price {extra.decimal():f})"
    except MisshapenError:
        return Refusal(status=answer.status, code=-1, words=source.told("refused"), until=until)
    return Refusal(status=answer.status, code=code, words=words, until=until)
