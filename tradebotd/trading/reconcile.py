"""Asks the venues what is so, and makes our books say it: orders, fills, holdings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import anyio
import structlog

from tradebotd.clocks.host import host_now
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import OrderStatus
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage import alerts, orders, positions, settings
from tradebotd.storage.database import Database
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import HeldSum
from tradebotd.trading.placement import NOT_SENT
from tradebotd.trading.reconcile_plan import Difference, Verdict, differences, judge_order
from tradebotd.trading.recorder import OrderRecorder

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
MARGIN: Final = 0.05
LOOK_BACK: Final = timedelta(days=1)  # for fills, from before the start
OVERLAP: Final = timedelta(minutes=5)
DIFFERS: Final = "position_differs"
BASELINES: Final = "spot_baselines"  # what an account held of our base assets before we came


@dataclass(slots=True)
class Reconciled:
    """`waiting`: orders that may still be on their way. `failed`: venues that did not answer."""

    asked: int = 0
    resolved: int = 0
    waiting: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Reconciler:
    """One at a time. What a venue has and we do not is reported and left alone."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        recorder: OrderRecorder,
        clock: Clock,
    ) -> None:
        self._database = database
        self._venues = venues
        self._symbols = symbols
        self._recorder = recorder
        self._clock = clock
        self._one_at_a_time = anyio.Lock()
        self._baselines: dict[str, dict[str, Decimal]] | None = None
        self._differed = True  # until proven otherwise: an alert of an earlier life may be open
        self._settled_since_start = False
        self._agreed_at = clock.now() - LOOK_BACK

    async def run(self) -> Reconciled:
        """Orders in doubt first, then holdings. Raises DatabaseUnavailableError.

        The first one after a start waits until nothing of an earlier life can still be on its way:
        market time may jump by hours in the two seconds that this takes.
        """
        async with self._one_at_a_time:
            result = Reconciled()
            sendable_until = await self._settle_orders(result)
            if sendable_until is not None and not self._settled_since_start:
                await anyio.sleep(max(0.0, (sendable_until - host_now()).total_seconds()) + MARGIN)
                result = Reconciled()
                await self._settle_orders(result)
            self._settled_since_start = True
            await self._compare_holdings(result)
            return result

    # Orders

    async def _settle_orders(self, result: Reconciled) -> datetime | None:
        """Until when (host time) those that wait may still be sent; None: none waits."""
        async with self._database.connection() as connection:
            unsettled = await orders.select_unsettled(connection)
        for stored in unsettled:
            if stored.order.client_order_id in self._recorder.in_flight:
                continue
            result.asked += 1
            try:
                await self._settle(stored, result)
            except (VenueError, TimeoutError) as error:
                result.failed[stored.order.client_order_id] = f"{type(error).__name__}: {error}"
        waiting = set(result.waiting)
        return max(
            (each.send_by for each in unsettled if each.order.client_order_id in waiting),
            default=None,
        )

    async def _settle(self, stored: StoredOrder, result: Reconciled) -> None:
        order = stored.order
        venue = self._venues.get(order.venue)
        if venue is None:
            result.failed[order.client_order_id] = f"venue {order.venue} is not configured"
            return
        asked_at = host_now()
        with anyio.fail_after(ASK_SECONDS):
            search = await venue.find_order(order.symbol, order.client_order_id)
        report = search.report
        verdict = judge_order(found=report is not None, send_by=stored.send_by, asked_at=asked_at)
        if report is not None:
            await self._recorder.record(report)
        elif verdict is Verdict.ABSENT:
            reason = f"{NOT_SENT}: the venue has never seen it"
            await self._recorder.record_rejected(order.client_order_id, reason)
        else:
            result.waiting.append(order.client_order_id)
            return
        result.resolved += 1
        if order.status in {OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN}:
            log.info(
                "order resolved",
                client_order_id=order.client_order_id,
                bot=order.bot,
                verdict=verdict,
            )

    # Holdings

    async def _compare_holdings(self, result: Reconciled) -> None:
        """Only what did not change around the venue's answer is compared."""
        before = await self._sums()
        accounts: dict[VenueName, VenueAccount] = {}
        for name, venue in sorted(self._venues.items()):
            try:
                with anyio.fail_after(ASK_SECONDS):
                    accounts[name] = await venue.account()
            except (VenueError, TimeoutError) as error:
                result.failed[name] = f"{type(error).__name__}: {error}"
        if not accounts:
            return
        began = self._clock.now()
        found = await self._differences(before, accounts)
        if found and self._recorder.in_flight:
            return  # the venue may have filled what is being written down: the next look compares
        if found:
            await self._apply_late_fills({each.venue for each in found}, result)
            if await self._sums() != before:
                return  # a fill came in between: the next look compares again
        else:
            self._agreed_at = began
        result.differences = found
        await self._report(found)

    async def _apply_late_fills(self, venues: Iterable[VenueName], result: Reconciled) -> None:
        """A difference may be a fill of an order that we took for settled: late evidence counts."""
        for name in sorted(venues):
            try:
                with anyio.fail_after(ASK_SECONDS):
                    fills = await self._venues[name].fills_since(self._agreed_at - OVERLAP)
                for each in {fill.client_order_id: fill for fill in fills}.values():
                    await self._apply_order_of(each)
            except (VenueError, TimeoutError) as error:
                result.failed[name] = f"{type(error).__name__}: {error}"

    async def _apply_order_of(self, fill: Fill) -> None:
        if fill.client_order_id in self._recorder.in_flight:
            return
        with anyio.fail_after(ASK_SECONDS):
            search = await self._venues[fill.venue].find_order(fill.symbol, fill.client_order_id)
        if search.report is not None:
            await self._recorder.record(search.report)

    async def _sums(self) -> list[HeldSum]:
        async with self._database.connection() as connection:
            return await positions.select_sums(connection)

    async def _differences(
        self, held: Sequence[HeldSum], accounts: Mapping[VenueName, VenueAccount]
    ) -> list[Difference]:
        found: list[Difference] = []
        for name, account in accounts.items():
            spot: dict[str, Decimal] = dict.fromkeys(self._base_assets(name), ZERO)
            futures: dict[str, Decimal] = {}
            for each in held:
                if each.venue != name:
                    continue
                if each.position_type is PositionType.FUTURES:
                    futures[each.symbol] = futures.get(each.symbol, ZERO) + each.quantity
                else:
                    asset = self._base_asset(each.symbol)
                    spot[asset] = spot.get(asset, ZERO) + each.quantity
            baseline = await self._baseline(name, spot, account, held)
            theirs = {
                asset: account.balances.get(asset, ZERO) - baseline.get(asset, ZERO)
                for asset in spot
            }
            found += differences(name, spot, theirs)
            found += differences(name, futures, dict(account.positions))
        return found

    def _base_assets(self, venue: VenueName) -> set[str]:
        return {
            symbol.instrument.base_asset
            for symbol in self._symbols.values()
            if symbol.instrument.venue == venue
        }

    def _base_asset(self, symbol: str) -> str:
        known = self._symbols.get(symbol)
        return symbol if known is None else known.instrument.base_asset

    async def _baseline(
        self,
        venue: VenueName,
        ours: Mapping[str, Decimal],
        account: VenueAccount,
        held: Sequence[HeldSum],
    ) -> dict[str, Decimal]:
        """What was there before we came, of each base asset; stored at the first look.

        Kept for ever, so only what did not change around the venue's answer is stored.
        """
        if self._baselines is None:
            async with self._database.connection() as connection:
                stored: Any = await settings.get(connection, BASELINES) or {}
            self._baselines = {
                name: {asset: Decimal(amount) for asset, amount in assets.items()}
                for name, assets in stored.items()
            }
        known = self._baselines.setdefault(venue, {})
        new = [asset for asset in ours if asset not in known]
        if new:
            for asset in new:
                known[asset] = account.balances.get(asset, ZERO) - ours[asset]
            if self._recorder.in_flight or await self._sums() != held:
                first = {asset: known.pop(asset) for asset in new}
                return known | first
            written = {
                name: {asset: str(amount) for asset, amount in assets.items()}
                for name, assets in self._baselines.items()
            }
            async with self._database.transaction(durable=True) as connection:
                await settings.put(connection, BASELINES, written)
        return known

    async def _report(self, found: Sequence[Difference]) -> None:
        if not found and not self._differed:
            return
        now = self._clock.now()
        subjects = [f"{each.venue} {each.subject}" for each in found]
        async with self._database.transaction() as connection:
            for subject, each in zip(subjects, found, strict=True):
                if await alerts.raise_alert(
                    connection, DIFFERS, "critical", subject, str(each), now
                ):
                    log.error("position differs", subject=subject, detail=str(each))
            await alerts.clear_others(connection, DIFFERS, subjects, now)
        self._differed = bool(found)
