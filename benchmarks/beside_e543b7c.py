# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ASYNC110, E402, E501, I001, SLF001
"""Drives e543b7c, with its names, in its own interpreter: `CASE DSN ARGUMENT…`, an answer as JSON.

Started by `beside.py` with the old checkout on its path; nothing of the present code is there.
"""

from tradebotd.domain.decimals import forbid_floats

forbid_floats()

import json
import sys
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import anyio
import structlog

from tests.fakes import trading
from tests.fakes.clock import FakeClock
from tests.fakes.resting import traits
from tests.fakes.trading import open_desk, spec
from tests.fakes.venue import ScriptedVenue
from tradebotd.clocks.host import host_now
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Candle, PathPoint
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import FeedName
from tradebotd.domain.signal import SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.job import RunContext
from tradebotd.jobs.run_bots import RunBots
from tradebotd.market.price_book import PriceBook
from tradebotd.ports.venue import Replacement
from tradebotd.storage import decisions
from tradebotd.storage.database import open_database
from tradebotd.storage.migrations import load_migrations, migrate

MINUTE = timedelta(minutes=1)
AMPLE = Decimal(1_000_000)
NOTIONAL = Decimal(100)
LIMITS = replace(
    trading.LIMITS,
    max_orders_per_minute=100_000,
    max_open_positions=100_000,
    max_exposure=Decimal(10),
    max_daily_loss=Decimal("0.5"),
    max_drawdown=Decimal("0.5"),
)
TRAILING = ExitPlan(stop_loss=Decimal("0.05"), trailing_stop=Decimal("0.05"))
RISEN = "105"
LONGEST_SECONDS = 600.0


class HostClock(FakeClock):
    """The fake's shape, and the machine's time."""

    def now(self):
        return host_now()


class SlowVenue(ScriptedVenue):
    """Half of `seconds` until a request is there, half until its answer is here."""

    seconds = 0.0

    async def _wait(self):
        await anyio.sleep(self.seconds / 2)
        await super()._wait()

    async def submit(self, *arguments):
        self.sent_at = time.perf_counter()
        return await self._and_back(super().submit(*arguments))

    async def replace(self, *arguments):
        return await self._and_back(super().replace(*arguments))

    async def cancel(self, *arguments):
        return await self._and_back(super().cancel(*arguments))

    async def find_order(self, *arguments):
        return await self._and_back(super().find_order(*arguments))

    async def account(self):
        self.account_calls = getattr(self, "account_calls", 0) + 1
        return await self._and_back(super().account())

    async def _and_back(self, call):
        answer = await call
        await anyio.sleep(self.seconds / 2)
        return answer


trading.FakeClock = HostClock


async def _desk(database, bots, plan=trading.PLAN, resting=None):
    """Bots of a symbol each, which have run once and have seen no signal."""
    specs = [
        spec(
            f"bot{number:04}",
            f"SYM{number:04}USDT",
            initial_capital=Decimal(10_000),
            sizing=SizingRule(kind=SizingKind.FIXED_NOTIONAL, value=NOTIONAL),
            exits=plan,
        )
        for number in range(bots)
    ]
    more = {} if resting is None else {"traits": traits(resting)}
    symbols = {each.symbol: trading.market_symbol(each.symbol).instrument for each in specs}
    venue = SlowVenue(HostClock(host_now()), PriceBook(), symbols, {"USDT": AMPLE}, **more)
    desk = await open_desk(database, *specs, limits=LIMITS, venue=venue, speed=1.0)
    async with database.transaction(durable=True) as connection:
        await decisions.ensure_month(connection, host_now())
    await _candles(desk, 10, ends_before=MINUTE)
    await _run(desk)
    await desk.account.snapshot(host_now())
    await _candles(desk, 1, ends_before=timedelta())
    return desk


async def _candles(desk, count, ends_before):
    last = host_now().replace(second=0, microsecond=0) - MINUTE - ends_before
    rows = [
        Candle(last - number * MINUTE, 100.0, 100.0, 100.0, 100.0, 1.0)
        for number in reversed(range(count))
    ]
    for symbol in desk.symbols:
        await desk.writer.write(symbol, Timeframe.M1, rows, FeedName("hand"))
        desk.reader.append(symbol, Timeframe.M1, rows)


