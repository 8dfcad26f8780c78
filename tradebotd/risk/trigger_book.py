"""Index of exit levels: the positions a price has met, in two comparisons if there are none.

Each symbol keeps two fences: the nearest prices below and above at which anything must be done. A
tick between them is quiet however many positions there are. Where positions trail, a better price
moves one number and sets both fences to itself; the true ones are computed when the price turns.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from heapq import heappop, heappush
from typing import Final, TypeAlias

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import (
    TrailDistance,
    break_even_price,
    break_even_stop,
    more_favourable,
)
from tradebotd.risk.trail_cohorts import INFINITE, Cohort, Trail
from tradebotd.risk.triggers import MovedStop, Trigger

_QUIET: Final[tuple[Trigger, ...]] = ()
# Follows the best price and never ends anything: until a stop has moved to break even.
_OUT_OF_REACH: Final = TrailDistance(amount=INFINITE)
_Hit: TypeAlias = tuple[Decimal, int, Trigger]  # the nearer level, the smaller number first


class TriggerBook:
    """Synchronous index of levels, used by one task only.

    A triggered position is latched: reported once, then silent until released, or removed and added
    again. A symbol's tick size is that of its first position as long as it has any.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, _SymbolBook] = {}
        self._entries: dict[PositionId, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, position_id: PositionId) -> bool:
        return position_id in self._entries

    def add(self, position: Position, tick_size: Decimal, *, latched: bool = False) -> None:
        """Watch *position*; one that is known already is replaced and loses its latch."""
        self.remove(position.id)
        book = self._symbols.get(position.symbol)
        if book is None:
            book = self._symbols[position.symbol] = _SymbolBook(tick_size)
        entry = _Entry(position, position.best_price, tick_size)
        self._entries[position.id] = entry
        book.count += 1
        entry.latched = latched
        if not latched:
            book.insert(entry)

    def update(self, position: Position) -> None:
        """Take new levels or quantity; keep best, latch and break-even. KeyError if unknown."""
        entry = self._entries[position.id]
        book = self._symbols[position.symbol]
        best = more_favourable(position.side, self.best_price(position.id), position.best_price)
        if not entry.latched:
            book.take_out(entry)
        renewed = _Entry(position, best, book.tick_size, former=entry)
        if position.version != entry.position.version:
            renewed.persisted = position.best_price  # what its row says now
        self._entries[position.id] = renewed
        if not renewed.latched:
            book.insert(renewed)

    def remove(self, position_id: PositionId) -> None:
        """Remove the position, if it is known."""
        entry = self._entries.pop(position_id, None)
        if entry is None:
            return
        book = self._symbols[entry.position.symbol]
        if not entry.latched:
            book.take_out(entry)
        book.count -= 1
        if not book.count:
            del self._symbols[entry.position.symbol]

    def release(self, position_id: PositionId) -> None:
        """Watch a latched position again, from the next tick on. Raises KeyError if unknown."""
        entry = self._entries[position_id]
        if entry.latched:
            entry.latched = False
            self._symbols[entry.position.symbol].insert(entry)

    def latch(self, position_id: PositionId) -> None:
        """Have ticks pass over a position that is watched. Raises KeyError if unknown."""
        entry = self._entries[position_id]
        self._symbols[entry.position.symbol].take_out(entry)
        entry.latched = True

    def tick(self, symbol: str, price: Decimal) -> Sequence[Trigger]:
        """Return the triggers that *price* has met, nearest level first."""
        book = self._symbols.get(symbol)
        if book is None or book.low < price < book.high:
            return _QUIET
        return book.reached(price, self._entries)

    def watched(self, symbol: str) -> Collection[PositionId]:
        """Return the positions of the symbol that are not latched, as they are at any moment."""
        book = self._symbols.get(symbol)
        return () if book is None else book.live

    def quiet(self, symbol: str, price: Decimal) -> bool:
        """Return whether *price* would move nothing and end nothing."""
        book = self._symbols.get(symbol)
        return book is None or book.low < price < book.high

    def tick_size(self, symbol: str) -> Decimal:
        """Return the tick size of a symbol that has positions. Raises KeyError if it has none."""
        return self._symbols[symbol].tick_size

    def latched(self, position_id: PositionId) -> bool:
        return self._entries[position_id].latched

    def best_price(self, position_id: PositionId) -> Decimal:
        """Return the best price that ticks have moved, of a position that trails or may break even.

        Frozen while latched. Others keep the one they came with, or broke even at: nothing asks.
        """
        entry = self._entries[position_id]
        if entry.cohort is None:
            return entry.best
        return self._symbols[entry.position.symbol].trail_of(entry).best_of(entry.cohort)

    def is_unmoved(self, position: Position) -> bool:
        """Return whether ticks have left best price and stop-loss as in *position*."""
        entry, best = self._entries[position.id], self.best_price(position.id)
        return best == position.best_price and entry.position.stop_loss == position.stop_loss

    def trailing_stop(self, position_id: PositionId) -> Decimal | None:
        """Return the trailing stop in force, on the tick."""
        position = self._entries[position_id].position
        distance = TrailDistance.of(position.exits)
        if distance is None:
            return position.trailing_stop
        best, tick_size = self.best_price(position_id), self._symbols[position.symbol].tick_size
        level = distance.level(position.side, best, tick_size)
        if position.trailing_stop is None:
            return level
        return more_favourable(position.side, level, position.trailing_stop)

    def as_moved(self, position_id: PositionId) -> Position:
        """Return the position with its best price and its stops as the ticks have moved them."""
        entry = self._entries[position_id]
        if not entry.moves:
            return entry.position
        best, trailing = self.best_price(position_id), self.trailing_stop(position_id)
        return replace(entry.position, best_price=best, trailing_stop=trailing)

    def moved_since_last_persist(self) -> Iterator[MovedStop]:
        """Yield each position that has moved, once; the caller stores every one it takes."""
        for position_id, entry in list(self._entries.items()):
            if not entry.moves:
                continue
            best = self.best_price(position_id)
            if best != entry.persisted or entry.moved:
                entry.persisted, entry.moved = best, False
                stop_loss, trailing = entry.position.stop_loss, self.trailing_stop(position_id)
                yield MovedStop(position_id, best, stop_loss, trailing)


