"""The order protocol: committed before a byte is sent, sent once, the answer recorded.

A kill anywhere leaves a row that says what may be live; only the venue's evidence settles it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    OrderDeniedError,
    OrderRejectedError,
    OutcomeUnknownError,
    VenueUnavailableError,
    describe_error,
)
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId, VenueName, client_order_id_for
from tradebotd.domain.order import OrderIntent, OrderReport, OrderRequest, OrderRole
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import SendBlockedBy, Venue, not_blocked
from tradebotd.risk.limits import ApprovedOrder
from tradebotd.storage import dust, exit_groups, exit_rows, positions
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.exit_groups import GroupKind, GroupUse
from tradebotd.storage.orders import SEND_WITHIN, NewOrder
from tradebotd.storage.postgres.database import Connection, Database, Lane
from tradebotd.trading.execution.entry_obstacles import LimitOf, hold, insert_entry, unlimited
from tradebotd.trading.execution.lease import RECHECK_AFTER, HeldBack, Lease
from tradebotd.trading.execution.order_identity import request_fingerprint
from tradebotd.trading.execution.order_ids import OrderIds
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.execution.times_in_force import as_taken, entry_as_taken

log = structlog.get_logger(__name__)

# Returns the report of the order, then those of others that the call has placed or ended.
Sender = Callable[[SendBlockedBy], Awaitable[Sequence[OrderReport]]]

SEND_SECONDS: Final = 15.0
NOT_SENT: Final = "not_sent"
MOST_HELD: Final = timedelta(seconds=30)  # a ban may end before its time: then it is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A committed row that may be sent, once, by `send`."""

    order: NewOrder

    @property
    def client_order_id(self) -> ClientOrderId:
        return self.order.client_order_id

    @property
    def request(self) -> OrderRequest:
        return self.order.intent.request


