"""Funding of futures: asked for while any are held, booked once, part of what they earned."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import VenueError
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage import alerts, bots, funding
from tradebotd.storage.database import Database, Lane
from tradebotd.storage.positions import HeldSum

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
EVERY: Final = timedelta(minutes=15)  # market time: venues pay each hour at most
OVERLAP: Final = timedelta(hours=1)  # a payment may be told late
UNCLAIMED: Final = "funding_unclaimed"
TOLD_FOR: Final = timedelta(days=1)


class FundingBooks:
    """Spot costs nothing: a venue is asked only while futures are held there, and once after.

    *day_of*: the bot's day that an instant falls into; its limits count funding like fees.
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        clock: Clock,
        day_of: Callable[[BotName, datetime], date],
    ) -> None:
        self._database = database
        self._day_of = day_of
        self._venues = venues
        self._symbols = symbols
        self._clock = clock
        self._asked_at: dict[VenueName, datetime] = {}
        self._held: set[VenueName] = set()
        self._tells = True  # an alert of an earlier life may be open

    async def book(self, held: Sequence[HeldSum], failed: dict[str, str]) -> int:
        """How many payments were new. Raises DatabaseUnavailableError."""
        now, booked = self._clock.now(), 0
        holding = {
            each.venue for each in held if each.position_type is PositionType.FUTURES and each.open
        }
        for name in sorted(holding | self._held):
            asked_at, venue = self._asked_at.get(name), self._venues.get(name)
            closed = name not in holding
            if venue is None or (asked_at and now < asked_at + EVERY and not closed):
                continue
            try:
                booked += await self._book_of(venue, name)
            except (VenueError, TimeoutError) as error:
                failed[name] = f"{type(error).__name__}: {error}"
                continue
            self._asked_at[name] = now
            self._held.discard(name)
        self._held |= holding
        if booked or self._tells:
            await self._tell(now)
        return booked

    async def _tell(self, now: datetime) -> None:
        """Somebody's position that is not ours, or one that our books lack: said for a day."""
        async with self._database.transaction() as connection:
            subjects = []
            for name in sorted(self._venues):
                for each in await funding.select_unclaimed(connection, name, now - TOLD_FOR):
                    subjects.append(subject := f"{name} {each.symbol} {each.payment_id}")
                    message = f"{each.amount:f} {each.asset} at {each.paid_at}: nothing was open"
                    if await alerts.raise_alert(
                        connection, UNCLAIMED, "warning", subject, message, now
                    ):
                        log.warning("funding of no position", subject=subject, detail=message)
            await alerts.clear_others(connection, UNCLAIMED, subjects, now)
        self._tells = bool(subjects)

    async def _book_of(self, venue: Venue, name: VenueName) -> int:
        async with self._database.connection() as connection:
            since = await funding.select_since(connection, name)
        if since is None:
            return 0
        with anyio.fail_after(ASK_SECONDS):
            payments = await venue.funding_since(since - OVERLAP)
        booked = 0
        for payment in payments:
            async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                new = await funding.book(connection, payment, counts=self._counts(payment))
                if new is not None and new.bot is not None:
                    day = self._day_of(new.bot, payment.paid_at)
                    await bots.count_day(
                        connection, new.bot, day, pnl=payment.amount, trades=0, in_position=None
                    )
            if new is not None:
                booked += 1
                log.info(
                    "funding booked",
                    symbol=payment.symbol,
                    amount=payment.amount,
                    asset=payment.asset,
                    paid_at=payment.paid_at,
                )
        return booked

    def _counts(self, payment: FundingPayment) -> bool:
        """In another asset than the quote's it is kept, and is no part of a position's P&L."""
        known = self._symbols.get(payment.symbol)
        if known is None or known.instrument.quote_asset == payment.asset:
            return True
        log.warning(
            "funding in an asset that is not the quote's",
            symbol=payment.symbol,
            asset=payment.asset,
        )
        return False
