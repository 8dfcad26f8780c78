"""The simulator of Alpaca over HTTP: keys, limits, forbidden paths, faults, words of control."""

from datetime import timedelta

import aiohttp
import pytest

from tests.simulators.alpaca.gate import is_never_called
from tests.simulators.shared.faults import Executed, Fault, Kind, reset_after_execution
from tests.unit.simulators.alpaca.stage import staged


async def test_an_order_from_its_post_to_its_position() -> None:
    async with staged() as stage:
        status, order = await stage.place(client_order_id="mine")
        assert (status, order["status"]) == (200, "pending_new")

        by_id = await stage.ask("GET", f"/v2/orders/{order['id']}")
        found = await stage.ask("GET", "/v2/orders:by_client_order_id?client_order_id=mine")
        assert by_id == found
        assert by_id[1]["status"] == "filled"
        status, positions = await stage.ask("GET", "/v2/positions")
        assert [each["symbol"] for each in positions] == ["AAPL"]
        assert (await stage.ask("GET", "/v2/positions/BTCUSD"))[0] == 404
        assert (await stage.ask("GET", "/v2/account"))[1]["cash"] == "98000"


async def test_cancels_answer_204_and_207() -> None:
    async with staged() as stage:
        limit = {"type": "limit", "limit_price": "150"}
        _, first = await stage.place(**limit)
        await stage.place(**limit)

        assert await stage.ask("DELETE", f"/v2/orders/{first['id']}") == (204, None)
        assert (await stage.ask("DELETE", f"/v2/orders/{first['id']}"))[0] == 422
        status, answers = await stage.ask("DELETE", "/v2/orders")
        assert (status, [each["status"] for each in answers]) == (207, [200])
        assert (await stage.ask("DELETE", "/v2/orders/nothing"))[0] == 404


async def test_keys_are_asked_for() -> None:
    async with staged() as stage:
        for headers, expected in (
            ({"APCA-API-KEY-ID": "unknown"}, (401, "request is not authorized")),
            ({"APCA-API-SECRET-KEY": "wrong"}, (403, "forbidden.")),
        ):
            status, body = await stage.ask("GET", "/v2/account", headers=headers)
            assert (status, body["message"]) == expected
        async with aiohttp.ClientSession(stage.server.http) as nobody:
            crypto = "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD"
            async with nobody.get(crypto) as answer:
                assert answer.status == 200  # crypto's data is public
            async with nobody.get("/v2/stocks/quotes/latest?symbols=AAPL") as answer:
                assert answer.status == 401


async def test_requests_are_limited_and_told() -> None:
    """A13: 200 a minute by default, market data of its own; headers tell what is left."""
    async with staged(requests_per_minute=2) as stage:
        async with stage.http.get("/v2/clock") as answer:
            assert answer.headers["X-RateLimit-Limit"] == "2"
            assert answer.headers["X-RateLimit-Remaining"] == "1"
            reset = int(answer.headers["X-RateLimit-Reset"])
        await stage.ask("GET", "/v2/clock")

        status, body = await stage.ask("GET", "/v2/clock")
        assert (status, body["code"]) == (429, 42910000)
        assert (await stage.ask("GET", "/v2/stocks/quotes/latest?symbols=AAPL"))[0] == 200
        stage.server.clock.advance(timedelta(seconds=60))
        assert reset == stage.server.clock.now_ms() // 1000
        assert (await stage.ask("GET", "/v2/clock"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "never"),
    [
        ("GET", "/v2/wallets", True),
        ("POST", "/v2/wallets/transfers", True),
        ("GET", "/v2/wallets/whitelists", True),
        ("POST", "/v2/perpetuals/wallets/transfers", True),
        ("POST", "/v2/tokenization/mint", True),
        ("POST", "/v1/locates", True),
        ("GET", "/v1/locates/quotes", False),
        ("POST", "/v2/positions/AAPL/exercise", True),
        ("POST", "/v2/positions/AAPL/do-not-exercise", True),
        ("DELETE", "/v2/positions/AAPL", False),
    ],
)
def test_paths_that_are_never_called(method: str, path: str, never: bool) -> None:  # noqa: FBT001
    """A10: wallets, minting, locates, exercising."""
    assert is_never_called(method, path) is never


async def test_a_call_that_must_never_be_made_is_remembered() -> None:
    """A10: tests read `gate.violations`; the word of control tells it to other processes."""
    async with staged() as stage:
        assert (await stage.ask("GET", "/v2/wallets/transfers"))[0] == 403

        assert stage.simulator.gate.violations == [("GET", "/v2/wallets/transfers")]
        async with stage.http.post(stage.server.control_url, json={"do": "violations"}) as answer:
            assert (await answer.json())["ok"] == [["GET", "/v2/wallets/transfers"]]


