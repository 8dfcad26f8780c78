"""Streams of the simulated USDT-M venue: routes, user data, books, candles, faults."""

import base64
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import websocket_payload
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.routes import Route, delivers, home_of
from tests.simulators.binance.usdm.simulator import ED25519_KEY, ED25519_SECRET, KEY
from tests.simulators.shared.faults import Fault, Kind
from tests.unit.simulators.binance.usdm.wire import Listening, Wire, wired

PUBLIC = ("btcusdt@bookTicker", "!bookTicker", "btcusdt@depth", "btcusdt@depth5@100ms", "btcusdt@rpiDepth@500ms")  # fmt: skip
MARKET = (
    "btcusdt@kline_1m", "btcusdt_perpetual@continuousKline_1m", "btcusdt@aggTrade", "btcusdt@markPrice", "!markPrice@arr",
    "btcusdt@ticker", "btcusdt@miniTicker", "!ticker@arr", "!miniTicker@arr", "!forceOrder@arr", "!contractInfo",
    "defiusdt@compositeIndex", "!assetIndex@arr", "tradingSession",
)  # fmt: skip


@pytest.mark.parametrize("channel", [*PUBLIC, *MARKET, "0123abcd"])
def test_each_stream_lives_on_one_route(channel: str) -> None:
    """F11: and an unrouted connection gives the public ones, without an error for the others."""
    home = home_of(channel)

    assert home is (Route.PUBLIC if channel in PUBLIC else Route.MARKET if channel in MARKET else Route.PRIVATE)  # fmt: skip
    assert [route for route in Route if delivers(route, channel)] == [
        home,
        *([Route.UNROUTED] if home is Route.PUBLIC else []),
    ]


@pytest.mark.parametrize("path", ["/ws", "/stream", "/public/ws", "/public/stream"])
async def test_an_unrouted_connection_is_silent_for_market_streams(path: str) -> None:
    """F11: subscribed without an error, and nothing comes."""
    async with wired() as wire, wire.stream(path) as listening:
        accepted = await listening.subscribe("btcusdt@aggTrade", "btcusdt@bookTicker")
        wire.price("60100")
        wire.simulator.feeds.beat()
        came = await listening.marked()

    told = [event.get("data", event)["e"] for event in came]
    assert accepted == {"result": None, "id": 1}
    assert set(told) == {"bookTicker"}


async def test_a_market_route_gives_market_streams_only() -> None:
    """F11: /market has no books."""
    path = "/market/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker/btcusdt@kline_1m"
    async with wired() as wire, wire.stream(path) as listening:
        wire.price("60100")
        came = await listening.marked()

    assert [event["stream"] for event in came] == ["btcusdt@aggTrade", "btcusdt@kline_1m"]


@pytest.mark.parametrize(
    ("path", "channel", "field"),
    [
        ("/market/ws", "!markPrice@arr", "p"),
        ("/market/ws", "!ticker@arr", "c"),
        ("/market/ws", "!miniTicker@arr", "c"),
    ],
)
async def test_all_market_streams_carry_coin_margined_rows(
    path: str, channel: str, field: str
) -> None:
    """F12: `st` is 1 for USDT-M and 2 for COIN-M, `ps` the pair."""
    async with wired() as wire, wire.stream(f"{path}/{channel}") as listening:
        wire.simulator.feeds.beat()
        rows = await listening.next()

    kinds = {row["s"]: (row["st"], row["ps"]) for row in rows if field in row}
    assert (kinds["BTCUSDT"], kinds["BTCUSD_PERP"]) == ((1, "BTCUSDT"), (2, "BTCUSD"))


async def test_all_books_carry_coin_margined_ones_too() -> None:
    """F12: !bookTicker."""
    async with wired() as wire, wire.stream("/public/ws/!bookTicker") as listening:
        wire.price("60100")
        wire.simulator.feeds.beat()
        seen = {(event["s"], event["st"]) for event in (await listening.next(), await listening.next())}  # fmt: skip

    assert seen == {("BTCUSDT", 1), ("BTCUSD_PERP", 2)}


async def test_market_endpoints_take_coin_margined_symbols() -> None:
    """F12: orders do not."""
    async with wired() as wire:
        read = await wire.ask("GET", "/fapi/v1/premiumIndex", signed=False, symbol="BTCUSD_PERP")
        order = await wire.order("BUY", "1", symbol="BTCUSD_PERP")

    assert (read.body["symbol"], order.code) == ("BTCUSD_PERP", -1121)


