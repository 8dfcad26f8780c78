"""First prices of trading hours, where no time is told of them: they may be of the day before."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.market.sessions import Calendar
from tradebotd.ports.feed import TimedPrice


class _First(NamedTuple):
    """First answer of the hours that begin at `opened`; `price` is None once one is of them."""

    opened: datetime
    price: Decimal | None


class FirstPrices:
    """Judge of the prices of hours that have opened after *since*.

    A provider that tells no time goes on telling the last price of before the open, and a closing
    auction makes it one that was never asked for. So the first answer of those hours is not
    believed to be of them, nor is any that equals it, until another one differs from it or is
    known to be of them.
    """

    def __init__(self, calendars: Mapping[str, Calendar], since: datetime) -> None:
        self._calendars = calendars
        self._since = since
        self._first: dict[str, _First] = {}

    def may_be_old(self, symbol: MarketSymbol, told: TimedPrice, asked_at: datetime) -> bool:
        """Return whether *told* may have been traded before the hours that are on."""
        if symbol.calendar == ALWAYS_OPEN:
            return False
        hours = self._calendars[symbol.calendar].hours_at(asked_at)
        if hours is None or hours.open <= self._since:
            return False
        if told.at is not None:
            if told.at >= hours.open:
                self._first[symbol.symbol] = _First(hours.open, None)
            return False
        first = self._first.get(symbol.symbol)
        if first is None or first.opened != hours.open:
            first = _First(hours.open, told.price)
        elif first.price != told.price:
            first = _First(hours.open, None)
        self._first[symbol.symbol] = first
        return first.price is not None
