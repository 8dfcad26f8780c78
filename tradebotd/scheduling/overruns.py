"""Which jobs take longer than the time between their slots: said now and then, not each time."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.ids import JobName

SAY_AGAIN_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Told:
    at: float
    skipped: int = 0


class Overruns:
    """A job that is too slow runs, skips, runs, skips: a warning each would bury what matters."""

    def __init__(self) -> None:
        self._told: dict[JobName, _Told] = {}

    def skipped(self, name: JobName, host_seconds: float) -> int | None:
        """A slot came while *name* ran. How many there were since the last word; None: no word."""
        told = self._told.get(name)
        if told is None or host_seconds - told.at >= SAY_AGAIN_SECONDS:
            self._told[name] = _Told(at=host_seconds)
            return 1 if told is None else told.skipped + 1
        told.skipped += 1
        return None
