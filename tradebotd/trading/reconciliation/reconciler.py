"""Reconciler: asks the venues for orders, fills and holdings, and brings our books up to date."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import RolledBackError, VenueError, describe_error
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage import alerts
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.contradiction_alarms import alert_answer
from tradebotd.trading.contradictions import (
    account_contradictions,
    answer_contradiction,
    is_readable,
)
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.agreement import Agreement
from tradebotd.trading.reconciliation.cash_check import CashCheck, CashDifference
from tradebotd.trading.reconciliation.external_activity import ExternalActivity
from tradebotd.trading.reconciliation.funding import FundingRecorder
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.late_fees import LateFees
from tradebotd.trading.reconciliation.resolution import ResolutionResult
from tradebotd.trading.reconciliation.rules import Difference
from tradebotd.trading.reconciliation.unknown_orders import OVERLAP, UnknownOrderResolver
from tradebotd.trading.reconciliation.venue_round import VenueRound
from tradebotd.trading.venue_state.hedge_mode import HedgeMode
from tradebotd.trading.venue_state.order_streams import Gap, OrderStreams

log = structlog.get_logger(__name__)

MARGIN: Final = 0.05
LOOK_BACK: Final = timedelta(days=1)  # for fills, from before the start
LATE_TRADES: Final = timedelta(hours=1)  # a venue may report one this long after later ones
# Host: until a difference is looked at again. Balances may be ahead of lists of orders and fills.
SECOND_LOOK_SECONDS: Final = 2.0


@dataclass(slots=True)
class Reconciled:
    """Result of a reconciliation.

    `waiting`: orders that may still be in flight. `failed`: venues that did not answer. `external`:
    differences that external fills explain. `uncompared`: venues that could not be compared in
    full.
    """

    asked: int = 0
    resolved: int = 0
    waiting: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    external: list[Difference] = field(default_factory=list)
    cash: list[CashDifference] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    uncompared: set[VenueName] = field(default_factory=set)


class ReconciliationParts(NamedTuple):
    """Parts of a reconciliation, composed by the wiring."""

    unknown_orders: UnknownOrderResolver
    holdings: Holdings
    external: ExternalActivity
    funding: FundingRecorder
    late_fees: LateFees
    cash: CashCheck
    agreement: Agreement
    streams: OrderStreams
    hedge: HedgeMode


class Reconciler:
    """Reconciler, one run at a time. What a venue has and we do not is reported and left alone."""

    def __init__(
        self,
        parts: ReconciliationParts,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        clock: Clock,
        host: HostClock | None = None,
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder
        self._clock = clock
        self._host = host or SystemHost()
        self._searches = parts.unknown_orders
        self._holdings = parts.holdings
        self._externals = parts.external
        self._funding = parts.funding
        self._late_fees = parts.late_fees
        self._cash = parts.cash
        self._agreement = parts.agreement
        self._streams = parts.streams
        self._hedge = parts.hedge
        self._one_at_a_time = anyio.Lock()
        self._differed = True  # until proven otherwise: an alert of an earlier process may be open
        self._seen: set[tuple[VenueName, str]] = set()  # what differed when it was last compared
        self._looks_again = False  # something differed that had not before
        self._contradicted = True
        self._settled_since_start = False
        # Start of possibly missing trades: since it agreed with our books, or reported all it knew.
        self._trades_known_until: dict[VenueName, datetime] = dict.fromkeys(
            venues, clock.now() - LOOK_BACK
        )

    async def run(self) -> Reconciled:
        """Reconcile orders in doubt first, then holdings. Raises DatabaseUnavailableError.

        The first run after a start waits until nothing of an earlier process can still be in
        flight: market time may jump by hours in the two seconds that this takes. What differs for
        the first time is looked at again a moment later, and only then told.
        """
        async with self._one_at_a_time:
            venues = VenueRound(self._venues)
            first = await self._look(venues)
            if not self._looks_again:
                return first
            if self._clock.speed > 0:  # at speed 0 venues tell all before they answer
                await self._host.sleep(SECOND_LOOK_SECONDS)
            second = await self._look(venues.once_more())
            second.asked += first.asked
            second.resolved += first.resolved
            return second

    async def settle(self) -> bool:
        """Ask for orders in doubt alone, once a reconciliation has; return False during one.

        Raises DatabaseUnavailableError.
        """
        if self._one_at_a_time.locked() or not self._settled_since_start:
            return False
        async with self._one_at_a_time:
            await self._searches.settle(VenueRound(self._venues))
        return True

    async def _look(self, venues: VenueRound) -> Reconciled:
        gaps = self._streams.gaps
        settled = await self._searches.settle(venues)
        sendable = self._sendable_for(settled)
        if sendable > 0 and not self._settled_since_start:
            await self._host.sleep(sendable + MARGIN)
            settled = await self._searches.settle(venues)
        self._settled_since_start = True
        result = Reconciled(
            asked=settled.asked,
            resolved=settled.resolved,
            waiting=[str(client_order_id) for client_order_id in settled.waiting],
            failed=settled.failed,
        )
        self._looks_again = False
        await self._late_fees.value()
        await self._externals.compare_orders(venues, settled.open, result.failed)
        await self._compare_holdings(venues, settled.waiting_at, gaps, result)
        await self._externals.forget_old()
        result.uncompared |= settled.troubled
        result.uncompared |= {name for name in self._venues if name in result.failed}
        for name in gaps.keys() - result.uncompared:
            self._streams.covered(name, gaps[name])
        return result

    def _sendable_for(self, settled: ResolutionResult) -> float:
        """Return the seconds until nothing that waits may be sent any more."""
        now = self._host.now()
        return max(((by - now).total_seconds() for by in settled.waiting.values()), default=0.0)

    # Holdings

    async def _compare_holdings(
        self,
        venues: VenueRound,
        waiting_at: Collection[VenueName],
        gaps: Mapping[VenueName, Gap],
        result: Reconciled,
    ) -> None:
        """Compare what did not change around the venue's answer: each venue by itself.

        *gaps*: in which a venue's stream has missed something; its fills are asked for, though
        all agrees: a position that was closed and opened again looks the same.
        """
        still = not waiting_at and not result.failed and not self._recorder.in_flight
        if still and not gaps and self._agreement.may_stand():
            accounts = await self._accounts(venues, result)
            if self._agreement.stands(accounts) and not self._recorder.in_flight:
                return
            self._agreement.invalidate()
        state = self._database.durable_state
        before = await self._holdings.sums()
        await self._funding.book(before, venues, result.failed)
        accounts = await self._accounts(venues, result)
        await self._alert_contradictions(accounts, result)
        if not accounts:
            return
        began = self._clock.now()
        differences = await self._holdings.differences(before, accounts)
        differing = {difference.venue for difference in differences}
        self._trades_known_until |= dict.fromkeys(accounts.keys() - differing, began)
        for name in gaps.keys() & accounts.keys():
            since = gaps[name].since
            self._trades_known_until[name] = min(since, self._trades_known_until.get(name, since))
        # The venue may have filled what is being booked: the next check compares.
        moving = await self._holdings.moving(before, differing)
        missed = gaps.keys() & accounts.keys()
        await self._apply_late_fills((differing - moving) | missed, venues, result)
        moving |= await self._holdings.moving(before, differing)
        for name in sorted(differing - moving):
            here = [difference for difference in differences if difference.venue == name]
            if await self._externals.settle_excess(here, accounts):
                moving.add(name)
        agreeing = {name: accounts[name] for name in accounts.keys() - differing}
        await self._compare_cash(before, waiting_at, agreeing, result)
        steady = {name: account for name, account in accounts.items() if name not in moving}
        differences = [difference for difference in differences if difference.venue in steady]
        foreign = self._holdings.foreign(before, steady)
        silent = self._venues.keys() - steady.keys()
        result.uncompared |= silent
        confirmed = self._confirmed(differences, steady)
        unheard = silent | {each.venue for each in differences if each not in confirmed}
        result.external, result.differences = await self._externals.explain(
            confirmed, foreign, unheard
        )
        await self._report(result.differences, unheard)
        doubtful = (
            result.failed or result.uncompared or moving or differences or self._cash.suspects
        )
        if still and not doubtful:
            self._agreement.keep(state, accounts)
        else:
            self._agreement.invalidate()

    def _confirmed(
        self, differences: Sequence[Difference], compared: Collection[VenueName]
    ) -> list[Difference]:
        """Return what differed in the look before as well; the others are looked at again.

        A venue's balances may be ahead of its lists of orders and fills by a moment.
        """
        before = self._seen
        now = {(difference.venue, difference.subject) for difference in differences}
        self._seen = now | {each for each in before if each[0] not in compared}
        self._looks_again = bool(now - before)
        return [each for each in differences if (each.venue, each.subject) in before]

    async def _accounts(
        self, venues: VenueRound, result: Reconciled
    ) -> dict[VenueName, VenueAccount]:
        """Return the accounts that say what we hold; in hedge mode nobody can tell."""
        accounts = await venues.ask_all(self._venues, lambda venue: venue.account(), result.failed)
        for name, account in accounts.items():
            self._hedge.seen(name, account)
        await self._hedge.tell(self._venues.keys() - accounts.keys())
        for name in [venue for venue, account in accounts.items() if account.hedge_mode]:
            del accounts[name]
            result.failed[name] = "its account is in hedge mode"
        return accounts

    async def _alert_contradictions(
        self, accounts: dict[VenueName, VenueAccount], result: Reconciled
    ) -> None:
        """Alert impossible balances; an account that is not readable counts as not answered."""
        silent = self._venues.keys() - accounts.keys()
        contradictions = {
            f"{name} {subject}": reason
            for name, account in accounts.items()
            for subject, reason in account_contradictions(account).items()
        }
        for name in [venue for venue, account in accounts.items() if not is_readable(account)]:
            del accounts[name]
            result.failed[name] = "its account is no numbers"
        if not contradictions and not self._contradicted:
            return
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for subject, reason in contradictions.items():
                if await alerts.raise_alert(
                    connection, AlertCode.BALANCE_CONTRADICTS, "critical", subject, reason, now
                ):
                    log.error("venue contradiction found", subject=subject, detail=reason)
            await alerts.clear_others(
                connection, AlertCode.BALANCE_CONTRADICTS, list(contradictions), now, silent
            )
        self._contradicted = bool(contradictions or silent)

    async def _compare_cash(
        self,
        before: Sequence[HeldSum],
        waiting_at: Collection[VenueName],
        accounts: Mapping[VenueName, VenueAccount],
        result: Reconciled,
    ) -> None:
        """Compare cash where all that is held agrees, and no order is in flight."""
        uncertain = {*waiting_at, *await self._holdings.moving(before, accounts.keys())}
        certain = {name: account for name, account in accounts.items() if name not in uncertain}
        result.cash = await self._cash.compare(certain)
        if self._cash.suspects:
            self._funding.ask_again()

    async def _apply_late_fills(
        self, differing: Iterable[VenueName], venues: VenueRound, result: Reconciled
    ) -> None:
        """Apply late fills: a difference may be a fill of an order that we took for settled.

        A fill of no order of ours is external; it is kept, and not asked for again.
        """
        began = self._clock.now()
        since = {name: self._trades_known_until.get(name, began - LOOK_BACK) for name in differing}
        answers = await venues.ask_all(
            since,
            lambda venue: venue.fills_since(
                since[venue.name] - OVERLAP, self._holdings.symbols_at(venue.name)
            ),
            result.failed,
        )
        for name, fills in answers.items():
            try:
                attributed = await self._externals.attribute(fills)
                contradicted = False
                for client_order_id, news in attributed.news.items():
                    reason = await self._apply(client_order_id, news, venues)
                    if reason is not None:
                        result.failed[client_order_id] = reason
                        result.uncompared.add(name)
                        contradicted = True
                if contradicted:
                    continue  # its fills are asked for again, until it is known whose they are
                self._trades_known_until[name] = max(since[name], began - LATE_TRADES)
            except (VenueError, RolledBackError, TimeoutError) as error:
                result.failed[name] = describe_error(error)
        await self._externals.book_forced()

    async def _apply(
        self, client_order_id: ClientOrderId, fills: Sequence[Fill], venues: VenueRound
    ) -> str | None:
        """Apply an order's fills; return why the venue's answer is not one, or None.

        If it is not, the order is in doubt, and nothing is booked.
        """
        if client_order_id in self._recorder.in_flight:
            return None
        symbol = fills[0].symbol
        search = await venues.ask(
            fills[0].venue, lambda venue: venue.find_order(symbol, client_order_id)
        )
        reason = (
            None if search.report is None else answer_contradiction(client_order_id, search.report)
        )
        if reason is not None:
            await alert_answer(self._database, client_order_id, reason, self._clock.now())
            await self._recorder.record_unknown(client_order_id, reason)
        elif search.report is not None:
            await self._recorder.record(search.report)
        else:  # its fills are evidence enough
            await self._recorder.record_fills(client_order_id, fills)
        return reason

    async def _report(
        self, differences: Sequence[Difference], silent: Collection[VenueName]
    ) -> None:
        """Alert differences. *silent*: venues of which it is unknown whether they still differ."""
        if not differences and not self._differed:
            return
        now = self._clock.now()
        subjects = [f"{difference.venue} {difference.subject}" for difference in differences]
        async with self._database.transaction() as connection:
            for subject, difference in zip(subjects, differences, strict=True):
                if await alerts.raise_alert(
                    connection,
                    AlertCode.POSITION_DIFFERS,
                    "critical",
                    subject,
                    str(difference),
                    now,
                ):
                    log.error("position differs", subject=subject, detail=str(difference))
            await alerts.clear_others(connection, AlertCode.POSITION_DIFFERS, subjects, now, silent)
        self._differed = bool(differences or silent)
