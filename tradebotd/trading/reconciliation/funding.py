"""Funding of futures: asked for while any are held, booked once, part of their P&L."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
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
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.storage.postgres.rolled_back import repeated
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.reconciliation.venue_round import VenueRound

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(minutes=15)  # market time: venues pay each hour at most
OVERLAP: Final = timedelta(hours=1)  # a payment may be reported late
TOLD_FOR: Final = timedelta(days=1)
LOOK_BACK: Final = timedelta(
    days=1
)  # what an earlier process closed, or one fill opened and closed


class FundingRecorder:
    """Recorder of funding: a venue is asked while futures are held there, and for an hour after.

    Dust is held, too. Spot costs nothing. A new process asks once for what any process closed
    within a day: a payment is reported after the hour that it is for, and the process that held the
    position may be gone by then. The limits of a bot's day count funding like fees.
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
        self._held_at: dict[VenueName, datetime] = {}  # dust ends later than its position
        self._may_have_alerts = True  # an alert of an earlier process may be open

    def ask_again(self) -> None:
        """Make the next `book` ask, whatever is held."""
        self._asked_at.clear()

    async def book(
        self, held: Sequence[HeldSum], venues: VenueRound, failed: dict[str, str]
    ) -> int:
        """Book new payments; return how many. Raises DatabaseUnavailableError."""
        now, booked = self._clock.now(), 0
        holding = {
            held_sum.venue
            for held_sum in held
            if held_sum.position_type is PositionType.FUTURES
            and (held_sum.open or held_sum.quantity)
        }
        async with self._database.connection() as connection:
            closed = await funding.select_closed(connection, now - LOOK_BACK)
        self._held_at |= dict.fromkeys(holding, now)
        for name, held_at in self._held_at.items():
            closed[name] = max(closed.get(name, held_at), held_at)
        due = {
            name: await self._since(name)
            for name in sorted((holding | closed.keys()) & self._venues.keys())
            if self._is_due(name, None if name in holding else closed[name])
        }
        since = {name: at for name, at in due.items() if at is not None}
        answers = await venues.ask_all(
            since, lambda venue: venue.funding_since(since[venue.name]), failed
        )
        for payments in answers.values():
            booked += await self._book(payments)
        self._asked_at |= dict.fromkeys([*answers, *(due.keys() - since.keys())], now)
        if booked or self._may_have_alerts:
            await self._update_alerts(now)
        return booked

    def _is_due(self, name: VenueName, closed_at: datetime | None) -> bool:
        """Return whether to ask; *closed_at*: of what was held last, if nothing is held now."""
        asked_at, now = self._asked_at.get(name), self._clock.now()
        if asked_at is None or (closed_at is not None and asked_at <= closed_at):
            return True
        if closed_at is not None and asked_at > closed_at + OVERLAP:
            return False
        return now >= asked_at + EVERY

    async def _update_alerts(self, now: datetime) -> None:
        """Alert, for a day, on funding of an external position, or one that our books lack."""
        async with self._database.transaction() as connection:
            subjects = []
            for name in sorted(self._venues):
                for payment in await funding.select_unclaimed(connection, name, now - TOLD_FOR):
                    subjects.append(subject := f"{name} {payment.symbol} {payment.payment_id}")
                    message = (
                        f"{payment.amount:f} {payment.asset} at {payment.paid_at}: nothing was held"
                    )
                    if await alerts.raise_alert(
                        connection, AlertCode.FUNDING_UNCLAIMED, "warning", subject, message, now
                    ):
                        log.warning("unclaimed funding found", subject=subject, detail=message)
            await alerts.clear_others(connection, AlertCode.FUNDING_UNCLAIMED, subjects, now)
        self._may_have_alerts = bool(subjects)

    async def _since(self, name: VenueName) -> datetime | None:
        """Return the time to ask from; None when nothing was ever held there that pays funding."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            since = await funding.select_since(connection, name, now - LOOK_BACK)
        # A payment from the future hides no later one.
        return None if since is None else min(since, now) - OVERLAP

    async def _book(self, payments: Sequence[FundingPayment]) -> int:
        booked = 0
        for payment in payments:
            if await repeated(self._database, partial(self._write, payment=payment)):
                booked += 1
                log.info(
                    "funding booked",
                    symbol=payment.symbol,
                    amount=payment.amount,
                    asset=payment.asset,
                    paid_at=payment.paid_at,
                )
        return booked

    async def _write(self, connection: Connection, payment: FundingPayment) -> bool:
        """Write the payment; return whether it is new."""
        new = await funding.book(connection, payment, counts=self._counts(payment))
        if new is not None and new.bot is not None:
            await self._days.count(
                connection, new.bot, payment.paid_at, payment.amount, payment.asset
            )
        return new is not None

    def _counts(self, payment: FundingPayment) -> bool:
        """Return whether it is in a position's P&L; it is not in another asset than the quote's."""
        symbol = self._symbols.get(payment.symbol)
        if symbol is None or symbol.instrument.quote_asset == payment.asset:
            return True
        log.warning(
            "funding not counted",
            symbol=payment.symbol,
            asset=payment.asset,
        )
        return False