class _Entry:
    """A position and its cohort. `best` is valid while it is in no cohort."""

    __slots__ = (
        *("best", "distance", "cohort", "latched", "moves", "persisted"),
        *("moved", "position", "round", "secures_at"),
    )

    def __init__(
        self,
        position: Position,
        best: Decimal,
        tick_size: Decimal,
        *,
        former: "_Entry | None" = None,
    ) -> None:
        self.position = position
        self.best = best
        self.latched: bool = False if former is None else former.latched
        self.persisted: Decimal = position.best_price if former is None else former.persisted
        self.distance = TrailDistance.of(position.exits)
        self.moves: bool = self.distance is not None or position.exits.break_even is not None
        self.moved: bool = former is not None and former.moved
        # The price at which the stop moves to break even; None: it has none, or it has moved.
        plan, side = position.exits, position.side
        self.secures_at = break_even_price(plan, side, position.entry_price, tick_size)
        if self.secures_at is not None and (
            more_favourable(position.side, best, self.secures_at) == best
            or (former is not None and former.is_secured)
        ):
            self.secure(tick_size)
        if self.distance is None and self.secures_at is not None:
            self.distance = _OUT_OF_REACH
        self.cohort: Cohort | None = None
        self.round = 0  # levels of an earlier round are void: heaps forget lazily

    @property
    def is_secured(self) -> bool:
        return self.secures_at is None and self.position.exits.break_even is not None

    def secure(self, tick_size: Decimal) -> bool:
        """Move the stop to break even; it only tightens. Returns whether it moved."""
        position, self.secures_at = self.position, None
        stop = break_even_stop(position.exits, position.side, position.entry_price, tick_size)
        if stop is None:
            return False
        if position.stop_loss is not None:
            stop = more_favourable(position.side, stop, position.stop_loss)
        if stop == position.stop_loss:
            return False
        self.position = replace(position, stop_loss=stop)
        self.moved = True
        return True


@dataclass(order=True, slots=True)
class _Level:
    """Level in a heap: nearest first, then by position id, the stop-loss before others.

    Without a reason it ends nothing: the stop moves to break even there.
    """

    key: Decimal
    position_id: PositionId
    rank: int
    round: int
    reason: CloseReason | None
    price: Decimal


