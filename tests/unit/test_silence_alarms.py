"""Streams that tell nothing: which are silent, when that is said, and what is said of many."""

import anyio

from tests.fakes.market_data import START, standing_clock
from tests.fakes.standing_alerts import StoredAlerts
from tests.fakes.stepped_host import SteppedHost, until
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.stream_watch import StreamWatch
from tradebotd.market.silence_alarms import MOST_SUBJECTS, SilenceAlarms
from tradebotd.net.silence import ALARM_SECONDS

ONE, OTHER = FeedName("one"), FeedName("other")


class Watched:
    """A watch whose time a test moves, and what it has told."""

    def __init__(self) -> None:
        self.clock = standing_clock(START)
        self.host = SteppedHost(self.clock, turn=0)
        self.watch = StreamWatch(ONE, self.host)
        self.told: list[set[str]] = []
        self.closed: set[str] = set()
        self.watch.begin(lambda silent: self.told.append(set(silent)))

    async def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.host.advance(1)
            self.watch.look(lambda stream: stream not in self.closed)


async def test_a_silent_stream_is_told_once_and_once_that_it_is_heard_again() -> None:
    """M3.10: whatever is connected anew meanwhile."""
    watched = Watched()
    watched.watch.expect({"a": ALARM_SECONDS, "b": ALARM_SECONDS})
    for _ in range(int(ALARM_SECONDS) + 1):
        watched.watch.heard("b")
        await watched.advance(1)
    assert watched.told == [set(), {"a"}]
    assert watched.watch.quiet_for(["a", "b"]) == 0
    assert watched.watch.quiet_for(["a"]) > ALARM_SECONDS
    watched.watch.expect({"a": ALARM_SECONDS})
    assert watched.watch.quiet_for(["a"]) == 0  # a new connection has its time
    await watched.advance(int(ALARM_SECONDS) + 1)
    assert watched.told[-1] >= {"a"}
    assert sum("a" in each for each in watched.told) == len(watched.told) - 1
    watched.watch.heard("a")
    assert "a" not in watched.told[-1]


async def test_its_own_rate_says_when_a_stream_is_silent() -> None:
    """M3.10: a busy one sooner, and none later than thirty seconds behind what was due."""
    watched = Watched()
    watched.watch.expect({"busy": ALARM_SECONDS, "slow": ALARM_SECONDS})
    for second in range(180):
        watched.watch.heard("busy")
        if second % 20 == 0:
            watched.watch.heard("slow")
        await watched.advance(1)
    assert watched.told == [set()]
    await watched.advance(6)
    assert watched.told[-1] == {"busy"}
    await watched.advance(int(ALARM_SECONDS))
    assert watched.told[-1] == {"busy", "slow"}


async def test_nothing_is_expected_while_the_market_is_closed() -> None:
    """M3.9, M3.10: what was silent is not any more, and at the open it has its time."""
    watched = Watched()
    watched.watch.expect({"a": ALARM_SECONDS})
    await watched.advance(int(ALARM_SECONDS) + 1)
    assert watched.told[-1] == {"a"}
    watched.closed.add("a")
    await watched.advance(200)
    assert watched.told[-1] == set()
    watched.closed.clear()
    await watched.advance(int(ALARM_SECONDS) - 1)
    assert watched.told[-1] == set()
    await watched.advance(3)
    assert watched.told[-1] == {"a"}
    watched.watch.drop(["a"])
    assert watched.told[-1] == set()


async def test_what_is_silent_is_written_down_until_it_could_be() -> None:
    """M3.10, M8: all feeds' streams together; and what an earlier life has told is over."""
    host = SteppedHost(standing_clock(START))
    alerts = StoredAlerts(fails=2)
    alarms = SilenceAlarms(alerts, host)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alarms.run)
        await until(lambda: alerts.fails == 1)
        await host.advance(6)
        await until(lambda: not alerts.fails)
        alarms.report(ONE, {"a": "nothing was told for 31 s"})
        alarms.report(OTHER, {"b": "nothing was told for 6 s"})
        await host.advance(6)
        await until(lambda: alerts.updates)
        assert [*alerts.updates[-1]] == ["one a", "other b"]
        alarms.report(ONE, {})
        await until(lambda: [*alerts.updates[-1]] == ["other b"])
        tasks.cancel_scope.cancel()


def test_many_silent_streams_of_a_feed_are_one_alert() -> None:
    """M8: a feed that is away is one thing, and not a thousand."""
    alarms = SilenceAlarms(StoredAlerts(), SteppedHost(standing_clock(START)))
    alarms.report(ONE, {f"s{number}": "mute" for number in range(MOST_SUBJECTS + 1)})
    alarms.report(OTHER, {"b": "mute"})
    assert sorted(alarms.conditions()) == ["feed one", "other b"]
    assert "s0, s1, s10 among them" in alarms.conditions()["feed one"]
