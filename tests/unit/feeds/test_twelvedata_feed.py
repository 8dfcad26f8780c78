"""The feed of Twelve Data before its simulator."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.fakes.twelvedata import staged
from tests.simulators.shared.faults import Executed, Fault, Kind, answered
from tests.simulators.twelvedata.bars import Bar, Given
from tests.simulators.twelvedata.instruments import AAPL, Split
from tests.simulators.twelvedata.vendor import KEY
from tradebotd.config.feed_credits import plan_limits
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.twelvedata import facts

NAME = FeedName("td")
TUESDAY = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)  # 10:07:30 in New York
HOUR_AGO = TUESDAY - timedelta(hours=1)
AWAY = (Kind.RESET, Kind.TRUNCATED)


def named(symbol: str, there: str | None = None) -> MarketSymbol:
    made = market_symbol(symbol, feeds=(NAME,))
    return replace(made, names={NAME: there or symbol})


BTC, APPLE, SIEMENS = named("BTCUSD", "BTC/USD"), named("AAPL"), named("SIE")


async def test_minutes_are_told_in_utc_and_the_unfinished_one_is_left_out() -> None:
    """M3.6: New York's session begins at 14:30 in UTC."""
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        found = await stage.feed(NAME).fetch(APPLE, Timeframe.M1, HOUR_AGO, TUESDAY)

    times = [each.ts for each in found.candles]
    assert times[0] == datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
    assert times[-1] == datetime(2026, 3, 3, 15, 6, tzinfo=UTC)
    assert len(times) == 37


async def test_days_have_the_exchanges_date_and_must_be_over_there() -> None:
    """T1: at 03:00 in UTC the third of March is not over in New York."""
    clock = standing_clock(datetime(2026, 3, 4, 3, tzinfo=UTC))
    begin = datetime(2026, 2, 27, tzinfo=UTC)
    async with staged(clock) as stage:
        feed = stage.feed(NAME)
        early = await feed.fetch(APPLE, Timeframe.D1, begin, clock.now())
        clock.jump_to(datetime(2026, 3, 4, 6, tzinfo=UTC))
        late = await feed.fetch(APPLE, Timeframe.D1, begin, clock.now())

    assert [each.ts.date() for each in early.candles] == [date(2026, 2, 27), date(2026, 3, 2)]
    assert late.candles[-1].ts == datetime(2026, 3, 3, tzinfo=UTC)


def test_no_zone_is_asked_for_days() -> None:
    """T1."""
    assert facts.zone_words(Timeframe.D1) == {}
    assert facts.zone_words(Timeframe.M1) == {"timezone": "UTC"}
    assert facts.bar_time(Timeframe.D1, "2026-03-03") == datetime(2026, 3, 3, tzinfo=UTC)


def test_hours_of_an_exchange_are_rolled_up() -> None:
    """T2: our timeframes by the vendor's words; an exchange's hours lie beside our grid."""
    assert facts.timeframes_of("BTC/USD") == tuple(Timeframe)
    assert Timeframe.H1 not in facts.timeframes_of("AAPL")


async def test_a_long_range_comes_in_pages() -> None:
    """T3: the size is said, and no answer has more than 5,000 rows."""
    clock = standing_clock(TUESDAY)
    begin = TUESDAY - timedelta(days=5)
    async with staged(clock) as stage:
        found = await stage.feed(NAME).fetch(BTC, Timeframe.M1, begin, TUESDAY)

        assert stage.server.scene.count("/time_series") == 2
    assert len(found.candles) == 5 * 24 * 60 - 1  # it begins within a minute
    assert {b.ts - a.ts for a, b in zip(found.candles, found.candles[1:], strict=False)} == {MINUTE}


async def test_prices_are_told_as_they_were_traded() -> None:
    """T4, M5.9: a split changes no bar that is stored."""
    minute = datetime(2026, 3, 2, 15, tzinfo=UTC)
    price = Decimal(400)
    bar = Bar(minute, date(2026, 3, 2), price, price, price, price, Decimal(10))
    split = replace(AAPL, splits=[Split(date(2026, 3, 3), Decimal(4))])
    clock = standing_clock(TUESDAY)
    async with staged(clock, minutes=Given({"AAPL": [bar]}), instruments=[split]) as stage:
        found = await stage.feed(NAME).fetch(APPLE, Timeframe.M1, minute, minute + MINUTE)

    assert [each.close for each in found.candles] == [400.0]


