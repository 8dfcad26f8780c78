"""Incomes of Binance USDT-M: funding, and what came in or left otherwise than by trading."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.venues.binance.calls import Interface, side_by_side
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.usdm import paths

log = structlog.get_logger(__name__)

PAGE: Final = 1000
MOST_PAGES: Final = 100
REACH: Final = timedelta(days=89)  # F3: the last three months; there is nothing from before
A_MINUTE: Final = timedelta(minutes=1)
FUNDING: Final = ("FUNDING_FEE", "SPECIAL_FUNDING_FEE")
TRANSFER: Final = "TRANSFER"


class Incomes:
    def __init__(
        self, venue: VenueName, interface: Interface, markets: Markets, time: ServerTime
    ) -> None:
        self._venue, self._ask = venue, interface.ask
        self._markets, self._time = markets, time

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        told = await side_by_side([partial(self._of_type, each, since) for each in FUNDING])
        found = [funding_of(each, self._venue, self._markets) for part in told for each in part]
        return sorted(found, key=lambda each: (each.paid_at, each.payment_id))

    async def transfers_since(self, since: datetime) -> Sequence[Transfer]:
        told = await self._of_type(TRANSFER, since)
        found = [transfer_of(each, self._venue) for each in told]
        return sorted(found, key=lambda each: (each.at, each.transfer_id))

    async def _of_type(self, kind: str, since: datetime) -> list[Node]:
        """Return incomes of one type. Pages begin at the last instant of the one before.

        F3: there is no parameter for pages; ids are unique within a type.
        """
        now = self._time.now()
        if since < now - REACH:
            log.error("incomes out of reach", venue=self._venue, kind=kind, since=since.isoformat())
        start, end = to_ms(max(since, now - REACH)), to_ms(now + A_MINUTE)
        found: dict[int, Node] = {}
        for _ in range(MOST_PAGES):
            told = await self._ask(
                paths.INCOME,
                {
                    "incomeType": kind,
                    "startTime": str(start),
                    "endTime": str(end),
                    "limit": str(PAGE),
                },
            )
            rows = list(told.items())
            found |= {each.integer("tranId"): each for each in rows}
            if len(rows) < PAGE:
                return list(found.values())
            last = rows[-1].integer("time")
            if last <= start:
                raise told.malformed("does not go on")
            start = last
        raise VenueUnavailableError(f"{paths.INCOME.path}: more than {MOST_PAGES} pages")


def payment_id(told: Node) -> str:
    """F3: return an id of an income: `tranId` is unique within its type alone."""
    return f"{told.text('incomeType').lower()}-{told.integer('tranId')}"


def funding_of(told: Node, venue: VenueName, markets: Markets) -> FundingPayment:
    """F3: read a funding payment; a special one (SPECIAL_FUNDING_FEE) is one as well."""
    if told.text("incomeType") not in FUNDING:
        raise told.malformed("is no funding")
    return FundingPayment(
        venue=venue,
        payment_id=payment_id(told),
        symbol=markets.symbol(told.text("symbol")),
        amount=told.decimal("income"),
        asset=told.text("asset"),
        paid_at=told.instant("time"),
    )


def transfer_of(told: Node, venue: VenueName) -> Transfer:
    if told.text("incomeType") != TRANSFER:
        raise told.malformed("is no transfer")
    return Transfer(
        venue=venue,
        transfer_id=payment_id(told),
        asset=told.text("asset"),
        amount=told.decimal("income"),
        at=told.instant("time"),
    )
