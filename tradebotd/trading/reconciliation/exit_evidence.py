"""Evidence whether an exit of unknown outcome has sold, before a second takes its place."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import anyio

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueName
from tradebotd.domain.position import Position
from tradebotd.domain.side import Side
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.storage import externals as stored_externals
from tradebotd.storage import order_searches
from tradebotd.storage.exit_groups import GroupOrder
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.external_activity import ExternalActivity
from tradebotd.trading.reconciliation.holdings import Holdings

ASK_SECONDS: Final = 10.0
LOOK_BACK: Final = timedelta(minutes=1)


class ExitEvidence:
    """Evidence from a venue's orders, fills and holdings.

    The holdings of an account may be those of other bots, or from before us. So all of it is
    compared with all that ought to be there, and what cannot be told apart is no proof.
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        holdings: Holdings,
        externals: ExternalActivity,
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder
        self._holdings = holdings
        self._externals = externals

    async def nothing_was_sold(self, position: Position, orders: Sequence[GroupOrder]) -> bool:
        """Return whether *orders*, exits of *position*, have provably sold nothing.

        The venue has passed the time at which they could still arrive, has never seen them, has no
        fill that may be theirs, and holds what we say. Raises VenueError, TimeoutError,
        DatabaseUnavailableError.
        """
        subject = await self._holdings.subject(
            position.venue, position.symbol, position.position_type
        )
        if subject is None:
            return False
        venue = self._venues[position.venue]
        for order in orders:
            if not await self._never_arrived(venue, order):
                return False
        before = await self._sums(venue.name)
        since = min(order.created_at for order in orders) - LOOK_BACK
        with anyio.fail_after(ASK_SECONDS):
            fills = await venue.fills_since(since, self._holdings.symbols_at(venue.name))
            account = await venue.account()
        if account.hedge_mode:
            return False  # a position there may be of either side
        if await self._any_to_its_side(position, subject, fills):
            return False
        if await self._anything_hides_it(position, subject, orders):
            return False
        return await self._all_is_there(venue, subject, account, before)

    async def _never_arrived(self, venue: Venue, order: GroupOrder) -> bool:
        traits = venue.traits
        with anyio.fail_after(ASK_SECONDS):
            search = await venue.find_order(order.symbol, order.client_order_id)
        if search.report is not None:
            if answer_contradiction(order.client_order_id, search.report) is None:
                await self._recorder.record(search.report)
            return False
        return search.venue_time > order.send_by + traits.receive_window + traits.absence_margin

    async def _any_to_its_side(
        self, position: Position, subject: str, fills: Sequence[Fill]
    ) -> bool:
        """Return whether unapplied fills are to the exit's side: theirs, under whatever name."""
        if not fills:
            return False
        async with self._database.connection() as connection:
            owners = await stored_externals.select_known(connection, position.venue, fills)
        side = position.side.exit
        for fill, (_, is_applied) in zip(fills, owners, strict=True):
            if not is_applied and fill.side is side and await self._is_about(fill.symbol, subject):
                return True
        return False

    async def _anything_hides_it(
        self, position: Position, subject: str, orders: Sequence[GroupOrder]
    ) -> bool:
        """Return whether another unsettled order may hide a sale.

        An executed order to the other side would make up for what was sold; so would the sale, in
        another symbol, of something that is paid with it.
        """
        for symbol in await self._unsettled(position, position.side.entry, orders):
            if await self._is_about(symbol, subject):
                return True
        for symbol in await self._unsettled(position, position.side.exit, orders):
            if (await self._holdings.pair(symbol)).quote_asset == subject:
                return True
        return False

    async def _unsettled(
        self, position: Position, side: Side, besides: Sequence[GroupOrder]
    ) -> list[str]:
        ids = [order.id for order in besides]
        async with self._database.connection() as connection:
            return await order_searches.select_symbols_unsettled(
                connection, position.venue, side, position.position_type, ids
            )

    async def _all_is_there(
        self, venue: Venue, subject: str, account: VenueAccount, before: Sequence[HeldSum]
    ) -> bool:
        if await self._sums(venue.name) != before:
            return False
        for difference in await self._holdings.differences(before, {venue.name: account}):
            if difference.subject == subject:
                return bool(await self._externals.fills_behind(difference))
        return True

    async def _sums(self, venue: VenueName) -> list[HeldSum]:
        return [held_sum for held_sum in await self._holdings.sums() if held_sum.venue == venue]

    async def _is_about(self, symbol: str, subject: str) -> bool:
        return symbol == subject or await self._holdings.base_asset(symbol) == subject