async def test_calls_for_one_range_share_a_request_and_a_bad_symbol_harms_no_other() -> None:
    """T5: a credit a symbol, a status a symbol."""
    clock = standing_clock(TUESDAY)
    candles: dict[str, int] = {}
    async with staged(clock) as stage:
        feed = stage.feed(NAME)

        async def fetch(symbol: MarketSymbol) -> None:
            with suppress(FeedError):
                found = await feed.fetch(symbol, Timeframe.M1, HOUR_AGO, TUESDAY)
                candles[symbol.symbol] = len(found.candles)

        async with anyio.create_task_group() as tasks:
            for symbol in (BTC, named("NONE"), APPLE):
                tasks.start_soon(fetch, symbol)

        assert stage.server.scene.count("/time_series") == 1
        assert stage.vendor.accounts[KEY].used_in_minute == 3
    assert candles == {"BTCUSD": 59, "AAPL": 37}
    assert facts.cost(3) == 3


async def test_one_call_has_all_quotes_and_leaves_out_what_it_lacks() -> None:
    clock = standing_clock(TUESDAY)
    async with staged(clock, plan="basic") as stage:
        stage.vendor.set_prices["BTC/USD"] = Decimal("64000.5")
        found = await stage.feed(NAME).quotes([BTC, named("NONE"), SIEMENS, APPLE])

        assert stage.server.scene.count("/price") == 1
    assert set(found) == {"BTCUSD", "AAPL"}
    assert found["BTCUSD"] == Decimal("64000.5")


async def test_the_key_is_in_no_url_and_in_no_error() -> None:
    """T11: it goes in the header."""
    key = "a-wrong-key-that-is-secret"
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        stage.server.faults.set(answered(500, {"apikey": key, "said": f"apikey {key}"}, times=2))
        feed = stage.feed(NAME, key=key)
        with pytest.raises(FeedError) as broken:
            await feed.quotes([BTC])
        with pytest.raises(FeedError, match="the key is not accepted"):
            await feed.quotes([BTC])

    assert key not in str(broken.value)
    assert "td: GET /price: answered with status 500" in str(broken.value)
    assert facts.key_headers("KEY") == {"authorization": "apikey KEY"}


def test_limits_of_the_plan_are_those_of_basic_where_nothing_is_said() -> None:
    """T6: only Basic has a limit of a day, which begins anew at midnight in UTC."""
    assert plan_limits(None, None) == (8, 800)
    assert plan_limits(377, None) == (377, None)
    assert plan_limits(8, 500) == (8, 500)
    assert facts.next_day(TUESDAY) == datetime(2026, 3, 4, tzinfo=UTC)


async def test_what_the_budget_lacks_is_not_asked_for() -> None:
    """M3.3: eight a minute, a fifth of them for protective calls."""
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        feed = stage.feed(NAME, a_minute=8)
        for before in range(6):
            begin = HOUR_AGO - timedelta(minutes=before)
            await feed.fetch(BTC, Timeframe.M1, begin, TUESDAY)
        with pytest.raises(FeedError, match="no room for a request in time"):
            await feed.fetch(BTC, Timeframe.M1, HOUR_AGO - timedelta(hours=1), TUESDAY)
        assert stage.server.scene.count("/time_series") == 6
        assert await feed.quotes([BTC])

        clock.jump_to(clock.now() + MINUTE)
        assert (await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, TUESDAY)).candles


async def test_a_minute_without_credits_is_waited_out_only_where_it_is_short() -> None:
    """M3.2, M3.3: another program may have used them."""
    clock = standing_clock(TUESDAY)
    async with staged(clock, plan="basic") as stage:
        feed = stage.feed(NAME)
        stage.vendor.account(KEY).spend(8, clock.now())
        with pytest.raises(FeedError, match="credits of the minute are spent"):
            await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, TUESDAY)
        with pytest.raises(FeedError, match="credits of the minute are spent"):
            await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, TUESDAY)
        assert stage.server.scene.count("/time_series") == 1  # the second was not sent

        clock.jump_to(TUESDAY + timedelta(seconds=90 + 20))  # 15:09:20
        stage.vendor.account(KEY).spend(8, clock.now())
        clock.jump_to(TUESDAY + timedelta(seconds=90 + 45))
        late = clock.now()
        found = await feed.fetch(BTC, Timeframe.M1, HOUR_AGO, late)
        assert found.candles
        assert clock.now() >= facts.next_minute(late)


async def test_a_day_without_credits_is_not_waited_out_a_minute() -> None:
    """M3.3, T6: nothing is asked before the next UTC day."""
    clock = standing_clock(TUESDAY)
    async with staged(clock, plan="basic") as stage:
        feed = stage.feed(NAME)
        stage.vendor.account(KEY).turn(clock.now())
        stage.vendor.account(KEY).used_in_day = 800
        for _ in range(3):
            with pytest.raises(FeedError, match="credits of the day are spent"):
                await feed.quotes([BTC])
            clock.jump_to(clock.now() + timedelta(minutes=2))
        assert stage.server.scene.count("/price") == 1

        clock.jump_to(datetime(2026, 3, 4, 0, 0, 1, tzinfo=UTC))
        assert await feed.quotes([BTC])


