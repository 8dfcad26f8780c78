"""Where a price goes: to the triggers first, then to the orders that rest at a paper venue."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from tradebotd.domain.candle import Tick
from tradebotd.market.calendars import Calendar
from tradebotd.ports.prices import PriceSource
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.venues.paper.venue import PaperVenue


class TickRouter:
    """In one order, so that a replay and its repetition meet the same things.

    *hours*: of symbols that do not trade all the time. What trades outside them meets no order
    that rests, as at a venue whose stops wait for the session; the first price of a session, or
    after a break, comes after a gap, whatever was traded before it. *prices*: what was recorded
    until now. *entry_orders*: those that rest and have been stopped are taken back before the next
    price (at speed 0, where nobody else attends to that).
    """

    def __init__(
        self,
        protection: ExitManager,
        papers: Sequence[PaperVenue],
        hours: Mapping[str, Calendar],
        prices: PriceSource,
        entry_orders: RestingEntries | None = None,
    ) -> None:
        self._protection = protection
        self._papers = papers
        self._hours = hours
        self._prices = prices
        self._entry_orders = entry_orders

    def on_point(self, point: Tick) -> Awaitable[None] | None:
        """None when nothing must be done, as for nearly every point."""
        if self._entry_orders is not None and self._entry_orders.stirred:
            return self._take_back_and_meet(self._entry_orders, point)
        return self._meet(point)

    async def _take_back_and_meet(self, entry_orders: RestingEntries, point: Tick) -> None:
        await entry_orders.attend_once()
        acting = self._meet(point)
        if acting is not None:
            await acting

    def _meet(self, point: Tick) -> Awaitable[None] | None:
        hours = self._hours.get(point.symbol)
        if hours is not None and not point.after_gap and self._has_reopened(point, hours):
            point = replace(point, after_gap=True)
        acting = self._protection.on_tick(point)
        if acting is not None:
            return self._act_and_meet(acting, point)
        meeting = self._meeting(point)
        return _all(meeting) if meeting else None

    def _has_reopened(self, point: Tick, hours: Calendar) -> bool:
        """Whether the price before it is of another session, of before a break, or of none."""
        last = self._prices.last_prices(point.symbol)
        before = None if last is None else hours.hours_at(last.at)
        return before is None or before != hours.hours_at(point.at)

    async def _act_and_meet(self, acting: Awaitable[None], point: Tick) -> None:
        await acting
        await _all(self._meeting(point))

    def _meeting(self, point: Tick) -> list[Awaitable[None]]:
        hours = self._hours.get(point.symbol)
        if hours is not None and not hours.is_open(point.at):
            return []
        return [met for paper in self._papers if (met := paper.on_point(point)) is not None]


async def _all(meeting: Sequence[Awaitable[None]]) -> None:
    for each in meeting:
        await each