class _SymbolBook:
    def __init__(self, tick_size: Decimal) -> None:
        self.tick_size = tick_size
        self.count = 0
        self.low = -INFINITE
        self.high = INFINITE
        self._longs = Trail(PositionSide.LONG, tick_size)
        self._shorts = Trail(PositionSide.SHORT, tick_size)
        # Bounds within which a price moves nothing but a trailing best.
        self._hard_low = -INFINITE
        self._hard_high = INFINITE
        self._below: list[_Level] = []
        self._above: list[_Level] = []
        self.live: dict[PositionId, int] = {}  # its round
        self._round = 0

    def trail_of(self, entry: _Entry) -> Trail:
        return self._longs if entry.position.side is PositionSide.LONG else self._shorts

    def insert(self, entry: _Entry) -> None:
        position = entry.position
        self._round += 1
        entry.round = self.live[position.id] = self._round
        stops, targets = self._below, self._above
        if position.side is PositionSide.SHORT:
            stops, targets = targets, stops
        if position.stop_loss is not None:
            self._push(stops, entry, 0, CloseReason.STOP_LOSS, position.stop_loss)
        if position.take_profit is not None:
            self._push(targets, entry, 2, CloseReason.TAKE_PROFIT, position.take_profit)
        if entry.secures_at is not None:
            self._push(targets, entry, 3, None, entry.secures_at)
        if entry.distance is not None:
            entry.cohort = self.trail_of(entry).add(position.id, entry.distance, entry.best)
        if position.trailing_stop is not None and self._stands_alone(entry):
            self._push(stops, entry, 1, CloseReason.TRAILING_STOP, position.trailing_stop)
        self._refresh()

    def take_out(self, entry: _Entry) -> None:
        del self.live[entry.position.id]
        self._unhang(entry)
        self._refresh()

    def reached(self, price: Decimal, entries: dict[PositionId, _Entry]) -> Sequence[Trigger]:
        if (
            self._hard_low < price < self._hard_high
            and self._shorts.best <= price <= self._longs.best
        ):
            return _QUIET  # on a fence that only says where the best price stands
        # Past the near fence, too: after a gap a price may better a best and still be below a stop.
        if self._longs.best < price < self._hard_high and price > self.low:
            self._longs.best = self.low = self.high = price
            self._hard_low = INFINITE  # the stops below have moved: not known until asked for
            return _QUIET
        if self._hard_low < price < self._shorts.best and price < self.high:
            self._shorts.best = self.low = self.high = price
            self._hard_high = -INFINITE
            return _QUIET
        self._longs.advance(price)
        self._shorts.advance(price)
        hits = self._triggered(price, entries)
        self._refresh()
        return hits

    def _triggered(self, price: Decimal, entries: dict[PositionId, _Entry]) -> Sequence[Trigger]:
        hits: dict[PositionId, _Hit] = {}
        earned: list[_Entry] = []
        for heap, below in ((self._below, True), (self._above, False)):
            while (nearest := self._nearest(heap)) is not None:
                if nearest.price < price if below else nearest.price > price:
                    break
                heappop(heap)
                if nearest.reason is None:
                    earned.append(entries[nearest.position_id])
                    continue
                trigger = Trigger(nearest.position_id, nearest.reason, nearest.price)
                _keep_nearest(hits, (nearest.key, nearest.rank, trigger))
        for trail in (self._longs, self._shorts):
            for position_id, level in trail.triggered(price):
                key = level.copy_negate() if trail is self._longs else level
                trigger = Trigger(position_id, CloseReason.TRAILING_STOP, level)
                _keep_nearest(hits, (key, 1, trigger))
                self._unhang(entries[position_id])
        for entry in earned:
            self._secure(entry)
        if not hits:
            return _QUIET
        for position_id in hits:
            entry = entries[position_id]
            entry.latched = True
            self._unhang(entry)
            del self.live[position_id]
        ranked = sorted(hits.values(), key=lambda item: (item[0], item[1], item[2].position_id))
        return tuple(trigger for _, _, trigger in ranked)

    def _secure(self, entry: _Entry) -> None:
        """Move the stop to break even; the moved stop counts from the next tick on."""
        if entry.distance is _OUT_OF_REACH:
            self._unhang(entry)
            entry.distance = None
        if entry.secure(self.tick_size) and entry.position.stop_loss is not None:
            stops = self._below if entry.position.side is PositionSide.LONG else self._above
            self._push(stops, entry, 0, CloseReason.STOP_LOSS, entry.position.stop_loss)

    def _unhang(self, entry: _Entry) -> None:
        """Take the entry out of its cohort, with the best price it had there."""
        if entry.cohort is not None and entry.distance is not None:
            trail = self.trail_of(entry)
            entry.best = trail.best_of(entry.cohort)
            trail.remove(entry.position.id, entry.distance, entry.cohort)
            entry.cohort = None

    def _refresh(self) -> None:
        """Compute the true fences."""
        below, above = self._nearest(self._below), self._nearest(self._above)
        low = -INFINITE if below is None else below.price
        high = INFINITE if above is None else above.price
        self._hard_low = max(low, self._longs.level(), self._shorts.next_best())
        self._hard_high = min(high, self._shorts.level(), self._longs.next_best())
        self.low = max(self._hard_low, self._shorts.best)
        self.high = min(self._hard_high, self._longs.best)

    def _nearest(self, heap: list[_Level]) -> _Level | None:
        while heap:
            if self.live.get(heap[0].position_id) == heap[0].round:
                return heap[0]
            heappop(heap)
        return None

    def _push(
        self,
        heap: list[_Level],
        entry: _Entry,
        rank: int,
        reason: CloseReason | None,
        price: Decimal,
    ) -> None:
        key = price.copy_negate() if heap is self._below else price
        heappush(heap, _Level(key, entry.position.id, rank, entry.round, reason, price))

    def _stands_alone(self, entry: _Entry) -> bool:
        """Return whether the stored trailing stop is no wider than the one its best price gives."""
        position, stored = entry.position, entry.position.trailing_stop
        if entry.distance is None or stored is None:
            return stored is not None
        level = entry.distance.level(position.side, entry.best, self.tick_size)
        return more_favourable(position.side, level, stored) == stored


def _keep_nearest(hits: dict[PositionId, _Hit], one: _Hit) -> None:
    """Keep stops before targets, the nearer of two stops, and the stop-loss at a tie."""
    position_id = one[2].position_id
    hits[position_id] = min(hits.get(position_id, one), one, key=_precedence)


def _precedence(one: _Hit) -> tuple[bool, Decimal, int]:
    return one[2].reason is CloseReason.TAKE_PROFIT, one[0], one[1]
