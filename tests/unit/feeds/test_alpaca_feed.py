"""The feed of Alpaca before its simulator: what is asked, what is believed, what it costs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.alpaca import AlpacaStage, staged
from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.simulators.alpaca.market import Split
from tests.simulators.shared.faults import Fault, Kind
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts, feed
from tradebotd.feeds.alpaca.client import Keys
from tradebotd.net.errors import NotSentError
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.feed import TimedPrice
from tradebotd.venues.alpaca.limits import Limits, gate_name
from tradebotd.venues.alpaca.paths import Host

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)  # 10:07 in New York
HOUR_AGO = NOW.replace(second=0) - timedelta(hours=1)
NAME = FeedName("shares")
BARS, TRADES = ("GET", facts.STOCK_BARS), ("GET", facts.STOCK_TRADES)


def named(symbol: str, there: str) -> MarketSymbol:
    return replace(market_symbol(symbol, feeds=(NAME,)), names={NAME: there})


APPLE, MICROSOFT = named("APPLE", "AAPL"), named("MICROSOFT", "MSFT")
BITCOIN, NOBODY, ODD = named("BITCOIN", "BTC/USD"), named("NOBODY", "NOBO"), named("ODD", "od d")
BOTH = ("AAPL", "BTC/USD")


def asked(stage: AlpacaStage, what: tuple[str, str]) -> int:
    return stage.server.scene.requests[what]


async def test_every_timeframe_is_asked_for_by_its_word() -> None:
    """M3.1: each on our grid, closed, in order; coins have no days there."""
    async with staged(standing_clock(NOW), names=BOTH, minutes=4_000) as stage:
        shares = stage.feed(NAME)
        assert set(shares.timeframes(APPLE)) == set(shares.timeframes(BITCOIN)) | {Timeframe.D1}
        for symbol in (APPLE, BITCOIN):
            for timeframe in shares.timeframes(symbol):
                begin = timeframe.floor(NOW) - 3 * timeframe.duration
                found = await shares.fetch(symbol, timeframe, begin, NOW)
                want = 2 if timeframe is Timeframe.D1 else 3  # the first day is not a whole one
                assert len(found.candles) >= want, timeframe
                assert all(timeframe.is_on_grid(each.ts) for each in found.candles)
                assert all(each.ts + timeframe.duration <= NOW for each in found.candles)
        with pytest.raises(FeedError, match="grid"):
            await shares.fetch(BITCOIN, Timeframe.D1, HOUR_AGO, NOW)
        with pytest.raises(FeedError, match="grid"):
            await shares.fetch(APPLE, Timeframe.H4, HOUR_AGO, NOW)


async def test_a_day_has_the_exchanges_date_and_counts_once_it_is_over_there() -> None:
    """M3.1, M3.6: midnight of New York is told as an instant; a date is kept."""
    clock = standing_clock(datetime(2026, 3, 4, 4, 59, tzinfo=UTC))  # 23:59 of the 3rd there
    async with staged(clock) as stage:
        stage.trade("AAPL", "100")
        for at in ("2026-03-03T14:30", "2026-03-03T20:59", "2026-03-04T03:00"):
            stage.bar("AAPL", datetime.fromisoformat(f"{at}:00+00:00"), "100")
        begin = datetime(2026, 3, 1, tzinfo=UTC)
        fetch = stage.feed(NAME).fetch
        assert not (await fetch(APPLE, Timeframe.D1, begin, clock.now())).candles
        clock.jump_to(datetime(2026, 3, 4, 5, 0, 30, tzinfo=UTC))
        found = (await fetch(APPLE, Timeframe.D1, begin, clock.now())).candles
        assert [each.ts for each in found] == [datetime(2026, 3, 3, tzinfo=UTC)]
        assert found[0].volume == 21  # what was traded late in the evening there is of that date
    in_summer = facts.asked_time(Timeframe.D1, datetime(2026, 7, 1, tzinfo=UTC))
    assert in_summer == datetime(2026, 7, 1, 4, tzinfo=UTC)
    assert facts.bar_time(Timeframe.D1, in_summer) == datetime(2026, 7, 1, tzinfo=UTC)


async def test_many_minutes_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """M3.1: a token leads to the next page, until there is none; each row once."""
    monkeypatch.setattr(facts, "MOST_ROWS", 500)
    async with staged(standing_clock(NOW), names=("AAPL",), minutes=1_400) as stage:
        begin = NOW.replace(second=0) - timedelta(minutes=1_200)
        found = await stage.feed(NAME).fetch(APPLE, Timeframe.M1, begin, NOW)
        assert [each.ts for each in found.candles] == [begin + n * MINUTE for n in range(1_200)]
        assert asked(stage, BARS) == 3

        monkeypatch.setattr(feed, "MOST_PAGES", 2)
        with pytest.raises(FeedError, match="pages"):
            await stage.feed(NAME).fetch(APPLE, Timeframe.M1, begin, NOW)


async def test_pages_that_lead_nowhere_are_an_error() -> None:
    """M3.2: every loop has a bound."""
    again = {"bars": {"AAPL": []}, "next_page_token": "again"}
    fault = Fault(kind=Kind.WRONG_BODY, body=again, path=facts.STOCK_BARS, times=9)
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        stage.server.faults.set(fault)
        with pytest.raises(FeedError, match="same page"):
            await stage.feed(NAME).fetch(APPLE, Timeframe.M1, HOUR_AGO, NOW)
        assert asked(stage, BARS) == 2


async def test_a_name_that_is_not_there_is_an_error_and_harms_no_other() -> None:
    """M1.4, M3.1: the next feed is asked; one that cannot be a name has all of them refused."""
    async with staged(standing_clock(NOW), names=BOTH) as stage:
        shares = stage.feed(NAME)
        for symbol, words in ((NOBODY, "not known"), (ODD, "invalid symbol")):
            with pytest.raises(FeedError, match=words):
                await shares.fetch(symbol, Timeframe.M1, HOUR_AGO, NOW)
        stage.trade("AAPL", "190.25")
        stage.trade("MSFT", "400.5")
        stage.trade("BTC/USD", "60000.5")
        want = {"APPLE": Decimal("190.25"), "BITCOIN": Decimal("60000.5")}
        assert await shares.quotes([APPLE, BITCOIN, NOBODY]) == want
        before = asked(stage, TRADES)
        want |= {"MICROSOFT": Decimal("400.5")}
        assert await shares.quotes([APPLE, ODD, MICROSOFT, BITCOIN]) == want
        assert asked(stage, TRADES) == before + 4
        assert await shares.quotes([APPLE, ODD, MICROSOFT, BITCOIN]) == want
        assert asked(stage, TRADES) == before + 5  # the refused one is not asked for again
        assert await shares.quotes([]) == {}


async def test_an_endpoint_that_fails_takes_no_price_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """M3.2, M3.10: shares are told though coins are not, and a batch though another is not."""
    monkeypatch.setattr(facts, "MOST_NAMES", 1)
    away = Fault(kind=Kind.ANSWER, status=500, body={"message": "internal error"})
    async with staged(standing_clock(NOW), names=("AAPL", "MSFT", "BTC/USD")) as stage:
        shares = stage.feed(NAME)
        everything, hundred = [APPLE, MICROSOFT, BITCOIN], Decimal(100)
        stage.server.faults.set(replace(away, path=facts.CRYPTO_TRADES, times=2))
        want = {"APPLE": hundred, "MICROSOFT": hundred}
        assert await shares.quotes(everything) == want
        stage.server.faults.set(replace(away, path=facts.STOCK_TRADES, times=2))
        want = {"MICROSOFT": hundred, "BITCOIN": hundred}
        assert await shares.quotes(everything) == want
        stage.server.faults.set(replace(away, times=6))
        with pytest.raises(FeedError, match="500"):
            await shares.quotes(everything)


async def test_a_failure_among_names_that_are_asked_one_by_one_takes_none_of_before() -> None:
    """M3.2, M3.10: those that were answered are prices; the provider is not asked on and on."""
    refused = Fault(kind=Kind.ANSWER, status=400, body={"message": "no"}, path=facts.STOCK_TRADES)
    async with staged(standing_clock(NOW), names=("AAPL", "MSFT")) as stage:
        shares = stage.feed(NAME)
        stage.server.faults.set(refused, replace(refused, status=403, skip=1))
        assert await shares.quotes([APPLE, MICROSOFT]) == {"APPLE": Decimal(100)}


async def test_a_refused_name_is_asked_for_again_after_ten_minutes() -> None:
    """M3.2: a refusal may be of a moment; and of nothing but refusals the next feed hears."""
    clock = standing_clock(NOW)
    refused = Fault(kind=Kind.ANSWER, status=400, body={"message": "no"}, path=facts.STOCK_TRADES)
    async with staged(clock, names=("AAPL", "MSFT")) as stage:
        shares = stage.feed(NAME)
        stage.server.faults.set(replace(refused, times=3))
        with pytest.raises(FeedError, match="400"):
            await shares.quotes([APPLE, MICROSOFT])
        asked_so_far = asked(stage, TRADES)
        clock.jump_to(NOW + timedelta(seconds=feed.REFUSED_SECONDS - 1))
        with pytest.raises(FeedError, match="refused"):
            await shares.quotes([APPLE, MICROSOFT])
        assert asked(stage, TRADES) == asked_so_far
        clock.jump_to(NOW + timedelta(seconds=feed.REFUSED_SECONDS))
        stage.trade("AAPL", "190")
        stage.trade("MSFT", "400")
        want = {"APPLE": Decimal(190), "MICROSOFT": Decimal(400)}
        assert await shares.quotes([APPLE, MICROSOFT]) == want
        assert asked(stage, TRADES) == asked_so_far + 1  # both at once


async def test_a_name_that_stays_refused_is_asked_for_apart() -> None:
    """M3.2: the others are not refused with it once more."""
    clock = standing_clock(NOW)
    async with staged(clock, names=("AAPL", "MSFT")) as stage:
        shares = stage.feed(NAME)
        assert len(await shares.quotes([APPLE, ODD, MICROSOFT])) == 2
        clock.jump_to(NOW + timedelta(seconds=feed.REFUSED_SECONDS))
        stage.trade("AAPL", "190")
        before = asked(stage, TRADES)
        assert await shares.quotes([APPLE, ODD]) == {"APPLE": Decimal(190)}
        assert asked(stage, TRADES) == before + 2
        assert await shares.quotes([APPLE, ODD]) == {"APPLE": Decimal(190)}
        assert asked(stage, TRADES) == before + 3


async def test_a_share_that_was_not_traded_has_no_candles_and_is_no_error() -> None:
    """M3.4: nothing is made up."""
    async with staged(standing_clock(NOW)) as stage:
        stage.trade("AAPL", "190")
        found = await stage.feed(NAME).fetch(APPLE, Timeframe.M1, HOUR_AGO, NOW)
        assert not found.candles
        assert not found.rejected


async def test_the_latest_trade_is_a_price_only_while_it_is_of_now() -> None:
    """M3.10: it may be of yesterday; and not every trade makes the last price."""
    clock = standing_clock(NOW)
    async with staged(clock) as stage:
        shares = stage.feed(NAME)
        stage.trade("AAPL", "190")
        clock.jump_to(NOW + facts.OLDEST_PRICE)
        assert await shares.quotes([APPLE]) == {"APPLE": Decimal(190)}
        clock.jump_to(NOW + facts.OLDEST_PRICE + timedelta(seconds=1))
        assert await shares.quotes([APPLE]) == {}
        stage.exchange.trade("AAPL", "150", conditions=("@", "W"))  # at an average price
        assert await shares.quotes([APPLE]) == {}
        stage.exchange.trade("AAPL", "191", conditions=("@", "I"))  # an odd lot
        assert await shares.quotes([APPLE]) == {"APPLE": Decimal(191)}
        stage.exchange.withdraw("AAPL")
        assert await shares.quotes([APPLE]) == {}
        stage.exchange.withdraw("AAPL", "190.5")
        assert await shares.quotes([APPLE]) == {"APPLE": Decimal("190.5")}


async def test_the_latest_trade_is_told_with_its_time() -> None:
    """M3.10: a thin share's may be minutes old."""
    clock = standing_clock(NOW)
    async with staged(clock) as stage:
        stage.trade("AAPL", "190")
        clock.jump_to(NOW + timedelta(minutes=4))
        told = await stage.feed(NAME).timed_quotes([APPLE])
        assert told == {"APPLE": TimedPrice(Decimal(190), NOW)}