class Placement:
    """Placement of orders. *nonce* is the instance's: 5 bytes drawn when its database was made."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        clock: Clock,
        lease: Lease,
        nonce: bytes,
        host: HostClock | None = None,
        bans: VenueBans | None = None,
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder
        self._clock = clock
        self._lease = lease
        self._nonce = nonce
        self._host = host or SystemHost()
        self._bans = VenueBans() if bans is None else bans
        self._ids = OrderIds()
        self._on_rejection: list[Callable[[str], None]] = []
        self._on_unknown: list[Callable[[], None]] = []

    def subscribe_to_rejections(self, listener: Callable[[str], None]) -> None:
        """Tell *listener* why a venue has refused an order; it must not await."""
        self._on_rejection.append(listener)

    def subscribe_to_unknown(self, listener: Callable[[], None]) -> None:
        """Tell *listener* that what became of an order is not in our books; it must not await."""
        self._on_unknown.append(listener)

    @property
    def recorder(self) -> OrderRecorder:
        """Recorder to which every answer goes."""
        return self._recorder

    def held_back(self, venue: VenueName) -> HeldBack | None:
        """Return why no order of any kind may leave for *venue* now: nothing should be made that is
        to leave.
        """
        return self._lease.held_back() or self._banned(venue)

    def check_reachable(self, venue: VenueName) -> None:
        """Raises VenueUnavailableError while *venue* must not be asked: no row is made for it."""
        banned = self._banned(venue)
        if banned is not None:
            raise VenueUnavailableError(banned.reason)

    def _banned(self, venue: VenueName) -> HeldBack | None:
        now = self._host.now()
        ban = self._bans.holds(venue, now, acts=True)
        if ban is None:
            return None
        pause = min(max(ban.until - now, RECHECK_AFTER), MOST_HELD)
        return HeldBack(f"{venue} is away: {ban}", pause)

    async def prepare(
        self,
        approved: ApprovedOrder,
        *,
        exits: ExitPlan | None = None,
        decision: DecisionRecord | None = None,
        limit_of: LimitOf = unlimited,
    ) -> Prepared:
        """Commit the row of an entry, synchronously, and *decision* with it.

        *limit_of*: the daily limit of its bot. Raises OrderDeniedError (entries are stopped,
        another order is unsettled, this candle was acted on), AccountTakenError (the lease is
        lost), DatabaseUnavailableError. Then nothing was sent, and nothing will be.
        """
        intent = entry_as_taken(approved.intent, self._venues, self._clock.now())
        async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
            limit = await hold(connection, intent, self._clock.now(), limit_of)
            order_id = await self._ids.take(connection)
            order = NewOrder(
                id=order_id,
                client_order_id=client_order_id_for(self._nonce, order_id),
                intent=intent,
                exits=exits,
                params_hash=request_fingerprint(intent.request),
                send_by=self._host.now() + SEND_WITHIN,
                created_at=self._clock.now(),
            )
            await insert_entry(connection, self._lease, order, decision, limit)
        return Prepared(order=order)

    async def prepare_exits(
        self,
        approved: Sequence[ApprovedOrder],
        use: GroupUse,
        linked_id: str | None = None,
        decision: DecisionRecord | None = None,
    ) -> list[Prepared]:
        """Commit the rows of one exit group, all or none.

        The group that makes way retires with it, and the *decision* to exit is stored with the
        first row. Raises as `prepare`; OrderDeniedError when the position changed or its groups are
        not as *use* expects, or this candle was acted on.
        """
        lease = self._lease
        prepared: list[Prepared] = []
        async with self._database.transaction(lane_of(use.kind), durable=True) as connection:
            for approved_order in approved:
                await _check_position(connection, approved_order.intent)
            now = self._clock.now()
            group_id = await _use_group(connection, use, now)
            for approved_order in approved:
                order_id = await self._ids.take(connection)
                intent = as_taken(approved_order.intent, self._venues)
                order = NewOrder(
                    id=order_id,
                    client_order_id=client_order_id_for(self._nonce, order_id),
                    intent=intent,
                    exits=None,
                    params_hash=request_fingerprint(intent.request),
                    send_by=self._host.now() + SEND_WITHIN,
                    created_at=now,
                    exit_group_id=group_id,
                    linked_id=linked_id,
                )
                first = None if prepared else decision
                group_id = await exit_rows.insert(
                    connection, lease.account, lease.token, order, use.kind, first
                )
                prepared.append(Prepared(order=order))
        return prepared

    async def send(
        self,
        prepared: Prepared,
        via: Sender | None = None,
        *,
        send_blocked_by: SendBlockedBy = not_blocked,
    ) -> OrderReport:
        """Send once, outside any transaction, and record the answer.

        *via*: how to send, if not alone. *send_blocked_by*: what else may hold it back until it
        leaves, besides its deadline and the lease. Raises OrderRejectedError, VenueUnavailableError
        (both recorded as rejected), OutcomeUnknownError. If this task is cancelled while it sends,
        the row stays `pending_new` and reconciliation settles it like any other unknown outcome.
        """
        client_order_id = prepared.client_order_id

        def send_blocked_now() -> str | None:
            return self._may_not_send(prepared) or send_blocked_by()

        reason = send_blocked_now()
        if reason is not None:
            await self._recorder.record_rejected(client_order_id, f"{NOT_SENT}: {reason}")
            raise VenueUnavailableError(f"{client_order_id} was not sent: {reason}")
        self._recorder.in_flight.add(client_order_id)
        try:
            return await self._send_and_record(prepared, via, send_blocked_now)
        except (OrderRejectedError, VenueUnavailableError):
            raise
        except BaseException:  # also cancelled, or its answer could not be written
            for listener in self._on_unknown:
                listener()
            raise
        finally:
            self._recorder.in_flight.discard(client_order_id)

    def _may_not_send(self, prepared: Prepared) -> str | None:
        """Return why the order may not be sent; None while it may.

        Checked before the call and again at signing: a venue's limiter may wait in between, and a
        process that takes the account over relies on both.
        """
        if prepared.request.venue not in self._venues:
            return f"venue {prepared.request.venue} is not configured"
        if self._host.now() > prepared.order.send_by:
            return "it waited too long"
        is_entry = prepared.order.intent.role is OrderRole.ENTRY
        if is_entry and self._database.writes.failure is not None:
            return "PostgreSQL cannot write: no exit could follow"
        return self._lease.send_blocked_by()

    async def _send_and_record(
        self, prepared: Prepared, via: Sender | None, send_blocked_by: SendBlockedBy
    ) -> OrderReport:
        """Send and record. An adapter's unforeseen failure may have sent it: unknown, too."""
        client_order_id, request = prepared.client_order_id, prepared.request
        log.info("order sent", **_as_fields(prepared))
        try:
            with anyio.fail_after(SEND_SECONDS):
                others: Sequence[OrderReport] = ()
                if via is not None:
                    report, *others = await via(send_blocked_by)
                else:
                    venue = self._venues[request.venue]
                    report = await venue.submit(
                        client_order_id, request, send_blocked_by=send_blocked_by
                    )
        except OrderRejectedError as error:
            log.warning("order rejected", **_as_fields(prepared), reason=error.reason)
            for listener in self._on_rejection:
                listener(error.reason)
            await self._recorder.record_rejected(client_order_id, error.reason)
            raise
        except VenueUnavailableError as error:
            await self._recorder.record_rejected(client_order_id, f"{NOT_SENT}: {error}")
            raise
        except (OutcomeUnknownError, TimeoutError) as error:
            log.error("order unknown", **_as_fields(prepared), error=str(error))  # noqa: TRY400
            await self._recorder.record_unknown(client_order_id, str(error) or "timed out")
            if isinstance(error, OutcomeUnknownError):
                raise
            raise OutcomeUnknownError(client_order_id) from error
        except Exception as error:
            log.exception("order unknown", **_as_fields(prepared))
            reason = describe_error(error)
            await self._recorder.record_unknown(client_order_id, reason)
            raise OutcomeUnknownError(client_order_id) from error
        await self._recorder.record(report, *others)
        return report


