"""Leverage, margin and position mode of a futures symbol, set at its venue before an entry."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    EntryPostponedError,
    OrderDeniedError,
    OrderRejectedError,
    VenueError,
)
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import SymbolSetup, Venue
from tradebotd.storage import symbol_setups
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)

SET_UP_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 60.0  # host seconds, after a refusal; it doubles with each
LONGEST_PAUSE: Final = 3600.0

Place = tuple[VenueName, str]


@dataclass(frozen=True, slots=True)
class _Refusal:
    setup: SymbolSetup
    reason: str
    until: float
    count: int


class SymbolSetups:
    """Once a process and symbol, and anew when the configuration says another leverage.

    What stood before this process began is not known, so it is set again; while something is held
    or ordered there it is left as it is.
    """

    def __init__(
        self, database: Database, venues: Mapping[VenueName, Venue], host: HostClock
    ) -> None:
        self._database = database
        self._venues = venues
        self._host = host
        self._standing: dict[Place, SymbolSetup] = {}
        self._refused: dict[Place, _Refusal] = {}
        self._one_at_a_time: dict[Place, anyio.Lock] = defaultdict(anyio.Lock)
        self._claims: dict[Place, Counter[int]] = defaultdict(Counter)  # entries by their leverage

    @asynccontextmanager
    async def ensured(self, spec: BotSpec, symbol: MarketSymbol) -> AsyncIterator[None]:
        """Set the symbol up for an entry, and keep it so until the entry's row is written.

        From then on the row does. Raises OrderDeniedError (`setup_refused`: by the venue),
        EntryPostponedError (it cannot change now, or the venue does not answer),
        DatabaseUnavailableError.
        """
        venue, wanted = symbol.instrument.venue, SymbolSetup(leverage=spec.leverage)
        futures = spec.position_type is PositionType.FUTURES
        if not futures or not self._venues[venue].traits.sets_up_symbols:
            yield
            return
        place = (venue, symbol.symbol)
        claims = self._claims[place]
        _check_in_use(place, +claims, wanted)
        claims[wanted.leverage] += 1
        try:
            await self._ensure(place, wanted)
            yield
        finally:
            claims[wanted.leverage] -= 1

    async def _ensure(self, place: Place, wanted: SymbolSetup) -> None:
        if self._standing.get(place) == wanted:
            return
        async with self._one_at_a_time[place]:
            if self._standing.get(place) == wanted or await self._is_used_so(place, wanted):
                return
            self._check_refused(place, wanted)
            await self._set_up(place, wanted)

    async def _is_used_so(self, place: Place, wanted: SymbolSetup) -> bool:
        """Return whether all that is held or ordered there has the *wanted* leverage.

        Returns False where nothing is. Raises EntryPostponedError where it has another one.
        """
        async with self._database.connection() as connection:
            used = await symbol_setups.select_in_use(connection, *place)
        _check_in_use(place, used, wanted)
        return bool(used)

    def _check_refused(self, place: Place, wanted: SymbolSetup) -> None:
        """Refuse what the venue refused a moment ago, so that it is not asked again and again."""
        refused = self._refused.get(place)
        if refused is None or refused.setup != wanted or refused.until <= self._host.monotonic():
            return
        raise OrderDeniedError(DenialRule.SETUP_REFUSED, refused.reason)

    async def _set_up(self, place: Place, wanted: SymbolSetup) -> None:
        venue, symbol = place
        self._standing.pop(place, None)  # not known until the venue has answered
        try:
            with anyio.fail_after(SET_UP_SECONDS):
                await self._venues[venue].set_up(symbol, wanted)
        except OrderRejectedError as error:
            raise self._refuse(place, wanted, error.reason) from error
        except (VenueError, TimeoutError) as error:
            words = str(error) or "timed out"
            raise EntryPostponedError(
                DenialRule.VENUE_SILENT, words, shown=f"{venue} does not answer"
            ) from error
        self._standing[place] = wanted
        self._refused.pop(place, None)
        log.info("symbol set up", venue=venue, symbol=symbol, leverage=wanted.leverage)

    def _refuse(self, place: Place, wanted: SymbolSetup, reason: str) -> OrderDeniedError:
        before = self._refused.get(place)
        count = 1 if before is None or before.setup != wanted else before.count + 1
        pause = min(FIRST_PAUSE * 2 ** min(count - 1, 10), LONGEST_PAUSE)
        words = f"{place[0]} refuses leverage {wanted.leverage} of {place[1]}: {reason}"
        until = self._host.monotonic() + pause
        self._refused[place] = _Refusal(wanted, words, until, count)
        log.warning("symbol set-up refused", venue=place[0], symbol=place[1], reason=reason)
        return OrderDeniedError(DenialRule.SETUP_REFUSED, words)


def _check_in_use(place: Place, used: Collection[int], wanted: SymbolSetup) -> None:
    """Raises EntryPostponedError where the symbol is *used* with another leverage."""
    others = sorted(set(used) - {wanted.leverage})
    if others:
        found = ", ".join(str(each) for each in others)
        raise EntryPostponedError(
            DenialRule.SETUP_WAITS,
            f"{place[1]} is held or ordered with leverage {found}: it becomes {wanted.leverage}"
            " once nothing is",
        )
