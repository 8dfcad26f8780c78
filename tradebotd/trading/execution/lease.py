"""Lease of the account: whose orders these are, and until when that is certain without asking."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tradebotd.ports.clock import HostClock

LEASE_SECONDS = 15.0  # a holder whose beat has not moved for this long has lost the account
BEAT_SECONDS = 5.0
FENCE_MARGIN = 11.0  # beyond a venue's receive window, after a takeover

RECHECK_AFTER: Final = timedelta(seconds=1)  # until the next check for a beat

LOST: Final = "lease lost: somebody else has the account"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Reason why no order may leave at this moment, and after how long to check again."""

    reason: str
    pause: timedelta


class Lease:
    """The account, and the token under which it is ours. Times are the host's monotonic ones.

    A process that takes the account over waits until our beat has not moved for the lease, and then
    for the fence: so we must not send a byte once the lease has passed without a beat of ours.
    Without a *host* the lease is not watched, and is ours for ever.
    """

    def __init__(
        self,
        *,
        account: str,
        token: int,
        host: HostClock | None = None,
        seconds: float | None = None,
        since: float | None = None,
        taken_over: bool = False,
    ) -> None:
        """Hold the lease.

        *since*: before it was taken. *taken_over*: from a holder that may still be alive; nothing
        is sent until `start_fence` has set the end of the fence, and that has passed.
        """
        self.account = account
        self.token = token
        self.taken_over = taken_over
        self._host = host
        self._seconds = LEASE_SECONDS if seconds is None else seconds
        now = 0.0 if host is None else host.monotonic()
        self._until = None if host is None else (now if since is None else since) + self._seconds
        self._taken_at = now
        self._fenced_until: float | None = None
        self._lost = False

    def renewed(self, asked_at: float) -> None:
        """Extend the lease: a beat that was requested at *asked_at* has reached the database."""
        if self._until is not None:
            self._until = max(self._until, asked_at + self._seconds)

    def mark_lost(self) -> None:
        """Mark the lease as lost to another process, for good."""
        self._lost = True

    def start_fence(self, receive_window: float) -> None:
        """Set the fence's end: what the former holder sent counts for *receive_window* at most.

        Called once the venues are known.
        """
        self._fenced_until = self._taken_at + receive_window + FENCE_MARGIN

    @property
    def fence_seconds(self) -> float:
        """Seconds in which nothing may be sent after a takeover; 0 when over, or without one."""
        if self._host is None or not self.taken_over:
            return 0.0
        if self._fenced_until is None:
            return FENCE_MARGIN
        return max(0.0, self._fenced_until - self._host.monotonic())

    def send_blocked_by(self) -> str | None:
        """Return why nothing may be sent at this moment; None while it may."""
        if self._lost:
            return LOST
        if self._host is not None and self._until is not None:
            late = self._host.monotonic() - self._until
            if late > 0:
                return (
                    f"lease lost: no beat has reached the database for {self._seconds + late:.0f} s"
                )
        if (wait := self.fence_seconds) > 0:
            return (
                f"the account was taken over: what its former holder sent counts for {wait:.0f} s"
            )
        return None

    def held_back(self) -> HeldBack | None:
        """Return why orders are held back; None while one may be sent. A fence's end is known."""
        reason = self.send_blocked_by()
        if reason is None:
            return None
        fence = timedelta(seconds=self.fence_seconds)
        return HeldBack(reason, fence or RECHECK_AFTER)

    def may_send(self) -> bool:
        return self.send_blocked_by() is None
