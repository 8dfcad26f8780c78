"""Shortfalls: what a venue has free to sell, where that is less than our books hold.

A fee that was told wrongly or has changed, or an order of another hand that locks a part: each exit
of the whole would be refused for ever. So one that is refused for its balance is made anew for what
is free, which is never more than is ours, and a stop that stays refused rests for that much, until
more is free. What is left stays in the books: reconciliation reports the difference, and adoption
books it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
)
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Balance, Venue
from tradebotd.storage import alerts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.venue_accounts import ask_account
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.exits.exit_intents import RestingPair, pair_for

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 5.0
# A venue may free what a cancelled stop has locked a moment after it has answered.
FREED_WITHIN: Final = timedelta(seconds=1)
ASKED_EVERY: Final = timedelta(minutes=1)  # whether a bounded stop may be larger
ASKED_WITHIN: Final = timedelta(seconds=30)  # after that: with the sweeps that follow


class _Bound(NamedTuple):
    held: Decimal  # what our books held when it was asked; other holdings are judged anew
    most: Decimal  # what a stop may sell
    until: datetime  # then it is asked for again


class Shortfalls:
    """Shortfalls of spot positions. The bounds of their stops are kept in this process."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
    ) -> None:
        self._database = database
        self._clock = clock
        self._venues = venues
        self._symbols = symbols
        self._bounds: dict[PositionId, _Bound] = {}
        self._known: set[PositionId] = set()  # whose stop was judged in this process
        self._refused_since: dict[PositionId, datetime] = {}  # stops, until one is accepted
        self._untold_stops: dict[PositionId, str] = {}  # messages of stops that are to rest
        self._made_way_at: dict[PositionId, datetime] = {}  # what rested, for another order
        self._untold_exits: set[PositionId] = set()  # of which a part was sold just after that

    def forget(self, position_id: PositionId) -> None:
        for known in (
            self._bounds,
            self._refused_since,
            self._untold_stops,
            self._made_way_at,
        ):
            known.pop(position_id, None)
        self._known.discard(position_id)
        self._untold_exits.discard(position_id)

    # Exits at the market

    def on_made_way(self, position_id: PositionId) -> None:
        """Note that what rested is cancelled: what it locked may be free a moment later."""
        self._made_way_at[position_id] = self._clock.now()

    async def less_to_sell(
        self, position: Position, quantity: Decimal, error: OrderRejectedError
    ) -> Balance | None:
        """Return the balance that is too small for an exit of *quantity*, which *error* refused.

        Returns None when the refusal is for another reason, or the venue does not tell of less.
        """
        if not _is_short(position, error):
            return None
        told = await self._told(position)
        if told is None or told.free >= quantity:
            return None
        log.warning(
            "exit exceeds balance",
            bot=position.bot,
            symbol=position.symbol,
            quantity=quantity,
            free=told.free,
            total=told.total,
        )
        return told

    async def on_sold(self, position: Position, quantity: Decimal, told: Balance) -> None:
        """Alert that what was free is sold instead of *quantity*.

        Not yet where what rested has just been cancelled: the next attempt shows whether what it
        locked is free by then.
        """
        if self._was_just_cancelled(position.id):
            self._untold_exits.add(position.id)
            return
        words = f"and an order for that much was sent instead; {_books(position)}"
        await self._alert(position.id, self._shortfall(position, f"{quantity:f}", told, words))

    async def on_unsold(self, position: Position, quantity: Decimal, told: Balance) -> None:
        """Alert what is left after a part was sold, once no cancelled stop explains it."""
        if position.id in self._untold_exits and not self._was_just_cancelled(position.id):
            words = f"after what was free was sold; {_books(position)}"
            await self._alert(position.id, self._shortfall(position, f"{quantity:f}", told, words))

    def _was_just_cancelled(self, position_id: PositionId) -> bool:
        at = self._made_way_at.get(position_id)
        return at is not None and self._clock.now() - at < FREED_WITHIN

    # Stops

    def bounded(self, position: Position) -> Position:
        """Return *position* with no more than its venue is known to have for a stop of it."""
        bound = self._in_force(position)
        return position if bound is None else replace(position, quantity=bound.most)

    def reasons(self) -> dict[PositionId, str]:
        """Return why stops rest for less than is held, by position."""
        now = self._clock.now()
        return {
            position_id: f"its stop is for no more than {bound.most:f} of {bound.held:f}: the"
            " venue has told of no more that is free"
            for position_id, bound in self._bounds.items()
            if now < bound.until + ASKED_WITHIN
        }

    async def note_refused_stop(
        self, position: Position, pair: RestingPair, error: OrderRejectedError
    ) -> None:
        """Bound the stops of *position*, where its venue goes on refusing one for its balance.

        A stop of what is free has to be one that the venue takes; else the refusal stands.
        """
        if not _is_short(position, error):
            self._refused_since.pop(position.id, None)
            return
        now = self._clock.now()
        if now - self._refused_since.setdefault(position.id, now) < FREED_WITHIN:
            return
        told = await self.less_to_sell(position, pair.quantity, error)
        if told is None or not self._may_rest(position, pair, told.free):
            return
        self._bound(position, told.free)
        words = f"and the stop is to rest for no more; {_books(position)}"
        sold = f"{pair.quantity:f} by a stop"
        self._untold_stops[position.id] = self._shortfall(position, sold, told, words)

    async def may_grow(self, position: Position, rests: RestingPair, wanted: RestingPair) -> bool:
        """Return whether a larger stop may take the place of what *rests*, which guards meanwhile.

        Asked where one was bounded, and of a position that this process has not judged yet: an
        earlier process may have bounded its stop. If not, it is bounded anew.
        """
        known = position.id in self._known
        self._known.add(position.id)
        if position.position_type is not PositionType.SPOT or wanted.quantity <= rests.quantity:
            return True
        if (known and position.id not in self._bounds) or self._in_force(position) is not None:
            return True
        told = await self._told(position)
        most = rests.quantity if told is None else rests.quantity + max(told.free, ZERO)
        if most >= wanted.quantity:
            self._bounds.pop(position.id, None)
            return True
        self._bound(position, most)
        return False

    def on_stop_accepted(self, position_id: PositionId) -> None:
        self._known.add(position_id)
        self._refused_since.pop(position_id, None)

    async def tell_stop(self, position_id: PositionId) -> None:
        """Alert a stop that was bounded, once it is accepted."""
        if position_id not in self._refused_since and position_id in self._untold_stops:
            await self._alert(position_id, self._untold_stops.pop(position_id))

    def _in_force(self, position: Position) -> _Bound | None:
        bound = self._bounds.get(position.id)
        if bound is None or bound.held != position.quantity or bound.until <= self._clock.now():
            return None
        return bound

    def _bound(self, position: Position, most: Decimal) -> None:
        until = self._clock.now() + ASKED_EVERY
        self._bounds[position.id] = _Bound(held=position.quantity, most=most, until=until)

    def _may_rest(self, position: Position, pair: RestingPair, free: Decimal) -> bool:
        """Return whether the venue takes a stop of *free*."""
        if free <= 0:
            return False
        instrument = self._symbols[position.symbol].instrument
        bounded = replace(position, quantity=free)
        return pair_for(bounded, instrument, linked=False, types=pair.types) is not None

    # What the venue tells, and what is told of it

    async def _told(self, position: Position) -> Balance | None:
        """Return the balance of what *position* holds; None when that fails in any way."""
        venue, symbol = self._venues.get(position.venue), self._symbols.get(position.symbol)
        if venue is None or symbol is None:
            return None
        answer = await ask_account(venue, ASK_SECONDS)
        if isinstance(answer, str):
            log.warning("balance lookup failed", venue=position.venue, error=answer)
            return None
        return answer.balance(symbol.instrument.base_asset)

    def _shortfall(self, position: Position, sold: str, told: Balance, words: str) -> str:
        asset = self._symbols[position.symbol].instrument.base_asset
        return (
            f"{position.venue} refused to sell {sold} {asset}: it has {told.free:f} free of"
            f" {told.total:f}, {words}"
        )

    async def _alert(self, position_id: PositionId, message: str) -> None:
        self._untold_exits.discard(position_id)
        try:
            async with self._database.transaction(durable=True) as connection:
                await alerts.raise_alert(
                    connection,
                    AlertCode.EXIT_EXCEEDS_BALANCE,
                    "critical",
                    subject(position_id),
                    message,
                    self._clock.now(),
                )
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.critical("balance alert not stored", error=str(error), message=message)


def _books(position: Position) -> str:
    return f"our books hold {position.quantity:f} in this position"


def _is_short(position: Position, error: OrderRejectedError) -> bool:
    """Return whether *error* refuses a sale of spot for what the account has of it."""
    is_spot = position.position_type is PositionType.SPOT
    return is_spot and error.reason.startswith(DenialRule.INSUFFICIENT_BALANCE)
