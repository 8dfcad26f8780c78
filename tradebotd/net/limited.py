"""HTTP client behind a gate: what an adapter asks a venue with.

It waits for its turn, signs at the last moment, gives back what was not sent, and has the vendor's
own reader take note of what an answer says about limits.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from tradebotd.net.gate import Gate, Turn
from tradebotd.net.http import Answer, HttpClient, Query, SignNow, Timeouts, Unsigned
from tradebotd.net.rate_limit import Costs, Priority

LONGEST: Final = timedelta(days=365)  # of a pause that an answer asks for; beyond it is nonsense
_SECONDS: Final = re.compile(r"\d{1,8}", re.ASCII)
TOO_MANY: Final = frozenset({418, 429})

TakeNote = Callable[[Answer, Turn], None]
"""Tell the turn's gate what an answer says: used weights, a ban, what the request truly cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request's place among the others.

    *wait*: seconds that it may wait for its turn. *acts*: it sends or cancels an order.
    """

    costs: Costs
    priority: Priority = Priority.READ
    wait: float = 10.0
    acts: bool = False


class LimitedClient:
    """Client whose requests all pass through *gate*; *take_note* reads every answer.

    Where what an answer says depends on the call, the call brings a reader of its own.
    """

    def __init__(self, client: HttpClient, gate: Gate, take_note: TakeNote | None = None) -> None:
        self.client = client
        self.gate = gate
        self._take_note = take_note

    async def request(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        query: Query = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        sign_now: SignNow | None = None,
        timeouts: Timeouts | None = None,
        take_note: TakeNote | None = None,
    ) -> Answer:
        """Send one request when it is its turn. Raises as `HttpClient.request`, and NotSentError
        where the limits have no room in time, or the venue bans us.

        *take_note*: in place of the client's own.
        """
        async with self.gate.turn(
            call.costs, call.priority, wait=call.wait, acts=call.acts
        ) as turn:
            signed = False

            def sign(unsigned: Unsigned) -> Unsigned:
                nonlocal signed
                turn.check()
                leaving = unsigned if sign_now is None else sign_now(unsigned)
                signed = True
                return leaving

            try:
                answer = await self.client.request(
                    method,
                    path,
                    query=query,
                    body=body,
                    headers=headers,
                    sign_now=sign,
                    timeouts=timeouts,
                )
            finally:
                if not signed:
                    turn.settle({})  # whatever stood in its way: it has not left
            note = take_note or self._take_note
            if note is not None:
                note(answer, turn)
            return answer


def retry_after(answer: Answer, now: datetime) -> datetime | None:
    """Return the instant before which not to ask; None where the answer tells none to believe."""
    told = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(told):
        until = now + timedelta(seconds=int(told))
    else:
        try:
            date = parsedate_to_datetime(told)
            until = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
        except (ValueError, OverflowError):  # no date, or one at the end of all years
            return None
    return until if now < until <= now + LONGEST else None


def note_bans(host_now: Callable[[], datetime]) -> TakeNote:
    """Return a reader for venues that say no more than 429 or 418 and Retry-After."""

    def take_note(answer: Answer, turn: Turn) -> None:
        if answer.status in TOO_MANY:
            turn.gate.ban(f"status {answer.status}", retry_after(answer, host_now()))
        else:
            turn.answered()

    return take_note
