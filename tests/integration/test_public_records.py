"""Public trades and order books: from the simulators of Binance, by the jobs, into the tables."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.binance import BinanceStage, staged
from tests.fakes.market_data import standing_clock
from tests.simulators.shared.faults import ALWAYS, Fault, Kind, answered
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.job import RunStatus
from tradebotd.domain.public_market import (
    DayFigures,
    ListedSymbol,
    OrderBookSnapshot,
    PublicTrade,
    TradePage,
)
from tradebotd.domain.side import Side
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.jobs.ingest_orderbook import IngestOrderbook
from tradebotd.jobs.ingest_trades import IngestTrades
from tradebotd.ports.public_market import RecordedSymbol
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres import partitions
from tradebotd.storage.postgres.database import Database

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
MARKETS: tuple[MarketName, ...] = ("spot", "usdm")


@pytest.fixture
def clock() -> MarketClock:
    return standing_clock(NOW)


def context(clock: MarketClock) -> RunContext:
    return RunContext(scheduled_at=clock.now(), now=clock.now())


@asynccontextmanager
async def recorded(
    market: MarketName, clock: MarketClock, *names: str
) -> AsyncIterator[tuple[BinanceStage, list[RecordedSymbol]]]:
    async with staged(market, clock, symbols=("BTCUSDT", "ETHUSDT"), days=0) as stage:
        public = stage.public()
        yield stage, [RecordedSymbol(f"my-{name}", name, public) for name in names]


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def ids(database: Database, symbol: str = "my-BTCUSDT") -> list[int]:
    found = await rows(
        database,
        f"SELECT trade_id::bigint FROM market_trades WHERE symbol = '{symbol}' ORDER BY 1",
    )
    return [number for (number,) in found]


def last_side(stage: BinanceStage) -> str:
    """Whose order came last, by the simulator's own record."""
    if stage.usdm is not None:
        waited = stage.usdm.venue.market.symbols["BTCUSDT"].trades[-1].is_buyer_maker
    else:
        assert stage.spot is not None
        waited = stage.spot.venue.markets["BTCUSDT"].trades[-1].buyer_maker
    return "sell" if waited else "buy"


