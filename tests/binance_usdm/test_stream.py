"""User stream of Binance USDT-M: what it tells, what ends it, and who takes over."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.binance_usdm.scene import BTC, VENUE, Scene, closing, named, order, scene
from tests.simulators.binance.usdm import reports
from tests.simulators.shared.faults import ALWAYS, Fault, Kind
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import StreamState
from tradebotd.venues.binance.payload import Node, Source
from tradebotd.venues.binance.usdm import expectations, listen_key, user_stream

BUY, SELL, LIMIT, STOP = Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP_MARKET
SYMBOL = BTC.symbol
ROUTE = "/private"


async def bought(usdm: Scene, name: str) -> None:
    await usdm.send(name, order(BUY, "0.01"))
    await usdm.until(
        lambda: any(each.fills and each.client_order_id == name for each in usdm.heard)
    )


async def lost(usdm: Scene) -> None:
    """The connection is gone, and no new one is let in."""
    closed = Fault(kind=Kind.ANSWER, path=ROUTE, status=503, body="gone", times=ALWAYS)
    usdm.server.faults.set(closed, Fault(kind=Kind.DISCONNECT, path=ROUTE))
    await usdm.server.settle()
    await usdm.until(lambda: not usdm.states[-1].connected)


async def again(usdm: Scene, before: int) -> None:
    """The stream was lost and is there again, with a gap."""
    await usdm.until(lambda: len(usdm.states) >= before + 2 and usdm.states[-1].connected)
    assert [each.connected for each in usdm.states[before:]] == [False, True]
    assert usdm.states[-1].gap_since is not None


async def test_the_gap_begins_with_what_was_told_last_and_nothing_is_told_twice() -> None:
    """M5.6 (VC-82): by the venue's time; what was missed is asked for, and not replayed."""
    async with scene(streams=True) as usdm:
        await bought(usdm, "tb1")
        told_at, count = usdm.clock.now(), len(usdm.heard)
        usdm.clock.advance(timedelta(minutes=3))
        await lost(usdm)
        gap = StreamState(connected=False, gap_since=told_at)
        assert usdm.states == [StreamState(connected=True), gap]
        await usdm.send("tb2", order(BUY, "0.01"))
        usdm.server.faults.clear()
        await usdm.server.settle()
        await usdm.until(lambda: usdm.states[-1].connected)

        assert usdm.states[-1] == StreamState(connected=True, gap_since=told_at)
        assert len(usdm.heard) == count
        fills = await usdm.venue.fills_since(told_at, [SYMBOL])
        assert [fill.client_order_id for fill in fills] == ["tb1", "tb2"]
        await bought(usdm, "tb3")


async def test_a_listen_key_is_kept_alive_each_half_hour() -> None:
    async with scene(streams=True) as usdm:
        for count in (1, 2, 3):
            usdm.clock.advance(timedelta(minutes=31))
            await usdm.until(lambda n=count: usdm.requests("/fapi/v1/listenKey", "PUT") == n)
        await bought(usdm, "tb1")
        assert [each.connected for each in usdm.states] == [True]


async def test_a_listen_key_that_has_expired_is_replaced() -> None:
    """Its stream stays open and silent behind `listenKeyExpired`."""
    async with scene(streams=True) as usdm:
        await bought(usdm, "tb1")
        usdm.simulator.listen_keys.expire(now=True)
        await again(usdm, 1)
        await bought(usdm, "tb2")
        assert usdm.requests("/fapi/v1/listenKey", "POST") == 2


async def test_a_keep_alive_of_a_key_that_is_gone_has_a_new_one_made() -> None:
    """-1125: nothing was told that it is gone."""
    async with scene(streams=True) as usdm:
        usdm.simulator.listen_keys._keys.clear()
        usdm.clock.advance(timedelta(minutes=31))
        await again(usdm, 1)
        await bought(usdm, "tb1")


