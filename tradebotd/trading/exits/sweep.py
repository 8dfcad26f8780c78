"""Sweep of every open position against its levels and holding time: the net behind the ticks.

It asks the table what is open, and the venues for prices, by itself, and does the whole job alone.
`TrackedPositions` takes over what is new in the table; a position is judged as it is held there at
the moment, since ticks, fills and an operator go on while a page is read or a venue is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import DatabaseUnavailableError, describe_error
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.quote import PriceKind
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.risk.exit_levels import expired, triggered
from tradebotd.risk.triggers import Trigger
from tradebotd.trading.exits.exit_intents import ExitIntent, sellable_now
from tradebotd.trading.exits.market_exits import MarketExits, SweepResult
from tradebotd.trading.exits.resting_stops import RestingStops
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.prices.bad_ticks import BadTickFilter
from tradebotd.trading.prices.fresh_prices import (
    DOUBTED,
    EARLY,
    FRESH,
    OVERTAKEN,
    OVERTAKEN_FOR,
    FreshPrices,
    PriceOf,
    Quotes,
    ToAsk,
)
from tradebotd.trading.prices.split_pauses import LIKE_A_SPLIT, SplitPauses

log = structlog.get_logger(__name__)


class _Market(NamedTuple):
    """State of a symbol, the same for all of its positions in a sweep.

    `ample`: a quantity that is not less than this can be sold at any price; None: that has to be
    computed.
    """

    is_open: bool
    ample: Decimal | None


@dataclass(slots=True, kw_only=True)
class _Round:
    """One sweep. `waiting`: positions whose price was asked for and has not come, by that price."""

    now: datetime
    result: SweepResult
    asking: TaskGroup
    quotes: Quotes = field(default_factory=Quotes)
    lost: dict[PositionId, str] = field(default_factory=dict)
    waiting: dict[PriceOf, list[PositionId]] = field(default_factory=dict)
    markets: dict[str, _Market] = field(default_factory=dict)


class Sweep:
    """The sweep. *sequential*: waits for a venue's prices, where effects must repeat (speed 0)."""

    def __init__(
        self,
        *,
        tracked: TrackedPositions,
        fresh: FreshPrices,
        bad_ticks: BadTickFilter,
        market_exits: MarketExits,
        resting: RestingStops,
        pauses: SplitPauses,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
        clock: Clock,
        sequential: bool,
    ) -> None:
        self._tracked = tracked
        self._fresh = fresh
        self._bad_ticks = bad_ticks
        self._market_exits = market_exits
        self._resting = resting
        self._pauses = pauses
        self._symbols = symbols
        self._calendars = calendars
        self._venues = venues
        self._clock = clock
        self._sequential = sequential
        self._doubted_since: dict[PriceOf, datetime] = {}

    async def run(self, now: datetime, result: SweepResult) -> dict[PositionId, str]:
        """Check every open position; return those that nothing guards, and why.

        Fresh prices come from memory; the rest is asked for in one call per venue. A position whose
        price is known is judged at once, whatever others wait for. Raises DatabaseUnavailableError,
        TimeoutError.
        """
        failed: Exception | None = None
        async with anyio.create_task_group() as asking:
            sweep = _Round(now=now, result=result, asking=asking)
            try:
                async for page in self._tracked.read():
                    await self._page(page, sweep)
            except (DatabaseUnavailableError, TimeoutError) as error:
                failed = error  # what has been asked for is still judged
        if failed is not None:
            raise failed
        result.failed |= sweep.quotes.failed
        result.failed |= {str(position_id): reason for position_id, reason in sweep.lost.items()}
        result.oldest_price = max(result.oldest_price, sweep.quotes.oldest)
        return sweep.lost

    def exits(self, triggers: Iterable[Trigger], price: Decimal) -> list[ExitIntent]:
        """Return the exits that a tick at *price* has met, each position as it is held now."""
        return [
            ExitIntent(position=position, reason=trigger.reason, level=trigger.level, price=price)
            for trigger in triggers
            if (position := self._tracked.current(trigger.position_id)) is not None
        ]

    def _out_of_reach(self, position: Position) -> str | None:
        if position.symbol not in self._symbols:
            return f"{position.symbol} is not configured"
        if position.venue not in self._venues:
            return f"venue {position.venue} is not configured"
        return None

    async def _page(self, page: Sequence[Position], sweep: _Round) -> None:
        """Check one page; the first one asks for all that is held, in one call per venue."""
        sweep.result.checked += len(page)
        held = self._tracked.positions
        wanted = page if sweep.quotes.checked else chain(page, held.values())
        fresh, stale = self._fresh.sort(sweep.quotes, wanted, sweep.now)
        for venue, to_ask in stale.items():
            for key in to_ask.wanted:
                sweep.waiting.setdefault(key, [])
            if self._sequential:
                await self._ask(venue, to_ask, sweep)
            else:
                sweep.asking.start_soon(self._ask, venue, to_ask, sweep)
        for key in fresh:
            self._is_no_split(key, sweep.quotes.known[key], sweep)
        ready: list[PositionId] = []
        for row in page:
            if (reason := self._out_of_reach(row)) is not None:
                sweep.lost[row.id] = reason
            elif (
                sweep.waiting
                and (key := (row.symbol, row.trigger_kind)) in sweep.waiting
                and self._price(row, sweep) is None
                and not self._ends_unpriced(row, sweep.now)
            ):
                sweep.waiting[key].append(row.id)
            else:
                ready.append(row.id)
        await self._close(self._judged(ready, sweep), sweep)

    async def _ask(self, venue: VenueName, to_ask: ToAsk, sweep: _Round) -> None:
        """Ask a venue; apply the answer as ticks would, then judge the positions that waited."""
        asked_at = self._clock.now()
        new = await self._fresh.ask(venue, to_ask, sweep.quotes, asked_at)
        is_echo = self._venues[venue].traits.quotes_echo
        for key, (price, at) in sorted(new.items()):
            name, kind = key
            reason = self._fresh.unusable_because(name, sweep.now, kind) if is_echo else None
            if reason not in {None, EARLY, DOUBTED}:
                continue  # the venue only repeats one that has stopped coming
            if reason is not None:
                sweep.quotes.unusable[key] = reason
                continue
            if not is_echo and not self._bad_ticks.on_quote(name, price, kind, sweep.now):
                sweep.quotes.unusable[key] = DOUBTED
                continue
            sweep.quotes.asked[key], sweep.quotes.asked_at[key] = price, at
        await self._close(self._answered(to_ask.wanted, sweep), sweep)

    def _answered(self, wanted: Sequence[PriceOf], sweep: _Round) -> list[ExitIntent]:
        exits: list[ExitIntent] = []
        for key in sorted(wanted):
            price = sweep.quotes.asked.get(key)
            if price is not None and self._is_no_split(key, price, sweep):
                name, kind = key
                met = self._tracked.tick(name, price, kind, sweep.quotes.asked_at[key])
                exits += self.exits(met, price)
        hit_ids = {exit_.position.id for exit_ in exits}
        waited = [position_id for key in wanted for position_id in sweep.waiting.pop(key, ())]
        return exits + self._judged(
            [position_id for position_id in waited if position_id not in hit_ids], sweep
        )

    def _is_no_split(self, key: PriceOf, price: Decimal, sweep: _Round) -> bool:
        """Return whether *price* is of an open session, and no split; every price is checked."""
        symbol, kind = key
        if not self._is_open(symbol, sweep.now):
            return False
        if self._pauses.check(symbol, price, sweep.now, kind):
            return True
        if symbol not in self._pauses.paused:
            sweep.quotes.unusable[key] = LIKE_A_SPLIT
        return False

    async def _close(self, exits: Sequence[ExitIntent], sweep: _Round) -> None:
        if exits:
            await self._market_exits.close_all(exits, sweep.result)

    def _judged(self, position_ids: Iterable[PositionId], sweep: _Round) -> list[ExitIntent]:
        """Return the exits due; one that cannot be judged is reported and stops no other."""
        exits: list[ExitIntent] = []
        for position_id in position_ids:
            try:
                exit_ = self._due(position_id, sweep)
            except Exception as error:
                log.exception("position not judged", position=position_id)
                sweep.result.failed[str(position_id)] = describe_error(error)
                continue
            if exit_ is not None:
                exits.append(exit_)
        return exits

    def _due(self, position_id: PositionId, sweep: _Round) -> ExitIntent | None:
        """Return the exit that is due, or None.

        The position is judged as it is held now: closed since it was read, or on its way out, it is
        passed over.
        """
        position, now = self._tracked.current(position_id), sweep.now
        if position is None:
            return None
        if self._market_exits.is_ending(position_id):
            sweep.result.waiting[str(position_id)] = DenialRule.EXIT_GROUP_ACTIVE
            return None
        self._resting.on_position_changed(position)
        market = sweep.markets.get(position.symbol) or self._market(position.symbol, sweep)
        over, unusable = self._over(position, market, now), self._unusable(position, sweep)
        if unusable is not None and over is not CloseReason.DUST:
            sweep.result.waiting[str(position_id)] = unusable
            self._note_doubt(position, market, unusable, sweep)
        elif over is not None:
            return ExitIntent(position=position, reason=over)
        else:
            return self._triggered_exit(position, market, sweep)
        return None

    def _unusable(self, position: Position, sweep: _Round) -> str | None:
        """Return why the price that came must not end the position, or None."""
        known = sweep.quotes.unusable
        return known.get((position.symbol, position.trigger_kind)) if known else None

    def _note_doubt(
        self, position: Position, market: _Market, unusable: str, sweep: _Round
    ) -> None:
        """Report a position whose bid, ask or mark is doubted for longer than one may be old."""
        key = symbol, kind = position.symbol, position.trigger_kind
        if unusable != DOUBTED or kind is PriceKind.LAST or not market.is_open:
            return
        since = self._doubted_since.setdefault(key, sweep.now)
        if sweep.now - since > FRESH:
            sweep.lost[position.id] = f"{symbol} has no {kind} price that is near its trades"

    def _market(self, symbol: str, sweep: _Round) -> _Market:
        instrument = self._symbols[symbol].instrument.order(OrderType.MARKET)
        least = instrument.lot_size + instrument.min_quantity
        ample = least if instrument.max_quantity is None else None
        sweep.markets[symbol] = market = _Market(self._is_open(symbol, sweep.now), ample)
        return market

    def _triggered_exit(
        self, position: Position, market: _Market, sweep: _Round
    ) -> ExitIntent | None:
        now = sweep.now
        price = self._price(position, sweep)
        if price is None:
            self._unpriced(position, market, sweep)
            return None
        if self._doubted_since:
            self._doubted_since.pop((position.symbol, position.trigger_kind), None)
        if market.is_open and position.symbol not in self._pauses.paused:
            moved = self._tracked.advance(position, price)
            if moved is not position:
                self._resting.on_position_changed(moved)
            position = moved
        hit = triggered(position.side, position, price)
        if hit is None:
            self._market_exits.on_price_turned(position.id, now)
            return None
        return ExitIntent(position=position, reason=hit[0], level=hit[1], price=price)

    def _price(self, position: Position, sweep: _Round) -> Decimal | None:
        """Return the price that the position is judged by: none of before its levels."""
        key = position.symbol, position.trigger_kind
        return sweep.quotes.get(key, self._fresh.levels_since(position))

    def _unpriced(self, position: Position, market: _Market, sweep: _Round) -> None:
        """Report a position that cannot be judged: no price of one kind stands in for another."""
        kind, symbol = position.trigger_kind, position.symbol
        price = "price" if kind is PriceKind.LAST else f"{kind} price"
        reason = f"{symbol} has no fresh {price}"
        if (symbol, kind) in sweep.quotes.known or (symbol, kind) in sweep.quotes.asked:
            if sweep.now - self._fresh.levels_since(position) <= OVERTAKEN_FOR:
                sweep.result.waiting[str(position.id)] = OVERTAKEN
                return
            reason = f"{symbol} has no {price} since the fill that made the position's levels"
        if kind is PriceKind.LAST:
            sweep.result.failed[str(position.id)] = reason
            return
        sweep.result.failed[str(position.id)] = reason
        if market.is_open:
            sweep.lost[position.id] = reason

    def _ends_unpriced(self, position: Position, now: datetime) -> bool:
        """Return whether its time is over at a venue that knows a price to sell it at."""
        if self._venues[position.venue].traits.quotes_echo:
            return False
        return expired(position.exits, position.opened_at, now)

    def _over(self, position: Position, market: _Market, now: datetime) -> CloseReason | None:
        """Return why the position ends whatever its price is, or None."""
        if market.ample is None or position.quantity < market.ample:
            instrument = self._symbols[position.symbol].instrument
            if not sellable_now(position, None, instrument):
                return CloseReason.DUST
        if (unfinished := self._market_exits.unfinished.reason(position.id)) is not None:
            return unfinished
        is_expired = expired(position.exits, position.opened_at, now)
        return CloseReason.MAX_HOLDING if is_expired else None

    def _is_open(self, symbol: str, now: datetime) -> bool:
        return self._calendars[self._symbols[symbol].calendar].is_open(now)
