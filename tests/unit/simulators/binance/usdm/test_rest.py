"""REST of the simulated USDT-M venue: the gate, weights, order counts, both kinds of 503."""

import hashlib
import hmac
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.simulators.binance.usdm.market_calls import depth_weight, klines_weight
from tests.simulators.binance.usdm.outages import (
    internal_error,
    throttled,
    timed_out,
    unavailable,
    unknown_error,
)
from tests.simulators.binance.usdm.simulator import KEY
from tests.simulators.shared.faults import Executed, Fault, Kind
from tests.unit.simulators.binance.usdm.wire import wired


async def test_a_market_order_is_acknowledged_and_filled() -> None:
    async with wired() as wire:
        placed = await wire.order("BUY", "0.010", newClientOrderId="mine")
        found = await wire.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine")
        held = await wire.ask("GET", "/fapi/v3/positionRisk")

    assert (placed.status, placed.body["status"], placed.body["executedQty"]) == (
        200,
        "NEW",
        "0.000",
    )
    assert not {"avgPrice", "cumQuote"} & set(placed.body)
    assert (found.body["status"], found.body["avgPrice"]) == ("FILLED", "60000.00000")
    assert [(row["positionAmt"], row["entryPrice"]) for row in held.body] == [("0.010", "60000")]  # fmt: skip


async def test_a_result_tells_the_fill_without_its_price() -> None:
    async with wired() as wire:
        placed = await wire.order("SELL", "0.010", newOrderRespType="RESULT")

    assert (placed.body["status"], placed.body["executedQty"], placed.body["cumQty"]) == ("FILLED", "0.010", "0.010")  # fmt: skip
    assert not {"avgPrice", "cumQuote", "fills"} & set(placed.body)


async def test_orders_cost_no_weight_and_count_against_the_account() -> None:
    """F8: 0 of the address' weight, 1 on the 10S and 1M order counts, conditional ones too."""
    async with wired() as wire:
        order = await wire.order("BUY", "0.010")
        stop = await wire.stop("SELL", "59000", quantity="0.010", reduceOnly="true")

    assert order.headers["X-MBX-USED-WEIGHT-1M"] == stop.headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert (stop.headers["X-MBX-ORDER-COUNT-10S"], stop.headers["X-MBX-ORDER-COUNT-1M"]) == ("2", "2")  # fmt: skip


async def test_the_used_weight_lies_on_two_endpoints() -> None:
    """F16: bookTicker and ticker/price v2."""
    async with wired() as wire:
        told = await wire.ask("GET", "/fapi/v1/time", signed=False)
        liars = [await wire.ask("GET", path, signed=False, symbol="BTCUSDT") for path in ("/fapi/v1/ticker/bookTicker", "/fapi/v2/ticker/price")]  # fmt: skip

    assert told.headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert [liar.headers["X-MBX-USED-WEIGHT-1M"] for liar in liars] == ["-1", "-1"]


async def test_funding_endpoints_share_a_limit_of_their_own() -> None:
    """F16: 500 in five minutes together, and no weight."""
    async with wired() as wire:
        gate = wire.simulator.gate
        gate.funding.arrive("127.0.0.1", 499)
        last = await wire.ask("GET", "/fapi/v1/fundingRate", signed=False)
        beyond = await wire.ask("GET", "/fapi/v1/fundingInfo", signed=False)

    assert (last.status, beyond.status, beyond.code) == (200, 429, -1003)


@pytest.mark.parametrize(
    ("limit", "weight"),
    [("", 5), ("99", 1), ("100", 2), ("499", 2), ("500", 5), ("1000", 5), ("1500", 10)],
)
def test_klines_weigh_by_their_number(limit: str, weight: int) -> None:
    assert klines_weight({"limit": limit}) == weight


