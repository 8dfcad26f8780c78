"""Minutes that Alpaca streams, and tells anew, on their way into the tables."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import anyio
import pytest

from tests.fakes.alpaca import AlpacaStage, staged
from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.fakes.standing_alerts import unwritten_alarms
from tests.fakes.stepped_host import PATIENCE, SteppedHost, until
from tests.simulators.alpaca.market import Split
from tests.simulators.shared.faults import Fault, Kind
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.feeds.alpaca.facts import Adjustment
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.writer import CandleWriter
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

NOW = datetime(2026, 3, 3, 15, 10, 5, tzinfo=UTC)
FIRST = NOW.replace(second=0)
NAME = FeedName("shares")
APPLE = replace(
    market_symbol("APPLE", feeds=(NAME,), timeframes=("1m", "5m")), names={NAME: "AAPL"}
)
CLOSES = (
    "SELECT o.ts, o.close, o.volume FROM ohlc o JOIN market_symbols s ON s.id = o.symbol_id"
    " WHERE s.symbol = 'APPLE' AND o.timeframe = $1 AND o.ts >= $2 ORDER BY o.ts"
)
CORRECTIONS = "SELECT timeframe, ts, applied FROM ohlc_corrections ORDER BY timeframe, ts"


class Room:
    """The feed, and the ingest of what it tells."""

    def __init__(self, database: Database, stage: AlpacaStage, ingest: Ingest) -> None:
        self.database, self.stage, self.ingest = database, stage, ingest

    async def stored(self, timeframe: str = "1m") -> dict[datetime, float]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(CLOSES, timeframe, FIRST - 5 * MINUTE)
        return {row["ts"]: row["close"] for row in rows}

    async def corrections(self) -> list[tuple[str, datetime, bool]]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(CORRECTIONS)]

    async def reached(self, timeframe: str, want: dict[datetime, float]) -> None:
        """Wait until exactly *want* is stored of *timeframe* from a while ago on."""
        with anyio.fail_after(PATIENCE):
            while (found := await self.stored(timeframe)) != want:
                assert len(found) <= len(want) + 5
                await anyio.sleep(0.02)


def made(
    database: Database,
    ids: dict[str, SymbolId],
    stage: AlpacaStage,
    clock: MarketClock,
    adjustment: Adjustment = "raw",
) -> Ingest:
    return Ingest(
        database=database,
        symbols=[APPLE],
        symbol_ids=ids,
        feeds={NAME: stage.feed(NAME, adjustment=adjustment)},
        calendars={ALWAYS_OPEN: AlwaysOpen()},
        writer=CandleWriter(database, ids, clock),
        reader=CandleReader(database, ids),
        clock=clock,
    )


async def ids_of(database: Database) -> dict[str, SymbolId]:
    async with database.transaction() as connection:
        return dict(await sync_symbols(connection, [APPLE]))


def times(count: int, start: datetime = FIRST) -> Sequence[datetime]:
    return [start + number * MINUTE for number in range(count)]


async def test_a_minute_told_anew_corrects_what_is_stored_and_what_was_made_of_it(
    database: Database,
) -> None:
    """M3.4, M3.5, M3.10: late trades; and minutes that were missed are filled up."""
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    ids = await ids_of(database)
    async with staged(clock, host=host) as stage, anyio.create_task_group() as tasks:
        stage.trade("AAPL", "100")
        ingest = made(database, ids, stage, clock)
        room = Room(database, stage, ingest)
        stream = PriceStream(
            NAME,
            stage.feeds[0],
            symbols=[APPLE],
            calendars={ALWAYS_OPEN: AlwaysOpen()},
            ingest=ingest,
            clock=clock,
            host=host,
            on_tick=lambda _: None,
            alarms=unwritten_alarms(),
        )
        tasks.start_soon(stream.run)
        await until(lambda: stage.server.streams.opened)
        want: dict[datetime, float] = {}
        for number, ts in enumerate(times(5)):
            if number == 2:  # and nothing is told of this one
                stage.server.faults.set(Fault(kind=Kind.GAP, times=1, channel="bars.AAPL"))
                await stage.server.met()
            await host.advance(60, step=10)
            stage.bar("AAPL", ts, f"{101 + number}")
            await host.advance(3)
            want[ts] = 101 + number
        await room.reached("1m", want)
        await room.reached("5m", {FIRST: 105})

        stage.bar("AAPL", FIRST + 4 * MINUTE, "99")
        await host.advance(2)
        await room.reached("1m", want | {FIRST + 4 * MINUTE: 99})
        await room.reached("5m", {FIRST: 99})
        assert await room.corrections() == [
            ("1m", FIRST + 4 * MINUTE, True),
            ("5m", FIRST, True),
        ]
        late = FIRST + 6 * MINUTE  # not pulled yet, and not taken before those that are due
        await ingest.correct(APPLE, [Candle(late, 9, 9, 9, 9, 9)], NAME)
        assert late not in await room.stored()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("adjustment", ["raw", "split"])
async def test_adjusted_bars_take_the_place_of_those_before_a_split(
    database: Database, adjustment: Adjustment
) -> None:
    """M5.9: where the file asks for them; else stored candles never change."""
    clock = standing_clock(NOW)
    ids = await ids_of(database)
    async with staged(clock) as stage:
        stage.trade("AAPL", "200")
        begin = FIRST - 5 * MINUTE
        for ts in times(5, begin):
            stage.bar("AAPL", ts, "200")
        ingest = made(database, ids, stage, clock, adjustment)
        room = Room(database, stage, ingest)
        await ingest.pull_range(APPLE, begin, FIRST)
        assert set((await room.stored()).values()) == {200}
        stage.exchange.split(Split("AAPL", date(2026, 3, 4), Decimal(4)))
        clock.jump_to(NOW + timedelta(days=1))
        await ingest.pull_range(APPLE, begin, FIRST)
        is_changed = adjustment == "split"
        assert set((await room.stored()).values()) == {50 if is_changed else 200}
        assert set((await room.stored("5m")).values()) == {50 if is_changed else 200}
        assert len(await room.corrections()) == (6 if is_changed else 0)
