"""Errors of the network, named by what the caller may conclude.

NetError
├─ PathNotAllowedError  our own mistake: the allow-list lacks the path, and nothing left
├─ NotSentError         nothing has left: safe to send again, once `until` has passed
├─ NoAnswerError        it may have arrived: an order's outcome is unknown, a read may be repeated
├─ MisshapenError       it was answered, and the answer is not what this venue answers
├─ StreamRefusedError   a stream was not opened; `status` and `headers` are those of the refusal
└─ StreamLostError      a stream has ended: what was missed since must be asked for

An adapter turns them into the errors of `domain.errors`: `NotSentError` into
VenueUnavailableError, `NoAnswerError` into OutcomeUnknownError where an order was sent, else into
VenueUnavailableError; a feed turns all of them into FeedError.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from tradebotd.domain.errors import TradebotError


class NetError(TradebotError):
    """Root. Its text names venue, method and path, and has no secret in it."""


class PathNotAllowedError(NetError):
    pass


class NotSentError(NetError):
    """Proof that not a byte of the request has left this machine.

    *until*: not to be asked before it, by the host's clock. *banned*: the venue has said so.
    """

    def __init__(self, reason: str, until: datetime | None = None, *, banned: bool = False) -> None:
        super().__init__(reason)
        self.until = until
        self.banned = banned


class NoAnswerError(NetError):
    """Bytes may have left, and no whole answer came: reset, timed out, truncated, too large.

    *status* of the answer where its head has come: it proves nothing, since the rest is missing.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class MisshapenError(NetError):
    """Answer that was read whole and cannot be understood; says nothing of what was done."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class StreamRefusedError(NetError):
    def __init__(self, reason: str, status: int | None, headers: Mapping[str, str]) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


class LostBecause(StrEnum):
    """Reasons for which a stream ends."""

    CLOSED = "closed"  # by the other side, or by the network
    PING_UNANSWERED = "ping unanswered"  # half-open: nobody is there any more
    SLOW_CONSUMER = "slow consumer"  # our own: more has arrived than was taken
    BAD_FRAME = "bad frame"  # not WebSocket, or larger than agreed


class StreamLostError(NetError):
    def __init__(self, reason: str, because: LostBecause) -> None:
        super().__init__(reason)
        self.because = because
