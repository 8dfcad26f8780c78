"""Stops that rest at a venue, so that a dead daemon leaves no naked position.

What ought to rest follows from the position; what does is read from the database when something may
have changed. A quiet sweep compares in memory and asks no venue.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

import structlog

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    AccountTakenError,
    DatabaseUnavailableError,
    OrderDeniedError,
    OrderRejectedError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderIntent
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.ports.prices import PriceSource
from tradebotd.ports.venue import Venue
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, Groups
from tradebotd.storage.exit_reads import ExitRead
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.due_checks import DueChecks
from tradebotd.trading.exits.exit_intents import (
    ExitIntent,
    RestingPair,
    ends_too_early,
    near_enough,
    resting_exits,
)
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.late_stops import with_late_stops
from tradebotd.trading.exits.live_stops import LiveStops
from tradebotd.trading.exits.missing_stops import MissingStops
from tradebotd.trading.exits.promised_stops import PromisedStops
from tradebotd.trading.exits.refused_stops import MET, RefusedStops
from tradebotd.trading.exits.resting_capability import RestingCapability
from tradebotd.trading.exits.resting_days import RestingDays
from tradebotd.trading.exits.resting_groups import is_resting
from tradebotd.trading.exits.resting_queue import RestingQueue
from tradebotd.trading.exits.resting_room import Fitting, RestingRoom
from tradebotd.trading.exits.unprotected_times import UnprotectedTimes

log = structlog.get_logger(__name__)


class RestingStops:
    """Resting stops by position.

    *venues*: those where exits may rest. `queue`: positions that something is new about, `maintain`
    each. `failing`: what could not be placed, and why. `is_attended`: a task does, clearing apart.
    """

    def __init__(
        self,
        *,
        placement: ExitPlacement,
        refusals: RefusedStops,
        database: Database,
        clock: Clock,
        prices: PriceSource,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
        limit_offsets: Mapping[VenueName, Decimal],
        times: UnprotectedTimes,
    ) -> None:
        self._placement = placement
        self._room = RestingRoom(database, venues, clock)
        self._capability = RestingCapability(
            venues=venues,
            symbols=symbols,
            prices=prices,
            limit_offsets=limit_offsets,
            stops_only=self._room.stops_only,
            bounded=refusals.shortfalls.bounded,
        )
        self._clock, self._refusals = clock, refusals
        self._promises = PromisedStops(placement, clock, venues)
        self._days = RestingDays(clock, symbols, calendars, venues)
        self._symbols, self._venues = symbols, venues
        self._checked, self._due = set[PositionId](), DueChecks()  # checked since it changed
        self.queue, self._places = RestingQueue(), dict[PositionId, VenueName]()
        self.pairs, self.times = LiveStops(clock, times), times
        self.missing = MissingStops(database, clock, self.queue.wake, refusals.shortfalls)
        self.failing, self.is_attended = self.missing.failing, False
        placement.subscribe(retired=self._on_retired, withdrawn=self.pairs.withdrawn)

    def mark_dirty(self, position_id: PositionId, *, is_urgent: bool | None = None) -> None:
        self._due.mark(position_id)
        venue = self._places.get(position_id)
        if venue is None:
            return  # nothing of it has been seen yet
        urgent = self.live(position_id) is None if is_urgent is None else is_urgent
        self.queue.add(position_id, venue, is_urgent=urgent)
        self.queue.signal()

    def mark_due_dirty(self) -> None:
        """Retry what waited for a while: its pause may be over, its market open."""
        for position_id in self._due:
            self.mark_dirty(position_id)

    def moves_at_once(self, venue: VenueName) -> int:
        return self._venues[venue].traits.moves_at_once

    def is_ready(self, position_id: PositionId, held: Mapping[PositionId, Position]) -> bool:
        """Return whether the position from the queue is held, can trade, and need not pause."""
        position = held.get(position_id)
        if position is None:
            self._due.discard(position_id)
            return False
        held_until = self.missing.timers.held_until(position_id, self._clock.now())
        return self._days.is_open(position) and held_until is None

    def live(self, position_id: PositionId) -> RestingPair | None:
        """Return what rests; None once its day is over, whether the venue has told so or not."""
        return self.pairs.get(position_id)

    def awaits(self, position: Position) -> RestingPair | None:
        """Return what is to rest for it; None: the daemon is its guard."""
        alone = self.missing.guards_alone(position.id)
        return None if alone else self._capability.wanted(position)

    def applies_to(self, position: Position) -> bool:
        return position.venue in self._venues

    def on_position_changed(self, position: Position) -> None:
        """Compare a new or changed position with what rests for it."""
        if not self.applies_to(position):
            return
        self._places[position.id] = position.venue
        if self.needs_change(position):
            self.mark_dirty(position.id)

    def needs_change(self, position: Position) -> bool:
        """Return whether what rests is another stop by enough; one that trails is moved seldom."""
        live, wanted = self.live(position.id), self._capability.wanted(position)
        if wanted is None and self._capability.stays(position, live):
            return position.id not in self._checked  # one may rest from before
        return self.pairs.is_due(position, live, wanted)

    def on_order_settled(self, position_id: PositionId) -> None:
        """Mark the position for a check: one of its orders has come to its end."""
        self.missing.order_settled(position_id)
        if position_id in self.pairs or position_id in self._checked:
            # While it is being looked at, that order is most likely the one that has made way.
            self.mark_dirty(position_id, is_urgent=not self.queue.is_at_work(position_id))

    def _on_retired(self, position_id: PositionId) -> None:
        """Drop what rested or was promised: it makes way for an exit of ours at the market."""
        self.pairs.drop(position_id)
        self._promises.end(position_id)
        self._due.mark(position_id)

    def forget(self, position_id: PositionId) -> None:
        self.pairs.forget(position_id)
        self._places.pop(position_id, None)
        self.missing.forget(position_id)
        self._room.forget(position_id)
        self._checked.discard(position_id)
        self._due.discard(position_id)
        self.queue.discard(position_id)
        self._promises.end(position_id)

    async def maintain(
        self,
        position_id: PositionId,
        held: Mapping[PositionId, Position],
        failed: dict[str, str],
    ) -> ExitIntent | None:
        """Handle one position; return what must end at the market, since its stop has been met.

        *failed* gains what failed. Raises DatabaseUnavailableError; then it stays due.
        """
        self._due.begin(position_id)
        self.missing.begin(position_id)
        self.pairs.begin(position_id)
        try:
            read = await self._placement.read(position_id)
        except OrderDeniedError:
            self.forget(position_id)  # it is closed
            return None
        position, hit = held.get(position_id), None
        if position is None:
            self._due.discard(position_id)
            return None
        if self.missing.looks_again(position_id, read.groups, attended=self.is_attended):
            return None
        try:
            hit = await self._attempt(position, read)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            log.exception("resting stop failed", position=position_id, symbol=position.symbol)
            self._refused(position, error)
        finally:
            if position_id not in held:  # it has ended while its stop was on its way
                self.forget(position_id)
        await self._refusals.shortfalls.tell_stop(position_id)
        if (reason := self.failing.get(str(position_id))) is not None:
            failed[str(position_id)] = reason
        return hit

    async def _attempt(self, position: Position, read: ExitRead) -> ExitIntent | None:
        try:
            await self._maintain(position, read)
        except OrderDeniedError as denied:
            if denied.rule is DenialRule.POSITION_CLOSED:
                self.forget(position.id)  # the missing stop itself has ended it
            else:
                self.missing.denied(position.id, read.groups, denied)
                if self.awaits(position) is None:
                    self.times.guarded(position.id)
        except AccountTakenError as error:
            self.failing[str(position.id)] = f"resting stop: {error}"
        except OrderRejectedError as error:
            return await self._on_triggered_meanwhile(position, error)
        except (VenueError, TimeoutError) as error:
            if not self._is_held_back(position):
                self._refused(position, error)
        return None

    def _is_held_back(self, position: Position) -> bool:
        held_back = self._placement.orders.held_back(position.venue)
        return self.missing.is_held_back(position.id, held_back)

    async def _maintain(self, position: Position, read: ExitRead) -> None:
        if not self._days.is_open(position):
            return  # it has closed since
        self._checked.add(position.id)
        read = await with_late_stops(self._placement, position.id, read)
        groups, is_fresh = read.groups, read.groups.retiring is None
        if not await self._handle_retiring(position, groups):
            return
        active = groups.active
        if active is not None and active.unsettled and active.kind is GroupKind.MARKET:
            return  # an exit is under way
        await self._bring_about(position, read, is_fresh=is_fresh)

    async def _bring_about(self, position: Position, read: ExitRead, *, is_fresh: bool) -> None:
        """Let rest what should, beside an active group in which nothing is under way."""
        active = read.groups.active
        # By the row: what rests at the venue is never ahead of what is stored.
        wanted = self._capability.wanted(read.position)
        rests = self._days.pair_of(active, position)
        if rests is not None and active is not None and rests.is_over(self._clock.now()):
            await self._placement.clear(position.id, active)  # its end was not told
            return
        if rests is not None and self._capability.stays(position, rests):
            self._settled(position.id, rests)
            return
        if wanted is None:
            self.pairs.drop(position.id)
            if rests is not None:
                await self._placement.withdraw(position.id)
            self._settled(position.id)
            if (reason := self._capability.taken_by_venue_alone(position)) is not None:
                self.missing.lost[position.id] = reason
            return
        if rests is not None and wanted.quantity > rests.quantity:
            is_fresh = False  # the venue may have been asked meanwhile
            if not await self._refusals.shortfalls.may_grow(read.position, rests, wanted):
                wanted = self._capability.wanted(read.position) or rests
        if rests is not None and near_enough(rests, wanted, position.side):
            self._settled(position.id, replace(rests, reason=wanted.reason))
            return
        instrument = self._symbols[position.symbol].instrument
        async with self._room.reserved(position, wanted, instrument) as fitting:
            if rests is not None and near_enough(rests, fitting.pair, position.side):
                self._settled(position.id, rests)  # there is no room for its target yet
            else:
                await self._place(position, fitting, rests, read if is_fresh else None)

    async def _handle_retiring(self, position: Position, groups: Groups) -> bool:
        """Clear or take back the group that retires; return whether the active one is next."""
        active, retiring = groups.active, groups.retiring
        if retiring is None:
            return True
        if active is None or not active.unsettled:
            if active is not None or not is_resting(retiring):
                return True
            await self._placement.reactivate(position.id, retiring)
            groups.active, groups.retiring = retiring, None
            if not self._promises.end(position.id):
                return True
            self._broken(position, retiring)
        elif active.in_doubt and is_resting(retiring):
            pass  # the resting one stays until the other's outcome is known
        elif self._promises.is_pending(position, groups):
            if (reason := await self._promises.look(position, groups)) is not None:
                self.missing.refused(position.id, reason)
        else:
            await self._placement.clear(position.id, retiring)  # the next check sees what is left
        return False

    async def _place(
        self,
        position: Position,
        fitting: Fitting,
        rests: RestingPair | None,
        read: ExitRead | None,
    ) -> None:
        wanted, cancels_first = fitting
        gone = rests is None and self.pairs.lost(position.id)
        if self._days.is_ending(wanted, position):
            return  # its end was told a little early: no loss
        if gone:  # not to an exit of our own: what rested was dropped for it
            if self.missing.gone(position.id, self._refusals.met(position), wanted):
                raise OrderRejectedError(MET)  # as the venue would, which takes a while to say so
            if self.missing.gone_at_once(position.id):
                return
        if self._is_held_back(position):
            return
        try:
            self._capability.limit(position, wanted)
        except OrderDeniedError:
            await self._keep_or_withdraw(position, wanted, rests)
            raise
        self.pairs.drop(position.id)
        placed: list[RestingPair] = []

        def build(current: Position) -> list[OrderIntent]:
            pair = self._capability.wanted(current) or wanted
            placed[:] = [self._days.placed_now(pair, position)]
            return resting_exits(current, pair, self._capability.limit(current, pair))

        place = partial(self._placement.place, position.id, GroupKind.RESTING, build, [])
        await place(read=read, clears=not self.is_attended, cancels_first=cancels_first)
        self.pairs.moved(position.id)
        if rests is not None and self._promises.takes(position, rests, placed[0]):
            self._promises.add(position.id)
            self.pairs.rests(position.id, rests)
        else:
            self.missing.accepted(position.id)
            self.pairs.rests(position.id, placed[0])
        log.info("resting stop placed", **placed[0].fields(position))
        # It stays due once more: the next check reads that it is there, and clears what retires.
        if self.is_attended:
            self.mark_dirty(position.id, is_urgent=False)

    async def _keep_or_withdraw(
        self, position: Position, wanted: RestingPair, rests: RestingPair | None
    ) -> None:
        """Keep what rests, since no other can, unless it would end what is wanted no more."""
        self.pairs.drop(position.id)
        if rests is not None and ends_too_early(rests, wanted, position):
            await self._placement.withdraw(position.id)
            self.pairs.withdrawn(position.id)
            log.warning("resting stop withdrawn", bot=position.bot, symbol=position.symbol)
        elif rests is not None:
            self.pairs.rests(position.id, rests)

    def _broken(self, position: Position, active: ExitGroup) -> None:
        """Wait after a promise that the venue has broken; what rested before rests on."""
        reason = "resting stop: the venue rejected the replacement that it had promised"
        self.failing[str(position.id)] = reason
        self.missing.wait(position.id, reason)
        if (rests := self._days.pair_of(active, position)) is not None:
            self.pairs.rests(position.id, rests)
        log.warning("promised stop rejected", bot=position.bot, symbol=position.symbol)

    def _settled(self, position_id: PositionId, live: RestingPair | None = None) -> None:
        if self._promises.end(position_id):
            self.missing.accepted(position_id)
        self._due.end(position_id)
        self.missing.lost.pop(position_id, None)
        if live is None:
            self.times.guarded(position_id)  # by the daemon
        else:
            self.pairs.rests(position_id, live)

    def _refused(self, position: Position, error: Exception) -> None:
        reason = f"resting stop: {describe_error(error)}"
        self.pairs.drop(position.id)
        self.missing.refused(position.id, reason)

    async def _on_triggered_meanwhile(
        self, position: Position, error: OrderRejectedError
    ) -> ExitIntent | None:
        """Return the exit of a price faster than the stop; a stop that stays refused has failed."""
        exit_ = await self._refusals.exit_of(position, self._capability.wanted(position), error)
        if exit_ is not None and position.id not in self.missing.backoff.reasons:
            self.pairs.drop(position.id)
            self.missing.wait(position.id, error.reason)
            log.info("stop level met", bot=position.bot, reason=error.reason)
        else:
            self._refused(position, error)
        return exit_