async def test_bars_are_of_the_stated_feed_and_adjusted_as_stated() -> None:
    """M3.1, M5.9: as they were traded unless the file says else; then they correct stored ones."""
    begin = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    async with staged(standing_clock(NOW), plan="paid") as stage:
        stage.trade("AAPL", "50")
        for name in ("iex", "sip"):
            stage.bar("AAPL", begin, "200" if name == "iex" else "200.5", name)
            stage.bar("AAPL", HOUR_AGO, "50", name)
        stage.exchange.split(Split("AAPL", date(2026, 3, 3), Decimal(4)))

        async def closes(made: feed.AlpacaFeed) -> tuple[list[float], bool]:
            found = await made.fetch(APPLE, Timeframe.M1, begin, NOW)
            return [each.close for each in found.candles], found.corrects

        assert await closes(stage.feed(NAME)) == ([200, 50], False)
        assert await closes(stage.feed(NAME, data_feed="sip")) == ([200.5, 50], False)
        assert await closes(stage.feed(NAME, adjustment="split")) == ([50, 50], True)
    assert facts.stock_words("otc", "all") == {"feed": "otc", "adjustment": "all"}


async def test_no_more_is_asked_than_the_file_says() -> None:
    """M3.3: whatever the headers allow the key."""
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        stage.trade("AAPL", "190")
        few = stage.feed(NAME, most=5)
        assert (await few.quotes([APPLE]), few.budget().per_minute) == ({"APPLE": Decimal(190)}, 5)
        assert few.budget().left_minute == 4
        limits = few._client._limits
        now = stage.host.monotonic()
        free = [
            limits.gate.limits.spend_if_free(limits.costs, Priority.READ, now) for _ in range(4)
        ]
        assert free == [True, True, True, False]  # a fifth is kept for prices


