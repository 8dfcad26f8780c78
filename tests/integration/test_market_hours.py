"""Jobs beside markets that close: lunch, nights, weekends, 24/5; with Twelve Data's simulator."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.fakes.twelvedata import TwelveDataStage, staged
from tests.simulators.shared.faults import answered
from tests.simulators.twelvedata.bars import Bar, MadeUp
from tests.simulators.twelvedata.instruments import AAPL, EURUSD, TOYOTA, Instrument
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import RunStatus
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.market.calendars import Calendar, load_calendar
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

TD = FeedName("td")
CALENDARS = ("XTKS", "XNYS", "24/5", "24/7")
TOKYO = replace(TOYOTA, gate=None)


@pytest.fixture(scope="module")
def calendars() -> Mapping[str, Calendar]:
    first = datetime(2026, 2, 1, tzinfo=UTC).date()
    return {code: load_calendar(code, first) for code in CALENDARS}


class Trading(MadeUp):
    """Minutes while *is_open* alone: what the exchange does not trade has no bar."""

    def __init__(self, is_open: Callable[[datetime], bool]) -> None:
        super().__init__()
        self._is_open = is_open

    def minute(self, instrument: Instrument, at: datetime, now: datetime) -> Bar | None:
        return super().minute(instrument, at, now) if self._is_open(at) else None


def at_lunch(at: datetime) -> bool:
    """Tokyo, 11:30 to 12:30."""
    return (
        timedelta(hours=2, minutes=30)
        <= at - at.replace(hour=0, minute=0)
        < timedelta(hours=3, minutes=30)
    )


class Stall(NamedTuple):
    """One symbol of a market, its jobs, and the vendor."""

    stage: TwelveDataStage
    clock: MarketClock
    symbol: MarketSymbol
    ingest: Ingest
    pull: RealtimePull
    gaps: FillGaps
    seed: SeedHistory
    database: Database

    async def pulled(self, at: datetime) -> int:
        """Pull at *at*; return how many questions that cost."""
        self.clock.jump_to(at)
        before = self.stage.server.scene.count("/time_series")
        run = await self.pull.run(RunContext(scheduled_at=at, now=at))
        assert run.status() is RunStatus.OK, run.items
        return self.stage.server.scene.count("/time_series") - before

    async def stored(self) -> list[datetime]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT ts FROM ohlc WHERE timeframe = '1m' ORDER BY ts")
        return [row[0] for row in rows]


@asynccontextmanager
async def opened(
    database: Database,
    calendars: Mapping[str, Calendar],
    code: str,
    instrument: Instrument,
    now: datetime,
    is_open: Callable[[datetime], bool],
) -> AsyncIterator[Stall]:
    clock = standing_clock(now)
    made = market_symbol("OURS", feeds=(TD,), timeframes=("1m", "5m", "1d"), calendar=code)
    symbol = replace(made, names={TD: instrument.symbol})
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [symbol])
    async with staged(clock, instruments=(instrument,), minutes=Trading(is_open)) as stage:
        ingest = Ingest(
            database=database,
            symbols=[symbol],
            symbol_ids=ids,
            feeds={TD: stage.feed(TD, a_day=800)},
            calendars=calendars,
            writer=CandleWriter(database, ids, clock),
            reader=CandleReader(database, ids),
            clock=clock,
        )
        yield Stall(
            stage,
            clock,
            symbol,
            ingest,
            RealtimePull(database=database, ingest=ingest, clock=clock),
            FillGaps(database=database, ingest=ingest),
            SeedHistory(database=database, ingest=ingest, clock=clock),
            database,
        )


def utc(day: int, hour: int, minute: int = 0, second: int = 30, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


async def test_nothing_is_asked_over_lunch_and_nothing_is_missed(
    database: Database, calendars: Mapping[str, Calendar]
) -> None:
    """M3.9, M3.3, M2.7: no credit over lunch; it is no hole; behind it a late candle is told."""
    tokyo = replace(TOKYO, closes=TOKYO.closes.replace(hour=15, minute=30))
    start = utc(3, 2, 29)
    async with opened(
        database, calendars, "XTKS", tokyo, start, lambda at: not at_lunch(at)
    ) as one:
        assert await one.pulled(start) == 1
        assert await one.pulled(utc(3, 2, 31)) == 1  # the last minute before lunch
        assert (await one.stored())[-1] == utc(3, 2, 29, 0)
        for minute in range(32, 60):
            assert await one.pulled(utc(3, 2, minute)) == 0
        assert await one.pulled(utc(3, 3, 29)) == 0
        assert (await one.pull.outcome()).ok

        assert await one.pulled(utc(3, 3, 31)) == 1
        assert (await one.stored())[-1] == utc(3, 3, 30, 0)
        assert (await one.pull.outcome()).ok
        filled = await one.gaps.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert (filled.status(), filled.attempted) == (RunStatus.OK, 0)
        assert (await one.gaps.outcome()).ok

        one.stage.server.faults.set(answered(503, "", times=50))
        one.clock.jump_to(utc(3, 3, 35))
        failed = await one.pull.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert failed.status() is RunStatus.FAILED
        late = await one.pull.outcome()
        assert (late.ok, "newest candle" in late.message) == (False, True)


async def test_a_night_and_a_weekend_cost_nothing_across_the_change_of_clocks(
    database: Database, calendars: Mapping[str, Calendar]
) -> None:
    """M3.3, M3.9, M2.10: New York closes at 21:00 UTC on Friday, and opens at 13:30 on Monday."""
    friday = utc(6, 20, 59)

    def traded(at: datetime) -> bool:
        return at != utc(6, 20, 59, 0)  # nobody does in the last minute of Friday

    async with opened(database, calendars, "XNYS", AAPL, friday, traded) as one:
        assert await one.pulled(friday) == 1
        for minute in (1, 3, 5):  # it may come late
            assert await one.pulled(utc(6, 21, minute)) == 1
        for at in (utc(6, 21, 8), utc(6, 23), utc(7, 12), utc(8, 18), utc(9, 13, 29)):
            assert await one.pulled(at) == 0
            assert (await one.pull.outcome()).ok
        assert await one.pulled(utc(9, 13, 31)) == 1
        assert (await one.stored())[-2:] == [utc(6, 20, 58, 0), utc(9, 13, 30, 0)]
        assert (await one.pull.outcome()).ok
        filled = await one.gaps.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert filled.inserted == 0


async def test_24_5_is_open_all_night_and_shut_on_the_weekend(
    database: Database, calendars: Mapping[str, Calendar]
) -> None:
    """M3.9: from Monday to Friday each minute is due, at night as by day; Saturday is no hole."""

    def weekday(at: datetime) -> bool:
        return at.weekday() < 5

    async with opened(database, calendars, "24/5", EURUSD, utc(5, 23, 58), weekday) as one:
        assert await one.pulled(utc(5, 23, 58)) == 1
        assert await one.pulled(utc(6, 0, 5)) == 1  # a night between two weekdays
        stored = await one.stored()
        assert stored[-1] == utc(6, 0, 4, 0)
        assert stored[-8:] == [stored[-8] + number * MINUTE for number in range(8)]
        one.stage.server.faults.set(answered(503, "", times=2))
        one.clock.jump_to(utc(6, 3))
        await one.pull.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert not (await one.pull.outcome()).ok
        assert await one.pulled(utc(6, 23, 59)) == 1
        assert await one.pulled(utc(7, 0, 1)) == 1
        for at in (utc(7, 0, 7), utc(7, 12), utc(8, 23, 59)):
            assert await one.pulled(at) == 0
            assert (await one.pull.outcome()).ok
        assert await one.pulled(utc(9, 0, 1)) == 1
        filled = await one.gaps.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert filled.attempted == 0


@pytest.mark.parametrize(
    ("code", "instrument", "hours"),
    [("XTKS", TOKYO, 5), ("XNYS", AAPL, 6.5), ("24/5", EURUSD, 24), ("24/7", EURUSD, 24)],
)
async def test_history_is_seeded_and_holes_are_filled_within_sessions_alone(
    database: Database,
    calendars: Mapping[str, Calendar],
    code: str,
    instrument: Instrument,
    hours: float,
) -> None:
    """M3.5, M3.9: twice leaves the same; a hole in a session is filled, a closed market is none."""
    open_at = calendars[code].is_open
    async with opened(database, calendars, code, instrument, utc(4, 23), open_at) as one:
        params = {"symbol": "OURS", "interval": "1m", "days": "2"}
        context = RunContext(scheduled_at=None, now=one.clock.now(), params=params)
        one.seed.check(params)
        first = await one.seed.run(context)
        assert (first.status(), first.inserted >= hours * 60) == (RunStatus.OK, True)
        assert (await one.seed.outcome()).ok
        before = await one.stored()
        again = await one.seed.run(context)
        assert (again.inserted, await one.stored()) == (0, before)

        middle = len(before) // 2
        lost = [at for at in before[middle : middle + 40] if at.date() == before[middle].date()]
        async with database.connection() as connection:
            await connection.execute("DELETE FROM ohlc WHERE ts = ANY ($1)", lost)
        assert not (await one.gaps.outcome()).ok
        filled = await one.gaps.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert (filled.status(), filled.inserted) == (RunStatus.OK, len(lost))
        assert await one.stored() == before
        assert (await one.gaps.outcome()).ok
        asked = one.stage.server.scene.count("/time_series")
        await one.gaps.run(RunContext(scheduled_at=None, now=one.clock.now()))
        assert one.stage.server.scene.count("/time_series") == asked
