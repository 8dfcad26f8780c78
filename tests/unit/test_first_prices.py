"""The first price of a session from a provider that tells no time: it may be yesterday's close."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.market_data import market_symbol, standing_clock
from tests.unit.test_price_poll import FIRST, Quoted, Timed, Told
from tradebotd.market.calendars import ExchangeCalendar
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.sessions import Break, Session

MINUTE = timedelta(minutes=1)
OPENS = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
LUNCH = OPENS + timedelta(hours=2)


def session(opens: datetime) -> Session:
    lunch = Break(opens + timedelta(hours=2), opens + timedelta(hours=3))
    return Session(opens.date(), opens, opens + timedelta(hours=6), (lunch,))


CALENDAR = ExchangeCalendar("XTST", [session(OPENS + timedelta(days=day)) for day in (-1, 0, 1)])


class Asked:
    """One share, asked for by a poll that began at *since*."""

    def __init__(self, feed: Quoted, since: datetime) -> None:
        self.feed, self.clock, self.told = feed, standing_clock(since), Told()
        given: Mapping[str, Any] = {"feeds": {FIRST: feed}, "calendars": {"XTST": CALENDAR}}
        share = market_symbol("A", feeds=(FIRST,), calendar="XTST")
        self.poll = PricePoll(FIRST, symbols=[share], clock=self.clock, on_tick=self.told, **given)

    async def at(self, instant: datetime, *prices: str) -> list[Decimal]:
        """What is told of *prices*, a minute apart, the first of them at *instant*."""
        self.told.ticks.clear()
        for number, price in enumerate(prices):
            self.clock.jump_to(instant + number * MINUTE)
            self.feed.prices = {"A": price}
            await self.poll.poll()
        return [each.price for each in self.told.ticks]


async def test_the_last_price_of_before_the_open_is_none_of_the_session() -> None:
    """M3.10: asked for before the open or made by the closing auction: until another is told."""
    asked = Asked(Quoted(FIRST, {}), OPENS - timedelta(hours=20))
    assert await asked.at(OPENS + MINUTE, "100", "100", "101", "100") == [101, 100]
    assert await asked.at(LUNCH + timedelta(hours=1), "99", "98") == [98]
    assert await asked.at(OPENS + timedelta(days=1), "98", "97") == [97]


@pytest.mark.parametrize(
    ("traded", "taken"), [(MINUTE, [100, 100]), (-MINUTE, [100])], ids=["since", "before"]
)
async def test_a_print_that_tells_its_time_says_whether_it_is_of_the_session(
    traded: timedelta, taken: list[int]
) -> None:
    """M3.10: one of before it is told as that; a price without a time stays unbelieved."""
    feed = Timed(FIRST, {})
    asked = Asked(feed, OPENS - MINUTE)
    feed.at = OPENS + traded
    first = await asked.at(OPENS + MINUTE, "100")
    feed.at = None
    assert first + await asked.at(OPENS + 2 * MINUTE, "100") == taken


async def test_a_session_that_is_under_way_has_its_first_price_at_once() -> None:
    """M5.4: a restart, or `flatten`, has no later one to wait for."""
    assert await Asked(Quoted(FIRST, {}), OPENS).at(OPENS, "100") == [100]
