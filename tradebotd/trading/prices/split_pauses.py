"""Pauses of a symbol's exits while its prices cannot be believed: a split is suspected.

An operator settles it: it was the market, or the books are brought to what the venue holds.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.refusal import RefusalCode
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.risk.stock_split import suspected_split
from tradebotd.storage import symbol_pauses
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbol_pauses import SymbolPause
from tradebotd.trading.condition_alerts import ConditionAlerts

log = structlog.get_logger(__name__)

SPLIT: Final = AlertCode.SPLIT_SUSPECTED
LIKE_A_SPLIT: Final = "its price looks like a split, and the session has not traded yet"


class SplitPauses:
    """Pauses by symbol. *hours*: calendars of symbols with sessions; others are never split."""

    def __init__(self, database: Database, clock: Clock, hours: Mapping[str, Calendar]) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours
        self._last: dict[str, tuple[Decimal, datetime]] = {}
        self._unsaved: dict[str, SymbolPause] = {}
        self._alerts = ConditionAlerts(database, clock, SPLIT)
        self.paused: dict[str, SymbolPause] = {}

    async def load(self) -> None:
        """Load the stored pauses, and each symbol's last close before now."""
        async with self._database.connection() as connection:
            self.paused = {pause.symbol: pause for pause in await symbol_pauses.select(connection)}
            if self._hours:
                closes = await symbol_pauses.select_last_closes(connection, sorted(self._hours))
                self._last |= closes

    def check(
        self, symbol: str, price: Decimal, at: datetime, kind: PriceKind = PriceKind.LAST
    ) -> bool:
        """Return whether exits of *symbol* may act on *price*.

        They may not while the symbol is paused, nor from the first price of a session on that looks
        like a split. That is for a trade to say: a bid or a mark that looks like it, before the
        session has traded, is not acted on, and pauses nothing.
        """
        hours = self._hours.get(symbol)
        if hours is None:
            return symbol not in self.paused
        before = self._last.get(symbol)
        if kind is PriceKind.LAST:
            self._last[symbol] = (price, at)
        if symbol in self.paused:
            return False
        if before is None or at <= before[1] or abs(price - before[0]) * 5 < before[0]:
            return True
        session = hours.session_at(at)
        if session is None or session.open <= before[1]:
            return True
        ratio = suspected_split(before[0], price)
        if ratio is None or kind is not PriceKind.LAST:
            return ratio is None
        pause = SymbolPause(
            symbol=symbol,
            code=SPLIT,
            reason=f"{before[0]:f} became {price:f} between two sessions: {ratio} new for one old?",
            ratio=ratio,
            since=at,
        )
        self.paused[symbol] = self._unsaved[symbol] = pause
        log.critical("exits paused", symbol=symbol, reason=pause.reason)
        return False

    @property
    def unsaved(self) -> bool:
        return bool(self._unsaved)

    async def save(self) -> None:
        """Store new pauses. Raises DatabaseUnavailableError; then the next sweep does it."""
        for symbol, pause in list(self._unsaved.items()):
            async with self._database.transaction(durable=True) as connection:
                await symbol_pauses.insert(connection, pause)
            del self._unsaved[symbol]
        await self._alerts.update({name: pause.reason for name, pause in self.paused.items()})

    async def resume(self, symbol: str) -> None:
        """Resume exits on an operator's word that it was the market. Raises RefusedError."""
        if symbol not in self.paused:
            raise RefusedError(
                RefusalCode.NOT_PAUSED,
                f"exits of {symbol} are not paused",
                known=tuple(sorted(self.paused)),
            )
        async with self._database.transaction(durable=True) as connection:
            await symbol_pauses.delete(connection, symbol)
        self.paused.pop(symbol, None)
        self._unsaved.pop(symbol, None)
        log.warning("exits resumed", symbol=symbol)
        await self.save()
