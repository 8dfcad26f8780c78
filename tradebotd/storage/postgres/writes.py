"""State of PostgreSQL's writes: failed for lack of room until the next successful probe."""

from collections.abc import Callable

from tradebotd.clocks.host import monotonic


def _nobody() -> None:
    pass


class Writes:
    """State of writes; *on_trouble* is called at any failure of PostgreSQL and must be short."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.failed_at = 0.0  # host seconds
        self.on_trouble: Callable[[], None] = _nobody

    def fail(self, why: str) -> None:
        self.failure = why.partition("\n")[0]
        self.failed_at = monotonic()

    def succeed(self) -> None:
        self.failure = None
