"""Watchlists: from the simulators, by the job, into `universe`, and into `realtime_pull`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import anyio
import pytest
from pydantic import SecretStr

from tests.alpaca_venue.scene import SimulatedHost
from tests.fakes.binance import BinanceStage, seed, staged
from tests.fakes.market_data import FakeFeed, market_symbol, minutes, standing_clock
from tests.simulators.alpaca.assets import Asset, Assets
from tests.simulators.alpaca.market import Bar
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import ALWAYS, Fault, Kind, answered
from tests.simulators.shared.server import Server, served
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.errors import FeedError, RefusedError
from tradebotd.domain.ids import FeedName, SymbolId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.domain.job import RunStatus
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.jobs.universe_screen import UniverseScreen
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.screening import ScreenRules
from tradebotd.market.symbol_cache import SymbolCache
from tradebotd.market.tradable_assets import TradableAssets
from tradebotd.market.watchlist import Watchlist
from tradebotd.market.writer import CandleWriter
from tradebotd.net.gate import Gates
from tradebotd.ports.feed import FetchedCandles
from tradebotd.ports.public_market import ScreenedAssets
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import universe
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.storage.universe import WatchlistRow
from tradebotd.venues.alpaca.building import build_screening
from tradebotd.venues.alpaca.screening import AlpacaScreening

NOW = datetime(2026, 3, 3, 13, 0, tzinfo=UTC)  # a Tuesday, before New York opens
PAIRS = tuple(f"{letter}COINUSDT" for letter in "ABCDEFGHIJ")
RULES = ScreenRules(
    sample=8,
    size=4,
    min_turnover=Decimal(1_000),
    min_volatility=Decimal("0.01"),
    max_volatility=Decimal("0.5"),
)


@pytest.fixture
def clock() -> MarketClock:
    return standing_clock(NOW)


def context(clock: MarketClock, **params: str) -> RunContext:
    return RunContext(scheduled_at=None, now=clock.now(), params=params)


def screening(
    database: Database, clock: MarketClock, assets: ScreenedAssets | None, **rules: Any
) -> UniverseScreen:
    limits = RULES if not rules else ScreenRules(**rules)
    return UniverseScreen(
        database=database, clock=clock, assets=assets, rules=limits, random=Random(3)
    )


async def latest(database: Database) -> list[WatchlistRow]:
    async with database.connection() as connection:
        return await universe.latest(connection)


@asynccontextmanager
async def of_binance(
    database: Database, clock: MarketClock
) -> AsyncIterator[tuple[BinanceStage, ScreenedAssets]]:
    """Ten pairs of a spot market; each later letter has twice the turnover."""
    async with staged("spot", clock, symbols=PAIRS, days=0) as stage:
        for number, pair in enumerate(PAIRS):
            for price in ("100", "103", "101"):
                stage.trade(pair, price, str(10 * 2**number))
        cache = SymbolCache(database=database, clock=clock)
        yield stage, TradableAssets(stage.public(), cache)


async def test_a_spot_market_is_screened_into_a_ranked_list(
    database: Database, clock: MarketClock
) -> None:
    """M3.8, M2.7: shuffled, sampled, ranked; the seed that is recorded draws it again."""
    async with of_binance(database, clock) as (_, assets):
        job = screening(database, clock, assets)
        assert not (await job.outcome()).ok
        run = await job.run(context(clock))
        assert (run.status(), run.attempted, run.inserted) == (RunStatus.OK, 8, 4)
        first = await latest(database)
        assert [row.rank for row in first] == [1, 2, 3, 4]
        assert len({row.sample_seed for row in first}) == 1
        turnovers = [Decimal(row.reasons["turnover"]) for row in first]
        assert turnovers == sorted(turnovers, reverse=True)
        assert first[0].reasons["source"] == "bn"
        assert first[0].reasons["price"] == "101"
        assert (await job.outcome()).ok

        clock.jump_to(NOW + timedelta(hours=1))
        told = str(first[0].sample_seed)
        again = await job.run(context(clock, seed=told))
        assert again.counts["sample_seed"] == first[0].sample_seed
        second = await latest(database)
        assert [row.symbol for row in second] == [row.symbol for row in first]
        assert second[0].screened_at == NOW + timedelta(hours=1)


async def test_what_passes_no_limit_leaves_the_list_before_it(
    database: Database, clock: MarketClock
) -> None:
    """M2.2, M2.7: zero of many is no success, and says which limit it was."""
    async with of_binance(database, clock) as (stage, assets):
        await screening(database, clock, assets).run(context(clock))
        before = await latest(database)
        clock.jump_to(NOW + timedelta(hours=1))
        strict = screening(database, clock, assets, sample=8, min_turnover=Decimal(10**12))
        with pytest.raises(FeedError, match=r"none of 8 assets passes.*8 turnover_too_low"):
            await strict.run(context(clock))
        stage.server.faults.set(answered(503, "", times=ALWAYS, path="/api/v3/ticker/24hr"))
        with pytest.raises(FeedError, match="503"):
            await screening(database, clock, assets).run(context(clock))
        assert await latest(database) == before
        clock.jump_to(NOW + timedelta(days=6))
        assert "6 d old" in (await strict.outcome()).message


@pytest.mark.parametrize("seed_told", ["-1", "x", "1e3", str(2**63), "9" * 30, "", "٣"])
async def test_a_seed_that_is_none_is_refused(
    database: Database, clock: MarketClock, seed_told: str
) -> None:
    """M2.9: before a run is made."""
    async with of_binance(database, clock) as (_, assets):
        job = screening(database, clock, assets)
        with pytest.raises(RefusedError, match="seed is 0 to"):
            job.check({"seed": seed_told})
        with pytest.raises(RefusedError, match="unknown parameter size"):
            job.check({"size": "3"})
        job.check({"seed": str(2**63 - 1)})


async def test_without_a_source_it_is_refused(database: Database, clock: MarketClock) -> None:
    """M2.9."""
    with pytest.raises(RefusedError, match="nothing to screen"):
        screening(database, clock, None).check({})


DAYS = [
    {"symbol": "ACOINUSDT", "lastPrice": "0", "highPrice": "1", "lowPrice": "1", "quoteVolume": "9"},
    {"symbol": "BCOINUSDT", "lastPrice": "1", "highPrice": "1", "lowPrice": "2", "quoteVolume": "9"},
    {"symbol": "CCOINUSDT", "lastPrice": "x", "highPrice": "1", "lowPrice": "1", "quoteVolume": "9"},
    {"symbol": "DCOINUSDT", "lastPrice": "1", "highPrice": "1", "lowPrice": "0", "quoteVolume": "9"},
    {"symbol": "ECOINUSDT", "lastPrice": "1", "highPrice": "1", "lowPrice": "1", "quoteVolume": "-9"},
    {"symbol": "FCOINUSDT", "lastPrice": "1"},
    {"symbol": "GCOINUSDT", "lastPrice": "1", "highPrice": "1.1", "lowPrice": "1", "quoteVolume": "9"},
]  # fmt: skip


@pytest.mark.parametrize("bad", [DAYS[:3], DAYS[3:6], DAYS[1:6]], ids=("first", "second", "half"))
async def test_figures_that_make_no_sense_are_none(
    database: Database, clock: MarketClock, bad: list[dict[str, str]]
) -> None:
    """M3.4: zero, negative, upside down, missing: left out and told, and the others stay."""
    names = {day["symbol"] for day in bad}
    good = [{**DAYS[6], "symbol": pair} for pair in PAIRS if pair not in names]
    async with of_binance(database, clock) as (stage, assets):
        wrong = Fault(kind=Kind.WRONG_BODY, body=bad + good, path="/api/v3/ticker/24hr")
        stage.server.faults.set(wrong)
        run = await screening(database, clock, assets, sample=10).run(context(clock))
        assert {row.symbol for row in await latest(database)} == set(PAIRS) - names
        assert run.counts["without_figures"] == len(bad)
        assert (run.status(), run.failed, run.failed_items) == (RunStatus.PARTIAL, len(bad), [])
        assert run.inserted + run.skipped + run.failed == run.attempted


async def test_a_venue_that_knows_figures_of_few_leaves_the_list_before_it(
    database: Database, clock: MarketClock
) -> None:
    """M2.2, M2.7: a ranking of what is left over is none."""
    async with of_binance(database, clock) as (stage, assets):
        job = screening(database, clock, assets, sample=10)
        await job.run(context(clock))
        before = await latest(database)
        clock.jump_to(NOW + timedelta(hours=1))
        good = [{**DAYS[6], "symbol": pair} for pair in PAIRS[:4]]
        few = Fault(kind=Kind.WRONG_BODY, body=good, path="/api/v3/ticker/24hr")
        stage.server.faults.set(few)
        with pytest.raises(FeedError, match=r"only 4 of 10 assets have figures"):
            await job.run(context(clock))
        assert await latest(database) == before


async def test_a_list_of_another_source_is_no_outcome(
    database: Database, clock: MarketClock
) -> None:
    """M2.7: after the file was changed: it is not pulled, and a new one is due."""
    async with of_binance(database, clock) as (_, assets):
        async with database.connection() as connection:
            await universe.insert(connection, NOW, 1, [("ASH", {"source": "broker"})])
        outcome = await screening(database, clock, assets).outcome()
        assert (outcome.ok, "is of broker" in outcome.message) == (False, True)


class OfAlpaca(NamedTuple):
    server: Server
    simulator: Simulator
    clock: SimulatorClock
    assets: AlpacaScreening


class Keys(NamedTuple):
    api_key: SecretStr
    api_secret: SecretStr


class Reached(NamedTuple):
    base_url: str
    ws_url: str
    data_url: str


SHARES = (
    *(Asset(symbol=f"{letter}SH", name=letter, exchange="NYSE") for letter in "ABCDE"),
    *(Asset(symbol=f"{letter}SH", name=letter) for letter in "FGHIJ"),
    Asset(symbol="OTHER", name="Elsewhere", exchange="AMEX"),
    Asset(symbol="GONE", name="Gone", exchange="NYSE", status="inactive", tradable=False),
    Asset(symbol="HALT", name="Halted", exchange="NYSE", tradable=False),
)


@asynccontextmanager
async def of_alpaca(exchanges: Sequence[str] = ("NYSE", "NASDAQ")) -> AsyncIterator[OfAlpaca]:
    terms = Terms(requests_per_minute=10_000)
    simulator, clock = Simulator(terms), SimulatorClock(NOW, running=False)
    async with served(simulator.build, clock=clock) as server:
        simulator.exchange.desk.assets = Assets(SHARES)
        host = SimulatedHost(clock)
        assets = build_screening(
            VenueName("alpaca"),
            Reached(server.http, f"{server.ws}/stream", server.http),
            Keys(SecretStr(terms.key), SecretStr(terms.secret)),
            exchanges,
            host=host,
            gates=Gates(host),
            feed="iex",
        )
        try:
            yield OfAlpaca(server, simulator, clock, assets)
        finally:
            await assets.close()


def trade_day(scene: OfAlpaca, share: str, day: datetime, price: str, volume: str) -> None:
    """One minute of a session."""
    close = Decimal(price)
    bar = Bar(day, close, close * Decimal("1.05"), close * Decimal("0.97"), close, Decimal(volume))
    scene.simulator.exchange.bar(share, bar, "iex")


async def test_shares_are_screened_by_their_last_completed_session(
    database: Database, clock: MarketClock
) -> None:
    """M3.8, M3.9: NYSE and NASDAQ, tradable; today's session says nothing yet."""
    async with of_alpaca() as scene:
        friday, monday = NOW.replace(day=1) - timedelta(days=2), NOW - timedelta(days=1)
        for number, asset in enumerate(SHARES):
            trade_day(scene, asset.symbol, friday.replace(hour=15), "50", "1000000")
            trade_day(scene, asset.symbol, monday.replace(hour=15), "20", str(1000 * (number + 1)))
            trade_day(scene, asset.symbol, NOW - timedelta(minutes=30), "1", "9")
        job = screening(database, clock, scene.assets, sample=50, size=3, min_turnover=Decimal(1))
        run = await job.run(context(clock))
        assert (run.status(), run.attempted, run.inserted) == (RunStatus.OK, 10, 3)
        rows = await latest(database)
        assert [row.symbol for row in rows] == ["JSH", "ISH", "HSH"]
        assert rows[0].reasons["price"] == "20"
        assert Decimal(rows[0].reasons["turnover"]) == 200_000
        assert Decimal(rows[0].reasons["volatility"]) == Decimal("0.08")


