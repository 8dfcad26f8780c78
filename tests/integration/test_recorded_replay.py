"""Files to candles at speed 0, through timeline, runner and pull: what a replay leaves behind."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.fakes.jobs import ScriptedJob
from tests.fakes.market_data import MINUTE, START, market_symbol, minutes
from tests.integration.test_market_jobs import aggregated
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import FeedName, JobName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import Every, JobSpec
from tradebotd.feeds.replay import Recordings, ReplayFeed, load_recordings
from tradebotd.jobs.realtime_pull import NAME as PULL
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.timeline import Playback, Timeline, read_reached
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

FEED, BOTS = FeedName("sim"), JobName("run_bots")
HEADER = "ts,open,high,low,close,volume"
Load = Callable[..., Recordings]


def line(candle: Candle) -> str:
    values = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return ",".join([f"{candle.ts:%Y-%m-%dT%H:%M:%SZ}", *map(str, values)])


def lines(candles: Sequence[Candle]) -> list[str]:
    return [HEADER, *map(line, candles)]


def symbol(name: str) -> MarketSymbol:
    return market_symbol(name, feeds=("sim",), timeframes=("1m", "5m"))


@pytest.fixture
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The files of `request.param`, name to rows: written before the loop runs."""
    for name, rows in request.param.items():
        (tmp_path / name).write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def recordings(directory: Path) -> Recordings:
    names = sorted({path.name.rpartition("_")[0] for path in directory.iterdir()})
    return load_recordings(FEED, str(directory), [symbol(name) for name in names])


class Played:
    """One replay of *recordings* from where the database says to its end."""

    def __init__(self, database: Database, recordings: Recordings) -> None:
        self.database = database
        self.recordings = recordings
        self.points: list[Tick] = []
        self.bots = ScriptedJob(BOTS)

    async def run(self) -> None:
        symbols = [symbol(name) for name in sorted(self.recordings.shelves)]
        reached = await read_reached(self.database)
        start, _ = self.recordings.span()
        clock = MarketClock(reached.at or start, 0)
        feed = ReplayFeed(FEED, self.recordings, clock)
        async with self.database.transaction() as connection:
            ids = await sync_symbols(connection, symbols)
        ingest = Ingest(
            database=self.database,
            symbols=symbols,
            symbol_ids=ids,
            feeds={FEED: feed},
            calendars={"24/7": AlwaysOpen()},
            writer=CandleWriter(self.database, ids, clock),
            reader=CandleReader(self.database, ids),
            clock=clock,
            since=start,
        )
        pull = RealtimePull(database=self.database, ingest=ingest, clock=clock)
        specs = [
            JobSpec(name=name, slots=(Every(interval=MINUTE),), retries=3) for name in (PULL, BOTS)
        ]
        ledger = RunLedger(self.database, deferred=True)
        scheduler = ClockScheduler(clock, lambda _code, _at: None, lambda _dues: None)
        scheduler.schedule(specs)
        scheduler.start()
        async with anyio.create_task_group() as tasks:
            runner = JobRunner(
                tasks=tasks, clock=clock, ledger=ledger, jobs=[pull, self.bots], specs=specs
            )
            playback = Playback(
                recording=feed,
                clock=clock,
                reached=reached,
                on_tick=self.points.append,
                prime=lambda _point: None,
            )
            timeline = Timeline(
                playback=playback,
                clock=clock,
                scheduler=scheduler,
                runner=runner,
                ledger=ledger,
                on_end=anyio.lowlevel.checkpoint,
            )
            assert await timeline.run()

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(statement)]

    async def candles(self, name: str, timeframe: str) -> list[tuple[Any, ...]]:
        return await self.query(
            "SELECT ts, open, high, low, close, volume FROM ohlc JOIN market_symbols s"
            f" ON s.id = symbol_id WHERE symbol = '{name}' AND timeframe = '{timeframe}' ORDER BY ts"
        )


LONG = minutes(90, seed=1)
LATE = minutes(40, START + 30 * MINUTE, seed=2)
HOURLY = [Candle(START + timedelta(hours=hour), 9.0, 12.0, 8.0, 10.0, 5.0) for hour in range(1)]