@pytest.mark.parametrize(("limit", "weight"), [("5", 2), ("50", 2), ("100", 5), ("500", 10), ("1000", 20)])  # fmt: skip
def test_depth_weighs_by_its_number(limit: str, weight: int) -> None:
    assert depth_weight({"limit": limit}) == weight


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"timestamp": "1"}, 400, -1021),
        ({"symbol": "NOPE"}, 400, -1121),
        ({"quantity": "0.0101"}, 400, -1111),
        ({"quantity": "0"}, 400, -4003),
        ({"quantity": "2000"}, 400, -4005),
        ({"quantity": "0.001", "price": "30000", "side": "SELL"}, 400, -4024),
        ({"price": "63000.10"}, 400, -4016),
        ({"price": "60000.05"}, 400, -4014),
        ({"quantity": "0.001", "price": "49999.90", "side": "BUY"}, 400, -4164),
        ({"newClientOrderId": "with space"}, 400, -4015),
        ({"timeInForce": "GTD"}, 400, -1102),
        ({"timeInForce": "NOW"}, 400, -1115),
        ({"positionSide": "LONG"}, 400, -4061),
        ({"reduceOnly": "true"}, 400, -2022),
        ({"selfTradePreventionMode": "SOME"}, 400, -5039),
        ({"type": "STOP_MARKET", "stopPrice": "59000"}, 400, -4120),
        ({"quantity": "200", "price": "59000"}, 400, -2027),
        ({"quantity": "5", "price": "59000"}, 400, -2019),
        ({"timeInForce": "GTX", "price": "60000"}, 400, -5022),
        ({"timeInForce": "FOK", "price": "59999.90"}, 400, -5021),
        ({"symbol": "TSLAUSDT", "price": "400", "quantity": "1"}, 400, -4411),
    ],
)
async def test_what_an_order_breaks_has_its_code(
    changes: dict[str, Any], status: int, code: int
) -> None:
    async with wired() as wire:
        side, price = changes.pop("side", "BUY"), changes.pop("price", "59000")
        refused = await wire.order(side, changes.pop("quantity", "0.010"), price, **changes)
        left = wire.simulator.account.book.orders

    assert (refused.status, refused.code) == (status, code)
    assert not left


@pytest.mark.parametrize("header", [{"timestamp": "0"}, {}])
async def test_a_wrong_signature_is_refused(header: dict[str, Any]) -> None:
    """F18: what is signed is the percent-encoded text as it is sent."""
    async with wired() as wire:
        asked: dict[str, Any] = {"symbol": "BTCUSDT", "timestamp": "1", "signature": "00"} | header
        refused = await wire.ask("GET", "/fapi/v1/openOrders", signed=False, **asked)

    assert (refused.status, refused.code) == (400, -1022)


async def test_what_is_signed_is_percent_encoded() -> None:
    """F18: an id with ":" and "/" signed as %3A and %2F passes; signed as it reads, -1022."""
    async with wired() as wire:
        placed = await wire.order("BUY", "0.010", "59000", newClientOrderId="a:b/c")
        now = wire.server.clock.now_ms()
        raw = f"symbol=BTCUSDT&origClientOrderId=a:b/c&timestamp={now}"
        digest = hmac.new(KEY.secret.encode(), raw.encode(), hashlib.sha256).hexdigest()
        asked = {"symbol": "BTCUSDT", "origClientOrderId": "a:b/c", "timestamp": now}
        read = await wire.ask("GET", "/fapi/v1/order", signed=False, **asked, signature=digest)

    assert (placed.status, placed.body["clientOrderId"], read.code) == (200, "a:b/c", -1022)


async def test_the_engine_looks_at_the_receive_window_once_more() -> None:
    async with wired() as wire:
        wire.simulator.gate.engine_delay_ms = 5001
        refused = await wire.order("BUY", "0.010")
        read = await wire.ask("GET", "/fapi/v1/openOrders")
        left = wire.simulator.account.book.orders

    assert (refused.code, read.status, len(left)) == (-5028, 200, 0)


async def test_shedding_spares_what_reduces() -> None:
    """Answer 503 with -1008 to an entry: it does not exist; a reduce-only order passes."""
    async with wired() as wire:
        await wire.order("BUY", "0.010")
        wire.simulator.venue.throttled = True
        entry = await wire.order("BUY", "0.010")
        exit_ = await wire.order("SELL", "0.010", reduceOnly="true")
        stop = await wire.stop("SELL", "59000", quantity="0.010")

    assert (entry.status, entry.code, exit_.status, stop.code) == (503, -1008, 200, -1008)


@pytest.mark.parametrize(
    ("fault", "text", "orders"),
    [
        (unknown_error(Executed.NOW, operation="place.market"), "Unknown error", 1),
        (unknown_error(Executed.NEVER, operation="place.market"), "Unknown error", 0),
        (unavailable(operation="place"), "Service Unavailable.", 0),
        (internal_error(path="/fapi/v1/order"), "Internal error; unable to process", 0),
        (throttled(method="POST"), "Request throttled by system-level protection", 0),
    ],
)
async def test_a_503_may_or_may_not_have_been_executed(
    fault: Fault, text: str, orders: int
) -> None:
    async with wired() as wire:
        wire.server.faults.set(fault)
        answer = await wire.order("BUY", "0.010")
        there = len(wire.simulator.account.book.orders)

    assert (answer.status, there) == (503, orders)
    assert answer.body["msg"].startswith(text)


