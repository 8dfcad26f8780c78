"""External activity in an account of ours: recorded, reported, and left alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import AccountTakenError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import FINAL, OrderReport
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage import alerts, externals, order_searches
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.contradictions import fill_contradiction
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.rules import Difference, change_of, explanation
from tradebotd.trading.reconciliation.unknown_fills import evidence
from tradebotd.trading.reconciliation.venue_round import VenueRound

log = structlog.get_logger(__name__)

# A lasting condition (an order that does not settle) is reported at each check, an event is not.
EVENTS: Final = tuple(code for code in AlertCode if not code.lasting)
MOST_FILLS: Final = 10_000  # the latest external ones: older ones explain nothing any more
TOLD_FOR: Final = timedelta(days=1)
FORGET_EVERY: Final = timedelta(hours=1)


@dataclass(slots=True)
class Attributed:
    """Fills by the order of ours that they belong to, under its id. `news`: not applied yet."""

    ours: dict[ClientOrderId, list[Fill]] = field(default_factory=dict)
    news: dict[ClientOrderId, list[Fill]] = field(default_factory=dict)


class ForcedFills(Protocol):
    """Booking of forced closes of our positions."""

    async def book_pending(self) -> int: ...


class ExcessSettlement(Protocol):
    """Settlement of what our own fills exited beyond what was held."""

    async def settle(
        self, differences: Sequence[Difference], accounts: Mapping[VenueName, VenueAccount]
    ) -> int: ...


class DustSettlement(Protocol):
    """Settlement of what another hand closed of the dust that our futures have left."""

    async def settle(self, difference: Difference, fills: Sequence[Fill]) -> int: ...


class ExternalActivity:
    """External activity, as the reconciler and order streams report it. Never sends anything."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        holdings: Holdings,
        clock: Clock,
        forced: ForcedFills,
        excess: ExcessSettlement,
        dust: DustSettlement,
    ) -> None:
        self._database = database
        self._venues = venues
        self._holdings = holdings
        self._clock = clock
        self._forced = forced
        self._excess = excess
        self._dust = dust
        self._ours: set[ClientOrderId] = set()
        self._orders: dict[VenueName, dict[str, str]] = {}  # messages of alerts by subject
        self._explained = True  # alerts of an earlier process may be open
        self._forgotten_at: datetime | None = None

    # Orders

    async def compare_orders(
        self,
        venues: VenueRound,
        answered: Mapping[VenueName, Sequence[OrderReport]],
        failed: dict[str, str],
    ) -> None:
        """Find resting orders that are not ours. *answered*: venues asked already."""
        unasked = self._venues.keys() - answered.keys()
        answers = await venues.ask_all(
            unasked,
            lambda venue: venue.open_orders(self._holdings.symbols_at(venue.name)),
            failed,
        )
        for name, reports in sorted([*answered.items(), *answers.items()]):
            await self._compare(name, reports)

    async def _compare(self, name: VenueName, reports: Sequence[OrderReport]) -> None:
        ours = await self._known_as_ours(reports)
        foreign = [report for report in reports if report.client_order_id not in ours]
        messages = {f"{name} {report.venue_order_id}": _describe(report) for report in foreign}
        if messages == self._orders.get(name):
            return
        self._orders[name] = messages
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for report in foreign:
                if report.asked is not None:
                    await externals.upsert_order(connection, report, report.asked, now, None)
            still = [report.venue_order_id for report in foreign]
            await externals.mark_gone(connection, name, still, now)
            for subject, message in messages.items():
                if await alerts.raise_alert(
                    connection, AlertCode.EXTERNAL_ORDER, "warning", subject, message, now
                ):
                    log.warning("external order seen", subject=subject, detail=message)
            if self._orders.keys() >= self._venues.keys():
                every = [subject for subjects in self._orders.values() for subject in subjects]
                await alerts.clear_others(connection, AlertCode.EXTERNAL_ORDER, every, now)

    async def _known_as_ours(self, reports: Sequence[OrderReport]) -> set[ClientOrderId]:
        """Return the ids that are ours; the database is asked once per order."""
        resting = {report.client_order_id for report in reports}
        if new := resting - self._ours:
            async with self._database.connection() as connection:
                self._ours |= await externals.select_ours(connection, sorted(new))
        return self._ours & resting

    async def on_external_order(self, report: OrderReport) -> None:
        """Record an external order of an order stream. Raises DatabaseUnavailableError."""
        now = self._clock.now()
        fills = [
            replace(fill, forced=fill.forced or report.forced)
            for fill in report.fills
            if _is_real(fill)
        ]
        async with self._database.transaction() as connection:
            if report.asked is not None:
                gone_at = now if report.status in FINAL else None
                await externals.upsert_order(connection, report, report.asked, now, gone_at)
            await externals.insert_fills(connection, fills)
        if any(fill.forced for fill in fills):
            await self.book_forced()

    async def book_forced(self) -> None:
        """Book what a venue closed of ours by force, from the fills kept.

        Raises as `on_external_order`.
        """
        try:
            await self._forced.book_pending()
        except AccountTakenError as error:
            log.warning("forced close not booked", error=str(error))

    async def settle_excess(
        self, differences: Sequence[Difference], accounts: Mapping[VenueName, VenueAccount]
    ) -> int:
        """Settle our own excess fills, else dust that another hand closed; return how many.

        If any, *differences* is outdated.
        """
        if settled := await self._excess.settle(differences, accounts):
            return settled
        for difference in differences:
            if not _lacks(difference) or not self._is_futures(difference):
                continue
            settled += await self._dust.settle(difference, await self.fills_behind(difference))
        return settled

    def _is_futures(self, difference: Difference) -> bool:
        return difference.subject in self._holdings.symbols_at(difference.venue)

    async def forget_old(self) -> None:
        """Clear alerts on past events after a day: nothing has to be done for them to end."""
        now = self._clock.now()
        if self._forgotten_at is not None and now < self._forgotten_at + FORGET_EVERY:
            return
        async with self._database.transaction() as connection:
            for code in EVENTS:
                await alerts.clear_older(connection, code, now - TOLD_FOR, now)
        self._forgotten_at = now

    # Fills and holdings

    async def attribute(self, fills: Sequence[Fill]) -> "Attributed":
        """Attribute fills to our orders; those of no order of ours are kept."""
        result = Attributed()
        if not fills:
            return result
        foreign: list[Fill] = []
        async with self._database.transaction() as connection:
            owners = await externals.select_known(connection, fills[0].venue, fills)
            for fill, (owner, is_applied) in zip(fills, owners, strict=True):
                if owner is not None:
                    ours = replace(fill, client_order_id=owner)
                    result.ours.setdefault(owner, []).append(ours)
                    if not is_applied:
                        result.news.setdefault(owner, []).append(ours)
                elif not is_applied and _is_real(fill):
                    foreign.append(fill)
            await externals.insert_fills(connection, foreign)
        return result

    async def explain(
        self,
        differences: Sequence[Difference],
        foreign: Sequence[Difference] = (),
        silent: Collection[VenueName] = (),
    ) -> tuple[list[Difference], list[Difference]]:
        """Return the differences that external fills explain, which are alerted, and the others.

        *foreign*: in symbols that are not ours, which need no explanation. *silent*: venues that
        did not answer; their alerts are not over.
        """
        if not differences and not foreign and not self._explained:
            return [], []
        explained = [
            difference for difference in differences if await self.fills_behind(difference)
        ]
        reported = [("by somebody else's hand", difference) for difference in explained]
        reported += [("no symbol of ours", difference) for difference in foreign]
        now = self._clock.now()
        subjects = [f"{difference.venue} {difference.subject}" for _, difference in reported]
        async with self._database.transaction() as connection:
            for subject, (reason, difference) in zip(subjects, reported, strict=True):
                severity: alerts.Severity = "critical" if _lacks(difference) else "warning"
                message = f"{reason}: {difference}"
                if await alerts.raise_alert(
                    connection, AlertCode.EXTERNAL_POSITION, severity, subject, message, now
                ):
                    log.warning("external trade seen", subject=subject, detail=str(difference))
            await alerts.clear_others(
                connection, AlertCode.EXTERNAL_POSITION, subjects, now, silent
            )
        self._explained = bool(reported or silent)
        return [difference for _, difference in reported], [
            difference for difference in differences if difference not in explained
        ]

    async def fills_behind(self, difference: Difference) -> list[Fill]:
        """Return the latest external fills that add up to the difference; empty if none do."""
        fills, may_be_ours = await self._unclaimed(difference.venue)
        doubtful = {id(fill) for some in may_be_ours.values() for fill in some}
        fills = [fill for fill in fills if id(fill) not in doubtful]
        pairs = {fill.symbol: await self._holdings.pair(fill.symbol) for fill in fills}
        about = [fill for fill in fills if change_of(fill, difference.subject, pairs[fill.symbol])]
        return explanation(about, difference, pairs)

    async def evidence(self, venue: VenueName) -> dict[ClientOrderId, list[Fill]]:
        """Return, by order in doubt, the fills of unknown orders that may be its own."""
        return (await self._unclaimed(venue))[1]

    async def in_doubt_behind(self, difference: Difference) -> ClientOrderId | None:
        """Return an order of ours whose fills may be part of it, even one settled as absent."""
        for order, fills in sorted((await self.evidence(difference.venue)).items()):
            for fill in fills:
                pair = await self._holdings.pair(fill.symbol)
                if change_of(fill, difference.subject, pair):
                    return order
        return None

    async def _unclaimed(
        self, venue: VenueName
    ) -> tuple[list[Fill], dict[ClientOrderId, list[Fill]]]:
        async with self._database.connection() as connection:
            fills = await externals.select_unadopted(connection, venue, MOST_FILLS)
            doubts = await order_searches.select_doubts(connection, venue) if fills else []
        return fills, evidence(fills, doubts)


def _is_real(fill: Fill) -> bool:
    """Return whether it is a fill: a venue may report empty ones, and invalid ones."""
    return fill_contradiction(fill) is None and fill.quantity > 0


def _lacks(difference: Difference) -> bool:
    """Return whether something that we count on is missing."""
    return difference.excess * difference.ours < 0


def _describe(report: OrderReport) -> str:
    asked = report.asked
    if asked is None:
        return f"order {report.venue_order_id} is not ours"
    return f"{asked.side} {asked.quantity:f} {asked.symbol} ({asked.type}) is not ours"