async def test_a_keep_alive_that_is_not_answered_is_repeated_and_not_for_ever() -> None:
    async with scene(streams=True) as usdm:
        silent = Fault(
            kind=Kind.ANSWER, method="PUT", path="/fapi/v1/listenKey", status=502, times=ALWAYS
        )
        usdm.server.faults.set(silent)
        usdm.clock.advance(timedelta(minutes=31))
        await usdm.until(lambda: usdm.requests("/fapi/v1/listenKey", "PUT") == 1)
        assert len(usdm.states) == 1
        usdm.clock.advance(timedelta(minutes=29))
        await again(usdm, 1)


async def test_a_stream_that_tells_nothing_of_an_order_is_mute() -> None:
    """M5.6: pings are answered all the same; an order that was taken must be told."""
    async with scene(streams=True) as usdm:
        usdm.server.faults.set(Fault(kind=Kind.MUTE, path=ROUTE))
        await usdm.server.settle()
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        usdm.server.faults.clear()
        usdm.clock.advance(timedelta(seconds=expectations.WITHIN + 1))
        await again(usdm, 1)
        await bought(usdm, "tb2")


async def test_a_connection_of_a_day_is_replaced_without_a_gap() -> None:
    async with scene(streams=True) as usdm:
        for _ in range(46):  # a key that is not kept alive would end it, too
            usdm.clock.advance(timedelta(minutes=30, seconds=1))
            kept = usdm.requests("/fapi/v1/listenKey", "PUT")
            await usdm.until(lambda n=kept: usdm.requests("/fapi/v1/listenKey", "PUT") > n
                             or usdm.requests("/fapi/v1/listenKey", "POST") > 1)  # fmt: skip
            if usdm.requests("/fapi/v1/listenKey", "POST") > 1:
                break
        await usdm.until(lambda: usdm.requests("/fapi/v1/listenKey", "POST") > 1)
        await usdm.until(lambda: len(usdm.simulator.hub.connections) == 1)
        await bought(usdm, "tb1")
        assert usdm.states == [StreamState(connected=True)]


async def test_a_server_that_announces_its_shutdown_is_left_in_time() -> None:
    """S7: by a raw event, without a lead time; what both connections tell is told once."""
    async with scene(streams=True) as usdm:
        key = usdm.simulator.listen_keys.key_of("one")
        assert key is not None
        usdm.simulator.hub.publish(key, {"e": "serverShutdown", "E": usdm.clock.now_ms()})
        await usdm.until(lambda: usdm.requests("/fapi/v1/listenKey", "POST") == 2)
        await bought(usdm, "tb1")
        assert usdm.states == [StreamState(connected=True)]


class Events:
    """What happened to a stop, as the venue tells it, in an order of the test's."""

    def __init__(self, usdm: Scene) -> None:
        self.usdm = usdm
        self.all: list[dict[str, Any]] = []
        usdm.account.listeners.append(self.all.append)

    def of(self, kind: str, status: str) -> dict[str, Any]:
        return next(e for e in self.all if e["e"] == kind and e["o"]["X"] == status)

    async def hear(self, *events: dict[str, Any]) -> list[OrderReport]:
        """What is passed on of *events*, by a stream that has heard nothing before."""
        stream = self.usdm.parts.stream
        stream._names.__init__()  # type: ignore[misc]
        self.usdm.heard.clear()
        for event in events:
            await stream._hear(Node(event, Source(VENUE, "stream", 200, b""), "the answer"))
        return list(self.usdm.heard)


async def stopped(usdm: Scene) -> Events:
    events = Events(usdm)
    await usdm.send("tb1", order(BUY, "0.1"))
    await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
    usdm.price("58900")
    return events