async def test_a_budget_is_what_is_left_where_the_least_is() -> None:
    """M3.3: another program with the key leaves less of the key's limit than of the feed's own."""
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        few = stage.feed(NAME, most=50)
        limits = few._client._limits
        limits.gate.observe(limits.name, 190)
        assert few.budget()[:2] == (50, 10)
        limits.gate.observe(limits.name, 200)
        assert few.budget().left_minute == 0


async def test_what_the_plan_does_not_have_is_an_error_in_words() -> None:
    """M3.2: 403 is not repeated."""
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        with pytest.raises(FeedError, match="does not permit querying recent SIP data"):
            await stage.feed(NAME, data_feed="sip").fetch(APPLE, Timeframe.M1, HOUR_AGO, NOW)
        assert asked(stage, BARS) == 1
        other = stage.feed(NAME, keys=Keys("PKSOMEBODY", "another-secret"))
        with pytest.raises(FeedError, match="401"):
            await other.quotes([APPLE])


@pytest.mark.parametrize(
    ("fault", "times", "is_answered"),
    [
        (Fault(kind=Kind.RESET), 1, True),
        (Fault(kind=Kind.TRUNCATED), 1, True),
        (Fault(kind=Kind.ANSWER, status=500, body={"message": "internal error"}), 1, True),
        (Fault(kind=Kind.ANSWER, status=504, body=""), 2, False),
        (Fault(kind=Kind.RESET), 2, False),
        (Fault(kind=Kind.INVALID_JSON), 1, False),
        (Fault(kind=Kind.EMPTY), 1, False),
        (Fault(kind=Kind.WRONG_BODY, body=[]), 1, False),
        (Fault(kind=Kind.ANSWER, status=404, body={"message": "no"}), 1, False),
    ],
)
async def test_reads_are_repeated_once_where_that_may_help(
    fault: Fault, times: int, *, is_answered: bool
) -> None:
    """M3.2: after errors of the network and failures of the server alone."""
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        shares = stage.feed(NAME)
        stage.server.faults.set(replace(fault, times=times, path=facts.STOCK_TRADES))
        if is_answered:
            assert await shares.quotes([APPLE]) == {"APPLE": Decimal(100)}
            return
        with pytest.raises(FeedError):
            await shares.quotes([APPLE])
        assert asked(stage, TRADES) <= times