async def test_many_shares_are_asked_for_in_batches(database: Database, clock: MarketClock) -> None:
    """M3.8: five hundred shares cost five questions."""
    async with of_alpaca() as scene:
        many = [Asset(symbol=f"S{number:03}", name="x", exchange="NYSE") for number in range(600)]
        scene.simulator.exchange.desk.assets = Assets(many)
        for asset in many:
            trade_day(scene, asset.symbol, NOW - timedelta(hours=22), "20", "1000")
        job = screening(database, clock, scene.assets, sample=500, size=50)
        run = await job.run(context(clock))
        assert (run.attempted, run.inserted, run.counts["beyond_size"]) == (500, 50, 450)


@pytest.mark.parametrize(
    "fault",
    [
        answered(503, "", times=ALWAYS),
        answered(401, {"message": "unauthorized"}, times=ALWAYS),
        answered(429, {"message": "too many"}, times=ALWAYS),
        Fault(kind=Kind.WRONG_BODY, body={"assets": []}, path="/v2/assets", times=ALWAYS),
        Fault(kind=Kind.WRONG_BODY, body=[], path="/v2/assets", times=ALWAYS),
        Fault(kind=Kind.WRONG_BODY, body={"bars": 5}, path="/v2/stocks/bars", times=ALWAYS),
        Fault(kind=Kind.WRONG_BODY, body={"bars": {"ASH": [7]}}, path="/v2/stocks/bars"),
        Fault(kind=Kind.INVALID_JSON, times=ALWAYS),
        Fault(kind=Kind.RESET, times=ALWAYS),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.body}"[:40],
)
async def test_what_alpaca_cannot_tell_is_no_list(
    database: Database, clock: MarketClock, fault: Fault
) -> None:
    """M3.2: a FeedError, whatever it was; the key is not in it."""
    async with of_alpaca() as scene:
        trade_day(scene, "ASH", NOW - timedelta(hours=22), "20", "1000")
        scene.server.faults.set(fault)
        with pytest.raises(FeedError) as caught:
            await screening(database, clock, scene.assets).run(context(clock))
        assert "simulated-secret" not in str(caught.value)
        assert await latest(database) == []


