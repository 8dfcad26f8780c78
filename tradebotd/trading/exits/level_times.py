"""Times since which positions have their levels: a price from before was overtaken by a fill."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.clock import Clock

ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


class LevelTimes:
    """Times by position, by our own clock: when we heard of the fill that made its levels.

    The fill is newer than every price of before, and away from where the market was then. A venue
    that *echoes* our prices has filled at one of those: at it none is too old.
    """

    def __init__(self, clock: Clock, echoes: Callable[[VenueName], bool]) -> None:
        self._clock = clock
        self._echoes = echoes
        self._since: dict[PositionId, datetime] = {}
        self._newest: dict[tuple[str, PriceKind], datetime] = {}

    def note(self, position: Position, former: Position | None) -> None:
        """Note levels that are new, or that a fill has moved since *former*.

        An operator's are checked as they are set, and steps that were passed over fill nothing.
        """
        moved = former is None or (
            former.quantity != position.quantity and _basis(former) != _basis(position)
        )
        self._set(position, self._clock.now() if moved else self.of(position))

    def of(self, position: Position) -> datetime:
        """Return since when a price may meet the position's levels; never later than now.

        A clock that was set back takes the time along: nothing stays unguarded until it is there
        again.
        """
        if self._echoes(position.venue):
            return ALWAYS
        since, now = self._since.get(position.id, position.opened_at), self._clock.now()
        if since > now:
            since = now
            self._set(position, now)
        return since

    def is_overtaken(self, symbol: str, kind: PriceKind, at: datetime) -> bool:
        """Return whether a price of *at* may be older than the levels of some position."""
        newest = self._newest.get((symbol, kind))
        return newest is not None and at < newest

    def forget(self, position_id: PositionId) -> None:
        self._since.pop(position_id, None)

    def _set(self, position: Position, at: datetime) -> None:
        if not self._echoes(position.venue):
            self._since[position.id] = at
            key = position.symbol, position.trigger_kind
            self._newest[key] = max(self._newest.get(key, at), at)


def _basis(position: Position) -> tuple[object, ...]:
    """Return what fills have made of the levels."""
    return position.entry_price, position.ladder_done
