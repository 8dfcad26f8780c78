"""Rate limits of Alpaca: requests a minute by API key, as the headers of each answer tell them.

The trading host and the data host each count for themselves (A13). A window is named after the key
(a digest of it), so that several accounts at one address have windows of their own at one gate.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from tradebotd.net.gate import Gate, Turn
from tradebotd.net.http import Answer
from tradebotd.net.limited import retry_after
from tradebotd.net.rate_limit import Costs
from tradebotd.ports.clock import HostClock

USUAL_LIMIT: Final = 200  # A13: until the headers have told another
MINUTE: Final = 60.0
TOO_MANY: Final = 429
LONGEST_WAIT: Final = timedelta(hours=1)
_NUMBER: Final = re.compile(r"\d{1,12}", re.ASCII)


class Limits:
    """Window of one key at one host. `ban_ends_at`: as the venue has told it last.

    *most*: what may be asked a minute with these, whatever the headers tell of the key; it has a
    window of its own, since others with that key count in the first one, too.
    """

    def __init__(
        self,
        gate: Gate,
        host: HostClock,
        host_name: str,
        key_id: str,
        *,
        most: int | None = None,
    ) -> None:
        self.gate = gate
        self._host = host
        self.name = f"{host_name} {digest_of(key_id)}"
        self.ban_ends_at: datetime | None = None
        self._costs = {self.name: 1}
        gate.limits.set_limit(self.name, USUAL_LIMIT, MINUTE)
        if most is not None:
            own = f"{self.name} at most"
            gate.limits.set_limit(own, most, MINUTE)
            self._costs[own] = 1

    @property
    def costs(self) -> Costs:
        return self._costs

    def take_note(self, answer: Answer, turn: Turn) -> None:
        """A13: take what the headers tell of the limit, what is left, and when it begins anew.

        A 429 has not been executed; nothing is asked before its window ends.
        """
        limit = _number(answer, "x-ratelimit-limit")
        left = _number(answer, "x-ratelimit-remaining")
        resets_at = self._resets_at(answer)
        if limit:
            self.gate.limits.set_limit(self.name, min(limit, 10**6), MINUTE)
            if left is not None and left <= limit:
                turn.gate.observe(self.name, limit - left, resets_at)
        if answer.status == TOO_MANY:
            self.ban_ends_at = self.until(answer)
            self.gate.ban("429 too many requests", self.ban_ends_at)
        else:
            turn.answered()

    def until(self, answer: Answer) -> datetime | None:
        """Return until when a 429 keeps us out: the later of two headers; None: neither tells."""
        told = (retry_after(answer, self._host.now()), self._resets_at(answer))
        return max((each for each in told if each is not None), default=None)

    def _resets_at(self, answer: Answer) -> datetime | None:
        seconds = _number(answer, "x-ratelimit-reset")
        if seconds is None or seconds >= 4_102_444_800:
            return None
        told, now = datetime.fromtimestamp(seconds, UTC), self._host.now()
        return told if now < told <= now + LONGEST_WAIT else None


def gate_name(url: str, key_id: str) -> str:
    """Return the name of a gate of its own: limits and bans are by key here (A13)."""
    return f"{url.rstrip('/')} {digest_of(key_id)}"


def digest_of(key_id: str) -> str:
    """Return what tells one key from another, and may be shown."""
    return sha256(key_id.encode()).hexdigest()[:8]


def _number(answer: Answer, name: str) -> int | None:
    told = answer.headers.get(name, "")
    return int(told) if _NUMBER.fullmatch(told) else None
