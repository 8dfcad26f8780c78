"""In the daemon's process: its time is the shared one, and the venue sees each price before it does.

Everything else of the daemon is its own: configuration, wiring, adapter, network client, PostgreSQL.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.kills.outliving import HOST
from tests.kills.vendors.shared_time import EPOCH, MICROSECOND, SharedTime
from tradebotd.clocks import host as real_host
from tradebotd.clocks.market import MarketClock
from tradebotd.daemon.wiring import trading
from tradebotd.daemon.wiring import venues as venue_wiring
from tradebotd.domain.candle import Tick
from tradebotd.domain.order import OrderReport
from tradebotd.ports.venue import StreamState
from tradebotd.venues.alpaca import building as alpaca_building
from tradebotd.venues.binance.spot import building as spot_building
from tradebotd.venues.binance.usdm import building as usdm_building

# Imported before the fork, once for all lives.
ADAPTERS: Final = (alpaca_building, spot_building, usdm_building)
LONGEST: Final = 100_000  # bytes of an answer
CONNECTED_WITHIN: Final = 3.0  # seconds, of the order stream, before the first price
HEARD_WITHIN: Final = 0.5  # seconds, for what a price has done to be told
LOOK_SECONDS: Final = 0.005
# The account's lease is counted in the seconds of its holders, who have no replay.
OF_THE_MACHINE: Final = "tradebotd.daemon.lifecycle"


class Shown:
    """The venue's process, which is shown each price; what its adapter was told is counted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard = 0
        self._connected = anyio.Event()

    def overhear(self, adapter: Any) -> None:
        """Count what *adapter* tells its listener."""
        listen = adapter.listen

        def listened(
            listener: Callable[[OrderReport], Awaitable[None]],
            on_stream: Callable[[StreamState], Awaitable[None]],
        ) -> None:
            async def hear(report: OrderReport) -> None:
                await listener(report)
                self._heard += 1

            async def see(state: StreamState) -> None:
                await on_stream(state)
                if state.connected:
                    self._connected.set()

            listen(hear, see)

        adapter.listen = listened

    async def show(self, tick: Tick) -> None:
        """Show a price, and wait a while for the news that it makes."""
        with anyio.move_on_after(CONNECTED_WITHIN):
            await self._connected.wait()
        self._connected.set()  # it was waited for once
        before = self._heard
        at = (tick.at - EPOCH) // MICROSECOND
        told = await self._asked({"do": "tick", "price": str(tick.price), "at": at})
        if told["changed"]:
            with anyio.move_on_after(HEARD_WITHIN):
                while self._heard < before + told["changed"]:  # noqa: ASYNC110 - no event tells
                    await anyio.sleep(LOOK_SECONDS)

    async def _asked(self, line: dict[str, Any]) -> Any:
        async with await anyio.connect_tcp(HOST, self._port) as stream:
            await stream.send(json.dumps(line).encode() + b"\n")
            answer = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
        return json.loads(answer)["data"]


class ShownFirst:
    """Route of a price: the venue first, and then the daemon's own."""

    def __init__(self, inner: Any, shown: Shown) -> None:
        self._inner, self._shown = inner, shown

    async def on_tick(self, tick: Tick) -> None:
        await self._shown.show(tick)
        acting = self._inner.on_tick(tick)
        if acting is not None:
            await acting


async def live_at(shared: SharedTime, port: int, life: Callable[[], Awaitable[object]]) -> None:
    """Run *life* beside the venue whose process listens on *port*; the process is used up by it."""
    shown = Shown(port)
    _share(shared)
    wiring: Any = trading
    building: Any = venue_wiring
    router, wire = wiring.TickRouter, building.wire_venues

    def wired(*arguments: Any) -> Any:
        adapters = wire(*arguments)
        for adapter in adapters.values():
            shown.overhear(adapter)
        return adapters

    building.wire_venues = wired
    wiring.TickRouter = lambda *arguments: ShownFirst(router(*arguments), shown)
    await life()


def _share(shared: SharedTime) -> None:
    """The machine's time is the shared one, for all but the lease; the replay moves it on."""
    system = real_host.SystemHost
    for title, module in sorted(sys.modules.items()):
        if not title.startswith("tradebotd.") or title == OF_THE_MACHINE:
            continue
        if getattr(module, "SystemHost", None) is system:
            setattr(module, "SystemHost", lambda: shared)  # noqa: B010 - of any module
    clock: Any = MarketClock
    jump = clock.jump_to

    def jump_to(self: MarketClock, instant: datetime) -> None:
        jump(self, instant)
        shared.reach(instant)

    clock.jump_to = jump_to
