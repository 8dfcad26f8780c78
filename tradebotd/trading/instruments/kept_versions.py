"""Versions of the instruments as their venues told them, kept in the database and alerted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts, instrument_versions, symbols
from tradebotd.storage.alerts import Severity
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.instruments.told_filters import differences, warns

log = structlog.get_logger(__name__)


class KeptVersions:
    """Newest versions by venue and symbol. *configured*: what the file says, before any is told."""

    def __init__(
        self, database: Database, clock: Clock, configured: Mapping[str, Instrument]
    ) -> None:
        self._database = database
        self._clock = clock
        self._configured = configured
        self._stored: dict[VenueName, dict[str, Instrument]] = {}

    async def of(self, venue: VenueName) -> Mapping[str, Instrument]:
        """Return the newest of each symbol of *venue*. Raises DatabaseUnavailableError."""
        if venue not in self._stored:
            async with self._database.connection() as connection:
                self._stored[venue] = await instrument_versions.select_latest(connection, venue)
        return self._stored[venue]

    async def keep(self, known: MarketSymbol, *, is_new: bool) -> list[str]:
        """Keep what is in force of *known*; return what differs from the version before, in words.

        The first one is compared with what the file states. *is_new*: something else was in force a
        moment ago. Raises DatabaseUnavailableError.
        """
        told, stored = known.instrument, await self.of(known.instrument.venue)
        before = stored.get(known.symbol)
        if before == told:
            if is_new:
                async with self._database.transaction(durable=True) as connection:
                    await symbols.put_symbol(connection, known)
            return []
        if before is None:  # no file says a status
            earlier = replace(self._configured[known.symbol], status=told.status)
        else:
            earlier = before
        words = differences(earlier, told, known.stated if before is None else None)
        severity: Severity = "warning" if before and warns(earlier, told) else "info"
        await self._insert(known, words, severity, is_first=before is None)
        return words

    async def _insert(
        self, known: MarketSymbol, words: Sequence[str], severity: Severity, *, is_first: bool
    ) -> None:
        told, now = known.instrument, self._clock.now()
        async with self._database.transaction(durable=True) as connection:
            await symbols.put_symbol(connection, known)
            version = await instrument_versions.insert(connection, told, now)
            if words:
                than = ", instead of what the file says" if is_first else ""
                await alerts.raise_alert(
                    connection,
                    AlertCode.INSTRUMENT_CHANGED,
                    severity,
                    f"{told.venue} {known.symbol}",
                    f"version {version}{than}: {'; '.join(words)}",
                    now,
                )
        self._stored[told.venue][known.symbol] = told
        if words:
            log.warning("instrument changed", symbol=known.symbol, changes=list(words))
