"""The feed of Binance before its simulators: what is asked, what is believed, what it costs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.fakes.binance import staged
from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.simulators.shared.faults import Fault, Kind, answered
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.facts import INTERFACES, RAW, WEIGHT, MarketName
from tradebotd.feeds.binance.limits import set_limits
from tradebotd.net.gate import Gate

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
HOUR_AGO = NOW.replace(second=0) - timedelta(hours=1)
NAME, SECOND = FeedName("bn"), FeedName("second")
MARKETS: list[MarketName] = ["spot", "usdm"]
pytestmark = pytest.mark.parametrize("market", MARKETS)


def named(symbol: str, there: str) -> MarketSymbol:
    return replace(market_symbol(symbol, feeds=(NAME,)), names=dict.fromkeys((NAME, SECOND), there))


BTC, ETH, NONE = named("BTC", "BTCUSDT"), named("ETH", "ETHUSDT"), named("NONE", "NONEUSDT")


def asked(market: MarketName, what: str) -> tuple[str, str]:
    return "GET", {"klines": INTERFACES[market].klines, "prices": INTERFACES[market].prices}[what]


async def test_every_timeframe_is_asked_for_by_its_word(market: MarketName) -> None:
    """M3.1: each on our grid, closed, in order."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        for timeframe in feed.timeframes(BTC):
            begin = timeframe.floor(NOW - 3 * timeframe.duration)
            found = await feed.fetch(BTC, timeframe, begin, NOW)
            assert len(found.candles) == 3, timeframe
            assert not found.rejected
            for before, after in pairwise(found.candles):
                assert after.ts - before.ts == timeframe.duration


async def test_many_minutes_come_in_pages(market: MarketName) -> None:
    """M3.1: as many rows as an answer holds, each row once."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        begin = NOW.replace(second=0) - timedelta(minutes=2_500)
        found = await stage.feed(NAME).fetch(BTC, Timeframe.M1, begin, NOW)
        times = [each.ts for each in found.candles]
        assert times == [begin + number * MINUTE for number in range(2_500)]
        pages = stage.server.scene.requests[asked(market, "klines")]
        assert pages == -(-2_500 // INTERFACES[market].rows)


async def test_an_unfinished_row_is_dropped_by_the_venues_clock(market: MarketName) -> None:
    """M3.6: where ours is ahead the minute is waited for, and far ahead it is an error."""
    clock = standing_clock(NOW.replace(second=0))
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        stage.server.clock.offset = timedelta(seconds=-3)
        found = await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, clock.now() + MINUTE)
        assert found.candles[-1].ts == NOW.replace(second=0) - MINUTE
        assert clock.now() == NOW.replace(second=0) + timedelta(seconds=4)

        other = stage.feed(SECOND)
        stage.server.clock.offset = timedelta(seconds=-90)
        with pytest.raises(FeedError, match="behind"):
            await other.fetch(BTC, Timeframe.M1, HOUR_AGO, clock.now())
    assert not facts.is_closed(
        facts.close_ms(0, Timeframe.M1), datetime(1970, 1, 1, 0, 0, 59, tzinfo=UTC)
    )
    assert facts.is_closed(59_999, datetime(1970, 1, 1, 0, 1, tzinfo=UTC))


async def test_prices_come_in_one_call_and_unknown_symbols_are_left_out(
    market: MarketName,
) -> None:
    """M1.4, F16: v2 of USDT-M; one symbol that the venue lacks has spot refuse all of them."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        stage.trade("BTCUSDT", "60001.5")
        stage.trade("ETHUSDT", "3000.25")
        both = {"BTC": Decimal("60001.5"), "ETH": Decimal("3000.25")}
        assert await feed.quotes([BTC, ETH]) == both
        assert stage.server.scene.requests[asked(market, "prices")] == 1
        assert await feed.quotes([BTC, ETH, NONE]) == both
        assert await feed.quotes([NONE]) == {}
        assert await feed.quotes([]) == {}
        with pytest.raises(FeedError, match="-1121"):
            await feed.fetch(NONE, Timeframe.M1, HOUR_AGO, NOW)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.TRUNCATED])
