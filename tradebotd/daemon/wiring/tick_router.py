"""Route of a price: first to the exits' triggers, then to orders resting at a paper venue."""

from collections.abc import Awaitable, Mapping, Sequence

from tradebotd.domain.candle import Tick
from tradebotd.market.calendars import Calendar
from tradebotd.ports.prices import PriceSource
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.venues.paper.venue import PaperVenue


class TickRouter:
    """Router with a fixed order, so that a replay repeats itself exactly.

    *hours*: of symbols that do not trade around the clock. Trades outside them fill no resting
    order, as at a venue whose stops wait for the session; the first price of a session, or after a
    break, counts as after a gap, whatever traded before. *prices*: those recorded so far.
    *entry_orders*: stopped ones are cancelled before the next price (at speed 0, where no task
    attends to them).
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

    def on_tick(self, tick: Tick) -> Awaitable[None] | None:
        """Handle a price; returns None if there is nothing to do, as for nearly every one."""
        if self._entry_orders is not None and self._entry_orders.dirty:
            return self._take_back_and_meet(self._entry_orders, tick)
        return self._meet(tick)

    async def _take_back_and_meet(self, entry_orders: RestingEntries, tick: Tick) -> None:
        await entry_orders.run_once()
        acting = self._meet(tick)
        if acting is not None:
            await acting

    def _meet(self, tick: Tick) -> Awaitable[None] | None:
        hours = self._hours.get(tick.symbol)
        if hours is not None and not tick.after_gap and self._has_reopened(tick, hours):
            tick = tick._replace(after_gap=True)
        acting = self._protection.on_tick(tick)
        if acting is not None:
            return self._act_and_meet(acting, tick)
        meeting = self._matching(tick) if self._papers else []
        return _all(meeting) if meeting else None

    def _has_reopened(self, tick: Tick, hours: Calendar) -> bool:
        """Return whether the last price was in another session or part of one, or is missing."""
        last = self._prices.last_prices(tick.symbol, tick.kind)
        before = None if last is None else hours.hours_at(last.at)
        return before is None or before != hours.hours_at(tick.at)

    async def _act_and_meet(self, acting: Awaitable[None], tick: Tick) -> None:
        await acting
        await _all(self._matching(tick))

    def _matching(self, tick: Tick) -> list[Awaitable[None]]:
        hours = self._hours.get(tick.symbol)
        if hours is not None and not hours.is_open(tick.at):
            return []
        return [met for paper in self._papers if (met := paper.on_tick(tick)) is not None]


async def _all(matching: Sequence[Awaitable[None]]) -> None:
    for awaited in matching:
        await awaited
