"""S19: attempts to connect a WebSocket, of which an address has so many in five minutes."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulators.binance.errors import VenueError, refusal

MOST = 300
SPAN_MS = 300_000


@dataclass
class Attempts:
    """Attempts by address within whole spans of five minutes."""

    now_ms: Callable[[], int]
    most: int = MOST
    _counts: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def connect(self, address: str) -> None:
        """Count one; raises -1034 (429) with the time to wait when there are no more left."""
        now = self.now_ms()
        key = address, now // SPAN_MS
        self._counts[key] += 1
        if self._counts[key] > self.most:
            plain = refusal(-1034, self.most, "5 MINUTE")
            wait = str(-(-(SPAN_MS - now % SPAN_MS) // 1000))
            raise VenueError(plain.code, plain.msg, plain.status, {"Retry-After": wait})
