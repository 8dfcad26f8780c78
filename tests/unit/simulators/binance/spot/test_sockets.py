"""WebSocket API and market streams over real connections."""

import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.simulators.binance.spot.user_streams import Subscriptions
from tests.unit.simulators.binance.spot.lines import PATIENCE, Exchange, exchange


async def told(place: Exchange, word: str, **words: Any) -> Any:
    async with place.client.post(place.server.control_url, json={"do": word} | words) as answer:
        return (await answer.json())["ok"]


async def test_a_session_is_for_ed25519_keys_only() -> None:
    """S6: HMAC is deprecated; session.logon takes Ed25519 and nothing else."""
    async with exchange() as place, place.user_line() as line:
        assert (await line.ask("session.logon", **place.signed()))["status"] == 400
        logged = await line.ask("session.logon", **place.signed(ed=True))
        assert logged["result"]["apiKey"] == "demoEd25519Key"

        account = await line.ask("account.status", timestamp=place.now_ms())
        assert account["result"]["accountType"] == "SPOT"
        assert (await line.ask("session.logout"))["result"]["apiKey"] is None
        assert (await line.ask("account.status", timestamp=place.now_ms()))["error"][
            "code"
        ] == -2014


async def test_events_come_in_the_envelope_of_their_subscription() -> None:
    """S8: one subscription an account and connection; each says when it ends."""
    async with exchange() as place, place.user_line() as line:
        opened = await line.ask("userDataStream.subscribe.signature", **place.signed())
        number = opened["result"]["subscriptionId"]
        again = await line.ask("userDataStream.subscribe.signature", **place.signed())
        assert again["error"]["code"] == -2035

        await place.order()
        fill = await line.until(lambda m: m.get("event", {}).get("x") == "TRADE")
        assert (fill["subscriptionId"], fill["event"]["X"]) == (number, "FILLED")
        await line.until(lambda m: m.get("event", {}).get("e") == "outboundAccountPosition")

        await line.socket.send_json({"id": 1, "method": "userDataStream.unsubscribe"})
        ended = await line.until(lambda m: m.get("event", {}).get("e") == "eventStreamTerminated")
        assert ended["subscriptionId"] == number
        wrong = await line.ask("userDataStream.unsubscribe", subscriptionId=number)
        assert wrong["error"]["code"] == -2036


def test_subscriptions_are_bounded_at_a_time_and_in_a_life() -> None:
    """S8, S19: at most 1,000 at a time (here 2), 65,535 numbers in a life (here 3): -2042."""
    held = Subscriptions(most_active=2, most_in_a_life=3)
    codes = []
    for account in ("a", "b", "c"):
        try:
            held.open(account, by_session=False)
        except Exception as error:  # noqa: BLE001 - its code is looked at
            codes.append(error.__dict__["code"])
    held.close(0)
    held.open("d", by_session=False)
    held.close(1)
    with pytest.raises(Exception, match="Maximum subscription ID") as used_up:
        held.open("e", by_session=False)

    assert codes == [-1191]
    assert used_up.value.__dict__["code"] == -2042


async def test_a_key_that_became_invalid_revokes_the_session() -> None:
    """S8: with the next request, answered 401, -2015, `id: null`."""
    async with exchange() as place, place.user_line() as line:
        await line.ask("session.logon", **place.signed(ed=True))
        place.simulator.venue.keys.revoke("demoEd25519Key")

        answer = await line.ask("account.status", timestamp=place.now_ms())

        assert (answer["id"], answer["status"], answer["error"]["code"]) == (None, 401, -2015)
        assert (await line.ask("session.status"))["result"]["apiKey"] is None


async def test_listen_keys_of_the_websocket_api_are_gone() -> None:
    """S14: userDataStream.start, .ping and .stop are retired."""
    async with exchange() as place, place.user_line() as line:
        assert (await line.ask("userDataStream.start", apiKey="demoHmacKey"))["status"] == 400


async def test_a_shutdown_has_three_shapes() -> None:
    """S7: of the WebSocket API, of a raw stream, of a combined one."""
    async with (
        exchange() as place,
        place.user_line() as user,
        place.line("/ws/btcusdt@trade") as raw,
        place.line("/stream?streams=btcusdt@trade") as combined,
    ):
        await user.ask("ping")
        await raw.tell("LIST_SUBSCRIPTIONS")
        await combined.tell("LIST_SUBSCRIPTIONS")
        await told(place, "shutdown")
        event = {"e": "serverShutdown", "E": place.now_ms()}

        assert await user.next() == {"event": event}
        assert await raw.next() == event
        assert await combined.next() == {"stream": "!serverShutdown", "data": event}


