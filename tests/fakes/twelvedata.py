"""The feed of Twelve Data before its simulator, on one clock: the test's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

from aiohttp import web

from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock, to_ms
from tests.simulators.shared.server import Server, served
from tests.simulators.twelvedata.credits import PLANS, Account
from tests.simulators.twelvedata.instruments import USUAL, Instrument
from tests.simulators.twelvedata.rest import build
from tests.simulators.twelvedata.vendor import KEY, TwelveData
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.twelvedata.client import Client, http_client
from tradebotd.feeds.twelvedata.credits import Credits
from tradebotd.feeds.twelvedata.feed import TwelveDataFeed
from tradebotd.net.gate import Gate


class FollowedClock(SimulatorClock):
    """The simulator's clock, at the time of the test's; what is set off stays set off."""

    def __init__(self, clock: MarketClock) -> None:
        super().__init__(clock.now(), running=False)
        self._followed = clock

    def now_ms(self) -> int:
        return to_ms(self._followed.now()) + self.offset // timedelta(milliseconds=1)


class FollowedHost:
    """Implements `ports.clock.HostClock` at the time of the test's clock; a sleep is over at once."""

    def __init__(self, clock: MarketClock) -> None:
        self._followed = clock
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._followed.now()

    def monotonic(self) -> float:
        return to_ms(self._followed.now()) / 1_000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._followed.jump_to(self._followed.now() + timedelta(seconds=seconds))


class TwelveDataStage:
    """*a_minute*, *a_day*: what the feed believes of its plan; the vendor has one of its own."""

    def __init__(self, server: Server, vendor: TwelveData, clock: MarketClock) -> None:
        self.server, self.vendor, self.clock = server, vendor, clock
        self.host = FollowedHost(clock)
        self.feeds: list[TwelveDataFeed] = []

    def feed(
        self,
        name: FeedName,
        *,
        a_minute: int = 10_000,
        a_day: int | None = None,
        key: str = KEY,
    ) -> TwelveDataFeed:
        credits_ = Credits(Gate(name, self.host), a_minute, a_day, self.host)
        http = http_client(name, key, base_url=self.server.http)
        client = Client(name, http, credits_, self.host, Random(1))
        self.feeds.append(TwelveDataFeed(name, client, self.clock, self.host))
        return self.feeds[-1]


@asynccontextmanager
async def staged(
    clock: MarketClock,
    *,
    plan: str = "ultra",
    instruments: Sequence[Instrument] = USUAL,
    **vendor: Any,
) -> AsyncIterator[TwelveDataStage]:
    followed = FollowedClock(clock)
    made = TwelveData(
        followed, instruments=instruments, accounts={KEY: Account(PLANS[plan])}, **vendor
    )

    def app(scene: Scene) -> web.Application:
        return build(scene, made)

    async with served(app, clock=followed) as server:
        stage = TwelveDataStage(server, made, clock)
        try:
            yield stage
        finally:
            for feed in stage.feeds:
                await feed.close()
