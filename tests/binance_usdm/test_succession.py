"""User stream of Binance USDT-M: a successor that loses nothing, and bans that it keeps to."""

from datetime import timedelta

import anyio
import pytest

from tests.binance_usdm.scene import Scene, order, scene
from tests.simulators.shared.faults import ALWAYS, Executed, Fault, Kind
from tradebotd.domain.order import OrderReport
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.venues.binance.usdm import expectations, user_stream

ROUTE = "/private"


class Slow:
    """Listener that takes its time: `begun` and `ended` are what it was told of."""

    def __init__(self, usdm: Scene) -> None:
        self.begun: list[OrderReport] = []
        self.ended: list[OrderReport] = []
        self.go_on = anyio.Event()
        usdm.venue.listen(self, usdm.see)

    async def __call__(self, report: OrderReport) -> None:
        self.begun.append(report)
        await self.go_on.wait()
        self.ended.append(report)


async def buys(usdm: Scene, *names: str) -> None:
    for name in names:
        await usdm.send(name, order(Side.BUY, "0.01"))


def filled(reports: list[OrderReport]) -> list[str]:
    return [each.client_order_id for each in reports if each.fills]


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_told_slowly_is_told_all_while_the_connection_is_replaced(
    *, announced: bool
) -> None:
    """S7, M5.6: neither the event that is being told, nor those that wait behind it."""
    async with scene(streams=True) as usdm:
        slow, stream = Slow(usdm), usdm.parts.stream
        first = stream._current
        assert first is not None
        await buys(usdm, "tb1", "tb2", "tb3")
        await usdm.until(lambda: slow.begun)
        if announced:
            key = usdm.simulator.listen_keys.key_of("one")
            assert key is not None
            usdm.simulator.hub.publish(key, {"e": "serverShutdown", "E": usdm.clock.now_ms()})
            await anyio.sleep(0.05)
            slow.go_on.set()
        else:
            first.to_replace.set()  # as after 23 hours
        await usdm.until(lambda: stream._current is not first)
        await buys(usdm, "tb4")
        slow.go_on.set()
        await usdm.until(lambda: len(filled(slow.ended)) >= 4)
        assert sorted(filled(slow.ended)) == ["tb1", "tb2", "tb3", "tb4"]
        assert slow.begun == slow.ended
        assert [each.connected for each in usdm.states] == [True]


async def test_what_was_not_told_in_time_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """M5.6: it begins with what the former connection told last; what was cut off is news."""
    monkeypatch.setattr(user_stream, "DRAIN_SECONDS", 0.1)
    async with scene(streams=True) as usdm:
        slow, stream = Slow(usdm), usdm.parts.stream
        first = stream._current
        assert first is not None
        usdm.clock.advance(timedelta(minutes=1))
        await buys(usdm, "tb1", "tb2")
        await usdm.until(lambda: slow.begun)
        first.to_replace.set()
        await usdm.until(lambda: stream._current is not first)
        await anyio.sleep(0.3)
        assert not first.over  # nothing is cut off while it is told
        slow.go_on.set()
        await usdm.until(lambda: len(usdm.states) == 2)
        assert usdm.states[1].connected
        assert usdm.states[1].gap_since is not None
        assert slow.begun == slow.ended


async def test_what_is_owed_is_owed_by_a_successor_too() -> None:
    """M5.6: an order was taken, and neither connection has told it: the stream is mute."""
    async with scene(streams=True) as usdm:
        first = usdm.parts.stream._current
        assert first is not None
        usdm.server.faults.set(Fault(kind=Kind.MUTE, path=ROUTE))
        await usdm.server.settle()
        await usdm.send("tb1", order(Side.BUY, "0.1", OrderType.LIMIT, "59000"))
        usdm.server.faults.clear()
        first.to_replace.set()
        await usdm.until(lambda: first.over)
        usdm.clock.advance(timedelta(seconds=expectations.WITHIN + 1))
        await usdm.until(lambda: len(usdm.states) >= 3 and usdm.states[-1].connected)
        assert usdm.states[-1].gap_since is not None


@pytest.mark.parametrize("status", [418, 429])
async def test_a_ban_at_the_handshake_is_one_for_all(status: int) -> None:
    """S17: nobody knocks again before its end."""
    async with scene() as usdm:
        no = Fault(
            kind=Kind.ANSWER,
            path=ROUTE,
            status=status,
            headers={"Retry-After": "120"},
            body={"code": -1003, "msg": "Way too much request weight used; IP banned."},
            times=ALWAYS,
            executed=Executed.NEVER,
        )
        usdm.server.faults.set(no)
        with anyio.move_on_after(0.5):
            await usdm.parts.stream.run()
        assert usdm.parts.limits.gate.standing is not None
        assert usdm.requests("/fapi/v1/listenKey", "POST") == 1
