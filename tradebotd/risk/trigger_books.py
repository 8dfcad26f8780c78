"""Trigger books by kind of price: each position is in that of the price which ends it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Final

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind
from tradebotd.risk.exit_levels import more_favourable
from tradebotd.risk.trigger_book import TriggerBook
from tradebotd.risk.triggers import MovedStop, Trigger

_LAST: Final = PriceKind.LAST


class TriggerBooks:
    """Books of one task. `others`: positions that another price than the last one ends.

    A tick of one kind meets the book of that kind and no other. Methods by position raise KeyError
    if it is unknown, but for `remove`.
    """

    def __init__(self) -> None:
        self.last = TriggerBook()
        self._by_kind = {kind: TriggerBook() for kind in PriceKind if kind is not _LAST}
        self._of_position: dict[PositionId, TriggerBook] = {}
        self.others = 0

    def __contains__(self, position_id: PositionId) -> bool:
        return position_id in self._of_position

    def of(self, kind: PriceKind) -> TriggerBook:
        return self.last if kind is _LAST else self._by_kind[kind]

    def tick(self, symbol: str, price: Decimal, kind: PriceKind = _LAST) -> Sequence[Trigger]:
        return self.of(kind).tick(symbol, price)

    def add(self, position: Position, tick_size: Decimal) -> None:
        self.remove(position.id)
        self._put(position, tick_size, latched=False)

    def update(self, position: Position) -> None:
        """Take new levels, as the book of one kind does; with another kind it changes books.

        Best price and latch go along.
        """
        before, after = self._of_position[position.id], self.of(position.trigger_kind)
        if before is after:
            before.update(position)
            return
        latched = before.latched(position.id)
        tick_size = before.tick_size(position.symbol)
        best = more_favourable(position.side, before.best_price(position.id), position.best_price)
        self.remove(position.id)
        self._put(replace(position, best_price=best), tick_size, latched=latched)

    def remove(self, position_id: PositionId) -> None:
        book = self._of_position.pop(position_id, None)
        if book is not None:
            book.remove(position_id)
            self.others -= book is not self.last

    def release(self, position_id: PositionId) -> None:
        self._of_position[position_id].release(position_id)

    def latched(self, position_id: PositionId) -> bool:
        return self._of_position[position_id].latched(position_id)

    def is_unmoved(self, position: Position) -> bool:
        return self._of_position[position.id].is_unmoved(position)

    def as_moved(self, position_id: PositionId) -> Position:
        return self._of_position[position_id].as_moved(position_id)

    def moved_since_last_persist(self) -> Iterator[MovedStop]:
        return chain.from_iterable(
            book.moved_since_last_persist() for book in (self.last, *self._by_kind.values())
        )

    def _put(self, position: Position, tick_size: Decimal, *, latched: bool) -> None:
        book = self._of_position[position.id] = self.of(position.trigger_kind)
        book.add(position, tick_size, latched=latched)
        self.others += book is not self.last
