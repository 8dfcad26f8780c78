"""Public records and watchlists beyond their keep time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.market_data import market_symbol, standing_clock
from tradebotd.domain.job import RunStatus
from tradebotd.domain.public_market import OrderBookSnapshot, PublicTrade
from tradebotd.domain.side import Side
from tradebotd.jobs import retention
from tradebotd.jobs.retention import Retention
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import expired_rows, market_trades, order_books, universe
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

NOW = datetime(2026, 6, 15, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)


async def job(database: Database) -> Retention:
    clock, symbol = standing_clock(NOW), market_symbol()
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [symbol])
    writer = CandleWriter(database, ids, clock)
    ingest = Ingest(
        database=database,
        symbols=[symbol],
        symbol_ids=ids,
        feeds={},
        calendars={"24/7": AlwaysOpen()},
        writer=writer,
        reader=CandleReader(database, ids),
        clock=clock,
    )
    return Retention(database=database, ingest=ingest, writer=writer, clock=clock)


def book(number: int) -> OrderBookSnapshot:
    one = Decimal(1)
    return OrderBookSnapshot(
        server_time=NOW + timedelta(seconds=number),
        sequence_id=number,
        bids=[(Decimal(99), one)],
        asks=[(Decimal(101), one)],
    )


async def store_books(database: Database, *ages: timedelta) -> None:
    async with database.transaction() as connection:
        for number, age in enumerate(ages):
            await order_books.insert(connection, "bn", "BTC", book(number), NOW - age)


async def count(database: Database, table: str) -> int:
    async with database.connection() as connection:
        found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return found


CONTEXT = RunContext(scheduled_at=NOW, now=NOW)


async def test_what_is_older_than_its_keep_time_goes_and_the_rest_stays(
    database: Database,
) -> None:
    """M2.7: a week of order books, 90 days of trades and watchlists."""
    retain = await job(database)
    await store_books(database, 30 * DAY, 8 * DAY, 6 * DAY, timedelta(0))
    async with database.transaction() as connection:
        for age in (120 * DAY, 91 * DAY, 1 * DAY):
            reasons = {"price": Decimal(1)}
            await universe.insert(connection, NOW - age, 5, [("A", reasons), ("B", reasons)])
        for at in (NOW - 180 * DAY, NOW):
            trade = PublicTrade(1, at, Decimal(1), Decimal(1), Side.BUY)
            await market_trades.ensure_month(connection, at)
            await market_trades.insert(connection, "bn", "BTC", [trade])
    assert not (await retain.outcome()).ok

    run = await retain.run(CONTEXT)
    assert run.status() is RunStatus.OK
    assert run.items["orderbook_snapshots"] == {"rows_dropped": 2}
    assert run.items["universe"] == {"rows_dropped": 4}
    assert run.items["market_trades"] == {"dropped": ["market_trades_2025_12"]}
    assert await count(database, "orderbook_snapshots") == 2
    assert await count(database, "universe") == 2
    assert await count(database, "market_trades") == 1
    assert (await retain.outcome()).ok
    assert (await retain.run(CONTEXT)).items == {}


async def test_many_rows_go_in_statements_of_a_bounded_size(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.3: no statement grows with the table; what is left goes with the next run."""
    monkeypatch.setattr(expired_rows, "AT_ONCE", 10)
    monkeypatch.setattr(retention, "MOST_STATEMENTS", 3)
    retain = await job(database)
    await store_books(database, *([30 * DAY] * 45), timedelta(0))
    first = await retain.run(CONTEXT)
    assert first.items["orderbook_snapshots"] == {"rows_dropped": 30}
    outcome = await retain.outcome()
    assert (outcome.ok, outcome.message) == (
        False,
        "expired rows are still there: orderbook_snapshots",
    )
    await retain.run(CONTEXT)
    assert await count(database, "orderbook_snapshots") == 1
    assert (await retain.outcome()).ok