def lane_of(kind: GroupKind) -> Lane:
    """Return the lane of an exit: moves of resting stops keep none at the market waiting."""
    return Lane.ORDERS if kind is GroupKind.MARKET else Lane.WORK


async def _check_position(connection: Connection, intent: OrderIntent) -> None:
    """Check the position, locked FOR UPDATE until the order's row is there: no other exit then."""
    if intent.position_id is None or intent.position_version is None:
        raise ValueError("an exit names its position, and the version it was made from")
    locked = await positions.lock(connection, intent.position_id)
    if locked is None or not locked.is_open:
        raise OrderDeniedError(
            DenialRule.POSITION_CLOSED, f"position {intent.position_id} is closed"
        )
    if intent.position_version != locked.position.version:
        raise OrderDeniedError(
            DenialRule.POSITION_CHANGED, f"{locked.position.quantity} is held now"
        )
    if intent.sweeps:
        request = intent.request
        available = await dust.lock_available(
            connection, intent.position_id, request.venue, request.symbol
        )
        if available < intent.sweeps:
            raise OrderDeniedError(
                DenialRule.POSITION_CHANGED, f"{available} of old dust is there now"
            )


async def _use_group(connection: Connection, use: GroupUse, at: datetime) -> int | None:
    """Return the exit group to use, None for a new one.

    The position is locked FOR UPDATE: only a report may change groups.
    """
    if use.retire is not None and not await exit_groups.retire(connection, use.retire, at):
        raise OrderDeniedError(DenialRule.EXIT_GROUP_CHANGED, f"group {use.retire} cannot make way")
    if use.reuse is not None:
        if not await exit_groups.take_over(connection, use.reuse, use.kind, at, joins=use.joins):
            raise OrderDeniedError(DenialRule.EXIT_GROUP_CHANGED, f"group {use.reuse} is in use")
        return use.reuse
    return None


def _as_fields(prepared: Prepared) -> dict[str, object]:
    """Return log fields; a stop that is placed to rest must not read like one that was met."""
    intent, request = prepared.order.intent, prepared.request
    price = {"stop": request.stop_price, "limit": request.limit_price}
    return {
        "client_order_id": prepared.client_order_id,
        "bot": intent.bot,
        "symbol": request.symbol,
        "type": request.type,
        "side": request.side,
        "quantity": request.quantity,
        **{name: at for name, at in price.items() if at is not None},
        "role": intent.role,
        "why": intent.reason,
    }
