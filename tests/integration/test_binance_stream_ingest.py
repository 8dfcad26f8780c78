"""Minutes that Binance streams, on their way into the tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.fakes.binance import staged
from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.fakes.standing_alerts import unwritten_alarms
from tests.fakes.stepped_host import SteppedHost, until
from tests.simulators.shared.faults import Fault, Kind
from tradebotd.domain.candle import Tick
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.writer import CandleWriter
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
NAME = FeedName("bn")
BTC = replace(market_symbol("BTC", feeds=(NAME,), timeframes=("1m", "5m")), names={NAME: "BTCUSDT"})
TIMES = (
    "SELECT o.ts FROM ohlc o JOIN market_symbols s ON s.id = o.symbol_id"
    " WHERE s.symbol = 'BTC' AND o.timeframe = '1m' ORDER BY o.ts"
)


async def times(database: Database) -> list[datetime]:
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch(TIMES)]


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_minutes_are_stored_as_they_close_and_filled_up_after_a_loss(
    database: Database, market: MarketName
) -> None:
    """M3.5, M3.10: none is missing and none is there twice, whatever the stream did."""
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    ticks: list[Tick] = []
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [BTC])
    async with staged(market, clock, host=host) as stage, anyio.create_task_group() as tasks:
        feed = stage.feed(NAME)
        calendars = {ALWAYS_OPEN: AlwaysOpen()}
        ingest = Ingest(
            database=database,
            symbols=[BTC],
            symbol_ids=ids,
            feeds={NAME: feed},
            calendars=calendars,
            writer=CandleWriter(database, ids, clock),
            reader=CandleReader(database, ids),
            clock=clock,
        )
        stream = PriceStream(
            NAME,
            feed,
            symbols=[BTC],
            calendars=calendars,
            ingest=ingest,
            clock=clock,
            host=host,
            on_tick=ticks.append,
            alarms=unwritten_alarms(),
        )
        tasks.start_soon(stream.run)

        async def reached(instant: datetime) -> None:
            """Trade and let time pass until the minute before *instant* is stored."""
            while instant - MINUTE not in (found := await times(database)):
                assert clock.now() < instant + timedelta(seconds=40), found[-3:]
                stage.trade("BTCUSDT", str(100 + clock.now().second))
                await host.advance(2)

        await until(lambda: stage.server.streams.opened)
        first = NOW.replace(second=0)
        await reached(first + MINUTE)
        stage.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await stage.server.met()
        await reached(first + 3 * MINUTE)
        tasks.cancel_scope.cancel()

    stored = await times(database)
    assert stored == [stored[0] + number * MINUTE for number in range(len(stored))]
    assert stored[-1] == first + 2 * MINUTE
    assert len(stored) == 24 * 60 + 3
    assert ticks