@pytest.mark.parametrize(
    ("body", "code"), [("{", 40010001), ("[]", 40010001), ("", 40010001), ("null", 40010001)]
)
async def test_a_body_that_is_none_is_refused(body: str, code: int) -> None:
    async with staged() as stage:
        status, told = await stage.ask("POST", "/v2/orders", data=body)

        assert (status, told["code"]) == (422, code)


async def test_an_order_is_placed_whatever_becomes_of_its_answer() -> None:
    async with staged() as stage:
        stage.server.faults.set(reset_after_execution(operation="place.market"))

        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await stage.place(client_order_id="mine")

        assert (await stage.ask("GET", "/v2/orders?status=all"))[1][0]["status"] == "filled"
        status, body = await stage.place(client_order_id="mine")
        assert (status, body["code"]) == (422, 40010001)


async def test_an_order_may_be_placed_later_than_its_answer() -> None:
    async with staged() as stage:
        stage.server.faults.set(
            Fault(
                kind=Kind.ANSWER,
                status=504,
                operation="place.limit.bracket",
                executed=Executed.LATER,
                after=timedelta(seconds=5),
            )
        )
        bracket = {
            "type": "limit",
            "limit_price": "200",
            "order_class": "bracket",
            "take_profit": {"limit_price": "210"},
            "stop_loss": {"stop_price": "190"},
        }

        async with stage.http.post(
            "/v2/orders",
            json={"symbol": "AAPL", "side": "buy", "qty": "1", "time_in_force": "gtc", **bracket},
        ) as answer:
            assert answer.status == 504
        assert (await stage.ask("GET", "/v2/orders?status=all"))[1] == []
        stage.server.clock.advance(timedelta(seconds=6))
        await stage.server.settle()

        assert len((await stage.ask("GET", "/v2/orders?status=all"))[1]) == 3


async def test_an_order_may_be_said_not_to_exist() -> None:
    async with staged() as stage:
        await stage.place(client_order_id="mine")
        stage.server.faults.set(Fault(kind=Kind.FALSE_NOT_FOUND, operation="find"))

        path = "/v2/orders:by_client_order_id?client_order_id=mine"
        status, body = await stage.ask("GET", path)
        assert (status, body["code"]) == (404, 40410000)
        assert (await stage.ask("GET", path))[0] == 200


async def test_the_server_lets_sessions_begin_by_itself() -> None:
    async with staged("2026-11-18 09:00") as stage:
        _, order = await stage.place()
        assert order["status"] == "accepted"

        stage.server.clock.advance(timedelta(minutes=31))
        await stage.server.settle()

        assert stage.exchange.desk.book.get(order["id"]).status == "filled"


async def test_another_process_moves_the_market() -> None:
    async with staged() as stage:
        _, order = await stage.place(type="limit", limit_price="150")
        for told in (
            {"do": "quote", "symbol": "AAPL", "bid": "149", "ask": "149.50"},
            {"do": "trade", "symbol": "AAPL", "price": "149.50"},
            {"do": "transfer", "amount": "12.5"},
            {
                "do": "bar",
                "symbol": "AAPL",
                "at": "2026-11-18T15:00:00Z",
                "open": "1",
                "high": "2",
                "low": "1",
                "close": "2",
                "volume": "5",
            },
        ):
            async with stage.http.post(stage.server.control_url, json=told) as answer:
                assert answer.status == 200

        assert stage.exchange.order(order["id"]).status == "filled"
        assert (await stage.ask("GET", "/v2/account"))[1]["cash"] == "98517.5"


async def test_activities_are_streamed_from_an_event_on() -> None:
    """A9: `since_id` repeats everything from that event on: nothing is missed."""
    async with staged() as stage:
        for amount in ("1", "2", "3"):
            stage.exchange.transfer(amount)
        second = stage.exchange.desk.activities.all[1].event_id
        path = f"/v2beta1/events/activities?since_id={second}"

        async with stage.http.get(path) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            first = await answer.content.readuntil(b"\n\n")
            await answer.content.readuntil(b"\n\n")
            stage.exchange.transfer("4")
            last = await answer.content.readuntil(b"\n\n")

        assert b'"net_amount": "2"' in first
        assert b'"net_amount": "4"' in last
        assert (await stage.ask("GET", "/v2beta1/events/activities?until_id=1"))[0] == 422
