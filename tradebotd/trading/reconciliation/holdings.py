"""Holdings as our books and the venues have them, and how the two differ."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import BotName, ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.domain.order import Order
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage import asset_sums, baselines, order_searches, positions, settings
from tradebotd.storage import symbols as stored_symbols
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.rules import Difference, Pair, differences

BASELINES: Final = "spot_baselines"  # an account's base assets before us


class Holdings:
    """Holdings; several bots on one spot symbol of an account are one, over a stored baseline."""

    def __init__(
        self,
        *,
        database: Database,
        symbols: Mapping[str, MarketSymbol],
        specs: Mapping[BotName, BotSpec],
        recorder: OrderRecorder,
        clock: Clock,
    ) -> None:
        """Compare holdings of these symbols; *specs* may be changed by a reload."""
        self._database = database
        self._symbols = symbols
        self._specs = specs
        self._recorder = recorder
        self._clock = clock
        self._baselines: dict[str, dict[str, Decimal]] | None = None
        self._unconfigured: dict[str, Instrument | None] = {}  # symbols that left the configuration
        self._held: set[tuple[VenueName, str]] = set()
        self._unsettled: set[tuple[VenueName, str]] = set()

    async def sums(self) -> list[HeldSum]:
        async with self._database.connection() as connection:
            sums = await positions.select_sums(connection)
        self._held = {(held_sum.venue, held_sum.symbol) for held_sum in sums}
        return sums

    def set_unsettled(self, orders: Iterable[Order]) -> None:
        """Note the orders that are unsettled, or searched for still."""
        self._unsettled = {(order.venue, order.symbol) for order in orders}

    def symbols_at(self, venue: VenueName) -> list[str]:
        """Return the symbols that a venue is asked about: configured, held, or with open orders.

        The latter two may have left the configuration; as they were when that was last read.
        """
        others = {symbol for name, symbol in self._held | self._unsettled if name == venue}
        return sorted({instrument.symbol for instrument in self._at(venue)} | others)

    async def moving(
        self, before: Sequence[HeldSum], names: Collection[VenueName]
    ) -> set[VenueName]:
        """Return those of *names* where an order is under way, or holdings differ from *before*."""
        if not names:
            return set()
        sent_to: dict[ClientOrderId, VenueName] = {}
        if under_way := sorted(self._recorder.in_flight):
            async with self._database.connection() as connection:
                sent_to = await order_searches.select_venues(connection, under_way)
        if len(sent_to) < len(under_way):  # venue not known
            return set(names)
        changed = set(before) ^ set(await self.sums())
        return {*sent_to.values(), *(held_sum.venue for held_sum in changed)} & set(names)

    async def differences(
        self, held: Sequence[HeldSum], accounts: Mapping[VenueName, VenueAccount]
    ) -> list[Difference]:
        """Return how the holdings differ; a caller that acts on it compares *held* again.

        *held* was read before the *accounts* were asked for. Of spot: assets that bots trade, hold
        or may have bought; any other base asset of a symbol only converts, is money like any quote
        asset, and could not be adopted. Of futures: those in our symbols and in what we hold; the
        others are `foreign`.
        """
        result: list[Difference] = []
        for name, account in accounts.items():
            spot: dict[str, Decimal] = dict.fromkeys(await self._traded_assets(name), ZERO)
            futures: dict[str, Decimal] = {}
            for held_sum in held:
                if held_sum.venue != name:
                    continue
                if held_sum.position_type is PositionType.FUTURES:
                    futures[held_sum.symbol] = (
                        futures.get(held_sum.symbol, ZERO) + held_sum.quantity
                    )
                else:
                    asset = await self.base_asset(held_sum.symbol)
                    spot[asset] = spot.get(asset, ZERO) + held_sum.quantity
            flows = await self._flows(name)
            baseline = await self._baseline(name, spot, account, held, flows)
            before_us = await self._reported_later(name)
            theirs = {
                asset: account.balances.get(asset, ZERO)
                - flows.get(asset, ZERO)
                + before_us.get(asset, ZERO)
                - baseline.get(asset, ZERO)
                for asset in spot
            }
            result += self._without_dust(name, differences(name, spot, theirs))
            result += differences(name, futures, self._ours(name, account, futures))
        return result

    def foreign(
        self, held: Sequence[HeldSum], accounts: Mapping[VenueName, VenueAccount]
    ) -> list[Difference]:
        """Return futures in symbols that are not ours: they contradict none of our books."""
        result: list[Difference] = []
        for name, account in accounts.items():
            futures = {held_sum.symbol for held_sum in held if held_sum.venue == name}
            ours = self._ours(name, account, futures)
            rest = {
                symbol: size for symbol, size in account.positions.items() if symbol not in ours
            }
            result += differences(name, {}, rest)
        return result

    def _ours(
        self, venue: VenueName, account: VenueAccount, held: Collection[str]
    ) -> dict[str, Decimal]:
        """Return the venue's futures positions in configured symbols, or that we hold."""
        our_symbols = {instrument.symbol for instrument in self._at(venue)} | set(held)
        return {symbol: size for symbol, size in account.positions.items() if symbol in our_symbols}

    async def subject(
        self, venue: VenueName, symbol: str, position_type: PositionType
    ) -> str | None:
        """Return the subject of a `Difference` in *symbol*.

        Returns None when there never is one, whatever is held: what was there before us has not
        been stored yet.
        """
        if position_type is PositionType.FUTURES:
            return symbol
        asset = await self.base_asset(symbol)
        stored = await self._stored_baselines()
        return asset if asset in stored.get(venue, {}) else None

    async def move_baseline(
        self, connection: Connection, venue: VenueName, asset: str, change: Decimal
    ) -> bool:
        """Change the baseline: what was there before us has become more or less.

        Returns False when it would be less than nothing. In the caller's transaction;
        `forget_baselines` once that has committed.
        """
        stored: Any = await settings.lock(connection, BASELINES) or {}
        before = Decimal(stored.get(venue, {}).get(asset, "0"))
        if before + change < 0:
            return False
        stored.setdefault(venue, {})[asset] = str(before + change)
        await settings.put(connection, BASELINES, stored)
        return True

    def forget_baselines(self) -> None:
        """Forget the baselines, so that they are read again."""
        self._baselines = None

    async def base_asset(self, symbol: str) -> str:
        instrument = await self.instrument(symbol)
        return symbol if instrument is None else instrument.base_asset

    async def pair(self, symbol: str) -> Pair:
        instrument = await self.instrument(symbol)
        if instrument is None:
            return Pair(symbol)
        return Pair(instrument.base_asset, instrument.quote_asset)

    async def instrument(self, symbol: str) -> Instrument | None:
        """Return the instrument as configured, or as it was before it left the configuration."""
        configured = self._symbols.get(symbol)
        if configured is not None:
            return configured.instrument
        if symbol not in self._unconfigured:
            async with self._database.connection() as connection:
                self._unconfigured[symbol] = await stored_symbols.select_instrument(
                    connection, symbol
                )
        return self._unconfigured[symbol]

    async def _flows(self, venue: VenueName) -> dict[str, Decimal]:
        """Return what trades have added to each asset as money, less the fees taken in it."""
        async with self._database.connection() as connection:
            return await asset_sums.select_flows(connection, venue)

    async def _reported_later(self, venue: VenueName) -> dict[str, Decimal]:
        """Return what is in the flows by now, and was in the baseline from the first."""
        async with self._database.connection() as connection:
            return await baselines.reported_later(connection, venue)

    async def _traded_assets(self, venue: VenueName) -> set[str]:
        """Return the base assets of our symbols there that a bot trades or may have traded.

        The latter have orders of which not all is known: their bot may have left.
        """
        async with self._database.connection() as connection:
            traded = await order_searches.select_symbols_open(connection, venue)
        traded |= {spec.symbol for spec in self._specs.values()}
        return {
            instrument.base_asset for instrument in self._at(venue) if instrument.symbol in traded
        }

    def _without_dust(self, venue: VenueName, differing: Sequence[Difference]) -> list[Difference]:
        """Drop differences of less than a lot in what is also money: venues round what is paid."""
        money = {instrument.quote_asset for instrument in self._at(venue)}
        lots: dict[str, Decimal] = {}
        for traded in self._at(venue):
            lots[traded.base_asset] = min(
                lots.get(traded.base_asset, traded.lot_size), traded.lot_size
            )
        return [
            difference
            for difference in differing
            if difference.subject not in money
            or abs(difference.excess) >= lots.get(difference.subject, ZERO)
        ]

    def _at(self, venue: VenueName) -> list[Instrument]:
        every = (symbol.instrument for symbol in self._symbols.values())
        return [instrument for instrument in every if instrument.venue == venue]

    async def _baseline(
        self,
        venue: VenueName,
        ours: Mapping[str, Decimal],
        account: VenueAccount,
        held: Sequence[HeldSum],
        flows: Mapping[str, Decimal],
    ) -> dict[str, Decimal]:
        """Return what was there before us, of each base asset; stored at the first check.

        Kept for ever, so only what did not change around the venue's answer is stored. It is never
        negative: where the venue has less than our books, nothing was there, and that is a
        difference.
        """
        stored = await self._stored_baselines()
        measured = stored.get(venue, {})
        new = {
            asset: account.balances.get(asset, ZERO) - flows.get(asset, ZERO) - quantity
            for asset, quantity in ours.items()
            if asset not in measured
        }
        first = {asset: amount for asset, amount in new.items() if amount >= 0}
        if first:
            at = self._clock.now()
            if await self.moving(held, [venue]):
                return measured | first
            if await self._flows(venue) != flows:  # a transfer was reported meanwhile
                return measured | first
            await self._store_baseline(venue, first, at)
        return measured | first

    async def _store_baseline(
        self, venue: VenueName, first: Mapping[str, Decimal], at: datetime
    ) -> None:
        """Store a baseline beside those stored by now: one of them may be moved at this moment."""
        async with self._database.transaction(durable=True) as connection:
            stored: Any = await settings.lock(connection, BASELINES) or {}
            written = {asset: str(amount) for asset, amount in first.items()}
            stored[venue] = stored.get(venue, {}) | written
            await settings.put(connection, BASELINES, stored)
            await baselines.measured(connection, venue, first, at)
        self.forget_baselines()

    async def _stored_baselines(self) -> dict[str, dict[str, Decimal]]:
        if self._baselines is None:
            async with self._database.connection() as connection:
                stored: Any = await settings.get(connection, BASELINES) or {}
            self._baselines = {
                name: {
                    asset: Decimal(amount)
                    for asset, amount in assets.items()
                    if Decimal(amount) >= 0  # else of an earlier version: it is measured again
                }
                for name, assets in stored.items()
            }
        return self._baselines