def consecutive(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("market", MARKETS)
async def test_trades_go_on_behind_the_last_one_that_is_stored(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.5, M2.7: each once, none missing; a new process goes on by the table alone."""
    async with recorded(market, clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        assert not (await job.outcome()).ok
        for number in range(30):
            stage.trade("BTCUSDT", str(100 + number))
        first = await job.run(context(clock))
        assert (first.status(), first.inserted, first.skipped) == (RunStatus.OK, 30, 0)
        clock.jump_to(NOW + timedelta(seconds=10))
        quiet = await job.run(context(clock))
        assert (quiet.status(), quiet.attempted, quiet.inserted) == (RunStatus.OK, 0, 0)

        for number in range(7):
            stage.trade("BTCUSDT", str(200 - number), "0.25")
        anew = IngestTrades(database=database, clock=clock, symbols=symbols)
        second = await anew.run(context(clock))
        assert (second.attempted, second.inserted) == (7, 7)
        assert (await anew.outcome()).ok

        stored = await ids(database)
        assert len(stored) == 37
        assert consecutive(stored)
        last = await rows(
            database,
            "SELECT venue, executed_at, price, quantity, side FROM market_trades"
            " ORDER BY trade_id::bigint DESC LIMIT 1",
        )
        assert last == [("bn", clock.now(), 194.0, 0.25, last_side(stage))]


@pytest.mark.parametrize("market", MARKETS)
async def test_many_trades_are_taken_page_by_page_and_run_by_run(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.5: at most five pages a run; what waits behind them is told, and comes with the next."""
    async with recorded(market, clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        stage.trade("BTCUSDT", "100")
        await job.run(context(clock))
        before = (await ids(database))[0]
        for number in range(4_990):
            stage.trade("BTCUSDT", str(100 + number % 7))
        asked = {"/api/v3/aggTrades", "/fapi/v1/aggTrades"}
        run = await job.run(context(clock))
        assert (run.inserted, run.put_off) == (4_990, 0)
        assert (await job.outcome()).ok

        for _ in range(4_999):  # the simulators keep five thousand
            stage.trade("BTCUSDT", "101")
        held = stage.server.scene.faults
        held.set(*(Fault(kind=Kind.RESET, path=path, times=2, skip=2) for path in asked))
        cut = await job.run(context(clock))
        assert cut.status() is RunStatus.PARTIAL
        assert cut.inserted == 2_000
        held.clear()
        rest = await job.run(context(clock))
        assert rest.inserted == 2_999
        stored = await ids(database)
        assert stored[0] == before
        assert consecutive(stored)


async def test_more_than_a_run_may_ask_for_is_left_to_the_next(
    database: Database, clock: MarketClock
) -> None:
    """M3.5, M2.7: bounded; while it is behind, the outcome is not ok."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        stage.trade("BTCUSDT", "100")
        await job.run(context(clock))
        for _ in range(6_200):
            stage.trade("BTCUSDT", "101")
        run = await job.run(context(clock))
        assert (run.status(), run.inserted, run.put_off) == (RunStatus.OK, 5_000, 1)
        outcome = await job.outcome()
        assert (outcome.ok, "behind" in outcome.message) == (False, True)
        await job.run(context(clock))
        assert (await job.outcome()).ok
        assert len(await ids(database)) == 6_201


@pytest.mark.parametrize("market", MARKETS)
async def test_two_writers_and_a_batch_twice_leave_the_same_rows(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.5."""
    async with recorded(market, clock, "BTCUSDT") as (stage, symbols):
        for number in range(500):
            stage.trade("BTCUSDT", str(100 + number % 5))
        jobs = [IngestTrades(database=database, clock=clock, symbols=symbols) for _ in range(3)]
        counts: list[tuple[int, int]] = []

        async def run(job: IngestTrades) -> None:
            summary = await job.run(context(clock))
            counts.append((summary.attempted, summary.inserted + summary.skipped))

        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(run, job)
        assert all(attempted == told for attempted, told in counts)
        stored = await ids(database)
        assert len(stored) == 500
        assert consecutive(stored)


def told(number: int, **changes: Any) -> dict[str, Any]:
    at = int(NOW.timestamp() * 1000)
    row = {"a": number, "p": "100.5", "q": "2", "f": 1, "l": 1, "T": at, "m": False, "M": True}
    return row | changes


@pytest.mark.parametrize(
    "bad",
    [
        {"p": "0"},
        {"p": "-1"},
        {"q": "0"},
        {"p": "NaN"},
        {"q": None},
        {"T": "soon"},
        {"T": -5},
        {"m": "false"},
    ],
    ids=str,
)
async def test_a_trade_that_makes_no_sense_is_left_out_and_told(
    database: Database, clock: MarketClock, bad: dict[str, Any]
) -> None:
    """M3.4, M2.2: the others are stored, nothing waits behind it for ever."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        body = [told(7), told(8, **bad), told(9)]
        stage.server.faults.set(Fault(kind=Kind.WRONG_BODY, body=body, path="/api/v3/aggTrades"))
        run = await job.run(context(clock))
        assert (run.status(), run.inserted, run.failed) == (RunStatus.PARTIAL, 2, 1)
        assert run.items["my-BTCUSDT"]["bad"] == 1
        assert not run.failed_items  # to ask again helps nobody
        assert await ids(database) == [7, 9]
        assert (await job.outcome()).ok


@pytest.mark.parametrize(
    "body",
    [
        {"msg": "no list"},
        [told(9), told(8)],
        [told(8), told(8)],
        [told(-1)],
        [{"p": "1"}],
        [5],
        [told(each) for each in range(1_001)],
        "<html>",
    ],
    ids=lambda body: str(body)[:30],
)
async def test_an_answer_that_cannot_be_so_stores_nothing(
    database: Database, clock: MarketClock, body: Any
) -> None:
    """M3.2: an error with the path and how the answer begins; the other symbol goes on."""
    async with recorded("spot", clock, "BTCUSDT", "ETHUSDT") as (stage, symbols):
        stage.trade("ETHUSDT", "100")
        stage.trade("BTCUSDT", "100")
        wrong = Fault(kind=Kind.WRONG_BODY, body=body, path="/api/v3/aggTrades", times=1)
        stage.server.faults.set(wrong)
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        run = await job.run(context(clock))
        assert run.status() is RunStatus.PARTIAL
        assert len(run.failed_items) == 1
        assert "/api/v3/aggTrades" in run.items[run.failed_items[0]]["error"]
        assert len(await ids(database, "my-BTCUSDT") + await ids(database, "my-ETHUSDT")) == 1
        assert not (await job.outcome()).ok


async def test_trades_from_before_those_asked_for_are_refused(
    database: Database, clock: MarketClock
) -> None:
    """M3.5: an answer of another question is none."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        first = Fault(kind=Kind.WRONG_BODY, body=[told(50)], path="/api/v3/aggTrades")
        stage.server.faults.set(
            first, Fault(kind=Kind.WRONG_BODY, body=[told(40)], path="/api/v3/aggTrades")
        )
        await job.run(context(clock))
        again = await job.run(context(clock))
        assert again.status() is RunStatus.FAILED
        assert "trade 40 behind trade 50" in again.items["my-BTCUSDT"]["error"]


async def test_what_the_venue_leaves_out_is_counted(database: Database, clock: MarketClock) -> None:
    """M3.5: a hole is told, and recording goes on behind it."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        first = Fault(kind=Kind.WRONG_BODY, body=[told(50)], path="/api/v3/aggTrades")
        stage.server.faults.set(
            first, Fault(kind=Kind.WRONG_BODY, body=[told(60), told(61)], path="/api/v3/aggTrades")
        )
        await job.run(context(clock))
        again = await job.run(context(clock))
        assert again.counts["missed"] == 9
        assert await ids(database) == [50, 60, 61]


async def test_behind_a_long_pause_it_begins_anew(database: Database, clock: MarketClock) -> None:
    """M3.5: bounded: a day of trades is caught up with, more is not, and that is told."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestTrades(database=database, clock=clock, symbols=symbols)
        stage.trade("BTCUSDT", "100")
        await job.run(context(clock))
        for _ in range(1_500):
            stage.trade("BTCUSDT", "101")
        clock.jump_to(NOW + timedelta(hours=25))
        run = await job.run(context(clock))
        assert run.items["my-BTCUSDT"]["begun_anew_behind"] == NOW
        assert run.inserted == 1_000  # the newest page
        assert (await job.outcome()).ok


async def test_a_symbol_that_is_not_known_there_fails_alone(
    database: Database, clock: MarketClock
) -> None:
    """M2.6."""
    async with recorded("spot", clock, "BTCUSDT", "NOSUCH") as (stage, symbols):
        stage.trade("BTCUSDT", "100")
        trades = await IngestTrades(database=database, clock=clock, symbols=symbols).run(
            context(clock)
        )
        books = await IngestOrderbook(database=database, clock=clock, symbols=symbols).run(
            context(clock)
        )
        for run in (trades, books):
            assert run.status() is RunStatus.PARTIAL
            assert "-1121" in run.items["my-NOSUCH"]["error"]


def set_book(stage: BinanceStage, best: int) -> None:
    """Nine levels a side below and above *best*, each a unit deeper than the one before it."""
    bids = [(Decimal(best - n), Decimal(n + 1)) for n in range(9)]
    asks = [(Decimal(best + 1 + n), Decimal(n + 1)) for n in range(9)]
    if stage.usdm is not None:
        stage.usdm.venue.market.set_book("BTCUSDT", bids, asks)
    elif stage.spot is not None:
        told = [[(str(p), str(q)) for p, q in side] for side in (bids, asks)]
        stage.spot.venue.quote("BTCUSDT", *told)


SNAPSHOTS = (
    "SELECT symbol, server_time_ms, sequence_id, bid_prices, ask_quantities"
    " FROM orderbook_snapshots ORDER BY id"
)


@pytest.mark.parametrize("market", MARKETS)
async def test_a_book_is_stored_each_time_that_it_has_changed(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M3.5, M2.7: by (venue, symbol, server time, sequence); levels by the view."""
    async with recorded(market, clock, "BTCUSDT") as (stage, symbols):
        job = IngestOrderbook(database=database, clock=clock, symbols=symbols, levels=5)
        assert not (await job.outcome()).ok
        set_book(stage, 100)
        first = await job.run(context(clock))
        assert (first.status(), first.inserted) == (RunStatus.OK, 1)
        clock.jump_to(NOW + timedelta(seconds=10))
        same = await job.run(context(clock))
        assert (same.status(), same.inserted, same.skipped) == (RunStatus.OK, 0, 1)
        assert (await job.outcome()).ok

        set_book(stage, 90)
        clock.jump_to(NOW + timedelta(seconds=20))
        assert (await job.run(context(clock))).inserted == 1
        assert (await job.outcome()).ok

        stored = await rows(database, SNAPSHOTS)
        assert len(stored) == 2
        assert stored[0][3] == [100.0, 99.0, 98.0, 97.0, 96.0]
        assert stored[0][4] == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert stored[1][2] > stored[0][2]
        assert stored[0][1] == int(NOW.timestamp() * 1000)
        levels = await rows(
            database,
            "SELECT side, level_index, price, quantity FROM orderbook_levels"
            " WHERE snapshot_id = (SELECT min(id) FROM orderbook_snapshots) AND level_index = 4",
        )
        assert sorted(levels) == [("ask", 4, 105.0, 5.0), ("bid", 4, 96.0, 5.0)]


def book(number: int = 7, **changes: Any) -> dict[str, Any]:
    made = {"lastUpdateId": number, "bids": [["99", "1"], ["98", "2"]], "asks": [["101", "1"]]}
    return made | changes


@pytest.mark.parametrize(
    "body",
    [
        book(bids=[], asks=[]),
        book(bids=[["98", "1"], ["99", "1"]]),
        book(asks=[["102", "1"], ["101", "1"]]),
        book(bids=[["99", "1"], ["99", "2"]]),
        book(bids=[["102", "1"]]),
        book(bids=[["0", "1"]]),
        book(bids=[["99", "-1"]]),
        book(bids=[["99"]]),
        book(bids="all"),
        book(lastUpdateId="x"),
        [],
        {},
    ],
    ids=lambda body: str(body)[:50],
)
async def test_a_book_that_cannot_be_so_is_not_stored(
    database: Database, clock: MarketClock, body: Any
) -> None:
    """M3.4: empty, crossed, out of order, without numbers."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        wrong = Fault(kind=Kind.WRONG_BODY, body=body, path="/api/v3/depth")
        stage.server.faults.set(wrong)
        job = IngestOrderbook(database=database, clock=clock, symbols=symbols)
        run = await job.run(context(clock))
        assert run.status() is RunStatus.FAILED
        assert await rows(database, SNAPSHOTS) == []
        assert not (await job.outcome()).ok


async def test_a_book_from_before_the_newest_is_refused(
    database: Database, clock: MarketClock
) -> None:
    """S15: a machine of the venue may lag behind; one that counts anew is believed after a while."""
    async with recorded("spot", clock, "BTCUSDT") as (stage, symbols):
        job = IngestOrderbook(database=database, clock=clock, symbols=symbols)
        for number in (70, 69):
            stage.server.faults.set(
                Fault(kind=Kind.WRONG_BODY, body=book(number), path="/api/v3/depth")
            )
        assert (await job.run(context(clock))).inserted == 1
        clock.jump_to(NOW + timedelta(seconds=10))
        older = await job.run(context(clock))
        assert "69 is older than 70" in older.items["my-BTCUSDT"]["error"]
        clock.jump_to(NOW + timedelta(minutes=11))
        anew = Fault(kind=Kind.WRONG_BODY, body=book(3), path="/api/v3/depth")
        stage.server.faults.set(anew)
        assert (await job.run(context(clock))).inserted == 1


@pytest.mark.parametrize("market", MARKETS)
async def test_while_the_venue_bans_us_nothing_is_asked(
    database: Database, clock: MarketClock, market: MarketName
) -> None:
    """M6.5: records stop with everything else at that address."""
    async with recorded(market, clock, "BTCUSDT") as (stage, symbols):
        stage.trade("BTCUSDT", "100")
        trades = IngestTrades(database=database, clock=clock, symbols=symbols)
        banned = answered(418, "banned", times=ALWAYS, headers={"Retry-After": "120"})
        stage.server.faults.set(banned)
        assert (await trades.run(context(clock))).status() is RunStatus.FAILED
        asked = len(stage.server.faults.met)
        for job in (trades, IngestOrderbook(database=database, clock=clock, symbols=symbols)):
            assert (await job.run(context(clock))).status() is RunStatus.FAILED
        assert len(stage.server.faults.met) == asked
        stage.server.faults.clear()
        clock.jump_to(NOW + timedelta(minutes=3))
        assert (await trades.run(context(clock))).inserted == 1


class ToldMarket:
    """Implements `ports.public_market.PublicMarket`, as far as trades go: a page of a test's own."""

    name = "told"
    kind = PositionType.SPOT

    def __init__(self, *executed: datetime) -> None:
        self.executed = executed

    async def trades(self, name: str, after: int | None) -> TradePage:  # noqa: ARG002
        rows = [
            PublicTrade(number, instant, Decimal(100), Decimal(1), Side.BUY)
            for number, instant in enumerate(self.executed, start=1)
            if number > (after or 0)
        ]
        return TradePage(trades=rows, last_id=rows[-1].trade_id if rows else None)

    async def tradable(self) -> Sequence[ListedSymbol]:
        raise FeedError("nothing listed")

    async def order_book(self, name: str, levels: int) -> OrderBookSnapshot:
        raise FeedError(f"no book of {name} with {levels} levels")

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:  # noqa: ARG002
        return {}


async def test_every_month_of_a_page_gets_its_partition_whatever_retention_dropped(
    database: Database, clock: MarketClock
) -> None:
    """M3.5: a quiet pair's page spans months; one that retention dropped is made anew."""
    months = (NOW - timedelta(days=75), NOW - timedelta(days=50), NOW - timedelta(days=20), NOW)
    market = ToldMarket(NOW - timedelta(days=91), *months)
    symbols = [RecordedSymbol("quiet", "QUIET", market)]
    job = IngestTrades(database=database, clock=clock, symbols=symbols)
    run = await job.run(context(clock))
    assert (run.status(), run.inserted, run.skipped) == (RunStatus.OK, 4, 1)
    assert run.counts["too_old"] == 1
    assert await ids(database, "quiet") == [2, 3, 4, 5]
    assert (await job.outcome()).ok

    async with database.connection() as connection:
        await partitions.drop_expired(connection, "market_trades", NOW + timedelta(days=40))
    again = await job.run(context(clock))
    assert (again.status(), again.inserted) == (RunStatus.OK, 4)


async def test_trades_that_are_all_past_their_keep_time_are_nothing_to_wait_for(
    database: Database, clock: MarketClock
) -> None:
    """M2.7: retention would drop them the same day; the outcome does not ask for them."""
    market = ToldMarket(NOW - timedelta(days=200), NOW - timedelta(days=91))
    symbols = [RecordedSymbol("quiet", "QUIET", market)]
    job = IngestTrades(database=database, clock=clock, symbols=symbols)
    run = await job.run(context(clock))
    assert (run.status(), run.inserted, run.skipped) == (RunStatus.OK, 0, 2)
    assert await ids(database, "quiet") == []
    assert (await job.outcome()).ok
