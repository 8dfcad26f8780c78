"""Several simulated feeds as one recording: one clock, one path through all of them."""

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import attrgetter

from tradebotd.domain.candle import Tick
from tradebotd.domain.ids import FeedName
from tradebotd.ports.feed import SimulatedFeed


class AllFeeds:
    def __init__(self, feeds: Mapping[FeedName, SimulatedFeed]) -> None:
        self._feeds = [feed for _, feed in sorted(feeds.items())]

    def span(self) -> tuple[datetime, datetime]:
        spans = [feed.span() for feed in self._feeds]
        return min(start for start, _ in spans), max(end for _, end in spans)

    def path(self, after: datetime | None) -> Iterator[Tick]:
        paths = [feed.path(after) for feed in self._feeds]
        return paths[0] if len(paths) == 1 else heapq.merge(*paths, key=attrgetter("at", "symbol"))
