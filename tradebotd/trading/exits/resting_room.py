"""Room for a stop at its venue: what the symbol takes, and how many orders rest there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.filters import RestingCounts, SymbolStatus
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Replacement, Venue
from tradebotd.storage import resting_counts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_intents import RestingPair

NO_ROOM: Final = frozenset(
    {
        DenialRule.SYMBOL_NOT_TRADING,
        DenialRule.ORDER_TYPE,
        DenialRule.TOO_MANY_ORDERS,
        DenialRule.TOO_MANY_STOPS,
    }
)


ASKED_EVERY: Final = timedelta(minutes=1)


class _ForAWhile:
    """Positions, each for ASKED_EVERY: then room is asked for again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[PositionId, datetime] = {}

    def add(self, position_id: PositionId) -> None:
        self._until[position_id] = self._clock.now() + ASKED_EVERY

    def discard(self, position_id: PositionId) -> None:
        self._until.pop(position_id, None)

    def __contains__(self, position_id: object) -> bool:
        until = self._until.get(position_id)  # type: ignore[call-overload]
        return until is not None and self._clock.now() < until


class Fitting(NamedTuple):
    """What of a pair may rest. `cancels_first`: its own stop has to be gone before, since there is
    no room for both.
    """

    pair: RestingPair
    cancels_first: bool = False


class RestingRoom:
    """Room by symbol. `stops_only`: positions whose target stays with the daemon, since there was
    room for one order a moment ago.
    """

    def __init__(self, database: Database, venues: Mapping[VenueName, Venue], clock: Clock) -> None:
        self._database = database
        self._venues = venues
        self._one_at_a_time = anyio.Lock()
        # On their way, by position: the symbol and its orders.
        self._reserved: dict[PositionId, tuple[str, RestingCounts]] = {}
        self.stops_only = _ForAWhile(clock)

    @asynccontextmanager
    async def reserved(
        self, position: Position, pair: RestingPair, instrument: Instrument
    ) -> AsyncIterator[Fitting]:
        """Hold the room for what of *pair* may rest, all of it or the stop alone; place it within.

        Raises OrderDeniedError, by the filter's name, where no stop may rest: the daemon guards
        alone. Raises DatabaseUnavailableError.
        """
        _check_taken(pair, instrument)
        async with self._one_at_a_time:
            fitting = await self._fitting(position, pair, instrument)
            self._reserved[position.id] = (position.symbol, _orders_of(fitting.pair))
        if pair.target is not None and fitting.pair.target is None:
            self.stops_only.add(position.id)
        elif pair.target is not None:
            self.stops_only.discard(position.id)
        try:
            yield fitting
        finally:
            self._reserved.pop(position.id, None)

    async def _fitting(
        self, position: Position, pair: RestingPair, instrument: Instrument
    ) -> Fitting:
        if instrument.max_orders is None and instrument.max_stops is None:
            return Fitting(pair)
        alone, overlaps = replace(pair, target=None), self._overlaps(position)
        there = await self._counted(position, with_own=overlaps)
        if _refusal(pair, there, instrument) is None:
            return Fitting(pair)
        refusal, cancels_first = _refusal(alone, there, instrument), False
        if refusal is not None and overlaps:
            without_own = await self._counted(position, with_own=False)
            refusal = _refusal(alone, without_own, instrument)
            cancels_first = True
        if refusal is not None:
            raise OrderDeniedError(*refusal)
        return Fitting(alone, cancels_first)

    def _overlaps(self, position: Position) -> bool:
        """Return whether its exits do not make way before others rest in their place."""
        return self._venues[position.venue].traits.replacement is Replacement.OVERLAP

    async def _counted(self, position: Position, *, with_own: bool) -> RestingCounts:
        """Count what rests already, and what is on its way, whether its rows are there or not."""
        others = {
            position_id: orders
            for position_id, (symbol, orders) in self._reserved.items()
            if symbol == position.symbol and position_id != position.id
        }
        without = list(others)
        if not with_own:
            without.append(position.id)  # its own exits make way
        async with self._database.connection() as connection:
            there = await resting_counts.select(
                connection, position.venue, position.symbol, without
            )
        return RestingCounts(
            orders=there.orders + sum(each.orders for each in others.values()),
            stops=there.stops + sum(each.stops for each in others.values()),
        )

    def forget(self, position_id: PositionId) -> None:
        self.stops_only.discard(position_id)


def _orders_of(pair: RestingPair) -> RestingCounts:
    """Return the orders of *pair*; a target that rests as a limit has no stop price."""
    if pair.target is None:
        return RestingCounts(orders=1, stops=1)
    return RestingCounts(orders=2, stops=2 if pair.types.target in CONDITIONAL else 1)


def _refusal(
    pair: RestingPair, there: RestingCounts, instrument: Instrument
) -> tuple[DenialRule, str] | None:
    """Return the rule that keeps *pair* out beside what rests *there*; None: it fits."""
    more = _orders_of(pair)
    for most, resting, added, rule in (
        (instrument.max_stops, there.stops, more.stops, DenialRule.TOO_MANY_STOPS),
        (instrument.max_orders, there.orders, more.orders, DenialRule.TOO_MANY_ORDERS),
    ):
        if most is not None and resting + added > most:
            return rule, f"{resting} rest in {instrument.symbol} where {most} may"
    return None


def _check_taken(pair: RestingPair, instrument: Instrument) -> None:
    """Raise OrderDeniedError where its venue takes no such stop of the symbol now."""
    if instrument.status is not SymbolStatus.TRADING:
        words = f"{instrument.symbol} is {instrument.status}"
        raise OrderDeniedError(DenialRule.SYMBOL_NOT_TRADING, words)
    taken = instrument.order_types
    if taken is not None and pair.types.stop not in taken:
        words = f"{instrument.symbol} takes no {pair.types.stop}"
        raise OrderDeniedError(DenialRule.ORDER_TYPE, words)
