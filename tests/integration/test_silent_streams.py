"""Streams of every feed that become mute: an alert that is opened once, and closed once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes import alpaca, binance
from tests.fakes.market_data import market_symbol, standing_clock
from tests.fakes.stepped_host import PATIENCE, SteppedHost, until
from tests.simulators.shared.faults import Fault, Kind
from tests.simulators.shared.server import Server
from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.silence_alarms import SilenceAlarms
from tradebotd.market.writer import CandleWriter
from tradebotd.net.silence import ALARM_SECONDS
from tradebotd.ports.feed import StreamedFeed
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.trading.condition_alerts import ConditionAlerts

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
NAME = FeedName("told")
CALENDARS = {ALWAYS_OPEN: AlwaysOpen()}
# By vendor: what the symbol is called there, its stream of trades, and what that is called to mute it.
VENDORS = {
    "spot": ("BTCUSDT", "btcusdt@aggTrade", "btcusdt@aggTrade"),
    "usdm": ("BTCUSDT", "btcusdt@aggTrade", "btcusdt@aggTrade"),
    "alpaca": ("AAPL", "AAPL.trades", "trades.AAPL"),
}
ALERTS = "SELECT subject, message, cleared_at, raised_at FROM alerts WHERE code = $1 ORDER BY id"


class Vendor:
    def __init__(self, server: Server, feed: StreamedFeed, trade: Callable[[str], None]) -> None:
        self.server, self.feed, self.trade = server, feed, trade


@asynccontextmanager
async def served(name: str, clock: Any, host: SteppedHost) -> AsyncIterator[Vendor]:
    there = VENDORS[name][0]
    if name == "alpaca":
        async with alpaca.staged(clock, host=host) as shares:
            shares.trade(there, "100")
            yield Vendor(shares.server, shares.feed(NAME), lambda price: shares.trade(there, price))
        return
    market = "spot" if name == "spot" else "usdm"
    async with binance.staged(market, clock, host=host) as stage:  # type: ignore[arg-type]
        yield Vendor(stage.server, stage.feed(NAME), lambda price: stage.trade(there, price))


async def rows(database: Database) -> list[Any]:
    async with database.connection() as connection:
        return list(await connection.fetch(ALERTS, AlertCode.PRICE_STREAM_SILENT))


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_mute_stream_is_an_alert_and_polled_until_it_is_heard_again(
    database: Database, vendor: str
) -> None:
    """M3.10, M8: within thirty seconds, one row that is closed once, and prices go on meanwhile."""
    there, stream_name, channel = VENDORS[vendor]
    symbol = replace(market_symbol("OURS", feeds=(NAME,)), names={NAME: there})
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    ticks: list[Any] = []
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [symbol])
    standing = ConditionAlerts(database, clock, AlertCode.PRICE_STREAM_SILENT, "warning")
    alarms = SilenceAlarms(standing, host)
    async with served(vendor, clock, host) as made, anyio.create_task_group() as tasks:
        ingest = Ingest(
            database=database,
            symbols=[symbol],
            symbol_ids=ids,
            feeds={NAME: made.feed},
            calendars=CALENDARS,
            writer=CandleWriter(database, ids, clock),
            reader=CandleReader(database, ids),
            clock=clock,
        )
        common = {"symbols": [symbol], "calendars": CALENDARS, "clock": clock}
        stream = PriceStream(
            NAME,
            made.feed,
            ingest=ingest,
            host=host,
            on_tick=ticks.append,
            alarms=alarms,
            **common,  # type: ignore[arg-type]
        )
        poll = PricePoll(NAME, feeds={NAME: made.feed}, on_tick=ticks.append, **common)  # type: ignore[arg-type]
        tasks.start_soon(stream.run)
        tasks.start_soon(alarms.run)
        await until(lambda: made.server.streams.opened)
        await host.advance(1)

        async def traded(price: str) -> None:
            with anyio.fail_after(PATIENCE):
                while not any(each.price == Decimal(price) for each in ticks):
                    made.trade(price)
                    await host.advance(1)

        for price in ("101", "102", "103", "104"):
            await traded(price)
        mute_at = clock.now()
        made.server.faults.set(Fault(kind=Kind.MUTE, channel=channel, also_new=True))
        await made.server.met()
        await host.advance(ALARM_SECONDS)
        found = await written(database, len)
        (row,) = [each for each in found if each["subject"].endswith(stream_name)]
        assert row["subject"] == f"{NAME} {stream_name}"
        assert row["raised_at"] - mute_at <= timedelta(seconds=ALARM_SECONDS + 1)
        made.trade("105")
        assert not made.feed.tells(symbol)
        await poll.poll()
        assert ticks[-1].price == Decimal(105)

        made.server.faults.clear()
        await made.server.met()
        await traded("106")
        await written(database, lambda found: all(each["cleared_at"] for each in found))
        mine = [each for each in await rows(database) if each["subject"].endswith(stream_name)]
        assert len(mine) == 1
        tasks.cancel_scope.cancel()


async def written(database: Database, so: Callable[[list[Any]], object]) -> list[Any]:
    """Return the alerts, as soon as there are some and it is so."""
    with anyio.fail_after(PATIENCE):
        while True:
            found = await rows(database)
            if found and so(found):
                return found
            await anyio.sleep(0.02)