async def test_the_websocket_api_tells_its_limits_unless_asked_not_to() -> None:
    async with exchange() as place, place.user_line() as line:
        shown = await line.ask("time")
        placed = await line.ask(
            "order.place",
            **place.signed(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"),
        )
        hidden = await line.ask("time", returnRateLimits=False)

        assert [row["rateLimitType"] for row in shown["rateLimits"]] == ["REQUEST_WEIGHT"]
        kinds = [row["rateLimitType"] for row in placed["rateLimits"]]
        assert kinds == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
        assert "rateLimits" not in hidden


async def test_a_ban_is_told_with_its_end() -> None:
    async with exchange() as place, place.user_line() as line:
        until = place.now_ms() + 120_000
        place.simulator.venue.limits.ban("127.0.0.1", until)

        answer = await line.ask("time")
        status, body = await place.rest("GET", "/api/v3/account")

        assert answer["status"] == status == 418
        assert answer["error"]["data"]["retryAfter"] == until
        assert json.loads(body) == {"code": -1003, "msg": answer["error"]["msg"]}


async def test_streams_are_raw_or_combined_and_change_by_message() -> None:
    async with exchange() as place, place.line("/ws") as line:
        assert await line.tell("SUBSCRIBE", "btcusdt@trade", "btcusdt@bookTicker") == {
            "result": None, "id": 1,
        }  # fmt: skip
        place.simulator.venue.move("BTCUSDT", "60010")
        trade = await line.until(lambda m: m.get("e") == "trade")
        assert trade["p"] == "60010.00000000"
        assert (await line.tell("SET_PROPERTY", *["combined", True]))["result"] is None
        await line.tell("UNSUBSCRIBE", "btcusdt@trade")

        place.simulator.venue.move("BTCUSDT", "60020")

        assert (await line.next())["stream"] == "btcusdt@bookTicker"
        assert (await line.tell("LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@bookTicker"]


async def test_candles_close_by_the_simulator_s_clock() -> None:
    async with exchange() as place, place.line("/ws/btcusdt@kline_1m") as line:
        await line.tell("LIST_SUBSCRIPTIONS")
        place.simulator.venue.move("BTCUSDT", "60010")
        first = (await line.until(lambda m: m.get("e") == "kline"))["k"]
        place.server.clock.advance(timedelta(minutes=1))

        last = (await line.until(lambda m: m["k"]["x"]))["k"]
        new = (await line.next())["k"]

        assert (last["t"], last["c"]) == (first["t"], "60010.00000000")
        assert (new["t"], new["x"], new["v"]) == (first["t"] + 60_000, False, "0.00000000")


async def test_a_local_book_is_right_only_by_the_venue_s_rule() -> None:
    """S15: a snapshot older than the first event's U is fetched again; then events join without a gap."""
    async with exchange() as place, place.line("/ws/btcusdt@depth") as line:
        await line.tell("LIST_SUBSCRIPTIONS")
        venue = place.simulator.venue
        market = venue.markets["BTCUSDT"]
        market.keep_snapshot(1)
        venue.quote("BTCUSDT", [("59990", "1"), ("59980", "2")], [("60010", "1")])
        venue.quote("BTCUSDT", [("59990", "3")], [("60010", "1"), ("60020", "2")])
        events = [await line.next(), await line.next()]

        stale = market.depth(5000)
        fresh = market.depth(5000)

        assert stale["lastUpdateId"] < events[0]["U"]
        assert fresh["lastUpdateId"] >= events[0]["U"]
        assert events[1]["U"] == events[0]["u"] + 1
        book = {row[0]: row[1] for row in stale["bids"]}
        for event in events:
            book |= {row[0]: row[1] for row in event["b"]}
        there = {price: quantity for price, quantity in book.items() if float(quantity)}
        assert there == {row[0]: row[1] for row in fresh["bids"]}


async def test_a_connection_lives_for_a_day_and_is_pinged_meanwhile() -> None:
    async with exchange() as place, place.line("/ws/btcusdt@trade") as line:
        await line.tell("LIST_SUBSCRIPTIONS")
        place.server.clock.advance(timedelta(seconds=20))
        ping = await line.socket.receive(PATIENCE)
        assert ping.type is aiohttp.WSMsgType.PING
        place.server.clock.advance(timedelta(hours=24))

        assert await line.closed() == 1001


async def test_more_than_five_messages_a_second_end_the_connection() -> None:
    async with exchange() as place, place.line("/ws") as line:
        for _ in range(6):
            await line.socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})

        assert await line.closed() == 1008


async def test_more_than_1024_streams_end_the_connection() -> None:
    async with exchange() as place, place.line("/ws") as line:
        await line.tell("SUBSCRIBE", *[f"s{number}@trade" for number in range(1024)])
        await line.socket.send_json({"method": "SUBSCRIBE", "params": ["one@trade"], "id": 2})

        assert await line.closed() == 1008


async def test_connecting_too_often_is_refused() -> None:
    """S19: -1034 beyond 300 attempts in five minutes."""
    async with exchange() as place:
        place.simulator.streams.attempts.most = 1
        async with place.line("/ws"):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with place.line("/ws"):
                pass

        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"] == "300"


@pytest.mark.parametrize(
    ("text", "code"),
    [("no json", 3), ('{"id":1}', 2), ('{"method":"PLAY","id":1}', 2),
     ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0)],
)  # fmt: skip
async def test_messages_that_are_none_are_answered(text: str, code: int) -> None:
    async with exchange() as place, place.line("/ws") as line:
        await line.socket.send_str(text)

        assert (await line.next())["code"] == code
