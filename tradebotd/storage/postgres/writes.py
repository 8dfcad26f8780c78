"""Whether PostgreSQL takes what is written: not from a failure for want of room to the next probe."""

from collections.abc import Callable

from tradebotd.clocks.host import monotonic


def _nobody() -> None:
    pass


class Writes:
    """*on_trouble* hears of each failure of PostgreSQL, of whatever kind; it is short."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.failed_at = 0.0  # host seconds
        self.on_trouble: Callable[[], None] = _nobody

    def fail(self, why: str) -> None:
        self.failure = why.partition("\n")[0]
        self.failed_at = monotonic()

    def succeed(self) -> None:
        self.failure = None
