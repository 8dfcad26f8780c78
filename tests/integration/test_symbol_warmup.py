"""Lists of tradable symbols: from the simulators of Binance, by the jobs, into the table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.binance import BinanceStage, staged
from tests.fakes.market_data import standing_clock
from tests.simulators.shared.faults import ALWAYS, Fault, Kind, answered
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.job import RunStatus
from tradebotd.domain.public_market import ListedSymbol
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.jobs.warmup_symbols import WarmupSymbols
from tradebotd.market.symbol_cache import CacheRules, SymbolCache
from tradebotd.ports.public_market import SymbolListing
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
MANY = ("ZECUSDT", "BTCUSDT", "AAVEUSDT", "SOLUSDT", "BNBUSDT", "ETHUSDT", "XRPUSDT")
ARRANGED = ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "AAVEUSDT", "ZECUSDT"]
KINDS: dict[MarketName, PositionType] = {
    "spot": PositionType.SPOT,
    "usdm": PositionType.FUTURES,
}


@pytest.fixture
def clock() -> MarketClock:
    return standing_clock(NOW)


def context(clock: MarketClock) -> RunContext:
    return RunContext(scheduled_at=clock.now(), now=clock.now())


@asynccontextmanager
async def warmed(
    database: Database, clock: MarketClock, market: MarketName
) -> AsyncIterator[tuple[BinanceStage, WarmupSymbols]]:
    async with staged(market, clock, symbols=MANY, days=0) as stage:
        cache = SymbolCache(database=database, clock=clock)
        yield stage, WarmupSymbols(kind=KINDS[market], listings=[stage.public()], cache=cache)


async def names(job: WarmupSymbols) -> list[str]:
    kept = await job.cache.stored(job.listings[0])
    return [] if kept is None else [each.symbol for each in kept.symbols]


def take_out(stage: BinanceStage, symbol: str) -> None:
    """Have it be traded no more."""
    if stage.usdm is not None:
        stage.usdm.venue.instruments[symbol].status = "SETTLING"
    elif stage.spot is not None:
        stage.spot.venue.change(symbol, status="BREAK")


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_popular_ones_come_first_and_what_is_not_traded_is_left_out(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.7, M2.7: without a key; of the quote asset; the outcome is read off the table."""
    async with warmed(database, clock, market) as (stage, job):
        assert not (await job.outcome()).ok
        run = await job.run(context(clock))
        assert run.status() is RunStatus.OK
        there = [each for each in await names(job) if each in MANY]
        assert there == ARRANGED
        assert (await job.outcome()).ok

        take_out(stage, "SOLUSDT")
        clock.jump_to(NOW + timedelta(minutes=5))
        again = await job.run(context(clock))
        assert (again.items["bn"]["added"], again.items["bn"]["removed"]) == (0, 1)
        assert "SOLUSDT" not in await names(job)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_the_last_good_list_is_served_while_none_can_be_had(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.7: a failed refresh keeps it, says so, and is counted; too old, the outcome is not ok."""
    async with warmed(database, clock, market) as (stage, job):
        await job.run(context(clock))
        listing = job.listings[0]
        kept = await job.cache.symbols(listing)
        assert (kept.stale, job.cache.hits["bn"]) == (False, 1)

        stage.server.faults.set(answered(503, "", times=ALWAYS))
        clock.jump_to(NOW + timedelta(minutes=5))
        failed = await job.run(context(clock))
        assert failed.status() is RunStatus.FAILED
        assert "status 503" in failed.items["bn"]["error"]
        assert "the last good list stays" in failed.items["bn"]["error"]
        assert (failed.counts["errors"], (await job.outcome()).ok) == (1, True)

        clock.jump_to(NOW + timedelta(minutes=16))
        outcome = await job.outcome()
        assert not outcome.ok
        assert "16 min old" in outcome.message
        served = await job.cache.symbols(listing)
        assert served.stale
        assert served.symbols == kept.symbols
        assert job.cache.misses["bn"] == 1

        stage.server.faults.clear()
        assert (await job.run(context(clock))).status() is RunStatus.OK
        assert (await job.outcome()).ok


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.WRONG_BODY, body={"symbols": []}),
        Fault(kind=Kind.WRONG_BODY, body={"symbols": "all"}),
        Fault(kind=Kind.WRONG_BODY, body=[]),
        Fault(kind=Kind.WRONG_BODY, body={"symbols": [{"symbol": "XUSDT"}, 5, None, {}]}),
        Fault(kind=Kind.EMPTY),
        Fault(kind=Kind.INVALID_JSON),
        Fault(kind=Kind.TRUNCATED, times=2),
        Fault(kind=Kind.RESET, times=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.body}"[:40],
)
async def test_nonsense_is_no_list(database: Database, clock: MarketClock, fault: Fault) -> None:
    """M3.7: nothing that cannot be so takes the place of the last good list."""
    async with warmed(database, clock, "spot") as (stage, job):
        await job.run(context(clock))
        before = await names(job)
        stage.server.faults.set(fault)
        clock.jump_to(NOW + timedelta(minutes=5))
        assert (await job.run(context(clock))).status() is RunStatus.FAILED
        assert await names(job) == before


async def test_one_bad_row_leaves_the_others(database: Database, clock: MarketClock) -> None:
    """S11: names may hold any letters; one that is none is left out, and only that one."""
    good = {"status": "TRADING", "quoteAsset": "USDT"}
    rows = [
        {**good, "symbol": "币安人生USDT", "baseAsset": "币安人生"},
        {**good, "symbol": "", "baseAsset": "X"},
        {**good, "symbol": "A" * 100, "baseAsset": "A"},
        {**good, "symbol": "B\nUSDT", "baseAsset": "B"},
        {**good, "symbol": 7, "baseAsset": "C"},
        {**good, "symbol": "DUSDT", "baseAsset": "D", "isSpotTradingAllowed": False},
    ]
    async with warmed(database, clock, "spot") as (stage, job):
        stage.server.faults.set(Fault(kind=Kind.WRONG_BODY, body={"symbols": rows}))
        assert (await job.run(context(clock))).status() is RunStatus.OK
        assert await names(job) == ["币安人生USDT"]


async def test_without_any_good_list_the_failure_is_told(
    database: Database, clock: MarketClock
) -> None:
    """M3.7: a miss at the very first time."""
    async with warmed(database, clock, "spot") as (stage, job):
        stage.server.faults.set(answered(503, "", times=2))
        with pytest.raises(FeedError, match="503"):
            await job.cache.symbols(job.listings[0])
        assert (job.cache.misses["bn"], job.cache.errors["bn"]) == (1, 1)


class Listing:
    """A listing that fails or answers as a test says."""

    def __init__(self, name: str, listed: list[ListedSymbol] | None) -> None:
        self.name, self.kind, self.listed = name, PositionType.SPOT, listed

    async def tradable(self) -> list[ListedSymbol]:
        if self.listed is None:
            raise FeedError(f"{self.name}: status 451")
        return self.listed


async def test_one_venue_that_fails_leaves_the_others_and_is_tried_alone(
    database: Database, clock: MarketClock
) -> None:
    """M2.5, M2.6: the run is partial; its retry asks the failed one alone; no market is no work."""
    good = Listing("good", [ListedSymbol("BTCUSDT", "BTC", "USDT")])
    bad = Listing("bad", None)
    cache = SymbolCache(database=database, clock=clock, rules=CacheRules())
    listings: list[SymbolListing] = [good, bad]
    job = WarmupSymbols(kind=PositionType.SPOT, listings=listings, cache=cache)
    run = await job.run(context(clock))
    assert (run.status(), run.failed_items) == (RunStatus.PARTIAL, ["bad"])
    assert "none is kept" in run.items["bad"]["error"]
    assert (await job.outcome()).message == "bad: no list yet"

    bad.listed = [ListedSymbol("ETHEUR", "ETH", "EUR")]
    retry = RunContext(scheduled_at=NOW, now=NOW, only=frozenset({"bad"}))
    again = await job.run(retry)
    assert "none of its 1 symbols is traded in USDT" in again.items["bad"]["error"]
    assert "good" not in again.items

    nothing = WarmupSymbols(kind=PositionType.FUTURES, listings=[], cache=cache)
    assert (await nothing.run(context(clock))).status() is RunStatus.OK
    assert (await nothing.outcome()).message == "no futures market is followed"
