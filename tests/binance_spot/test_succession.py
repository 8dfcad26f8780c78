"""User stream of Binance spot: a successor that loses nothing, and bans that it keeps to."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.binance_spot.scene import Scene, named, order, scene
from tests.simulators.shared.faults import ALWAYS, Fault, Kind, answered
from tradebotd.domain.order import OrderReport
from tradebotd.domain.side import Side
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.binance.spot import user_stream

SOCKET = "/ws-api"
LISTING = "session.subscriptions"
TOO_MUCH = {"code": -1003, "msg": "Way too much request weight used; IP banned."}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_stream, "ASKED_EVERY", 0.02)


class Slow:
    """Listener that takes its time: `begun` and `ended` are what it was told of."""

    def __init__(self, spot: Scene) -> None:
        self.begun: list[OrderReport] = []
        self.ended: list[OrderReport] = []
        self.go_on = anyio.Event()
        spot.venue.listen(self, spot.see)

    async def __call__(self, report: OrderReport) -> None:
        self.begun.append(report)
        await self.go_on.wait()
        self.ended.append(report)


async def buys(spot: Scene, *names: str) -> None:
    for name in names:
        await spot.venue.submit(named(name), order(Side.BUY, "0.01"), send_blocked_by=not_blocked)


def filled(reports: list[OrderReport]) -> list[str]:
    return [each.client_order_id for each in reports if each.fills]


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_told_slowly_is_told_all_while_the_connection_is_replaced(
    *, announced: bool
) -> None:
    """S7, S8, M5.6: neither the event that is being told, nor those that wait behind it."""
    async with scene(streams=True) as spot:
        slow, stream = Slow(spot), spot.parts.stream
        first = stream._current
        await buys(spot, "tb1", "tb2", "tb3")
        await spot.until(lambda: slow.begun)
        if announced:
            spot.simulator.socket_api.shut_down()
            await anyio.sleep(0.05)
            slow.go_on.set()
        elif first is not None:
            first.to_replace.set()  # as after 23 hours
        await spot.until(lambda: stream._current is not first)
        await buys(spot, "tb4")
        slow.go_on.set()
        await spot.until(lambda: len(filled(slow.ended)) >= 4)
        assert sorted(filled(slow.ended)) == ["tb1", "tb2", "tb3", "tb4"]
        assert slow.begun == slow.ended
        assert [each.connected for each in spot.states] == [True]


async def test_what_was_not_told_in_time_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """M5.6: it begins with what the former connection told last; what was cut off is news."""
    monkeypatch.setattr(user_stream, "DRAIN_SECONDS", 0.1)
    async with scene(streams=True) as spot:
        slow, stream = Slow(spot), spot.parts.stream
        first = stream._current
        assert first is not None
        since = first.heard_at
        spot.clock.advance(timedelta(minutes=1))
        await buys(spot, "tb1", "tb2")
        await spot.until(lambda: slow.begun)
        first.to_replace.set()
        await spot.until(lambda: stream._current is not first)
        await anyio.sleep(0.3)
        assert not first.over  # nothing is cut off while it is told
        slow.go_on.set()
        await spot.until(lambda: len(spot.states) == 2)
        assert spot.states[1].connected
        assert since is not None
        assert spot.states[1].gap_since is not None
        assert slow.begun == slow.ended


async def test_a_stream_asks_nothing_during_a_ban_and_stays_open() -> None:
    """S17, -1003: a question during a ban makes it longer."""
    async with scene(streams=True) as spot:
        asked: list[str] = []
        (session,) = spot.simulator.socket_api.open
        answer = session.answer

        def counted(request: dict[str, Any], method: str, params: dict[str, Any]) -> str:
            asked.append(method)
            return answer(request, method, params)

        session.answer = counted  # type: ignore[method-assign]
        await spot.until(lambda: asked)
        spot.parts.limits.ban("418", spot.clock.now() + timedelta(minutes=2))
        await anyio.sleep(0.1)  # one may have been on its way
        before = len(asked)
        await anyio.sleep(1.3)  # a stream sends four messages a second at most
        assert len(asked) == before
        assert [each.connected for each in spot.states] == [True]
        spot.clock.advance(timedelta(minutes=3))
        await spot.until(lambda: len(asked) > before)


@pytest.mark.parametrize("status", [418, 429])
async def test_a_ban_that_the_socket_tells_is_one_for_all(status: int) -> None:
    """S17: by `retryAfter` of its data; the stream stays open."""
    async with scene(streams=True) as spot:
        until = spot.clock.now() + timedelta(minutes=2)
        data = {"serverTime": 1, "retryAfter": int(until.timestamp() * 1000)}
        spot.server.faults.set(
            answered(status, {**TOO_MUCH, "data": data}, method="WS", operation=LISTING)
        )
        gate = spot.parts.limits.gate
        await spot.until(lambda: gate.standing is not None)
        assert spot.parts.limits.ban_ends_at == until
        await anyio.sleep(0.1)
        assert [each.connected for each in spot.states] == [True]


async def test_a_ban_at_the_handshake_is_one_for_all() -> None:
    """S17: nobody knocks again before its end."""
    async with scene() as spot:
        no = Fault(
            kind=Kind.ANSWER,
            path=SOCKET,
            status=429,
            headers={"Retry-After": "120"},
            body=TOO_MUCH,
            times=ALWAYS,
        )
        spot.server.faults.set(no)
        with anyio.move_on_after(0.4):
            await spot.parts.stream.run()
        assert spot.requests(SOCKET) == 1
        assert spot.parts.limits.gate.standing is not None


async def test_the_questions_of_a_stream_are_counted() -> None:
    """S1: each weighs two."""
    async with scene(streams=True) as spot:
        window = spot.parts.limits.gate.limits.window("REQUEST_WEIGHT_1M")
        assert window is not None
        now = spot.parts._host.monotonic()
        before = window.own(now)
        await spot.until(lambda: window.own(now) >= before + 10)
