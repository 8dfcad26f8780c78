"""Faults at the served venue: what the client sees, and what became of the order."""

import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.simulators.binance import answers
from tests.simulators.shared.faults import Executed, Fault, Kind, reset_after_execution
from tests.unit.simulators.binance.spot.lines import Exchange, exchange

ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


def placed(place: Exchange) -> int:
    return len(place.simulator.venue.markets["BTCUSDT"].orders)


@pytest.mark.parametrize(
    ("executed", "now", "later"),
    [(Executed.NOW, 1, 1), (Executed.LATER, 0, 1), (Executed.NEVER, 0, 0)],
)
async def test_an_unknown_503_has_three_truths(executed: Executed, now: int, later: int) -> None:
    async with exchange() as place:
        match = {"operation": "place.market", "after": timedelta(seconds=5)}
        place.server.faults.set(answers.unknown_503(executed, **match))

        status, body = await place.rest("POST", "/api/v3/order", **ORDER)

        assert status == 503
        assert "Unknown error" in json.loads(body)["msg"]
        assert placed(place) == now
        place.server.clock.advance(timedelta(seconds=5))
        await place.server.settle()
        assert placed(place) == later


async def test_a_failed_503_is_a_failure() -> None:
    async with exchange() as place:
        place.server.faults.set(answers.failed_503(operation="place"))

        assert (await place.rest("POST", "/api/v3/order", **ORDER))[0] == 503
        assert placed(place) == 0
        assert (await place.rest("POST", "/api/v3/order", **ORDER))[0] == 200


async def test_a_time_out_of_the_engine_is_told_by_its_code() -> None:
    async with exchange() as place:
        place.server.faults.set(answers.timed_out(Executed.NOW, path="/api/v3/order"))

        status, body = await place.rest("POST", "/api/v3/order", **ORDER)

        assert (status, json.loads(body)["code"], placed(place)) == (504, -1007, 1)


async def test_a_reset_after_execution_leaves_an_order_behind() -> None:
    async with exchange() as place:
        place.server.faults.set(reset_after_execution(operation="place.stop_loss"))

        assert (await place.rest("POST", "/api/v3/order", **ORDER))[0] == 200
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await place.rest(
                "POST",
                "/api/v3/order",
                **(ORDER | {"side": "SELL", "type": "STOP_LOSS", "stopPrice": "50000"}),
            )
        assert placed(place) == 2


async def test_an_order_is_denied_although_it_is_there() -> None:
    """-2013 is no proof of absence."""
    async with exchange() as place:
        order = await place.order(type="LIMIT", timeInForce="GTC", price="50000")
        place.server.faults.set(Fault(kind=Kind.FALSE_NOT_FOUND, operation="query"))
        ask: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": order["orderId"]}

        denied = await place.rest("GET", "/api/v3/order", **ask)
        found = await place.rest("GET", "/api/v3/order", **ask)

        assert (denied[0], json.loads(denied[1])["code"]) == (400, -2013)
        assert json.loads(found[1])["status"] == "NEW"


async def test_both_kinds_of_keys_sign_over_the_wire() -> None:
    async with exchange() as place:
        for ed in (False, True):
            assert (await place.rest("GET", "/api/v3/account", ed=ed))[0] == 200
            status, _ = await place.rest("POST", "/api/v3/order", ed=ed, **ORDER)
            assert status == 200


async def test_a_gap_of_the_user_stream_loses_an_event() -> None:
    async with exchange() as place, place.user_line() as line:
        await line.ask("userDataStream.subscribe.signature", **place.signed())
        place.server.faults.set(Fault(kind=Kind.GAP, path="/ws-api", channel="executionReport"))
        await place.server.met()

        await place.order()
        first = await line.until(lambda m: m.get("event", {}).get("e") == "executionReport")

        assert first["event"]["x"] == "TRADE"  # NEW was lost


async def test_calls_of_the_websocket_api_meet_faults_too() -> None:
    async with exchange() as place, place.user_line() as line:
        error = {"code": -1007, "msg": "Timeout"}
        place.server.faults.set(
            Fault(kind=Kind.ANSWER, method="WS", operation="place.market", status=504, body=error)
        )

        answer = await line.ask("order.place", **place.signed(**ORDER))

        assert (answer["status"], answer["error"]["code"], placed(place)) == (504, -1007, 1)


async def test_a_path_that_the_venue_has_not_is_404() -> None:
    async with exchange() as place:
        for method, path in (
            ("POST", "/sapi/v1/capital/withdraw/apply"),
            ("POST", "/sapi/v1/asset/transfer"),
            ("POST", "/api/v3/userDataStream"),
        ):
            assert (await place.rest(method, path))[0] == 404
