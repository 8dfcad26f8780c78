"""Alarms for streams that tell nothing though they should: one alert a stream, told once.

A feed reports which of its streams are silent each time that they change; this writes it down.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import FeedName
from tradebotd.ports.clock import HostClock

MOST_SUBJECTS: Final = 20  # streams of a feed with an alert each; more of them are one
NAMED: Final = 3
_WAY_OUT: Final = ": last prices and candles alone are asked for meanwhile"
AGAIN_SECONDS: Final = 5.0  # before what could not be written is tried again

log = structlog.get_logger(__name__)


class StandingAlerts(Protocol):
    async def update(self, conditions: Mapping[str, str]) -> None:
        """Have exactly these alerts open. Raises DatabaseUnavailableError."""
        ...


class SilenceAlarms:
    """Silent streams of all feeds; `run` writes them down."""

    def __init__(self, alerts: StandingAlerts, host: HostClock) -> None:
        self._alerts, self._host = alerts, host
        self._silent: dict[FeedName, Mapping[str, str]] = {}
        self._news = anyio.Event()
        self._news.set()  # what an earlier life has told may be over

    def report(self, feed: FeedName, silent: Mapping[str, str]) -> None:
        """Note all streams of *feed* that are silent, with words on each and on its stand-in."""
        self._silent[feed] = dict(silent)
        self._news.set()

    def conditions(self) -> dict[str, str]:
        """Return what is to be said, by subject."""
        found: dict[str, str] = {}
        for feed, silent in self._silent.items():
            if len(silent) <= MOST_SUBJECTS:
                found |= {f"{feed} {stream}": why for stream, why in silent.items()}
                continue
            some = ", ".join(sorted(silent)[:NAMED])
            found[f"feed {feed}"] = (
                f"more than {MOST_SUBJECTS} streams tell nothing, {some} among them{_WAY_OUT}"
            )
        return found

    async def run(self) -> None:
        """Write down what has changed, until cancelled; what fails is tried again."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            try:
                await self._alerts.update(self.conditions())
            except (DatabaseUnavailableError, TimeoutError) as error:
                log.warning("silent streams not told", error=str(error))
                self._news.set()
                await self._host.sleep(AGAIN_SECONDS)