async def test_realtime_pull_takes_the_watchlist_along(
    database: Database, clock: MarketClock
) -> None:
    """M3.8: those of the file once; a list that changes changes what is pulled; no filter is lost."""
    name = FeedName("bn")
    ours = market_symbol("JCOINUSDT", feeds=(name,), timeframes=("1m",))
    async with of_binance(database, clock) as (stage, assets):
        assert stage.spot is not None
        for pair in PAIRS:
            seed(stage.spot, pair, clock.now(), 1)
        async with database.transaction() as connection:
            ids: dict[str, SymbolId] = await sync_symbols(connection, [ours])
        watchlist = Watchlist(
            database=database,
            source="bn",
            feed=name,
            quote_asset="USDT",
            calendar=ALWAYS_OPEN,
            configured={"JCOINUSDT"},
            symbol_ids=ids,
        )
        ingest = Ingest(
            database=database,
            symbols=[ours],
            symbol_ids=ids,
            feeds={name: stage.feed(name)},
            calendars={ALWAYS_OPEN: AlwaysOpen()},
            writer=CandleWriter(database, ids, clock),
            reader=CandleReader(database, ids),
            clock=clock,
        )
        pull = RealtimePull(database=database, ingest=ingest, clock=clock, watchlist=watchlist)
        assert (await pull.run(context(clock))).status() is RunStatus.OK
        assert await pulled(database) == {"JCOINUSDT"}

        await screening(database, clock, assets, sample=10, size=3).run(context(clock))
        assert (await pull.run(context(clock))).status() is RunStatus.OK
        assert await pulled(database) == {"JCOINUSDT", "ICOINUSDT", "HCOINUSDT"}
        outcome = await pull.outcome()
        assert (outcome.ok, outcome.message) == (True, "3 symbols up to date")

        clock.jump_to(NOW + timedelta(minutes=10))
        stage.trade("ACOINUSDT", "100", "100000000")
        stale = await pull.outcome()
        assert not stale.ok
        assert "HCOINUSDT: newest candle" in stale.message
        await screening(database, clock, assets, sample=10, size=1).run(context(clock))
        await pull.run(context(clock))
        assert await pulled(database) == {"JCOINUSDT", "ICOINUSDT", "HCOINUSDT", "ACOINUSDT"}
        async with database.connection() as connection:
            active = await connection.fetch("SELECT symbol FROM market_symbols WHERE active")
        assert [row[0] for row in active] == ["JCOINUSDT"]