async def test_keys_are_in_headers_and_shown_nowhere() -> None:
    """M3.1, M9: what stands in a URL stands in logs, too."""
    async with staged(standing_clock(NOW), names=("AAPL",)) as stage:
        key, secret = stage.keys
        told = {"message": f"key {key} with {secret} is odd"}
        stage.server.faults.set(Fault(kind=Kind.ANSWER, status=400, body=told, times=2))
        with pytest.raises(FeedError) as error:
            await stage.feed(NAME).fetch(APPLE, Timeframe.M1, HOUR_AGO, NOW)
        assert key not in str(error.value)
        assert secret not in str(error.value)
    assert Keys("id", "secret").headers() == {
        "APCA-API-KEY-ID": "id",
        "APCA-API-SECRET-KEY": "secret",
    }


async def test_the_limit_is_the_keys_and_shared_with_the_venue_of_the_key() -> None:
    """A13, M6: 200 a minute and key at the data host, as the headers tell; candles wait first."""
    clock = standing_clock(NOW)
    async with staged(clock, names=("AAPL",), requests_per_minute=20) as stage:
        shares = stage.feed(NAME)
        assert shares.budget().per_minute == 200
        await shares.quotes([APPLE])
        told = shares.budget()
        assert (told.per_minute, told.left_minute, told.per_day) == (20, 19, None)
        assert told.minute_resets_at == NOW.replace(second=0) + MINUTE

        gate = stage.gates.gate(gate_name(stage.server.http + "/", stage.keys.key_id))
        venue = Limits(gate, stage.host, Host.DATA.value, stage.keys.key_id)
        gate.limits.set_limit(venue.name, 20, 60.0)
        for _ in range(16):
            async with gate.turn(venue.costs, Priority.PROTECTIVE, wait=0):
                pass
        assert shares.budget().left_minute == 3
        at = stage.host.monotonic()
        assert gate.limits.full(venue.costs, Priority.READ, at)  # candles would wait
        await shares.quotes([APPLE])  # out of what is kept for prices
        assert shares.budget().left_minute == 2
        other = Limits(stage.gates.gate("x"), stage.host, Host.DATA.value, "PKOTHER")
        assert other.name != venue.name


