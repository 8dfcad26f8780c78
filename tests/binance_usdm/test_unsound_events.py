"""Events and answers of USDT-M that lack something, have too much, or come in another order."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
import structlog.testing

from tests.binance_usdm import samples
from tests.binance_usdm.scene import BTC, VENUE, order, scene
from tests.binance_usdm.test_stream import stopped
from tests.simulators.shared.faults import Fault, Kind
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.side import Side
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import MalformedAnswerError, Node, Source
from tradebotd.venues.binance.usdm.listen_key import ListenKey
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import OrderReader

BUY, LIMIT = Side.BUY, OrderType.LIMIT
READER = OrderReader(VENUE, Markets(VENUE, [BTC]), OrderNames())


def event(**changed: Any) -> Node:
    """ORDER_TRADE_UPDATE, whose fields are *changed*; None: left out."""
    told = {**samples.ORDER_EVENT["o"], **changed}
    told = {name: value for name, value in told.items() if value is not None}
    return Node({**samples.ORDER_EVENT, "o": told}, Source(VENUE, "stream", 200, b""), "the event")


def test_an_event_without_cp_is_of_an_order_that_closes_no_position() -> None:
    """M5.6: the vendor's examples have it; nothing promises it."""
    report = READER.order_event(event(cp=None))
    assert report.asked == READER.order_event(event()).asked
    assert report.asked is not None


@pytest.mark.parametrize(
    "changed", [{"f": None}, {"wt": "OF_TOMORROW"}, {"cp": "no"}, {"R": None}, {"sp": "-1"}]
)
def test_what_an_order_asks_may_be_unread_and_its_fill_is_told(changed: dict[str, Any]) -> None:
    """M5.6: neither state nor fill is lost for what is compared alone."""
    report = READER.order_event(event(**changed))
    assert report.asked is None
    assert report.status is OrderStatus.EXPIRED
    assert [fill.quantity for fill in report.fills] == [Decimal("0.004")]


def test_a_fee_without_its_asset_is_not_guessed() -> None:
    """M5.1: it may have been paid in another one."""
    with pytest.raises(MalformedAnswerError, match="no asset"):
        READER.order_event(event(N=None))
    (fill,) = READER.order_event(event(N=None, n=None)).fills
    assert (fill.fee, fill.fee_asset) == (Decimal(0), "USDT")


async def test_an_open_order_that_cannot_be_read_hides_no_other() -> None:
    """F4: it is told with its ids, as unknown."""
    async with scene() as usdm:
        await usdm.send("tb1", order(BUY, "0.1", LIMIT, "59000"))
        strange = {**samples.ORDER, "orderId": 77, "clientOrderId": "web_1", "origQty": "much"}
        usdm.server.faults.set(
            Fault(
                kind=Kind.WRONG_BODY,
                path="/fapi/v1/openOrders",
                body=[strange, {**samples.ORDER, "orderId": 78, "clientOrderId": "tb1"}],
            )
        )
        told = {
            str(each.client_order_id): each for each in await usdm.venue.open_orders([BTC.symbol])
        }
        assert set(told) == {"web_1", "tb1"}
        assert (told["web_1"].venue_order_id, told["web_1"].status) == ("77", OrderStatus.UNKNOWN)


async def test_what_a_stop_became_is_renamed_where_its_stop_is_told_later() -> None:
    """Its own events come before TRIGGERED: the stream ends in a gap, by which fills are asked."""
    async with scene(streams=True) as usdm:
        usdm.server.faults.set(Fault(kind=Kind.MUTE, path="/private"))
        await usdm.server.settle()
        events = await stopped(usdm)
        filled = next(e for e in events.all
                      if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["c"] == "tb2"
                      and e["o"]["X"] == "FILLED")  # fmt: skip
        renamed = {**filled, "o": {**filled["o"], "c": "x-generated"}}
        usdm.server.faults.clear()
        await usdm.server.settle()
        usdm.parts.lookups._names.__init__()  # type: ignore[misc]
        usdm.heard.clear()
        key = usdm.simulator.listen_keys.key_of("one")
        assert key is not None
        for each in (renamed, events.of("ALGO_UPDATE", "TRIGGERED")):
            usdm.simulator.hub.publish(key, each)
        await usdm.until(lambda: len(usdm.states) >= 3 and usdm.states[-1].connected)
        assert usdm.states[-1].gap_since is not None
        assert [each.client_order_id for each in usdm.heard] == ["x-generated", "tb2"]
        fills = await usdm.venue.fills_since(usdm.clock.now(), [BTC.symbol])
        assert [each.client_order_id for each in fills] == ["tb1", "tb2"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", [Kind.TRUNCATED, Kind.INVALID_JSON])
async def test_no_log_shows_a_listen_key(kind: Kind, method: str) -> None:
    """N8: who has it reads the account's events."""
    path = "/fapi/v1/listenKey"
    async with scene() as usdm:
        with structlog.testing.capture_logs() as logs:
            if method == "POST":
                usdm.server.faults.set(Fault(kind=kind, method=method, path=path, keep=0.9))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(usdm.parts.stream.run)
                await usdm.until(lambda: usdm.states)
                if method == "PUT":
                    usdm.server.faults.set(Fault(kind=kind, method=method, path=path, keep=0.9))
                    usdm.clock.advance(timedelta(minutes=31))
                    await usdm.until(
                        lambda: any(each["event"] == "listen key not kept" for each in logs)
                    )
                tasks.cancel_scope.cancel()
        key = usdm.simulator.listen_keys.key_of("one")
        assert key is not None
        assert any("error" in each or "reason" in each for each in logs)
        assert key[:12] not in str(logs)


async def test_no_log_shows_an_answer_that_has_a_key_in_it() -> None:
    """N8: whatever shape it has, of which no name tells that it is a secret."""
    async with scene() as usdm:
        body = ["0123456789abcdef"]
        usdm.server.faults.set(
            Fault(kind=Kind.WRONG_BODY, method="POST", path="/fapi/v1/listenKey", body=body)
        )
        with pytest.raises(MalformedAnswerError) as raised:
            await ListenKey.start(usdm.parts.interface, usdm.parts._host)
        assert body[0] not in str(raised.value)
