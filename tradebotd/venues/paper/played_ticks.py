"""Ticks that the paper venue has matched against: each once, however often it is played."""

from datetime import datetime

from tradebotd.domain.quote import PriceKind
from tradebotd.venues.paper.settlement import BookChanges


class PlayedTicks:
    """Kinds of the ticks that acted at the cursor of each symbol; changed by `follow`.

    The books keep the cursor, a time; ticks of several kinds may have one time.
    """

    def __init__(self) -> None:
        self._acting: tuple[BookChanges, str, datetime, PriceKind] | None = None
        self._acted: dict[str, tuple[datetime, frozenset[PriceKind]]] = {}

    def is_behind(
        self, cursor: datetime | None, symbol: str, at: datetime, kind: PriceKind
    ) -> bool:
        """Return whether it was played; after a restart, a last price was at the cursor."""
        if cursor is None or cursor < at:
            return False
        acted_at, kinds = self._acted.get(symbol, (None, frozenset[PriceKind]()))
        known = kinds if acted_at == at else frozenset({PriceKind.LAST})
        return cursor > at or kind in known

    def add(self, changes: BookChanges, symbol: str, at: datetime, kind: PriceKind) -> None:
        """Note the tick that *changes* are made by."""
        self._acting = changes, symbol, at, kind

    def follow(self, changes: BookChanges) -> None:
        if self._acting is not None and self._acting[0] is changes:
            _, symbol, at, kind = self._acting
            acted_at, kinds = self._acted.get(symbol, (None, frozenset[PriceKind]()))
            self._acted[symbol] = at, (kinds if acted_at == at else frozenset()) | {kind}
        self._acting = None