async def test_what_was_not_answered_is_asked_once_more(market: MarketName, kind: Kind) -> None:
    """M3.2."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        stage.trade("BTCUSDT", "60001")
        stage.server.faults.set(Fault(kind=kind, path=INTERFACES[market].prices))
        assert await feed.quotes([BTC]) == {"BTC": Decimal(60001)}
        stage.server.faults.set(Fault(kind=kind, path=INTERFACES[market].prices, times=2))
        with pytest.raises(FeedError):
            await feed.quotes([BTC])


@pytest.mark.parametrize(
    ("status", "body", "times"),
    [(503, "", 2), (400, '{"code":-1100,"msg":"Illegal characters"}', 1), (200, "[", 1), (200, "", 1),
         (404, "<html>", 1), (200, "[[]]", 1), (200, "null", 1)],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_typed_error(
    market: MarketName, status: int, body: str, times: int
) -> None:
    """M3.2: asked again where the server failed, and nowhere else; nothing is made of it."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        path = asked(market, "prices")
        stage.server.faults.set(answered(status, body, path=path[1], times=5))
        with pytest.raises(FeedError, match=path[1]):
            await feed.quotes([BTC])
        assert stage.server.scene.requests[path] == times


async def test_a_ban_is_kept_without_a_request(market: MarketName) -> None:
    """M3.2: until its end, by whoever asks that address; then one question finds out."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        first, second = stage.feed(NAME), stage.feed(SECOND)
        stage.trade("BTCUSDT", "60001")
        path = asked(market, "prices")
        body = {"code": -1003, "msg": "Way too much request weight used; IP banned until 1."}
        stage.server.faults.set(answered(418, body, path=path[1], headers={"Retry-After": "120"}))
        for feed in (first, second, first):
            with pytest.raises(FeedError):
                await feed.quotes([BTC])
        assert stage.server.scene.requests[path] == 1
        clock.jump_to(clock.now() + timedelta(seconds=121))
        assert await second.quotes([BTC])
        assert await first.quotes([BTC])


async def test_the_end_of_a_ban_is_read_from_its_text_too(market: MarketName) -> None:
    """S17: a 418 names it in milliseconds."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed, path = stage.feed(NAME), asked(market, "prices")
        until = int((NOW + timedelta(seconds=300)).timestamp() * 1000)
        body = {"code": -1003, "msg": f"Way too many requests; IP(1.2.3.4) banned until {until}."}
        stage.server.faults.set(answered(418, body, path=path[1], headers={"Retry-After": "5"}))
        for _ in range(2):
            with pytest.raises(FeedError):
                await feed.quotes([BTC])
            clock.jump_to(NOW + timedelta(seconds=290))
        assert stage.server.scene.requests[path] == 1


async def test_what_the_headers_tell_counts_for_everybody(market: MarketName) -> None:
    """S2: weights of others at this address are learnt, and limits that were learnt stay."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed, most = stage.feed(NAME), INTERFACES[market].limits[WEIGHT][0]
        begin = HOUR_AGO
        used = answered(
            200, [], path=INTERFACES[market].klines, headers={"X-MBX-USED-WEIGHT-1M": str(most - 5)}
        )
        stage.server.faults.set(used)
        await feed.fetch(BTC, Timeframe.M1, begin, NOW)
        assert stage.gate.limits.others(stage.host.monotonic())[WEIGHT] > 0.9 * most
    gate = Gate("shared", stage.host)
    gate.limits.set_limit(WEIGHT, 7, 60.0)
    set_limits(gate, INTERFACES[market])
    window = gate.limits.window(WEIGHT)
    assert window is not None
    assert window.limit == 7
    raw = gate.limits.window(RAW)
    assert (raw.limit if raw is not None else None) == (300_000 if market == "spot" else None)


async def test_weights_are_those_of_the_documents(market: MarketName) -> None:
    """S2, F16: by rows for USDT-M; its header is wrong on ticker/price v2, and is not believed."""
    clock = standing_clock(NOW)
    async with staged(market, clock) as stage:
        feed = stage.feed(NAME)
        await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, NOW)
        await feed.fetch(BTC, Timeframe.M1, HOUR_AGO - timedelta(hours=3), NOW)
        window = stage.gate.limits.window(WEIGHT)
        assert window is not None
        # One question is for the venue's clock.
        assert window.own(stage.host.monotonic()) == (1 + 2 + 2 if market == "spot" else 1 + 1 + 2)
        before = window.own(stage.host.monotonic())
        await feed.quotes([BTC, ETH])
        await feed.quotes([BTC])
        spent = window.own(stage.host.monotonic()) - before
        assert spent == (4 + 2 if market == "spot" else 2 + 1)
        assert WEIGHT not in stage.gate.limits.others(stage.host.monotonic())
    assert facts.tells_weight(INTERFACES[market].prices) == (market == "spot")