async def test_too_many_requests_end_all_questions_of_the_key_until_the_minute_is_over() -> None:
    """A13, M6: zero requests during a ban."""
    clock = standing_clock(NOW)
    async with staged(clock, names=("AAPL",)) as stage:
        first, second = stage.feed(NAME), stage.feed(FeedName("second"))
        told = {"message": "too many requests."}
        stage.server.faults.set(Fault(kind=Kind.ANSWER, status=429, body=told))
        with pytest.raises(FeedError, match="429"):
            await first.quotes([APPLE])
        with pytest.raises(FeedError) as error:
            await second.quotes([replace(APPLE, names={FeedName("second"): "AAPL"})])
        assert isinstance(error.value.__cause__, NotSentError)
        assert error.value.__cause__.banned
        assert asked(stage, TRADES) == 1
        clock.jump_to(NOW + 5 * MINUTE)
        assert await first.quotes([APPLE]) == {"APPLE": Decimal(100)}
        assert await first.fetch(APPLE, Timeframe.M1, HOUR_AGO, NOW)


async def test_the_last_minute_is_asked_for_a_moment_after_its_end() -> None:
    """M3.6: trades of it are still counted then."""
    clock = standing_clock(NOW.replace(second=0))
    async with staged(clock, names=("AAPL",)) as stage:
        found = await stage.feed(NAME).fetch(APPLE, Timeframe.M1, HOUR_AGO, clock.now())
        assert found.candles[-1].ts == NOW.replace(second=0) - MINUTE
        assert clock.now() == NOW.replace(second=0) + feed.SETTLES
