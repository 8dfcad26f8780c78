"""What our books and the venues say is held, and how the two differ."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import BotName, ClientOrderId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol, PositionType
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage import asset_sums, baselines, order_searches, positions, settings
from tradebotd.storage import symbols as stored_symbols
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.rules import Difference, Pair, differences

BASELINES: Final = "spot_baselines"  # what an account held of our base assets before we came


class Holdings:
    """Several bots on one spot symbol of an account are one holding over a stored baseline."""

    def __init__(
        self,
        *,
        database: Database,
        symbols: Mapping[str, MarketSymbol],
        specs: Mapping[BotName, BotSpec],
        recorder: OrderRecorder,
        clock: Clock,
    ) -> None:
        """*specs* may be changed by a reload."""
        self._database = database
        self._symbols = symbols
        self._specs = specs
        self._recorder = recorder
        self._clock = clock
        self._baselines: dict[str, dict[str, Decimal]] | None = None
        self._gone: dict[str, Instrument | None] = {}  # symbols that left the configuration

    async def sums(self) -> list[HeldSum]:
        async with self._database.connection() as connection:
            return await positions.select_sums(connection)

    async def moving(
        self, before: Sequence[HeldSum], names: Collection[VenueName]
    ) -> set[VenueName]:
        """Those of *names* where an order is under way, or something has changed since *before*."""
        if not names:
            return set()
        sent_to: dict[ClientOrderId, VenueName] = {}
        if under_way := sorted(self._recorder.in_flight):
            async with self._database.connection() as connection:
                sent_to = await order_searches.select_venues(connection, under_way)
        if len(sent_to) < len(under_way):  # nobody knows where
            return set(names)
        changed = set(before) ^ set(await self.sums())
        return {*sent_to.values(), *(each.venue for each in changed)} & set(names)

    async def differences(
        self, held: Sequence[HeldSum], accounts: Mapping[VenueName, VenueAccount]
    ) -> list[Difference]:
        """*held* was read before the *accounts* were asked for; whoever acts compares it again.

        Of spot, what bots trade, hold or may have bought: what else is the base of a symbol only
        converts, is money like any quote asset, and nobody could adopt it. Of futures, those in our
        symbols and in what we hold; the others are `foreign`.
        """
        found: list[Difference] = []
        for name, account in accounts.items():
            spot: dict[str, Decimal] = dict.fromkeys(await self._traded_assets(name), ZERO)
            futures: dict[str, Decimal] = {}
            for each in held:
                if each.venue != name:
                    continue
                if each.position_type is PositionType.FUTURES:
                    futures[each.symbol] = futures.get(each.symbol, ZERO) + each.quantity
                else:
                    asset = await self.base_asset(each.symbol)
                    spot[asset] = spot.get(asset, ZERO) + each.quantity
            flows = await self._flows(name)
            baseline = await self._baseline(name, spot, account, held, flows)
            before_us = await self._told_later(name)
            theirs = {
                asset: account.balances.get(asset, ZERO)
                - flows.get(asset, ZERO)
                + before_us.get(asset, ZERO)
                - baseline.get(asset, ZERO)
                for asset in spot
            }
            found += self._without_dust(name, differences(name, spot, theirs))
            found += differences(name, futures, self._ours(name, account, futures))
        return found

    def foreign(
        self, held: Sequence[HeldSum], accounts: Mapping[VenueName, VenueAccount]
    ) -> list[Difference]:
        """Futures positions in symbols that are not ours: they contradict none of our books."""
        found: list[Difference] = []
        for name, account in accounts.items():
            futures = {each.symbol for each in held if each.venue == name}
            ours = self._ours(name, account, futures)
            rest = {each: size for each, size in account.positions.items() if each not in ours}
            found += differences(name, {}, rest)
        return found

    def _ours(
        self, venue: VenueName, account: VenueAccount, held: Collection[str]
    ) -> dict[str, Decimal]:
        """Of its futures positions, those in symbols of our configuration, or that we hold."""
        known = {each.symbol for each in self._at(venue)} | set(held)
        return {each: size for each, size in account.positions.items() if each in known}

    async def subject(
        self, venue: VenueName, symbol: str, position_type: PositionType
    ) -> str | None:
        """What a `Difference` in *symbol* is about. None: there never is one, whatever is held:
        what was there before us has not been stored yet.
        """
        if position_type is PositionType.FUTURES:
            return symbol
        asset = await self.base_asset(symbol)
        stored = await self._stored_baselines()
        return asset if asset in stored.get(venue, {}) else None

    async def move_baseline(
        self, connection: Connection, venue: VenueName, asset: str, change: Decimal
    ) -> bool:
        """What was there before us has become more or less. False: less than nothing.

        In the caller's transaction; `forget_baselines` once that has committed.
        """
        stored: Any = await settings.lock(connection, BASELINES) or {}
        before = Decimal(stored.get(venue, {}).get(asset, "0"))
        if before + change < 0:
            return False
        stored.setdefault(venue, {})[asset] = str(before + change)
        await settings.put(connection, BASELINES, stored)
        return True

    def forget_baselines(self) -> None:
        """They are read again."""
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
        """As configured, or as it was before it left the configuration."""
        known = self._symbols.get(symbol)
        if known is not None:
            return known.instrument
        if symbol not in self._gone:
            async with self._database.connection() as connection:
                self._gone[symbol] = await stored_symbols.select_instrument(connection, symbol)
        return self._gone[symbol]

    async def _flows(self, venue: VenueName) -> dict[str, Decimal]:
        """What trades have added to each asset as money, and fees have taken of it."""
        async with self._database.connection() as connection:
            return await asset_sums.select_flows(connection, venue)

    async def _told_later(self, venue: VenueName) -> dict[str, Decimal]:
        """What is in the flows by now, and was in the baseline from the first."""
        async with self._database.connection() as connection:
            return await baselines.told_later(connection, venue)

    async def _traded_assets(self, venue: VenueName) -> set[str]:
        """The base assets of our symbols there that a bot trades, or of whose orders not all is
        known: their bot may have left.
        """
        async with self._database.connection() as connection:
            traded = await order_searches.select_symbols_open(connection, venue)
        traded |= {spec.symbol for spec in self._specs.values()}
        return {each.base_asset for each in self._at(venue) if each.symbol in traded}

    def _without_dust(self, venue: VenueName, found: Sequence[Difference]) -> list[Difference]:
        """Venues round what is paid: less than a lot of what is money, too, is no position."""
        money = {instrument.quote_asset for instrument in self._at(venue)}
        lots: dict[str, Decimal] = {}
        for each in self._at(venue):
            lots[each.base_asset] = min(lots.get(each.base_asset, each.lot_size), each.lot_size)
        return [
            each
            for each in found
            if each.subject not in money or abs(each.more) >= lots.get(each.subject, ZERO)
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
        """What was there before we came, of each base asset; stored at the first look.

        Kept for ever, so only what did not change around the venue's answer is stored. Nobody owned
        less than nothing: where the venue has less than our books, nothing was there, and that is
        a difference.
        """
        stored = await self._stored_baselines()
        known = stored.get(venue, {})
        new = {
            asset: account.balances.get(asset, ZERO) - flows.get(asset, ZERO) - quantity
            for asset, quantity in ours.items()
            if asset not in known
        }
        first = {asset: amount for asset, amount in new.items() if amount >= 0}
        if first:
            at = self._clock.now()
            if await self.moving(held, [venue]):
                return known | first
            if await self._flows(venue) != flows:  # a transfer was told meanwhile
                return known | first
            await self._store_baseline(venue, first, at)
        return known | first

    async def _store_baseline(
        self, venue: VenueName, first: Mapping[str, Decimal], at: datetime
    ) -> None:
        """Beside what is stored by now: one that was there before may be moved at this moment."""
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
