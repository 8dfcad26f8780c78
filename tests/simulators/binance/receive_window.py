"""S18: the receive window, looked at three times on a request's way to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum

from tests.simulators.binance.errors import VenueError, refusal

DEFAULT_WINDOW_US = 5_000_000
LONGEST_WINDOW_US = 60_000_000
AHEAD_US = 1_000_000
MICROSECONDS_FROM = 10**14  # as milliseconds that is the year 5138


class Look(Enum):
    """A moment of the check; its value: whether a refusal there raises the unfilled order count."""

    ARRIVAL = ("arrival", False)
    BEFORE_ENGINE = ("before the engine", True)
    AT_ENGINE = ("at the engine", True)  # behind the message broker, since August 2025

    @property
    def counts(self) -> bool:
        return self.value[1]


@dataclass(frozen=True)
class Timing:
    """The client's timestamp and window, in microseconds."""

    timestamp_us: int
    window_us: int

    def refuse(self, now_us: int, look: Look) -> None:
        """Raise -1021 if the request is too old at *look*, or, at its arrival, from the future."""
        if look is Look.ARRIVAL and self.timestamp_us >= now_us + AHEAD_US:
            raise VenueError(
                -1021, "Timestamp for this request was 1000ms ahead of the server's time."
            )
        if now_us - self.timestamp_us > self.window_us:
            raise refusal(-1021)


def read_timing(params: Mapping[str, str]) -> Timing:
    """Read `timestamp` and `recvWindow`; raises -1102, -1130 or -1131 for what they may not be."""
    stamp = params.get("timestamp", "")
    if not stamp.isdecimal() or not stamp.isascii():
        raise refusal(-1102, "timestamp")
    at = int(stamp)
    return Timing(at if at >= MICROSECONDS_FROM else at * 1000, _window_us(params))


def _window_us(params: Mapping[str, str]) -> int:
    text = params.get("recvWindow")
    if text is None:
        return DEFAULT_WINDOW_US
    try:
        window = Decimal(text) * 1000
    except InvalidOperation:
        raise refusal(-1130, "recvWindow") from None
    if not window.is_finite() or window < 0 or window != window.to_integral_value():
        raise refusal(-1130, "recvWindow")
    if window > LONGEST_WINDOW_US:
        raise refusal(-1131)
    return int(window)