@pytest.mark.parametrize("executed", [Executed.NOW, Executed.NEVER])
async def test_a_timeout_of_the_backend_leaves_a_stop_unknown(executed: Executed) -> None:
    async with wired() as wire:
        wire.server.faults.set(timed_out(executed, operation="place.stop"))
        answer = await wire.stop("SELL", "59000", quantity="0.010", clientAlgoId="mine")
        found = await wire.ask("GET", "/fapi/v1/algoOrder", clientAlgoId="mine")

    assert (answer.status, answer.code) == (408, -1007)
    assert found.status == (200 if executed is Executed.NOW else 400)


async def test_an_order_that_is_executed_later_appears_later() -> None:
    async with wired() as wire:
        later = Fault(kind=Kind.ANSWER, status=504, body="", executed=Executed.LATER, after=timedelta(seconds=3), operation="place")  # fmt: skip
        wire.server.faults.set(later)
        await wire.order("BUY", "0.010", "59000", newClientOrderId="late")
        before = await wire.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="late")
        wire.server.clock.advance(timedelta(seconds=4))
        after = await wire.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="late")

    assert (before.code, after.body["status"]) == (-2013, "NEW")


async def test_a_false_not_found_says_what_the_venue_says() -> None:
    async with wired() as wire:
        await wire.order("BUY", "0.010", "59000", newClientOrderId="there")
        for operation in ("query.order", "cancel.order"):
            wire.server.faults.set(Fault(kind=Kind.FALSE_NOT_FOUND, executed=Executed.NEVER, operation=operation))  # fmt: skip
        asked: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "there"}
        false = [await wire.ask(m, "/fapi/v1/order", **asked) for m in ("GET", "DELETE")]
        true = await wire.ask("GET", "/fapi/v1/order", **asked)

    assert [answer.code for answer in false] == [-2013, -2011]
    assert true.body["status"] == "NEW"


async def test_the_control_endpoint_moves_the_venue() -> None:
    async with wired() as wire:
        await wire.order("BUY", "0.010")
        told = [
            {"do": "price", "symbol": "BTCUSDT", "price": "61000"},
            {"do": "funding", "symbol": "BTCUSDT", "rate": "0.0001"},
            {"do": "transfer", "amount": "5"},
            {"do": "worth"},
        ]
        answers = []
        for words in told:
            async with wire.session.post(wire.server.control_url, json=words) as answer:
                answers.append(await answer.json())

    assert [answer.get("error") for answer in answers] == [None] * 4
    assert answers[-1] == {"ok": "10014.69900000"}


async def test_the_schedule_tells_when_shares_trade() -> None:
    """F14: tradingSchedule, a week before and behind, without a gap."""
    async with wired() as wire:
        told = await wire.ask("GET", "/fapi/v1/tradingSchedule", signed=False)
        now = wire.server.clock.now_ms()

    sessions = told.body["marketSchedules"]["EQUITY"]["sessions"]
    assert {row["type"] for row in sessions} == {"PRE_MARKET", "REGULAR", "AFTER_MARKET", "OVERNIGHT", "NO_TRADING"}  # fmt: skip
    assert all(a["endTime"] == b["startTime"] for a, b in pairwise(sessions))
    week = 7 * 24 * 60 * 60 * 1000
    assert sessions[0]["startTime"] < now - week < now + week < sessions[-1]["endTime"]


async def test_what_a_key_may_do_is_told() -> None:
    async with wired() as wire:
        told = await wire.ask("GET", "/sapi/v1/account/apiRestrictions")
        wire.simulator.keys.add(KEY.allowing(enableFutures=False))
        refused = await wire.order("BUY", "0.010")
        still = await wire.ask("GET", "/sapi/v1/account/apiRestrictions")

    assert (told.body["enableFutures"], told.body["enableWithdrawals"], len(told.body)) == (True, False, 13)  # fmt: skip
    assert (refused.status, refused.code) == (401, -2015)
    assert still.body["enableFutures"] is False


async def test_too_much_weight_is_429_and_going_on_is_a_ban() -> None:
    async with wired() as wire:
        wire.simulator.gate.limits.arrive("127.0.0.1", 2400)
        answers = [await wire.ask("GET", "/fapi/v1/time", signed=False) for _ in range(5)]
        order = await wire.order("BUY", "0.010")

    assert [answer.status for answer in answers] == [429, 429, 429, 418, 418]
    assert (order.status, order.code) == (418, -1003)
    assert int(order.headers["RETRY-AFTER"]) > 0