@pytest.mark.parametrize(
    "directory",
    [
        {
            "AAA_1m.csv": lines(LONG),
            "AAA_1h.csv": lines(HOURLY),
            "BBB_1m.csv": lines(LATE),
            "CCC_5m.csv": lines([Candle(START + 5 * n * MINUTE, 2, 3, 1, 2, 1) for n in range(18)]),
        }
    ],
    indirect=True,
)
async def test_several_symbols_and_timeframes_are_played_at_once(
    database: Database, recordings: Recordings
) -> None:
    """M3.1, M3.5, M3.6: each symbol from its finest file, all in the order of time."""
    played = Played(database, recordings)
    await played.run()

    order = [(point.at, point.symbol) for point in played.points]
    assert order == sorted(order)
    counts = {
        name: sum(1 for p in played.points if p.symbol == name) for name in recordings.shelves
    }
    assert counts == {"AAA": 4 * 90, "BBB": 4 * 40, "CCC": 4 * 18}
    for name, candles in (("AAA", LONG), ("BBB", LATE)):
        end = START + 90 * MINUTE
        assert [row[0] for row in await played.candles(name, "1m")] == [c.ts for c in candles]
        assert await played.candles(name, "5m") == aggregated(candles, 5, end)
    assert len(await played.candles("CCC", "5m")) == 18
    assert await played.candles("CCC", "1m") == []
    statuses = await played.query("SELECT job, status, count(*) FROM job_runs GROUP BY 1, 2")
    assert sorted(statuses) == [("realtime_pull", "ok", 91), ("run_bots", "ok", 91)]
    again = Played(database, recordings)
    await again.run()
    assert not again.points
    assert not again.bots.contexts


GOOD = minutes(30)


def spoiled() -> tuple[list[str], dict[int, str]]:
    """A file with every kind of bad row, and the reasons by line."""
    at = "2022-03-01T00:10:00Z"
    bad = {
        "text,in,every,place,of,it": "ts is no ISO 8601 time",
        "too,few": "2 columns instead of 6",
        f"{at},ten,11,9,10,3": "a value is not a number",
        f"{at},nan,11,9,10,3": "a price is not finite",
        f"{at},-1,11,-2,10,3": "a price is zero or negative",
        f"{at},0,11,0,10,3": "a price is zero or negative",
        f"{at},10,9,11,10,3": "high is below low",
        "2022-03-01T00:10:30Z,10,11,9,10,3": "ts is off the grid of 1m",
        "2022-02-27T00:00:00Z,10,11,9,10,3": "out of order",
        "2099-01-01T00:00:00Z,10,11,9,10,3": "far from the times of the other rows",
    }
    rows = lines(GOOD)
    rows[15:15] = bad
    unfinished = line(GOOD[3]).rpartition(",")[0] + ",0.001"
    rows.insert(4, unfinished)
    rows.append(line(GOOD[-1]))  # an identical duplicate: skipped
    replaced = {5: "differs from line 6, a later row of the same time"}
    return rows, replaced | dict(enumerate(bad.values(), start=17))


ROWS, REASONS = spoiled()


@pytest.mark.parametrize("directory", [{"AAA_1m.csv": ROWS}], indirect=True)
async def test_every_kind_of_bad_row_is_quarantined_and_the_rest_is_loaded(
    database: Database, recordings: Recordings
) -> None:
    """M3.4, bad input: line number and reason of each; the run is partial, once, and not retried."""
    played = Played(database, recordings)
    await played.run()

    assert [row[0] for row in await played.candles("AAA", "1m")] == [c.ts for c in GOOD]
    found = await played.query("SELECT source, line, symbol, reason, raw FROM ohlc_quarantine")
    assert {row[1]: row[3] for row in found} == REASONS
    assert {(row[0], row[2]) for row in found} == {("AAA_1m.csv", "AAA")}
    assert all(row[4] == ROWS[row[1] - 1] for row in found)
    pulls = await played.query(
        "SELECT status, attempt, (summary ->> 'failed')::int, (summary ->> 'skipped')::int"
        " FROM job_runs WHERE job = 'realtime_pull' ORDER BY scheduled_at"
    )
    assert sum(row[2] for row in pulls) == len(REASONS)
    assert sum(row[3] for row in pulls) == 1
    assert {(row[0], row[2] > 0) for row in pulls} == {("ok", False), ("partial", True)}
    assert {row[1] for row in pulls} == {1}
    assert len(played.points) == 4 * len(GOOD)
    assert not await played.query("SELECT * FROM dead_letters")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "the file is empty"),
        ([HEADER], "the file holds no rows"),
        (
            ["ts,open,high,low,close", "1,2,3,4,5"],
            "columns are missing: volume (there are: ts, open, high, low, close)",
        ),
        (
            [HEADER, "a,b,c,d,e,f"],
            "no row is a candle; the first: line 2: ts is no ISO 8601 time (a,b,c,d,e,f)",
        ),
    ],
)
def test_a_file_of_nothing_makes_no_feed(tmp_path: Path, rows: Sequence[str], reason: str) -> None:
    """3.8, N9: whatever good files stand beside it; there is no recording without a candle."""
    (tmp_path / "AAA_1m.csv").write_text("\n".join(rows))
    (tmp_path / "BBB_1m.csv").write_text("\n".join(lines(GOOD)))

    with pytest.raises(ConfigError) as refused:
        load_recordings(FEED, str(tmp_path), [symbol("AAA"), symbol("BBB")])
    assert refused.value.problems == [f"feeds.sim: AAA_1m.csv: {reason}"]