class Book:
    """A book kept by the venue's rule for futures."""

    def __init__(self, snapshot: Any) -> None:
        self.last = snapshot["lastUpdateId"]
        self.previous: int | None = None
        self.sides: dict[str, dict[str, str]] = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}  # fmt: skip

    def take(self, event: Any) -> bool:
        """False when the book must be fetched anew."""
        if event["u"] < self.last:
            return True
        fits = event["U"] <= self.last <= event["u"] if self.previous is None else event["pu"] == self.previous  # fmt: skip
        if not fits:
            return False
        self.previous = event["u"]
        for side, levels in self.sides.items():
            levels |= dict(event[side])
            for price in [price for price, quantity in levels.items() if not Decimal(quantity)]:
                del levels[price]
        return True


async def test_a_book_is_kept_by_the_futures_rule() -> None:
    """F19: drop u < lastUpdateId; first U <= lastUpdateId <= u; then pu is the previous u."""
    async with wired() as wire, wire.stream("/public/ws/btcusdt@depth@100ms") as listening:
        wire.price("60100")
        snapshot = await wire.ask("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT")
        for price in ("60200", "60150"):
            wire.price(price)
        events = await listening.marked()
        book = Book(snapshot.body)
        kept = [book.take(event) for event in events]
        now = await wire.ask("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT")

    assert kept == [True, True, True]
    assert book.sides == {"b": dict(now.body["bids"]), "a": dict(now.body["asks"])}
    assert all(event["U"] < event["u"] for event in events)


async def test_a_lost_event_shows_in_the_sequence() -> None:
    """F19: pu differs from the previous u."""
    async with wired() as wire, wire.stream("/public/ws/btcusdt@depth") as listening:
        snapshot = await wire.ask("GET", "/fapi/v1/depth", signed=False, symbol="BTCUSDT")
        wire.price("60100")
        before = await listening.marked()
        wire.server.faults.set(Fault(kind=Kind.GAP, channel="btcusdt@depth"))
        await wire.server.met()
        wire.price("60200")
        wire.price("60300")
        after = await listening.marked()
        book = Book(snapshot.body)

    assert [book.take(event) for event in before + after] == [True, False]


async def test_a_fill_is_told_on_the_user_stream() -> None:
    async with wired() as wire, wire.user_stream() as listening:
        await wire.order("BUY", "0.010", newClientOrderId="mine")
        events = [await listening.next() for _ in range(4)]

    assert [event["e"] for event in events] == ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"]  # fmt: skip
    trade = events[3]["o"]
    assert (trade["c"], trade["x"], trade["X"], trade["n"], trade["N"], trade["er"]) == ("mine", "TRADE", "FILLED", "0.24000000", "USDT", "0")  # fmt: skip
    assert events[2]["a"]["P"][0]["pa"] == "0.010"


@pytest.mark.parametrize(
    ("path", "hears"),
    [
        ("/private/ws/{key}", True),
        ("/private/ws?listenKey={key}", True),
        ("/private/stream?streams={key}", True),
        ("/ws/{key}", False),
        ("/public/ws/{key}", False),
    ],
)
async def test_user_data_come_on_the_private_route_only(path: str, hears: bool) -> None:  # noqa: FBT001
    """F11: /private/ws/<listenKey>; elsewhere the connection is silent."""
    async with wired() as wire:
        started = await wire.ask("POST", "/fapi/v1/listenKey", signed=False)
        async with wire.stream(path.format(key=started.body["listenKey"])) as listening:
            wire.simulator.venue.cash.transfer(wire.simulator.account, "USDT", Decimal(1))
            came = await listening.marked()

    assert len(came) == (1 if hears else 0)


async def test_a_listen_key_lives_an_hour() -> None:
    async with wired() as wire, wire.user_stream() as listening:
        key = wire.simulator.listen_keys.key_of(KEY.account)
        wire.server.clock.advance(timedelta(minutes=59))
        kept = await wire.ask("PUT", "/fapi/v1/listenKey", signed=False)
        wire.server.clock.advance(timedelta(minutes=60))
        expired = await listening.until("listenKeyExpired")
        late = await wire.ask("PUT", "/fapi/v1/listenKey", signed=False)
        new = await wire.ask("POST", "/fapi/v1/listenKey", signed=False)

    assert (kept.body["listenKey"], expired["listenKey"], late.code) == (key, key, -1125)
    assert new.body["listenKey"] != key


