"""The streams of the simulator of Alpaca."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.simulators.alpaca.market import flat_bars
from tests.simulators.alpaca.messagepack import UnreadableError, packed, unpacked
from tests.simulators.shared.faults import Fault, Kind
from tests.unit.simulators.alpaca.scenes import moment
from tests.unit.simulators.alpaca.stage import Stage, staged

Socket = aiohttp.ClientWebSocketResponse


async def told(socket: Socket) -> Any:
    message = await socket.receive(timeout=20)
    assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message
    return json.loads(message.data)


@asynccontextmanager
async def listening(stage: Stage) -> AsyncIterator[Socket]:
    """A connection to /stream that listens to trade updates."""
    keys = {"key_id": stage.simulator.terms.key, "secret_key": stage.simulator.terms.secret}
    async with stage.http.ws_connect("/stream") as socket:
        await socket.send_json({"action": "authenticate", "data": keys})
        assert (await told(socket))["data"]["status"] == "authorized"
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates", "x"]}})
        assert (await told(socket))["data"] == {"streams": ["trade_updates"]}
        yield socket


async def test_trade_updates_tell_the_life_of_an_order() -> None:
    async with staged() as stage, listening(stage) as socket:
        stage.exchange.quote("AAPL", "199.98", "200", ask_size="4")
        _, order = await stage.place()
        stage.exchange.quote("AAPL", "199.98", "200")

        updates = [(await told(socket))["data"] for _ in range(4)]

    assert [each["event"] for each in updates] == ["pending_new", "new", "partial_fill", "fill"]
    assert {each["order"]["id"] for each in updates} == {order["id"]}
    assert (updates[2]["qty"], updates[2]["position_qty"]) == ("4", "4")
    assert (updates[3]["price"], updates[3]["position_qty"]) == ("200", "10")
    assert updates[2]["execution_id"] != updates[3]["execution_id"]


@pytest.mark.parametrize(("paper", "frame"), [(True, "BINARY"), (False, "TEXT")])
async def test_paper_sends_binary_frames(paper: bool, frame: str) -> None:  # noqa: FBT001
    async with staged(paper=paper) as stage, stage.http.ws_connect("/stream") as socket:
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})

        message = await socket.receive(timeout=20)

        assert message.type.name == frame
        assert json.loads(message.data)["data"]["status"] == "unauthorized"
        assert (await socket.receive(timeout=20)).type is aiohttp.WSMsgType.CLOSE


async def test_one_connection_an_account() -> None:
    """A11: the second one is answered 429, as long as the first one stands."""
    async with staged(storm=10_000) as stage:
        async with listening(stage):
            assert await is_refused(stage)
        async with asyncio.timeout(20):
            while await is_refused(stage):
                pass


async def is_refused(stage: Stage) -> bool:
    """Whether a new connection to /stream is answered 429."""
    try:
        async with stage.http.ws_connect("/stream"):
            return False
    except aiohttp.WSServerHandshakeError as error:
        return error.status == 429


async def test_a_storm_of_connections_is_answered_429() -> None:
    """A11: until the minute is over."""
    async with staged(storm=1) as stage:
        async with listening(stage):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with stage.http.ws_connect("/stream"):
                pass


async def test_a_muted_stream_loses_updates() -> None:
    async with staged() as stage, listening(stage) as socket:
        stage.server.faults.set(Fault(kind=Kind.GAP, times=2, path="/stream"))
        await stage.server.met()
        await stage.place()

        assert (await told(socket))["data"]["event"] == "fill"


def data_keys(stage: Stage) -> dict[str, str]:
    return {
        "action": "auth",
        "key": stage.simulator.terms.key,
        "secret": stage.simulator.terms.secret,
    }


@asynccontextmanager
async def connected(stage: Stage, feed: str = "iex") -> AsyncIterator[Socket]:
    async with (
        aiohttp.ClientSession(stage.server.http) as http,
        http.ws_connect(f"/v2/{feed}") as socket,
    ):
        assert await told(socket) == [{"T": "success", "msg": "connected"}]
        yield socket


async def test_market_data_is_told_to_who_asks() -> None:
    async with staged() as stage, connected(stage) as socket:
        await socket.send_json(data_keys(stage))
        assert await told(socket) == [{"T": "success", "msg": "authenticated"}]
        wanted = {
            "quotes": ["AAPL"],
            "trades": ["AAPL"],
            "bars": ["*"],
            "updatedBars": ["AAPL"],
            "dailyBars": ["AAPL"],
        }
        await socket.send_json({"action": "subscribe", **wanted})
        (subscribed,) = await told(socket)
        assert (subscribed["T"], subscribed["quotes"], subscribed["lulds"]) == (
            "subscription",
            ["AAPL"],
            [],
        )

        (bar,) = flat_bars(moment("2026-11-18 10:00"), 1, Decimal(200))
        stage.exchange.quote("AAPL", "0", "200.5")
        stage.exchange.quote("MSFT", "1", "2")
        stage.exchange.trade("AAPL", "200.25", "7")
        stage.exchange.bar("AAPL", bar, "sip")
        stage.exchange.bar("AAPL", bar, "iex")
        stage.exchange.bar("AAPL", bar, "iex")
        stage.exchange.desk.market.daily_bar("AAPL", bar, "iex")

        messages = [(await told(socket))[0] for _ in range(5)]

    assert [each["T"] for each in messages] == ["q", "t", "b", "u", "d"]
    assert (messages[0]["bp"], messages[0]["ap"]) == (0, 200.5)  # 0: no quote
    assert (messages[1]["p"], messages[1]["s"]) == (200.25, 7)
    assert messages[2]["t"] == "2026-11-18T15:00:00Z"


async def test_market_data_speaks_message_pack() -> None:
    headers = {"Content-Type": "application/msgpack"}
    async with (
        staged() as stage,
        aiohttp.ClientSession(stage.server.http) as http,
        http.ws_connect("/v2/iex", headers=headers) as socket,
    ):
        assert unpacked(await socket.receive_bytes()) == [{"T": "success", "msg": "connected"}]
        await socket.send_bytes(packed(data_keys(stage)))
        assert unpacked(await socket.receive_bytes())[0]["msg"] == "authenticated"
        await socket.send_bytes(packed({"action": "subscribe", "quotes": ["AAPL"]}))
        await socket.receive_bytes()
        stage.exchange.quote("AAPL", "200", "200.5")

        (quote,) = unpacked(await socket.receive_bytes())

    assert (quote["T"], quote["t"], quote["ap"]) == ("q", moment("2026-11-18 10:00"), 200.5)


@pytest.mark.parametrize(
    ("code", "sent"),
    [
        (400, "{"),
        (400, '{"action": "dance"}'),
        (401, '{"action": "subscribe", "quotes": ["AAPL"]}'),
        (402, '{"action": "auth", "key": "unknown", "secret": "x"}'),
    ],
)
async def test_errors_of_the_data_stream(code: int, sent: str) -> None:
    async with staged() as stage, connected(stage) as socket:
        await socket.send_str(sent)

        (error,) = await told(socket)

    assert (error["T"], error["code"]) == ("error", code)


async def test_limits_of_the_data_stream() -> None:
    """A11: one connection a feed (406); 30 symbols on the free plan (405), whose feed is iex (409)."""
    async with staged() as stage, connected(stage) as socket:
        await socket.send_json(data_keys(stage))
        await told(socket)
        await socket.send_json(data_keys(stage))
        assert (await told(socket))[0]["code"] == 403
        many = [f"S{number}" for number in range(31)]
        await socket.send_json({"action": "subscribe", "quotes": many})
        assert (await told(socket))[0]["code"] == 405

        async with connected(stage) as second:
            assert (await told(second))[0]["code"] == 406
        async with connected(stage, "sip") as other:
            await other.send_json(data_keys(stage))
            assert (await told(other))[0]["code"] == 409


async def test_keys_are_waited_for_and_not_for_ever() -> None:
    async with staged(auth_timeout=0.01) as stage, connected(stage) as socket:
        assert (await told(socket))[0]["code"] == 404


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        127,
        70_000,
        2**40,
        -(2**40),
        1.5,
        "",
        "é" * 40,
        "x" * 70_000,
        [],
        list(range(20)),
        {"a": [1, {"b": None}]},
        {str(number): number for number in range(20)},
        datetime(2026, 11, 18, 15, 0, 0, 123456, UTC),
    ],
)
def test_message_pack_is_read_as_it_was_written(value: Any) -> None:
    assert unpacked(packed(value)) == value


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", b"\xa5ab", b"\x92\x01", b"\x01\x01", b"\xdd\xff\xff\xff\xff"]
)
def test_bad_message_pack_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        unpacked(raw)
