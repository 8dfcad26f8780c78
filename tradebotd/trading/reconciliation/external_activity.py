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
from tradebotd.trading.contradictions import of_fill
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

    async def take(self) -> int: ...


class ExcessSettlement(Protocol):
    """Settlement of what our own fills exited beyond what was held."""

    async def settle(
        self, found: Sequence[Difference], accounts: Mapping[VenueName, VenueAccount]
    ) -> int: ...


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
    ) -> None:
        self._database = database
        self._venues = venues
        self._holdings = holdings
        self._clock = clock
        self._forced = forced
        self._excess = excess
        self._ours: set[ClientOrderId] = set()
        self._orders: dict[VenueName, dict[str, str]] = {}  # messages of alerts by subject
        self._explained = True  # alerts of an earlier process may be open
        self._forgotten_at: datetime | None = None

    # Orders

    async def compare_orders(
        self,
        venues: VenueRound,
        known: Mapping[VenueName, Sequence[OrderReport]],
        failed: dict[str, str],
    ) -> None:
        """Find resting orders that are not ours. *known*: venues that have been asked already."""
        unasked = self._venues.keys() - known.keys()
        told = await venues.ask_all(unasked, lambda venue: venue.open_orders(), failed)
        for name, reports in sorted([*known.items(), *told.items()]):
            await self._compare(name, reports)

    async def _compare(self, name: VenueName, reports: Sequence[OrderReport]) -> None:
        ours = await self._known_as_ours(reports)
        foreign = [each for each in reports if each.client_order_id not in ours]
        found = {f"{name} {each.venue_order_id}": _words(each) for each in foreign}
        if found == self._orders.get(name):
            return
        self._orders[name] = found
        now = self._clock.now()
        async with self._database.transaction() as connection:
            for each in foreign:
                if each.asked is not None:
                    await externals.upsert_order(connection, each, each.asked, now, None)
            still = [each.venue_order_id for each in foreign]
            await externals.mark_gone(connection, name, still, now)
            for subject, message in found.items():
                if await alerts.raise_alert(
                    connection, AlertCode.EXTERNAL_ORDER, "warning", subject, message, now
                ):
                    log.warning("external order seen", subject=subject, detail=message)
            if self._orders.keys() >= self._venues.keys():
                every = [subject for told in self._orders.values() for subject in told]
                await alerts.clear_others(connection, AlertCode.EXTERNAL_ORDER, every, now)

    async def _known_as_ours(self, reports: Sequence[OrderReport]) -> set[ClientOrderId]:
        """Return the ids that are ours; the database is asked once per order."""
        resting = {each.client_order_id for each in reports}
        if new := resting - self._ours:
            async with self._database.connection() as connection:
                self._ours |= await externals.select_ours(connection, sorted(new))
        return self._ours & resting

    async def on_external_order(self, report: OrderReport) -> None:
        """Record an external order of an order stream. Raises DatabaseUnavailableError."""
        now = self._clock.now()
        fills = [
            replace(each, forced=each.forced or report.forced) for each in report.fills if _is(each)
        ]
        async with self._database.transaction() as connection:
            if report.asked is not None:
                gone_at = now if report.status in FINAL else None
                await externals.upsert_order(connection, report, report.asked, now, gone_at)
            await externals.insert_fills(connection, fills)
        if any(each.forced for each in fills):
            await self.take_forced()

    async def take_forced(self) -> None:
        """Book what a venue closed of ours by force, from the fills kept.

        Raises as `on_external_order`.
        """
        try:
            await self._forced.take()
        except AccountTakenError as error:
            log.warning("forced close not booked", error=str(error))

    async def settle_excess(
        self, found: Sequence[Difference], accounts: Mapping[VenueName, VenueAccount]
    ) -> int:
        """Settle our own excess fills; return how many. If any, *found* is out of date."""
        return await self._excess.settle(found, accounts)

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

    async def attribute(self, told: Sequence[Fill]) -> "Attributed":
        """Attribute fills to our orders; those of no order of ours are kept."""
        result = Attributed()
        if not told:
            return result
        foreign: list[Fill] = []
        async with self._database.transaction() as connection:
            known = await externals.select_known(connection, told[0].venue, told)
            for fill, (owner, is_applied) in zip(told, known, strict=True):
                if owner is not None:
                    ours = replace(fill, client_order_id=owner)
                    result.ours.setdefault(owner, []).append(ours)
                    if not is_applied:
                        result.news.setdefault(owner, []).append(ours)
                elif not is_applied and _is(fill):
                    foreign.append(fill)
            await externals.insert_fills(connection, foreign)
        return result

    async def explain(
        self,
        found: Sequence[Difference],
        foreign: Sequence[Difference] = (),
        silent: Collection[VenueName] = (),
    ) -> tuple[list[Difference], list[Difference]]:
        """Return the differences that external fills explain, which are alerted, and the others.

        *foreign*: in symbols that are not ours, which need no explanation. *silent*: venues that
        did not answer; their alerts are not over.
        """
        if not found and not foreign and not self._explained:
            return [], []
        explained = [each for each in found if await self.fills_behind(each)]
        told = [("by somebody else's hand", each) for each in explained]
        told += [("no symbol of ours", each) for each in foreign]
        now = self._clock.now()
        subjects = [f"{each.venue} {each.subject}" for _, each in told]
        async with self._database.transaction() as connection:
            for subject, (why, each) in zip(subjects, told, strict=True):
                severity: alerts.Severity = "critical" if _lacks(each) else "warning"
                message = f"{why}: {each}"
                if await alerts.raise_alert(
                    connection, AlertCode.EXTERNAL_POSITION, severity, subject, message, now
                ):
                    log.warning("external trade seen", subject=subject, detail=str(each))
            await alerts.clear_others(
                connection, AlertCode.EXTERNAL_POSITION, subjects, now, silent
            )
        self._explained = bool(told or silent)
        return [each for _, each in told], [each for each in found if each not in explained]

    async def fills_behind(self, difference: Difference) -> list[Fill]:
        """Return the latest external fills that add up to the difference; empty if none do."""
        fills, may_be_ours = await self._unclaimed(difference.venue)
        doubtful = {id(fill) for some in may_be_ours.values() for fill in some}
        fills = [fill for fill in fills if id(fill) not in doubtful]
        pairs = {fill.symbol: await self._holdings.pair(fill.symbol) for fill in fills}
        about = [each for each in fills if change_of(each, difference.subject, pairs[each.symbol])]
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


def _is(fill: Fill) -> bool:
    """Return whether it is a fill: a venue may report empty ones, and invalid ones."""
    return of_fill(fill) is None and fill.quantity > 0


def _lacks(difference: Difference) -> bool:
    """Return whether something that we count on is missing."""
    return difference.more * difference.ours < 0


def _words(report: OrderReport) -> str:
    asked = report.asked
    if asked is None:
        return f"order {report.venue_order_id} is not ours"
    return f"{asked.side} {asked.quantity:f} {asked.symbol} ({asked.type}) is not ours"
