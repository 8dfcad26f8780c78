"""Orders in doubt: looked up at their venues until their outcome is known, or inferred."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderRejectedError, RolledBackError, VenueError, describe_error
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import FINAL, Order, OrderReport, OrderStatus
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import Venue
from tradebotd.storage import order_searches
from tradebotd.storage.order_searches import OrderSearchState
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.contradiction_alarms import alert_answer
from tradebotd.trading.contradictions import answer_contradiction, is_readable
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.external_activity import ExternalActivity
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.order_answers import Answer, OrderAnswers, cancelled
from tradebotd.trading.reconciliation.resolution import MissingOrder, ResolutionResult
from tradebotd.trading.reconciliation.rules import (
    Difference,
    MissingOrderVerdict,
    count_negative,
    is_due,
    is_news,
    is_over,
    would_explain,
)
from tradebotd.trading.reconciliation.silent_holdings import prove_nothing
from tradebotd.trading.reconciliation.unknown_fills import LATE
from tradebotd.trading.reconciliation.unknown_order_alerts import NEVER_SEEN, UnknownOrderAlerts
from tradebotd.trading.reconciliation.venue_round import VenueRound

log = structlog.get_logger(__name__)

OVERLAP: Final = timedelta(minutes=5)
SILENT_FOR: Final = timedelta(minutes=10)  # then the outcome of one that rested is unknown
LOST: Final = frozenset({OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN})

_RESTS: Final = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class UnknownOrderResolver:
    """Resolver of unknown orders, one run at a time (the reconciler ensures it)."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        holdings: Holdings,
        externals: ExternalActivity,
        clock: Clock,
        host: HostClock,
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder
        self._holdings = holdings
        self._externals = externals
        self._clock = clock
        self._host = host
        self._answers = OrderAnswers(host)
        self._alerts = UnknownOrderAlerts(database, clock, host)
        self._silent_since: dict[ClientOrderId, datetime] = {}
        self._trades_asked: dict[ClientOrderId, datetime] = {}

    async def settle(self, venues: VenueRound) -> ResolutionResult:
        """Ask about each order in doubt once. Raises DatabaseUnavailableError."""
        result = ResolutionResult(venues)
        async with self._database.connection() as connection:
            doubtful = await order_searches.select_in_doubt(connection)
        self._holdings.set_unsettled(stored.order for stored, _ in doubtful)
        doubtful_ids = {stored.order.client_order_id for stored, _ in doubtful}
        self._trades_asked = {
            name: at for name, at in self._trades_asked.items() if name in doubtful_ids
        }
        now = self._host.now()
        doubtful = [row for row in doubtful if is_due(row[1], now)]
        missing: list[MissingOrder] = []
        remaining = await self._without_resting(doubtful, result)
        rows = {stored.order.client_order_id: (stored, search) for stored, search in remaining}

        async def take(order: Order, answer: Answer) -> None:
            stored, search = rows[order.client_order_id]
            result.asked += 1
            try:
                missing_order = await self._take(stored, search, answer, result)
            except (RolledBackError, TimeoutError) as error:  # of the database, and of this order
                self._no_answer(stored, describe_error(error), result)
                return
            if missing_order is not None:
                missing.append(missing_order)

        asked = [stored.order for stored, _ in remaining]
        await self._answers.ask_for(asked, venues, self._recorder.in_flight, take)
        await self._judge_missing(missing, result)
        self._silent_since = {
            name: since for name, since in self._silent_since.items() if name in result.failed
        }
        await self._alerts.update(result)
        return result

    def _no_answer(self, stored: StoredOrder, reason: str, result: ResolutionResult) -> None:
        """Note that there was no answer; an order that rested may be without one for a while."""
        order, now = stored.order, self._host.now()
        result.fail(order, reason)
        result.unheard.append(stored)
        since = self._silent_since.setdefault(order.client_order_id, now)
        for_long = order.venue not in self._venues or now >= since + SILENT_FOR
        if not stored.settled and stored.send_by < now and (order.status in LOST or for_long):
            result.unanswered[order.client_order_id] = reason

    async def _without_resting(
        self,
        doubtful: Sequence[tuple[StoredOrder, OrderSearchState | None]],
        result: ResolutionResult,
    ) -> list[tuple[StoredOrder, OrderSearchState | None]]:
        """Return the orders left to ask for: those that rest as our row says need no more."""
        names = {stored.order.venue for stored, _ in doubtful if stored.order.status in _RESTS}
        result.open = await result.venues.ask_all(
            names & self._venues.keys(),
            lambda venue: venue.open_orders(self._holdings.symbols_at(venue.name)),
            result.failed,
        )
        resting = {
            (name, report.client_order_id): report
            for name, reports in result.open.items()
            for report in reports
        }
        remaining = []
        for stored, search in doubtful:
            report = resting.get((stored.order.venue, stored.order.client_order_id))
            if report is None or is_news(stored, report, tells_fills=self._tells_fills(stored)):
                remaining.append((stored, search))
            elif search is not None:
                await self._end_search(stored, search)
        return remaining

    def _tells_fills(self, stored: StoredOrder) -> bool:
        return self._venues[stored.order.venue].traits.open_orders_tell_fills

    async def _take(
        self,
        stored: StoredOrder,
        search: OrderSearchState | None,
        answer: Answer,
        result: ResolutionResult,
    ) -> MissingOrder | None:
        """Take an answer; return the order if its venue has never seen it.

        Returns None when it was found and the report is recorded, or when there was no answer.
        """
        if answer.search is None:
            self._no_answer(stored, answer.reason, result)
            return None
        order, report = stored.order, answer.search.report
        reason = None if report is None else answer_contradiction(order.client_order_id, report)
        if reason is not None:
            await alert_answer(self._database, order.client_order_id, reason, self._clock.now())
            self._no_answer(stored, reason, result)
            return None
        if report is not None:
            await self._record(stored, search, report, result)
            return None
        venue = self._venues[order.venue]
        search = count_negative(
            search,
            answer.search,
            send_by=stored.send_by,
            asked_at=answer.asked_at,
            traits=venue.traits,
        )
        return MissingOrder(stored, search, venue)

    async def _record(
        self,
        stored: StoredOrder,
        search: OrderSearchState | None,
        report: OrderReport,
        result: ResolutionResult,
    ) -> None:
        order = stored.order
        if is_news(stored, report):
            changes = await self._recorder.record(report)
            if changes.differs:
                result.fail(order, "the venue has another order by its name")
                return
            if changes.contradiction is not None:
                self._no_answer(stored, changes.contradiction, result)
                return
        if search is not None:
            await self._end_search(stored, search)
        if (untold := _missing_answer(report)) is not None:
            self._no_answer(stored, untold, result)
            return
        result.resolved += 1
        if order.status in {OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN, OrderStatus.REJECTED}:
            log.info("order resolved", **_as_fields(stored), status=report.status)

    async def _end_search(self, stored: StoredOrder, search: OrderSearchState) -> None:
        async with self._database.transaction(durable=True) as connection:
            await order_searches.end(connection, stored.order.id, self._host.now())
        if search.inferred_absent_at is not None:
            log.error("absent order found", **_as_fields(stored))

    # What is missing

    async def _judge_missing(
        self, missing: Sequence[MissingOrder], result: ResolutionResult
    ) -> None:
        for venue in {
            missing_order.stored.order.venue: missing_order.venue for missing_order in missing
        }.values():
            here = [
                missing_order
                for missing_order in missing
                if missing_order.stored.order.venue == venue.name
            ]
            try:
                await self._judge_missing_at(venue, here, result)
            except (VenueError, RolledBackError, TimeoutError) as error:
                result.failed[venue.name] = describe_error(error)
                for missing_order in here:
                    if missing_order.client_order_id not in result.waiting:
                        self._no_answer(missing_order.stored, describe_error(error), result)

    async def _judge_missing_at(
        self, venue: Venue, here: Sequence[MissingOrder], result: ResolutionResult
    ) -> None:
        differences: list[Difference] | None = None
        fills: Mapping[ClientOrderId, Sequence[Fill]] = {}
        unknown: Mapping[ClientOrderId, Sequence[Fill]] = {}
        if any(
            missing_order.verdict(moved=False) is MissingOrderVerdict.ABSENT
            for missing_order in here
        ):
            differences, fills = await self._evidence(venue, here, result.venues)
            unknown = await self._externals.evidence(venue.name)
        for missing_order in here:
            its_fills = fills.get(missing_order.client_order_id, ())
            if its_fills:
                await self._recorder.record_fills(missing_order.client_order_id, its_fills)
            moved = bool(its_fills) or missing_order.stored.order.filled_quantity > 0
            moved = moved or await self._has_moved(missing_order, differences)
            moved = moved or self._is_recent(unknown.get(missing_order.client_order_id, ()))
            doubtful = [*(other.stored for other in here), *result.unheard]
            silent = not moved and await prove_nothing(
                self._holdings, missing_order.stored, doubtful
            )
            verdict = missing_order.verdict(moved=moved, silent=silent)
            cancels = (
                verdict is MissingOrderVerdict.CANCEL
                and missing_order.stored.order.status not in FINAL
            )
            if not (cancels and await self._cancel(missing_order, result)):
                await self._conclude(missing_order, verdict, result)

    async def _evidence(
        self, venue: Venue, here: Sequence[MissingOrder], venues: VenueRound
    ) -> tuple[list[Difference] | None, Mapping[ClientOrderId, Sequence[Fill]]]:
        """Return how the holdings differ, and what was filled since, by order of ours.

        The differences are None when they cannot be determined at this moment. Those that external
        fills explain speak for no order of ours.
        """
        before, asked_at = await self._holdings.sums(), self._clock.now()
        since = min(self._untold_since(missing_order) for missing_order in here) - OVERLAP
        symbols = self._holdings.symbols_at(venue.name)
        fills = await venues.ask(venue.name, lambda asked: asked.fills_since(since, symbols))
        account = await venues.ask(venue.name, lambda asked: asked.account())
        ours = (await self._externals.attribute(fills)).ours
        self._trades_asked |= dict.fromkeys(
            (missing_order.client_order_id for missing_order in here), asked_at
        )
        if account.hedge_mode or not is_readable(account):
            return None, ours
        differing = await self._holdings.differences(before, {venue.name: account})
        if await self._holdings.moving(before, [venue.name]):
            return None, ours
        return [
            difference
            for difference in differing
            if not await self._externals.fills_behind(difference)
        ], ours

    def _untold_since(self, missing: MissingOrder) -> datetime:
        """Return from when to ask for trades: those reported before are kept.

        They are not asked for again, however long this lasts.
        """
        created = missing.stored.order.created_at
        asked = self._trades_asked.get(missing.client_order_id)
        return created if asked is None else max(created, asked - LATE)

    def _is_recent(self, fills: Sequence[Fill]) -> bool:
        """Return whether fills are evidence although no holding has moved.

        The holdings may be reported later than the trades. What has been undone meanwhile keeps no
        order unknown for ever.
        """
        return any(self._clock.now() < fill.executed_at + LATE for fill in fills)

    async def _has_moved(
        self, missing: MissingOrder, differences: Sequence[Difference] | None
    ) -> bool:
        if differences is None:
            return True
        order = missing.stored.order
        subject = order.symbol
        if missing.stored.position_type is PositionType.SPOT:
            subject = await self._holdings.base_asset(order.symbol)
        return any(
            difference.subject == subject and would_explain(difference, order.side)
            for difference in differences
        )

    async def _cancel(self, missing: MissingOrder, result: ResolutionResult) -> bool:
        """Cancel by its id, whether or not it is there, so that it cannot come any more.

        Returns True if it was there.
        """
        order = missing.stored.order
        try:
            report = await cancelled(order, result.venues)
        except OrderRejectedError:
            return False  # one more "never seen", or it is final: asked about again
        except (VenueError, TimeoutError) as error:
            result.fail(order, describe_error(error))
            return False
        now = self._host.now()
        search = missing.search or OrderSearchState(began_at=now, last_asked_at=now)
        async with self._database.transaction(durable=True) as connection:
            acknowledged = replace(search, cancel_acknowledged_at=now)
            await order_searches.upsert(connection, order.id, acknowledged)
        await self._record(missing.stored, search, report, result)
        return True

    async def _conclude(
        self, missing: MissingOrder, verdict: MissingOrderVerdict, result: ResolutionResult
    ) -> None:
        stored, search, now = missing.stored, missing.search, self._host.now()
        order = stored.order
        inferred_before = search is not None and search.inferred_absent_at is not None
        if order.status in FINAL and not inferred_before:  # only its fills are missing
            result.wait(stored)
            return
        if search is not None:
            if verdict is MissingOrderVerdict.ABSENT and not inferred_before:
                search = replace(search, inferred_absent_at=now)
            async with self._database.transaction(durable=True) as connection:
                await order_searches.upsert(connection, order.id, search)
                if is_over(search, now):
                    await order_searches.end(connection, order.id, now)
        if order.status in FINAL:
            return
        if verdict is MissingOrderVerdict.ABSENT:
            await self._recorder.record_absent(stored, NEVER_SEEN)
            log.warning("order inferred absent", **_as_fields(stored))
            result.resolved += 1
            return
        result.wait(stored)
        if search is not None and order.status is not OrderStatus.UNKNOWN:
            await self._recorder.record_unknown(order.client_order_id, NEVER_SEEN)


def _missing_answer(report: OrderReport) -> str | None:
    """Return what is missing in the answer of a venue that knows the order, or None."""
    if report.status in LOST:
        return f"the venue knows it, and not what became of it: {report.status}"
    missing = report.filled_quantity - sum((fill.quantity for fill in report.fills), ZERO)
    if missing > 0:
        return f"the venue has filled {report.filled_quantity:f}, and tells no fill of {missing:f}"
    return None


def _as_fields(stored: StoredOrder) -> dict[str, object]:
    order = stored.order
    return {"client_order_id": order.client_order_id, "bot": order.bot, "symbol": order.symbol}
