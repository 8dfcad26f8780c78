"""Streams that are too quiet, each by its own usual rate: pure but for `watch`.

A socket may be alive, answer pings and deliver nothing: a path that is not routed, a subscription
that was lost. So each stream is judged by the gaps that it usually has, as TCP judges a silent peer
by its usual delay (RFC 6298): the mean gap and four times its mean deviation.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tradebotd.ports.clock import HostClock

ALARM_SECONDS: Final = 30.0  # after something was due, at the latest
LEAST_SECONDS: Final = 5.0  # no stream is called silent sooner
SLACK: Final = 3.0  # so many usual gaps may pass
EVERY_SECONDS: Final = 1.0  # that `watch` looks
MEAN_WEIGHT: Final = 1 / 8
DEVIATION_WEIGHT: Final = 1 / 4


@dataclass(slots=True)
class _Rhythm:
    """`heard_at`: the last message, or since when one is expected."""

    heard_at: float
    first_within: float
    count: int = 0
    mean: float = 0.0
    deviation: float = 0.0
    told: bool = False

    @property
    def allowed(self) -> float:
        """Seconds that it may be silent for."""
        if self.count < 2:
            return self.first_within
        usual = self.mean + 4 * self.deviation
        return max(LEAST_SECONDS, min(SLACK * usual, usual + ALARM_SECONDS - LEAST_SECONDS))


class SilenceDetector:
    """Streams by name; a stream is expected from `expect` until `forget`."""

    def __init__(self) -> None:
        self._rhythms: dict[str, _Rhythm] = {}

    def expect(self, stream: str, now: float, *, first_within: float = ALARM_SECONDS) -> None:
        """Expect messages from now on; what its usual gaps are stays known.

        *first_within*: seconds until the first one, and as long as its rate is not known.
        """
        rhythm = self._rhythms.setdefault(stream, _Rhythm(now, first_within))
        rhythm.heard_at, rhythm.first_within, rhythm.told = now, first_within, False

    def forget(self, stream: str) -> None:
        """Expect nothing more of it: unsubscribed, or its market has closed."""
        self._rhythms.pop(stream, None)

    def heard(self, stream: str, now: float) -> bool:
        """Note a message. Return True where it ends a silence that was told of."""
        rhythm = self._rhythms.get(stream)
        if rhythm is None:
            return False
        was_told, rhythm.told = rhythm.told, False
        gap = max(0.0, now - rhythm.heard_at)
        rhythm.heard_at = now
        rhythm.count += 1
        if was_told or rhythm.count == 1:
            return was_told  # an outage, or the wait for the first one, is no usual gap
        if rhythm.count == 2:
            rhythm.mean, rhythm.deviation = gap, gap / 2
        else:
            rhythm.deviation += DEVIATION_WEIGHT * (abs(gap - rhythm.mean) - rhythm.deviation)
            rhythm.mean += MEAN_WEIGHT * (gap - rhythm.mean)
        return False

    def silent(self, now: float) -> list[str]:
        """Return the streams that have become silent since this was asked last, each once."""
        found = [
            name
            for name, each in self._rhythms.items()
            if not each.told and now - each.heard_at > each.allowed
        ]
        for name in found:
            self._rhythms[name].told = True
        return found

    def silent_for(self, stream: str, now: float) -> float:
        """Seconds since its last message; 0 for a stream that nothing is expected of."""
        rhythm = self._rhythms.get(stream)
        return 0.0 if rhythm is None else now - rhythm.heard_at


async def watch(
    detector: SilenceDetector, host: HostClock, tell: Callable[[str], Awaitable[None]]
) -> None:
    """Look each second, and *tell* of each stream that has become silent, until cancelled."""
    while True:
        for stream in detector.silent(host.monotonic()):
            await tell(stream)
        await host.sleep(EVERY_SECONDS)
