"""Where a price goes: to the triggers first, then to the orders that rest at a paper venue."""

from collections.abc import Awaitable, Sequence

from tradebotd.domain.candle import PathPoint
from tradebotd.trading.protection import Protection
from tradebotd.venues.paper.venue import PaperVenue


class Points:
    """In one order, so that a replay and its repetition meet the same things."""

    def __init__(self, protection: Protection, papers: Sequence[PaperVenue]) -> None:
        self._protection = protection
        self._papers = papers

    def on_point(self, point: PathPoint) -> Awaitable[None] | None:
        """None when nothing must be done, as for nearly every point."""
        acting = self._protection.on_tick(point)
        if acting is not None:
            return self._act_and_meet(acting, point)
        meeting = [met for paper in self._papers if (met := paper.on_point(point)) is not None]
        return self._meet(meeting) if meeting else None

    async def _act_and_meet(self, acting: Awaitable[None], point: PathPoint) -> None:
        await acting
        for paper in self._papers:
            meeting = paper.on_point(point)
            if meeting is not None:
                await meeting

    async def _meet(self, meeting: Sequence[Awaitable[None]]) -> None:
        for each in meeting:
            await each
