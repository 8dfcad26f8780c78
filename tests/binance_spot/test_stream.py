"""User stream of Binance spot: what it tells, what ends it, and who takes over."""

from datetime import timedelta

import anyio
import pytest

from tests.binance_spot import scene as scenes
from tests.binance_spot.scene import BTC, Scene, named, order, scene
from tests.simulators.shared.faults import ALWAYS, Fault, Kind
from tests.unit.binance.samples import node
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import StreamState, not_blocked
from tradebotd.venues.binance.spot import user_stream
from tradebotd.venues.binance.stream_messages import announces_shutdown, ends_stream

BUY, SELL, LIMIT = Side.BUY, Side.SELL, OrderType.LIMIT
SOCKET = "/ws-api"


async def bought(spot: Scene, name: str) -> None:
    await spot.venue.submit(named(name), order(BUY, "0.01"), send_blocked_by=not_blocked)
    await spot.until(
        lambda: any(each.fills and each.client_order_id == name for each in spot.heard)
    )


async def lost(spot: Scene) -> None:
    """The connection is gone, and no new one is let in."""
    closed = Fault(kind=Kind.ANSWER, path=SOCKET, status=503, body="gone", times=ALWAYS)
    spot.server.faults.set(closed, Fault(kind=Kind.DISCONNECT, path=SOCKET))
    await spot.server.settle()
    await spot.until(lambda: not spot.states[-1].connected)


async def test_the_gap_begins_with_what_was_told_last_and_nothing_is_told_twice() -> None:
    """M5.6 (VC-82): by the venue's time; what was missed is asked for, and not replayed."""
    async with scene(streams=True) as spot:
        await bought(spot, "tb1")
        told_at, count = spot.clock.now(), len(spot.heard)
        spot.clock.advance(timedelta(minutes=3))
        await lost(spot)
        assert spot.states == [
            StreamState(connected=True),
            StreamState(connected=False, gap_since=told_at),
        ]
        await spot.venue.submit(named("tb2"), order(BUY, "0.01"), send_blocked_by=not_blocked)
        spot.server.faults.clear()
        await spot.server.settle()
        await spot.until(lambda: spot.states[-1].connected)

        assert spot.states[-1] == StreamState(connected=True, gap_since=told_at)
        assert len(spot.heard) == count
        fills = await spot.venue.fills_since(told_at, [BTC.symbol])
        assert [fill.client_order_id for fill in fills] == ["tb1", "tb2"]
        await bought(spot, "tb3")


async def test_a_shutdown_that_is_announced_leaves_no_gap() -> None:
    """S7: the successor is subscribed before the connection is closed."""
    async with scene(streams=True) as spot:
        await bought(spot, "tb1")
        first = spot.parts.stream._current
        spot.simulator.socket_api.shut_down()
        await spot.until(lambda: spot.parts.stream._current is not first)
        assert spot.states == [StreamState(connected=True)]
        await bought(spot, "tb2")
        assert spot.states == [StreamState(connected=True)]


async def test_a_connection_has_a_successor_before_the_venue_cuts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S8: after 24 hours; nothing is missed, and what both told is heard once."""
    monkeypatch.setattr(user_stream, "ASKED_EVERY", 0.02)
    async with scene(streams=True) as spot:
        first = spot.parts.stream._current
        spot.clock.advance(timedelta(hours=23, minutes=1))
        await spot.until(lambda: spot.parts.stream._current is not first)
        await bought(spot, "tb1")
        assert spot.states == [StreamState(connected=True)]
        assert [each.status for each in spot.heard if each.fills] == [OrderStatus.FILLED]


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_subscription_that_is_gone_is_a_lost_stream(
    monkeypatch: pytest.MonkeyPatch, *, says_so: bool
) -> None:
    """S8: `eventStreamTerminated`, or a list of subscriptions that has ours no more."""
    monkeypatch.setattr(user_stream, "ASKED_EVERY", 0.02)
    async with scene(streams=True) as spot:
        (session,) = spot.simulator.socket_api.open
        (session._end if says_so else session.subscriptions.close)(0)
        await spot.until(lambda: len(spot.states) >= 3)
        assert [each.connected for each in spot.states[:3]] == [True, False, True]
        await bought(spot, "tb1")


async def test_a_connection_that_is_mute_while_pings_go_on_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M5.6: an answer is asked for, which does not come."""
    monkeypatch.setattr(user_stream, "ASKED_EVERY", 0.02)
    monkeypatch.setattr(user_stream, "ANSWER_SECONDS", 0.2)
    async with scene(streams=True) as spot:
        spot.server.faults.set(Fault(kind=Kind.HALF_OPEN, path=SOCKET))
        await spot.server.settle()
        await spot.until(lambda: not spot.states[-1].connected)
        spot.server.faults.clear()
        await spot.server.settle()
        await spot.until(lambda: spot.states[-1].connected)


