"""Placement of exits beside those that exist, or in their place. If cut, the next call goes on.

Every step is a transaction or a call to the venue; what comes next is read from the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    OrderDeniedError,
    OrderRejectedError,
    VenueError,
    VenueUnavailableError,
)
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderIntent, OrderReport
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Replacement, Venue
from tradebotd.risk.limits import approve_exit
from tradebotd.storage import exit_groups, exit_reads, positions
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, GroupOrder, Groups, GroupUse
from tradebotd.storage.exit_reads import ExitRead
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.trading.execution.exit_sending import send_replacement, send_together
from tradebotd.trading.execution.placement import Placement, Prepared, lane_of
from tradebotd.trading.exits.exit_conflicts import (
    CancelAll,
    ConflictContext,
    Deny,
    Place,
    Retire,
    VerifyNotExecuted,
    next_step,
)
from tradebotd.trading.exits.exit_intents import with_dust
from tradebotd.trading.exits.exit_locks import ExitLocks
from tradebotd.trading.exits.exit_orders import ASK_SECONDS, ExitOrders
from tradebotd.trading.exits.exit_remainders import Build, beyond_doubt, sells_a_part, unsettled
from tradebotd.trading.exits.resting_groups import rests_beside
from tradebotd.trading.reconciliation.exit_evidence import ExitEvidence

MOST_STEPS: Final = 8
MOST_ORPHANS: Final = 100
_Listener = Callable[[PositionId], None]


@dataclass(slots=True)
class _ExitRequest:
    """Exits to place. `whole`: all that *build* says, not less for orders in doubt.

    `reports`: what the venue answered of them.
    """

    kind: GroupKind
    build: Build
    prepared: list[Prepared]
    decision: DecisionRecord | None
    clears: bool = True
    cancels_first: bool = False
    sweeps_dust: bool = True
    whole: bool = field(init=False)
    reports: list[OrderReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.whole = self.kind is GroupKind.MARKET


class ExitPlacement:
    """Exit placement, one exit of a position at a time: a close waits for a stop being placed."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        placement: Placement,
        evidence: ExitEvidence,
    ) -> None:
        self._database = database
        self._clock = clock
        self._venues = venues
        self._symbols = symbols
        self._locks = ExitLocks()
        self.orders = placement
        self._orders = ExitOrders(database, venues, placement.recorder)
        self._evidence = evidence
        self._retirements, self._withdrawals = list[_Listener](), list[_Listener]()

    def subscribe(self, *, retired: _Listener, withdrawn: _Listener) -> None:
        """Notify *retired* when what rests makes way, *withdrawn* once nothing rests any more."""
        self._retirements.append(retired)
        self._withdrawals.append(withdrawn)

    def _on_withdrawn(self, position_id: PositionId, group: ExitGroup, groups: Groups) -> None:
        for listener in () if rests_beside(group, groups) else self._withdrawals:
            listener(position_id)

    def _on_retired(self, position_id: PositionId) -> None:
        for listener in self._retirements:
            listener(position_id)

    async def place(
        self,
        position_id: PositionId,
        kind: GroupKind,
        build: Build,
        prepared: list[Prepared],
        decision: DecisionRecord | None = None,
        *,
        read: ExitRead | None = None,
        clears: bool = True,
        cancels_first: bool = False,
        sweeps_dust: bool = True,
    ) -> list[OrderReport]:
        """Place exits of a position; return what the venue answered of them.

        *build* makes the orders from the position as it is when they are committed (it is called
        again when the position moved before that, and may deny); then they are in *prepared*, and
        whatever is raised, they may be at the venue. *decision* is committed with them. *read*:
        what the caller has just read, and awaited nothing since. Not *clears*: a retired group of
        which the rest may overlap is left to the caller's next look. *cancels_first*: what rests
        is gone before, whatever the venue could do. Not *sweeps_dust*: no old dust goes with it.
        Raises OrderDeniedError (an exit is under way, which may be over at the next attempt),
        VenueError, DatabaseUnavailableError.
        """
        async with self._locks.hold(position_id, kind):
            options = clears, cancels_first, sweeps_dust
            request = _ExitRequest(kind, build, prepared, decision, *options)
            await self._place(position_id, request, read)
            return request.reports

    async def withdraw(self, position_id: PositionId) -> None:
        """Cancel what rests for the position, and what retires. Raises as `place`."""
        async with self._locks.hold(position_id, GroupKind.RESTING):
            for group in (await self.read(position_id)).groups.newest_first:
                if group.kind is GroupKind.RESTING:
                    await self._orders.clear(group)

    async def clear(self, position_id: PositionId, group: ExitGroup) -> None:
        """Cancel what is left of *group*. Raises as `place`."""
        async with self._locks.hold(position_id, GroupKind.RESTING):
            await self._orders.clear(group)

    async def _place(
        self, position_id: PositionId, request: _ExitRequest, first: ExitRead | None
    ) -> None:
        cleared = withdrawn = asked = False
        for _ in range(MOST_STEPS):
            read = first if first is not None else await self.read(position_id, request.kind)
            first, position, groups = None, read.position, read.groups
            context = replace(
                self._context(read, request),
                part=sells_a_part(request.build, position),
                cleared=cleared,
                withdrawn=withdrawn,
                asked=asked,
            )
            match next_step(groups, context):
                case Place() as how:
                    if await self._send_or_lessen(read, context, request, how):
                        return
                case Retire(group):
                    await self._make_room(position, group, request.kind)
                    cleared = withdrawn = False
                case CancelAll(group):
                    if request.kind is GroupKind.MARKET:
                        self._on_retired(position_id)
                    await self._clear_for(group, request)
                    self._on_withdrawn(position_id, group, groups)
                    withdrawn |= group is groups.active
                    cleared |= group is not groups.active
                case VerifyNotExecuted(orders):
                    asked = await self._prove_or_lessen(position, orders, context, request)
                case Deny(rule, detail):
                    raise OrderDeniedError(rule, detail)
        raise OrderDeniedError(
            DenialRule.EXIT_RETIRING, "an earlier exit of this position keeps coming back"
        )

    async def _send_or_lessen(
        self, read: ExitRead, context: ConflictContext, request: _ExitRequest, how: Place
    ) -> bool:
        """Send; return False if another step must follow.

        The position moved before the commit, or all of it was refused and an order in doubt may
        have sold some: that order is looked up, and what is left is another order.
        """
        try:
            return await self._send_unless_moved(read, request, how)
        except OrderRejectedError:
            doubtful = [order for order in unsettled(read.groups) if order.is_in_doubt]
            if context.part or not request.whole or not doubtful:
                raise
            for order in doubtful:
                await self._orders.look_up_quietly(order)
            if not await self._lessen(read.position, request):
                raise
            request.decision = None  # it is stored with the refused one
            return False

    async def _prove_or_lessen(
        self,
        position: Position,
        orders: Sequence[GroupOrder],
        context: ConflictContext,
        request: _ExitRequest,
    ) -> bool:
        """Return True when *orders* sold nothing, or no more than *request* leaves; else raises.

        What is beyond doubt does not wait for a venue that can prove nothing at this moment. Raises
        as `place`.
        """
        unknown = "nobody knows what an exit became"
        failed: Exception = OrderDeniedError(DenialRule.EXIT_UNKNOWN, unknown)
        try:
            if await self._evidence.nothing_was_sold(position, orders):
                return True
        except (VenueError, TimeoutError) as error:
            failed = error
        if not context.part and await self._lessen(position, request):
            return True
        raise failed

    async def _lessen(self, judged: Position, request: _ExitRequest) -> bool:
        """Reduce *request* to what no order in doubt can have sold. Raises as `read`.

        Returns False when that is nothing, or when it has been reduced already.
        """
        if not request.whole:
            return False
        read = await self.read(judged.id, request.kind)
        position, groups = read.position, read.groups
        if not unsettled(groups):
            return position.version != judged.version  # it is known now
        instrument = self._symbols[position.symbol].instrument
        rest = beyond_doubt(request.build, groups, position, instrument)
        if rest is None:
            return False
        request.build, request.whole = rest, False
        return True

    def _context(self, read: ExitRead, request: _ExitRequest) -> ConflictContext:
        position, shared = read.position, read.is_shared
        venue = self._venues.get(position.venue)
        if venue is None:
            raise VenueUnavailableError(f"venue {position.venue} is not configured")
        self.orders.check_reachable(position.venue)
        usual = venue.traits.replacement
        return ConflictContext(
            kind=request.kind,
            replacement=Replacement.CANCEL_FIRST if request.cancels_first else usual,
            capped=position.position_type is PositionType.FUTURES and not shared,
            in_flight=self.orders.recorder.in_flight,
        )

    async def read(self, position_id: PositionId, kind: GroupKind = GroupKind.RESTING) -> ExitRead:
        """Read position and groups at one instant. Raises OrderDeniedError if it is closed."""
        async with self._database.connection(lane_of(kind)) as connection:
            read = await exit_reads.select(connection, position_id)
        if read is None:
            raise OrderDeniedError(DenialRule.POSITION_CLOSED, f"position {position_id} is closed")
        return read

    async def _make_room(self, position: Position, group: ExitGroup, kind: GroupKind) -> None:
        """Retire the group in one transaction: the position is never without an active group."""
        now = self._clock.now()
        if kind is GroupKind.MARKET:
            self._on_retired(position.id)
        async with self._database.transaction(lane_of(kind), durable=True) as connection:
            await positions.lock(connection, position.id)
            if not await exit_groups.retire(connection, group.id, now):
                raise OrderDeniedError(
                    DenialRule.EXIT_GROUP_CHANGED, f"group {group.id} cannot make way"
                )
            await exit_groups.insert(connection, position.id, kind, now)

    async def _send_unless_moved(self, read: ExitRead, request: _ExitRequest, how: Place) -> bool:
        """Send; return False when the position moved before the commit: it is judged anew."""
        position = read.position
        intents = self._with_dust(read, request, request.build(position))
        try:
            await self._send(position, intents, how, request)
        except OrderDeniedError as denied:
            if denied.rule != DenialRule.POSITION_CHANGED:
                raise
            return False
        return True

    def _with_dust(
        self, read: ExitRead, request: _ExitRequest, intents: list[OrderIntent]
    ) -> list[OrderIntent]:
        """Add old dust of its symbol to what ends a position at the market."""
        position, market = read.position, request.kind is GroupKind.MARKET
        if not market or not request.sweeps_dust or position.position_type is PositionType.FUTURES:
            return intents
        instrument = self._symbols[position.symbol].instrument
        return [with_dust(intent, position, instrument, read.dust) for intent in intents]

    async def _send(
        self, position: Position, intents: Sequence[OrderIntent], how: Place, request: _ExitRequest
    ) -> None:
        kind = request.kind
        approved = [approve_exit(intent) for intent in intents]
        at_once = len(approved) == 1 and self._takes_the_place(approved[0].intent, how.replacing)
        replacing = how.replacing if at_once else None
        if how.replacing is not None and replacing is None and how.retire is not None:
            await self._make_room(position, how.retire, kind)
            raise OrderDeniedError(DenialRule.EXIT_RETIRING, "what rests has to be gone first")
        use = GroupUse(
            kind=kind,
            retire=None if how.retire is None else how.retire.id,
            reuse=how.reuse,
            joins=how.joins,
        )
        linked = f"p{position.id}v{position.version}" if len(approved) > 1 else None
        if how.retire is not None and kind is GroupKind.MARKET:
            self._on_retired(position.id)
        prepared = await self.orders.prepare_exits(approved, use, linked, request.decision)
        request.prepared[:] = prepared
        venue = self._venues[position.venue]
        if replacing is not None:
            request.reports = await self._replace(venue, prepared[0], replacing)
            return
        request.reports = await send_together(self.orders, venue, prepared)
        if how.retire is not None and request.clears:
            await self._orders.clear_quietly(how.retire)

    def _takes_the_place(self, intent: OrderIntent, old: GroupOrder | None) -> bool:
        """Return whether the venue can put the order in the place of *old* in one call.

        Where it promises that, only prices and quantity change.
        """
        if old is None:
            return False
        request, traits = intent.request, self._venues[old.venue].traits
        same = (request.type, request.time_in_force, request.working_price) == (
            old.type,
            old.time_in_force,
            old.working_price,
        )
        return same or traits.replacement is not Replacement.PROMISED

    async def _replace(
        self, venue: Venue, prepared: Prepared, old: GroupOrder
    ) -> list[OrderReport]:
        """Send the replacement of *old*, which is looked up if the answer does not tell of it.

        After a promise it does not, and a look would tell what is known. Raises as `place`.
        """
        known = False
        try:
            new, *told = await send_replacement(self.orders, venue, prepared, old)
            known = bool(told) or venue.traits.replacement is Replacement.PROMISED
            return [new]
        finally:
            if not known:
                with anyio.move_on_after(ASK_SECONDS, shield=True):
                    await self._orders.look_up_quietly(old)

    async def _clear_for(self, group: ExitGroup, request: _ExitRequest) -> None:
        """Clear the group; raises as `place`, except where orders in doubt may stay so.

        At the market less is then sold beside them.
        """
        try:
            await self._orders.clear(group)
        except (VenueError, TimeoutError):
            if request.kind is not GroupKind.MARKET or not group.in_doubt:
                raise

    async def reactivate(self, position_id: PositionId, group: ExitGroup) -> None:
        """Make what still rests the position's exit again: its replacement came to nothing."""
        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
            await positions.lock(connection, position_id)
            await exit_groups.reactivate(connection, group.id)

    async def look_up(self, position_id: PositionId, group_orders: Sequence[GroupOrder]) -> None:
        """Look up orders that only the venue can end. Raises as `place`."""
        async with self._locks.hold(position_id, GroupKind.RESTING):
            for order in group_orders:
                await self._orders.look_up(order)

    async def groups(self, position_ids: Sequence[PositionId]) -> dict[PositionId, Groups]:
        async with self._database.connection() as connection:
            return await exit_groups.select(connection, position_ids)

    async def orphans(self) -> dict[PositionId, Groups]:
        """Return the exits that outlive their closed position: at most LEFTOVERS, by position."""
        async with self._database.connection() as connection:
            position_ids = await exit_groups.select_orphaned(connection, MOST_ORPHANS)
            return await exit_groups.select(connection, position_ids) if position_ids else {}