async def test_events_of_a_stop_say_the_same_in_any_order() -> None:
    """Across kinds no order is promised: it has both ids, is filled once, and never goes back."""
    async with scene() as usdm:
        events = await stopped(usdm)
        triggered = events.of("ALGO_UPDATE", "TRIGGERED")
        finished = events.of("ALGO_UPDATE", "FINISHED")
        filled = next(e for e in events.all
                      if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["c"] == "tb2"
                      and e["o"]["X"] == "FILLED")  # fmt: skip
        in_order = await events.hear(triggered, filled, finished)
        assert [each.status for each in in_order] == [OrderStatus.NEW, OrderStatus.FILLED]
        assert in_order[0].other_ids == in_order[1].other_ids
        assert in_order[1].venue_order_id == in_order[0].venue_order_id
        assert len(await events.hear(filled, triggered, finished, filled)) == 0  # told before
        usdm.parts.stream._told.clear()
        (once,) = await events.hear(filled, triggered, finished, filled)
        assert once.status is OrderStatus.FILLED


async def test_a_stop_that_has_finished_unheard_is_asked_about() -> None:
    """FINISHED does not say whether it was filled: it is unknown, with what it became."""
    async with scene() as usdm:
        events = await stopped(usdm)
        (told,) = await events.hear(events.of("ALGO_UPDATE", "FINISHED"))
        assert (told.status, told.reason) == (OrderStatus.UNKNOWN, "FINISHED")
        assert len(told.other_ids) == 1


async def test_what_a_stop_became_is_known_by_its_id_whatever_its_name_is() -> None:
    """Nothing promises that an order has the client id of the stop that it was."""
    async with scene() as usdm:
        events = await stopped(usdm)
        triggered = events.of("ALGO_UPDATE", "TRIGGERED")
        filled = next(e for e in events.all
                      if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["c"] == "tb2"
                      and e["o"]["X"] == "FILLED")  # fmt: skip
        renamed = {**filled, "o": {**filled["o"], "c": "x-generated"}}
        told = await events.hear(triggered, renamed)
        assert [each.client_order_id for each in told] == ["tb2", "tb2"]
        assert told[1].fills[0].client_order_id == "tb2"


@pytest.mark.parametrize("reason", ["", "Price protect: too far"])
async def test_a_stop_that_has_expired_is_told_as_what_it_is(reason: str) -> None:
    """M5.9: the position is bare: expired, and never cancelled or unknown."""
    async with scene(streams=True) as usdm:
        await usdm.send("tb1", order(BUY, "0.1"))
        await usdm.send("tb2", closing(SELL, "0.1", STOP, "59000"))
        (algo,) = usdm.account.book.open_algos()
        usdm.simulator.venue.algos.expire(usdm.account, algo, reason)
        await usdm.until(lambda: usdm.heard[-1].status is OrderStatus.EXPIRED)
        assert usdm.heard[-1].client_order_id == "tb2"
        assert usdm.heard[-1].reason == (reason or "the venue tells no reason")
        found = (await usdm.venue.find_order(SYMBOL, named("tb2"))).report
        assert found is not None
        assert (found.status, found.reason) == (OrderStatus.EXPIRED, usdm.heard[-1].reason)
        assert await usdm.venue.open_orders([SYMBOL]) == []


async def test_events_of_no_order_are_heard_and_passed_on_to_nobody() -> None:
    """Balances are asked for; a margin call is logged; what nobody knows is no error."""
    async with scene() as usdm:
        events = Events(usdm)
        usdm.simulator.venue.cash.transfer(usdm.account, "USDT", Decimal(5))
        call = reports.margin_call(usdm.account, usdm.market, [])
        new = {"e": "SOMETHING_OF_TOMORROW", "E": usdm.clock.now_ms()}
        assert await events.hear(events.all[0], call, new) == []
        assert usdm.parts.stream._heard_at == usdm.clock.now()


def test_a_key_is_kept_well_before_it_ends() -> None:
    """A listen key lives for an hour; a connection for a day."""
    assert listen_key.KEEP_EVERY == 1_800
    assert listen_key.LIVES < 3_600
    assert user_stream.LONGEST_SECONDS < 86_400