async def test_a_message_that_cannot_be_read_is_a_gap() -> None:
    """2.3: it may have been a fill, so what happened is asked for."""
    async with scene(streams=True) as spot:
        spot.held._tell_user(scenes.ACCOUNT, {"e": "executionReport", "E": 1, "s": "BTCUSDT"})
        await spot.until(lambda: len(spot.states) >= 3)
        assert [each.connected for each in spot.states[:3]] == [True, False, True]
        assert spot.heard == []


async def test_an_order_that_was_placed_elsewhere_is_heard_of() -> None:
    """M4.8: under its own id."""
    async with scene(streams=True) as spot:
        await spot.venue.submit(
            named("web_1"), order(SELL, "0.1", LIMIT, "70000"), send_blocked_by=not_blocked
        )
        await spot.until(lambda: spot.heard)
        assert [each.client_order_id for each in spot.heard] == ["web_1"]


async def test_no_connection_is_made_while_the_venue_bans_us() -> None:
    """M6.1: neither a request nor a connection."""
    async with scene() as spot:
        spot.parts.limits.ban("418", spot.clock.now() + timedelta(minutes=2))
        with anyio.move_on_after(0.3):
            await spot.parts.stream.run()
        assert spot.requests("/") == 0


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ({"event": {"e": "serverShutdown", "E": 1770123456789}}, True),
        ({"e": "serverShutdown", "E": 1770123456789}, True),
        ({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}, True),
        ({"event": {"e": "executionReport"}}, False),
        ({"stream": "btcusdt@trade", "data": {"e": "trade"}}, False),
        ({"id": 1, "status": 200, "result": {}}, False),
        ([], False),
    ],
)
def test_a_shutdown_has_three_shapes(message: object, *, is_one: bool) -> None:
    """S7: of the WebSocket API, of a raw stream, and of a combined one."""
    assert announces_shutdown(node(message)) is is_one


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}, "eventStream"),
        (
            {"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid"}},
            "Invalid (-2015)",
        ),
        ({"subscriptionId": 0, "event": {"e": "balanceUpdate", "E": 1}}, None),
        ({"id": 1, "status": 400, "error": {"code": -2035, "msg": "active"}}, None),
    ],
)
def test_a_stream_is_ended_by_an_event_or_by_a_key_that_is_revoked(
    message: object, why: str | None
) -> None:
    """S8: the second one answers nothing that was asked."""
    told = ends_stream(node(message))
    assert (told is None) == (why is None)
    assert (told or "").startswith(why or "")


async def test_an_event_that_comes_twice_is_told_once() -> None:
    """S8: two connections tell the same while one takes over from the other."""
    async with scene(streams=True) as spot:
        await bought(spot, "tb1")
        before = len(spot.heard)
        events = spot.held.accounts[scenes.ACCOUNT].events
        for event in [each for each in events if each["e"] == "executionReport"]:
            spot.held._tell_user(scenes.ACCOUNT, event)
        await spot.venue.submit(named("tb2"), order(BUY, "0.01"), send_blocked_by=not_blocked)
        await spot.until(lambda: any(each.client_order_id == "tb2" for each in spot.heard))
        assert {each.client_order_id for each in spot.heard[before:]} == {"tb2"}