async def test_a_closed_candle_is_told_once() -> None:
    async with wired() as wire, wire.stream("/market/ws/btcusdt@kline_1m") as listening:
        wire.price("60100")
        opened = (await listening.until("kline"))["k"]
        wire.server.clock.advance(timedelta(minutes=1))
        wire.simulator.feeds.beat()
        closed, fresh = (await listening.until("kline"))["k"], (await listening.until("kline"))["k"]
        rows = await wire.ask("GET", "/fapi/v1/klines", signed=False, symbol="BTCUSDT", interval="1m", limit=2)  # fmt: skip

    assert [row["x"] for row in (opened, closed, fresh)] == [False, True, False]
    assert (closed["t"], closed["c"], fresh["t"]) == (opened["t"], "60100", opened["t"] + 60_000)
    assert [row[0] for row in rows.body] == [closed["t"], fresh["t"]]
    assert rows.body[0][4] == closed["c"]


async def test_connections_end_after_a_day() -> None:
    async with wired() as wire, wire.stream("/market/ws/btcusdt@aggTrade") as listening:
        await listening.marked()
        wire.server.clock.advance(timedelta(hours=24))
        closing = await listening.socket.receive(timeout=10)

    assert closing.data == 1001


async def test_a_mute_stream_loses_what_happens() -> None:
    async with wired() as wire, wire.user_stream() as listening:
        wire.server.faults.set(Fault(kind=Kind.MUTE, path="/private"))
        await wire.server.met()
        await wire.order("BUY", "0.010")
        wire.server.faults.clear()
        await wire.server.met()
        await wire.order("SELL", "0.010")
        first = await listening.next()

    assert first["o"]["S"] == "SELL"


async def api(wire: Wire, listening: Listening, method: str, **params: object) -> Any:
    await listening.socket.send_json({"id": method, "method": method, "params": params})
    return await listening.next()


async def test_the_websocket_api_places_and_cancels() -> None:
    async with wired() as wire, wire.stream("/ws-fapi/v1") as listening:
        price = await api(wire, listening, "ticker.price", symbol="BTCUSDT")
        started = await api(wire, listening, "userDataStream.start", apiKey=KEY.name)
        unsigned = await api(wire, listening, "order.place", apiKey=KEY.name, symbol="BTCUSDT")
        unknown = await api(wire, listening, "order.dance")

    assert (price["status"], price["result"]["price"]) == (200, "60000.00")
    assert started["result"]["listenKey"] == wire.simulator.listen_keys.key_of(KEY.account)
    assert [answer["error"]["code"] for answer in (unsigned, unknown)] == [-1102, -1020]


async def test_a_session_is_logged_on_with_an_ed25519_key() -> None:
    async with wired() as wire, wire.stream("/ws-fapi/v1") as listening:
        stamped = {"apiKey": ED25519_KEY.name, "timestamp": wire.server.clock.now_ms()}
        signature = base64.b64encode(ed25519.sign(ED25519_SECRET, websocket_payload(stamped)))
        on = await api(wire, listening, "session.logon", **stamped, signature=signature.decode())
        stamped = {"timestamp": wire.server.clock.now_ms()}
        balance = await api(wire, listening, "v2/account.balance", **stamped)
        await api(wire, listening, "session.logout")
        off = await api(wire, listening, "v2/account.balance", **stamped)

    assert on["result"]["apiKey"] == ED25519_KEY.name
    assert (balance["status"], off["status"]) == (200, 401)


async def test_the_venue_pings_by_its_clock() -> None:
    async with wired() as wire:
        socket = await wire.session.ws_connect(wire.server.ws + "/public/ws", autoping=False)
        wire.server.clock.advance(timedelta(minutes=3))
        message = await socket.receive(timeout=10)
        await socket.close()

    assert message.type is aiohttp.WSMsgType.PING


async def test_accounts_do_not_hear_each_other() -> None:
    async with wired() as wire, wire.user_stream() as listening:
        other = wire.simulator.open_account("two")
        wire.simulator.venue.cash.transfer(other, "USDT", Decimal(1))
        came = await listening.marked()

    assert came == []


async def test_a_liquidation_is_told_to_everybody() -> None:
    async with wired() as wire, wire.stream("/market/ws/!forceOrder@arr") as listening:
        await wire.order("BUY", "0.010")
        account: Account = wire.simulator.account
        wire.simulator.venue.forced.liquidate(account, account.position("BTCUSDT", "BOTH"))
        told = await listening.until("forceOrder")

    assert (told["o"]["s"], told["o"]["S"], told["st"]) == ("BTCUSDT", "SELL", 1)
