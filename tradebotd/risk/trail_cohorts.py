"""Positions that trail from a common best price move as one.

A better price lifts every position whose best it exceeds: they merge into one cohort, whose members
differ only in their trailing distance. So a tick moves one number, however many positions depend on
it. Each position is merged into a larger cohort at most log2(n) times.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Final

from tradebotd.domain.ids import PositionId
from tradebotd.domain.side import PositionSide
from tradebotd.risk.exit_levels import TrailDistance, more_favourable

INFINITE: Final = Decimal("Infinity")


@dataclass(slots=True, eq=False)
class Cohort:
    """Positions with one best price, by how far behind it they trail.

    `fractions` and `amounts` are sorted, the tightest first; which of the two first entries is
    tighter depends on the price.
    """

    best: Decimal
    groups: dict[TrailDistance, dict[PositionId, None]] = field(default_factory=dict)
    fractions: list[TrailDistance] = field(default_factory=list)
    amounts: list[TrailDistance] = field(default_factory=list)
    size: int = 0
    merged_into: "Cohort | None" = None

    def add(self, position_id: PositionId, distance: TrailDistance) -> None:
        group = self.groups.get(distance)
        if group is None:
            group = self.groups[distance] = {}
            insort(self._ladder(distance), distance)
        group[position_id] = None
        self.size += 1

    def remove(self, position_id: PositionId, distance: TrailDistance) -> None:
        group = self.groups[distance]
        del group[position_id]
        self.size -= 1
        if not group:
            del self.groups[distance]
            ladder = self._ladder(distance)
            del ladder[bisect_left(ladder, distance)]

    def absorb(self, other: "Cohort") -> None:
        for distance, group in other.groups.items():
            self.groups.setdefault(distance, {}).update(group)
        self.fractions = sorted(distance for distance in self.groups if not distance.amount)
        self.amounts = sorted(distance for distance in self.groups if distance.amount)
        self.size += other.size
        other.merged_into = self

    def _ladder(self, distance: TrailDistance) -> list[TrailDistance]:
        return self.amounts if distance.amount else self.fractions


class Trail:
    """One side of one symbol. `best` is the least favourable of the cohorts' best prices.

    A better price exceeds that one first; without members no price reaches it.
    """

    def __init__(self, side: PositionSide, tick_size: Decimal) -> None:
        self._side = side
        self._long = side is PositionSide.LONG
        self._tick_size = tick_size
        self._nowhere = INFINITE if self._long else -INFINITE
        self._cohorts: dict[Decimal, Cohort] = {}  # by best price, all but the first
        self._order: list[Decimal] = []  # a heap of their keys; may hold some that are gone
        self._levels: list[tuple[Decimal, Decimal]] = []  # a heap of (key of level, best price)
        self._first: Cohort | None = None
        self.best = self._nowhere

    def add(self, position_id: PositionId, distance: TrailDistance, best: Decimal) -> Cohort:
        first = self._first
        if first is None or best == self.best:
            cohort = first or Cohort(best)
            self._make_first(cohort, best)
        elif self._key(best) < self._key(self.best):
            self._put_aside(first)
            cohort = Cohort(best)
            self._make_first(cohort, best)
        else:
            cohort = self._cohorts.get(best) or Cohort(best)
        cohort.add(position_id, distance)
        if cohort is not self._first:
            self._enter(cohort)
        return cohort

    def remove(self, position_id: PositionId, distance: TrailDistance, cohort: Cohort) -> None:
        cohort = _current(cohort)
        cohort.remove(position_id, distance)
        if cohort.size:
            return
        if cohort is self._first:
            self._take_next()
        else:
            del self._cohorts[cohort.best]

    def best_of(self, cohort: Cohort) -> Decimal:
        cohort = _current(cohort)
        return self.best if cohort is self._first else cohort.best

    def advance(self, price: Decimal) -> None:
        """Lift every cohort whose best price *price* exceeds."""
        first, key = self._first, self._key(price)
        if first is None or key <= self._key(self.best):
            return
        while (following := self._next_best()) is not None and self._key(following) <= key:
            heappop(self._order)
            other = self._cohorts.pop(following)
            if other.size > first.size:
                first, other = other, first
            first.absorb(other)
        self._make_first(first, price)

    def next_best(self) -> Decimal:
        """Return the best price of the cohort that a price would reach after the first."""
        following = self._next_best()
        return self._nowhere if following is None else following

    def level(self) -> Decimal:
        """Return the nearest trailing stop of all."""
        nearest = -INFINITE if self._long else INFINITE
        if self._first is not None:
            nearest = self._tightest(self._first, self.best)
        aside = self._nearest_aside()
        if aside is None:
            return nearest
        other = self._tightest(aside, aside.best)
        return max(nearest, other) if self._long else min(nearest, other)

    def triggered(self, price: Decimal) -> Iterator[tuple[PositionId, Decimal]]:
        """Yield members whose stop *price* has met, with its level; the caller removes each.

        The caller does so at once. A price that is itself the best has not come back to a stop,
        though on a coarse tick the rounded stop may lie on it.
        """
        while (first := self._first) is not None and self.best != price:
            yield from self._triggered_in(first, self.best, price)
            if first.size:
                break
        while (aside := self._nearest_aside()) is not None:
            before = aside.size
            yield from self._triggered_in(aside, aside.best, price)
            if aside.size == before:
                return

    def _triggered_in(
        self, cohort: Cohort, best: Decimal, price: Decimal
    ) -> Iterator[tuple[PositionId, Decimal]]:
        for ladder in (cohort.fractions, cohort.amounts):
            while ladder:
                distance = ladder[0]
                level = distance.level(self._side, best, self._tick_size)
                if self._key(price) > self._key(level):
                    break
                for position_id in list(cohort.groups[distance]):
                    yield position_id, level

    def _tightest(self, cohort: Cohort, best: Decimal) -> Decimal:
        fractions, amounts = cohort.fractions, cohort.amounts
        if not amounts:
            return fractions[0].level(self._side, best, self._tick_size)
        level = amounts[0].level(self._side, best, self._tick_size)
        if not fractions:
            return level
        return more_favourable(
            self._side, level, fractions[0].level(self._side, best, self._tick_size)
        )

    def _nearest_aside(self) -> Cohort | None:
        """Return the cohort behind the first that has the nearest level."""
        while self._levels:
            key, best = self._levels[0]
            cohort = self._cohorts.get(best)
            if cohort is not None and key == -self._key(self._tightest(cohort, best)):
                return cohort
            heappop(self._levels)
            if cohort is not None:
                heappush(self._levels, (-self._key(self._tightest(cohort, best)), best))
        return None

    def _next_best(self) -> Decimal | None:
        while self._order:
            best = self._key(self._order[0])
            if best in self._cohorts:
                return best
            heappop(self._order)
        return None

    def _make_first(self, cohort: Cohort, best: Decimal) -> None:
        cohort.best = best
        self._first, self.best = cohort, best

    def _take_next(self) -> None:
        following = self._next_best()
        if following is None:
            self._first, self.best = None, self._nowhere
            return
        heappop(self._order)
        self._make_first(self._cohorts.pop(following), following)

    def _put_aside(self, cohort: Cohort) -> None:
        cohort.best = self.best
        self._enter(cohort)

    def _enter(self, cohort: Cohort) -> None:
        if cohort.best not in self._cohorts:
            self._cohorts[cohort.best] = cohort
            heappush(self._order, self._key(cohort.best))
        heappush(self._levels, (-self._key(self._tightest(cohort, cohort.best)), cohort.best))
        if len(self._levels) > 64 + 4 * len(self._cohorts):
            self._levels = [
                (-self._key(self._tightest(cohort, best)), best)
                for best, cohort in self._cohorts.items()
            ]
            heapify(self._levels)

    def _key(self, price: Decimal) -> Decimal:
        """Return a key that grows as the price becomes more favourable."""
        return price if self._long else price.copy_negate()


def _current(cohort: Cohort) -> Cohort:
    while cohort.merged_into is not None:
        if cohort.merged_into.merged_into is not None:
            cohort.merged_into = cohort.merged_into.merged_into
        cohort = cohort.merged_into
    return cohort