async def test_our_own_count_of_the_day_ends_it_too() -> None:
    """M3.3."""
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        feed = stage.feed(NAME, a_day=2)
        assert await feed.quotes([BTC, APPLE])
        with pytest.raises(FeedError, match="the 2 credits of the day are spent"):
            await feed.quotes([BTC])
        clock.jump_to(datetime(2026, 3, 4, tzinfo=UTC))
        assert await feed.quotes([BTC])


@pytest.mark.parametrize(("symbol", "status"), [("SIE", 403), ("7203", 404)])
async def test_what_the_plan_lacks_is_said(symbol: str, status: int) -> None:
    """T7: by 403 or by 404."""
    clock = standing_clock(TUESDAY)
    async with staged(clock, plan="basic") as stage:
        with pytest.raises(FeedError, match=rf"the plan does not have it \({status}"):
            await stage.feed(NAME).fetch(named(symbol), Timeframe.M1, HOUR_AGO, TUESDAY)
    assert facts.is_plan_gate(403, "")
    assert facts.is_plan_gate(404, "available starting with Pro plan")
    assert not facts.is_plan_gate(404, "**symbol** is missing or invalid")


async def test_a_time_without_trading_has_no_candles_and_no_error() -> None:
    clock = standing_clock(datetime(2026, 3, 1, 15, tzinfo=UTC))  # a Sunday
    async with staged(clock) as stage:
        begin = clock.now() - timedelta(hours=2)
        assert not (await stage.feed(NAME).fetch(APPLE, Timeframe.M1, begin, clock.now())).candles


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(kind=kind, executed=Executed.NEVER) for kind in AWAY),
        answered(502, ""),
        answered(503, {"message": "busy"}),
        answered(200, {"code": 500, "message": "Internal error", "status": "error"}),
    ],
    ids=str,
)
async def test_a_read_is_repeated_once_where_that_may_help(fault: Fault) -> None:
    """M3.2: network errors and 5xx, also those inside a 200."""
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        feed = stage.feed(NAME)
        stage.server.faults.set(fault)
        assert await feed.quotes([BTC])
        assert stage.server.scene.count("/price") == 2
        assert len(stage.host.slept) == 1
        assert stage.host.slept[0] <= 0.3

        stage.server.faults.set(replace(fault, times=9))
        with pytest.raises(FeedError, match=r"^td: GET /price"):
            await feed.quotes([BTC])
        assert stage.server.scene.count("/price") == 4


@pytest.mark.parametrize(
    "fault",
    [
        answered(400, {"code": 400, "message": "Invalid **symbol**", "status": "error"}),
        answered(200, {"code": 414, "message": "too long", "status": "error"}),
        answered(404, "nothing here"),
        Fault(kind=Kind.EMPTY),
        Fault(kind=Kind.INVALID_JSON),
        Fault(kind=Kind.WRONG_BODY, body=[]),
        Fault(kind=Kind.WRONG_BODY, body={"meta": {}, "values": "none", "status": "ok"}),
    ],
    ids=str,
)
async def test_a_refusal_or_a_wrong_answer_is_not_repeated(fault: Fault) -> None:
    """M3.2: other 4xx, undecodable and misshapen payloads."""
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        stage.server.faults.set(fault)
        with pytest.raises(FeedError, match=r"^td: "):
            await stage.feed(NAME).fetch(BTC, Timeframe.M1, HOUR_AGO, TUESDAY)
        assert stage.server.scene.count("/time_series") == 1


async def test_a_refused_connection_is_an_error_of_the_feed() -> None:
    clock = standing_clock(TUESDAY)
    async with staged(clock) as stage:
        stage.server.faults.set(Fault(kind=Kind.REFUSED))
        await stage.server.met()
        with pytest.raises(FeedError, match=r"^td: GET /price"):
            await stage.feed(NAME).quotes([BTC])


async def test_a_bar_that_has_just_closed_is_given_a_moment() -> None:
    clock = standing_clock(datetime(2026, 3, 3, 15, 7, tzinfo=UTC))
    async with staged(clock) as stage:
        found = await stage.feed(NAME).fetch(BTC, Timeframe.M1, HOUR_AGO, clock.now())

        assert stage.host.slept == [2.0]
    assert found.candles[-1].ts == datetime(2026, 3, 3, 15, 6, tzinfo=UTC)