class HangingFeed(FakeFeed):
    """Never answers for some symbols; `order`: who was asked for."""

    def __init__(self, clock: MarketClock) -> None:
        super().__init__(clock, minutes(60, NOW - timedelta(minutes=30)))
        self.hangs: set[str] = set()
        self.order: list[str] = []

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        self.order.append(symbol.symbol)
        if symbol.symbol in self.hangs:
            await anyio.sleep_forever()
        return await super().fetch(symbol, timeframe, start, end)


async def test_a_feed_that_hangs_for_the_watchlist_does_not_starve_the_file(
    database: Database, clock: MarketClock
) -> None:
    """M3.8, N9: the file's candles are stored first; the list is cut short by batch, and says so."""
    ours, feed = market_symbol("OURS", timeframes=("1m",)), HangingFeed(clock)
    listed = [f"L{number:02}USDT" for number in range(20)]
    async with database.transaction() as connection:
        ids: dict[str, SymbolId] = await sync_symbols(connection, [ours])
    rows = [(each, {"source": "bn"}) for each in listed]
    async with database.connection() as connection:
        await universe.insert(connection, NOW, 1, rows)
    ingest = Ingest(
        database=database,
        symbols=[ours],
        symbol_ids=ids,
        feeds={feed.name: feed},
        calendars={ALWAYS_OPEN: AlwaysOpen()},
        writer=CandleWriter(database, ids, clock),
        reader=CandleReader(database, ids),
        clock=clock,
    )

    def pull(batch: float, whole: float, source: str = "bn") -> RealtimePull:
        watchlist = Watchlist(
            database=database,
            source=source,
            feed=feed.name,
            quote_asset="USDT",
            calendar=ALWAYS_OPEN,
            configured={"OURS"},
            symbol_ids=ids,
        )
        return RealtimePull(
            database=database, ingest=ingest, clock=clock, watchlist=watchlist,
            batch_seconds=batch, watchlist_seconds=whole,
        )  # fmt: skip

    feed.hangs = {listed[0]}
    run = await pull(3, 60).run(context(clock))
    assert (run.status(), run.failed, run.failed_items) == (RunStatus.PARTIAL, 8, [])
    assert run.items["watchlist"]["error"].startswith("8 of 20 symbols not pulled in time: L00USDT")
    assert await pulled(database) == {"OURS", *listed[8:]}
    assert ingest.pulled_until(ours) == NOW

    feed.hangs = set(listed)
    clock.jump_to(NOW + timedelta(minutes=5))
    cut = pull(60, 0.1)
    run = await cut.run(context(clock))
    assert (run.status(), run.counts["not_pulled"]) == (RunStatus.PARTIAL, 20)
    assert ingest.pulled_until(ours) == clock.now()

    feed.order, feed.hangs = [], set()
    clock.jump_to(NOW + timedelta(minutes=6))
    run = await replace(cut, watchlist_seconds=60).run(context(clock))
    assert run.status() is RunStatus.OK
    assert feed.order == ["OURS", *listed[8:], *listed[:8]]  # those first that were not reached

    feed.order = []
    clock.jump_to(NOW + timedelta(minutes=7))
    await pull(60, 60, "another").run(context(clock))
    assert feed.order == ["OURS"]  # a list of another source is none


async def pulled(database: Database) -> set[str]:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT DISTINCT symbol FROM ohlc o JOIN market_symbols s ON s.id = o.symbol_id"
        )
    return {row[0] for row in rows}
