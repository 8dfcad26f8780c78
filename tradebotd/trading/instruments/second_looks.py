"""Second looks at filters that would shut in what is held: told once, they are not believed."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tradebotd.domain.instrument import Instrument
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.trading.instruments.told_filters import why_doubted

LEAST_APART: Final = timedelta(minutes=1)

Held = Callable[[], Iterable[Position]]


class _First(NamedTuple):
    told: Instrument
    at: datetime

    def agrees(self, told: Instrument) -> bool:
        """Return whether what sells a position is the same."""
        return all(
            getattr(self.told, name) == getattr(told, name)
            for name in (
                *("lot_size", "min_quantity", "max_quantity", "market_lot"),
                *("min_notional", "max_notional", "notional_at_market"),
            )
        )


class SecondLooks:
    """Filters told once, by symbol. *held*: the open positions, of all symbols."""

    def __init__(self, clock: Clock, held: Held) -> None:
        self._clock = clock
        self._held = held
        self._first: dict[str, _First] = {}

    @property
    def awaited(self) -> bool:
        """Return whether something is to be told a second time."""
        return bool(self._first)

    def doubt(self, told: Instrument, known: Instrument) -> str | None:
        """Return why *told* must not come into force yet; None: it may.

        It may once it was told twice, LEAST_APART at least.
        """
        name, now = told.symbol, self._clock.now()
        reason = why_doubted(told, known, [each for each in self._held() if each.symbol == name])
        first = self._first.pop(name, None)
        if reason is None:
            return None
        if first is None or not first.agrees(told):
            first = _First(told, now)
        if now - first.at >= LEAST_APART:
            return None
        self._first[name] = first
        return f"{reason}: not in force until it is told again, a minute later or more"
