"""History, holes and the newest candles of Binance's markets, by the jobs, into the tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from tests.fakes.binance import BinanceStage, staged
from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.simulators.shared.faults import ALWAYS, answered
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.domain.job import RunStatus
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
NAME = FeedName("bn")
OURS = replace(market_symbol("BTC", feeds=(NAME,), timeframes=("1m", "5m", "1h")))
BTC = replace(OURS, names={NAME: "BTCUSDT"})


class Market(NamedTuple):
    stage: BinanceStage
    clock: MarketClock
    database: Database
    pull: RealtimePull
    gaps: FillGaps
    seed: SeedHistory

    def context(self, **params: str) -> RunContext:
        return RunContext(scheduled_at=None, now=self.clock.now(), params=params)

    async def stored(self, timeframe: str = "1m") -> list[datetime]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT ts FROM ohlc WHERE timeframe = $1 ORDER BY ts", timeframe
            )
        return [row[0] for row in rows]


@asynccontextmanager
async def opened(database: Database, market: MarketName) -> AsyncIterator[Market]:
    clock = standing_clock(NOW)
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [BTC])
    async with staged(market, clock) as stage:
        ingest = Ingest(
            database=database,
            symbols=[BTC],
            symbol_ids=ids,
            feeds={NAME: stage.feed(NAME)},
            calendars={ALWAYS_OPEN: AlwaysOpen()},
            writer=CandleWriter(database, ids, clock),
            reader=CandleReader(database, ids),
            clock=clock,
        )
        yield Market(
            stage,
            clock,
            database,
            RealtimePull(database=database, ingest=ingest, clock=clock),
            FillGaps(database=database, ingest=ingest),
            SeedHistory(database=database, ingest=ingest, clock=clock),
        )


@pytest.mark.parametrize("market", ["spot", "usdm"])
@pytest.mark.parametrize("interval", ["1m", "1h"])
async def test_history_is_seeded_once_whatever_the_pages(
    database: Database, market: MarketName, interval: str
) -> None:
    """M3.5: without a gap; the same again leaves the same rows."""
    async with opened(database, market) as one:
        first = await one.seed.run(one.context(symbol="BTC", interval=interval, days="2"))
        count = 2 * 24 * (60 if interval == "1m" else 1)
        assert (first.status(), first.inserted) == (RunStatus.OK, count)
        stored = await one.stored(interval)
        span = MINUTE if interval == "1m" else timedelta(hours=1)
        assert stored == [stored[0] + number * span for number in range(count)]
        again = await one.seed.run(one.context(symbol="BTC", interval=interval, days="2"))
        assert (again.inserted, await one.stored(interval)) == (0, stored)


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_a_hole_is_filled_and_an_outage_is_told_and_made_up(
    database: Database, market: MarketName
) -> None:
    """M3.5, M3.10, M2.7: the outcomes are those of the table."""
    async with opened(database, market) as one:
        assert (await one.pull.run(one.context())).status() is RunStatus.OK
        before = await one.stored()
        assert len(before) == 24 * 60
        async with database.connection() as connection:
            await connection.execute("DELETE FROM ohlc WHERE ts = ANY ($1)", before[500:600])
        assert not (await one.gaps.outcome()).ok
        one.stage.server.faults.set(answered(503, "", times=2))
        failed = await one.gaps.run(one.context())
        assert failed.status() is RunStatus.FAILED
        assert not (await one.gaps.outcome()).ok
        filled = await one.gaps.run(one.context())
        assert (filled.status(), filled.inserted) == (RunStatus.OK, 100)
        assert await one.stored() == before
        assert (await one.gaps.outcome()).ok

        one.stage.server.faults.set(answered(503, "", times=ALWAYS))
        one.clock.jump_to(NOW + 30 * MINUTE)
        assert (await one.pull.run(one.context())).status() is RunStatus.FAILED
        late = await one.pull.outcome()
        assert (late.ok, "BTC: newest candle" in late.message) == (False, True)
        one.stage.server.faults.clear()
        one.stage.trade("BTCUSDT", "101")
        assert (await one.pull.run(one.context())).status() is RunStatus.OK
        if market == "usdm":  # the spot simulator makes candles of trades alone
            stored = await one.stored()
            assert stored == [stored[0] + number * MINUTE for number in range(24 * 60 + 30)]
            assert (await one.pull.outcome()).ok
