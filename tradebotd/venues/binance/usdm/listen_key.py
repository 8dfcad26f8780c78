"""Listen key of the user stream: an hour of it, extended by each keep-alive."""

from typing import Final

import structlog

from tradebotd.domain.errors import VenueError
from tradebotd.ports.clock import HostClock
from tradebotd.venues.binance.calls import Interface
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.usdm import paths

log = structlog.get_logger(__name__)

KEEP_EVERY: Final = 1_800.0  # seconds
AGAIN_AFTER: Final = 60.0  # behind a keep-alive that was not answered
LIVES: Final = 3_500.0  # without a keep-alive it ends after an hour
NO_SUCH_KEY: Final = -1125


class ListenKey:
    """One key. `text` is a secret: whoever has it reads the account's events."""

    def __init__(self, interface: Interface, host: HostClock, text: str) -> None:
        self._interface, self._host, self.text = interface, host, text
        self._kept_at = self._asked_at = host.monotonic()

    @classmethod
    async def start(cls, interface: Interface, host: HostClock) -> "ListenKey":
        """Ask for the account's key: the one that it has, for another hour, or a new one."""
        told = await interface.ask(paths.START_STREAM)
        return cls(interface, host, told.text("listenKey"))

    async def keep(self) -> str | None:
        """Keep the key alive when it is time to; return why it is of no use any more."""
        now = self._host.monotonic()
        if now - self._kept_at > LIVES:
            return "its listen key could not be kept alive for an hour"
        due = KEEP_EVERY if self._asked_at == self._kept_at else AGAIN_AFTER
        if now - self._asked_at < due:
            return None
        self._asked_at = now
        try:
            told = await self._interface.answer(paths.KEEP_STREAM)
            if isinstance(told, Refusal):
                if told.code == NO_SUCH_KEY:
                    return "its listen key is gone (-1125)"
                raise self._interface.error_of(told)
            if told.has("listenKey") and told.text("listenKey") != self.text:
                return "the account has another listen key now"
        except VenueError as error:
            log.warning("listen key not kept", error=str(error))
            return None
        self._kept_at = now
        return None
