"""Funding of futures: asked for while any are held, booked once, part of what they earned."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage import alerts, funding
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.reconciliation.venue_round import VenueRound

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(minutes=15)  # market time: venues pay each hour at most
OVERLAP: Final = timedelta(hours=1)  # a payment may be told late
TOLD_FOR: Final = timedelta(days=1)
LOOK_BACK: Final = timedelta(
    days=1
)  # what an earlier process closed, or one fill opened and closed


class FundingRecorder:
    """Spot costs nothing: a venue is asked while futures are held there, and for an hour after.

    A new process asks once for what was closed within a day, by whomever: a payment is told after
    the hour that it is for, and the process that held the position may be gone by then.

    The limits of a bot's day count funding like fees.
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        clock: Clock,
        days: BotDays,
    ) -> None:
        self._database = database
        self._days = days
        self._venues = venues
        self._symbols = symbols
        self._clock = clock
        self._asked_at: dict[VenueName, datetime] = {}
        self._tells = True  # an alert of an earlier life may be open

    def ask_again(self) -> None:
        """Whatever is held, the next `book` asks for it."""
        self._asked_at.clear()

    async def book(
        self, held: Sequence[HeldSum], venues: VenueRound, failed: dict[str, str]
    ) -> int:
        """How many payments were new. Raises DatabaseUnavailableError."""
        now, booked = self._clock.now(), 0
        holding = {
            each.venue for each in held if each.position_type is PositionType.FUTURES and each.open
        }
        async with self._database.connection() as connection:
            closed = await funding.select_closed(connection, now - LOOK_BACK)
        due = {
            name: await self._since(name)
            for name in sorted((holding | closed.keys()) & self._venues.keys())
            if self._is_due(name, None if name in holding else closed[name])
        }
        since = {name: at for name, at in due.items() if at is not None}
        told = await venues.ask_all(
            since, lambda venue: venue.funding_since(since[venue.name]), failed
        )
        for payments in told.values():
            booked += await self._book(payments)
        self._asked_at |= dict.fromkeys([*told, *(due.keys() - since.keys())], now)
        if booked or self._tells:
            await self._tell(now)
        return booked

    def _is_due(self, name: VenueName, closed_at: datetime | None) -> bool:
        """*closed_at*: of what was held last, if nothing is held there now."""
        asked_at, now = self._asked_at.get(name), self._clock.now()
        if asked_at is None or (closed_at is not None and asked_at <= closed_at):
            return True
        if closed_at is not None and asked_at > closed_at + OVERLAP:
            return False
        return now >= asked_at + EVERY

    async def _tell(self, now: datetime) -> None:
        """Somebody's position that is not ours, or one that our books lack: said for a day."""
        async with self._database.transaction() as connection:
            subjects = []
            for name in sorted(self._venues):
                for each in await funding.select_unclaimed(connection, name, now - TOLD_FOR):
                    subjects.append(subject := f"{name} {each.symbol} {each.payment_id}")
                    message = f"{each.amount:f} {each.asset} at {each.paid_at}: nothing was open"
                    if await alerts.raise_alert(
                        connection, AlertCode.FUNDING_UNCLAIMED, "warning", subject, message, now
                    ):
                        log.warning("funding of no position", subject=subject, detail=message)
            await alerts.clear_others(connection, AlertCode.FUNDING_UNCLAIMED, subjects, now)
        self._tells = bool(subjects)

    async def _since(self, name: VenueName) -> datetime | None:
        """None: nothing was ever held there that could be paid for."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            since = await funding.select_since(connection, name, now - LOOK_BACK)
        # A payment from the future hides no later one.
        return None if since is None else min(since, now) - OVERLAP

    async def _book(self, payments: Sequence[FundingPayment]) -> int:
        booked = 0
        for payment in payments:
            async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                new = await funding.book(connection, payment, counts=self._counts(payment))
                if new is not None and new.bot is not None:
                    await self._days.count(
                        connection, new.bot, payment.paid_at, payment.amount, payment.asset
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
