"""Jobs that run longer than the time between their slots, reported only now and then."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.ids import JobName

SAY_AGAIN_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Told:
    at: float
    skipped: int = 0


class Overruns:
    """Reporter of overruns: a warning for every skipped slot would bury what matters."""

    def __init__(self) -> None:
        self._told: dict[JobName, _Told] = {}

    def skipped(self, name: JobName, host_seconds: float) -> int | None:
        """Count a slot skipped because *name* was running.

        Returns the number of slots since the last warning if a new one is due, else None.
        """
        told = self._told.get(name)
        if told is None or host_seconds - told.at >= SAY_AGAIN_SECONDS:
            self._told[name] = _Told(at=host_seconds)
            return 1 if told is None else told.skipped + 1
        told.skipped += 1
        return None
