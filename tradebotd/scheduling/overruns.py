"""Jobs that run longer than the time between their slots, reported only now and then."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.ids import JobName

SAY_AGAIN_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Reported:
    at: float
    skipped: int = 0


class Overruns:
    """Reporter of overruns: a warning for every skipped slot would bury what matters."""

    def __init__(self) -> None:
        self._reported: dict[JobName, _Reported] = {}

    def skipped(self, name: JobName, host_seconds: float) -> int | None:
        """Count a slot skipped because *name* was running.

        Returns the number of slots since the last warning if a new one is due, else None.
        """
        reported = self._reported.get(name)
        if reported is None or host_seconds - reported.at >= SAY_AGAIN_SECONDS:
            self._reported[name] = _Reported(at=host_seconds)
            return 1 if reported is None else reported.skipped + 1
        reported.skipped += 1
        return None