async def _run(desk, *words, bot=None):
    for name in desk.specs:
        desk.says(*words, bot=name)
    job = RunBots(
        cycle=desk.cycle,
        entry_orders=desk.entry_orders,
        specs=desk.specs,
        database=desk.database,
        sequential=False,
    )
    params = {} if bot is None else {"bot": bot}
    summary = await job.run(RunContext(scheduled_at=host_now(), now=host_now(), params=params))
    if summary.failed:
        raise AssertionError(f"bots failed: {summary.items}")


async def entries(database, bots, seconds):
    desk = await _desk(database, int(bots))
    desk.venue.seconds = seconds
    began = time.perf_counter()
    await _run(desk, SignalKind.BUY)
    if len(desk.venue.submitted) != bots:
        raise AssertionError(f"{len(desk.venue.submitted)} entries were sent")
    return {"seconds": desk.venue.sent_at - began, "account_calls": desk.venue.account_calls}


async def trailing(database, count, seconds):
    desk = await _desk(database, int(count), TRAILING, Replacement.REPLACE)
    with anyio.fail_after(LONGEST_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.protection.attend)
            await _run(desk, SignalKind.BUY)
            while len(desk.venue.resting) < count:
                await anyio.sleep(0.05)
            await anyio.sleep(1)
            before = set(desk.venue.resting)
            desk.venue.seconds = seconds
            for symbol in desk.symbols:
                if desk.protection.on_tick(PathPoint(host_now(), symbol, Decimal(RISEN))):
                    raise AssertionError("a rising price has met something")
            began = time.perf_counter()
            tasks.start_soon(desk.protection.sweep, host_now())
            while before & set(desk.venue.resting):
                await anyio.sleep(0.005)
            moved = time.perf_counter() - began
            tasks.cancel_scope.cancel()
    return {"seconds": moved}


SNAPSHOTS = """
    INSERT INTO equity_snapshots (ts, account, bot, equity, cash, exposure, unrealized_pnl)
    SELECT now() - interval '60 days' + n / 101 * interval '1 minute', 'default',
           CASE n % 101 WHEN 0 THEN NULL ELSE 'bot' || to_char(n % 101 - 1, 'FM0000') END,
           CASE n % 101 WHEN 0 THEN 1000000 ELSE 10000 END, 1000, 0, 0
      FROM generate_series(0, $1::int - 1) AS n
"""
CLOSED = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                           exit_quantity, exit_price, realized_pnl, best_price, exits, opened_at, closed_at,
                           close_reason)
    SELECT 'bot' || to_char(n % 100, 'FM0000'), 'scripted', 'SYM' || to_char(n % 100, 'FM0000') || 'USDT', 'long',
           'spot', 0, 1, 100, 1, 100, 0, 100, '{}', now() - interval '50 days' + n * interval '20 seconds',
           now() - interval '50 days' + n * interval '20 seconds' + interval '10 seconds', 'signal'
      FROM generate_series(0, $1::int - 1) AS n
"""


async def history(database, snapshots, closed, times):
    """Milliseconds of the database in one entry, several times, each of another bot."""
    desk = await _desk(database, 100)
    async with database.connection() as connection:
        await connection.execute(SNAPSHOTS, int(snapshots), timeout=LONGEST_SECONDS)
        await connection.execute(CLOSED, int(closed), timeout=LONGEST_SECONDS)
    async with database.connection() as connection:
        await connection.execute("ANALYZE")
    spent = []
    for holder in database._pool._holders:
        if holder._con is not None:
            holder._con.add_query_logger(lambda query: spent.append(query.elapsed))
    found = {}
    for number, bot in enumerate(list(desk.specs)[: int(times)]):
        spent.clear()
        await _run(desk, SignalKind.BUY, bot=bot)
        found[str(number)] = sum(spent) * 1000
    return found


CASES = {each.__name__: each for each in (entries, trailing, history)}


async def main(case, dsn, *arguments):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    async with open_database(dsn, pool_min=2, pool_max=10) as database:
        await migrate(database, load_migrations())
        found = await CASES[case](database, *map(float, arguments))
    print(json.dumps(found))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:], backend="asyncio", backend_options={"use_uvloop": True})
