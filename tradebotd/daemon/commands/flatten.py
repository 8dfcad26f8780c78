"""`tradebotd flatten`: close everything while no daemon runs."""

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio

from tradebotd.clocks.market import MarketClock
from tradebotd.config.load import find_config
from tradebotd.config.model import Config
from tradebotd.config.secrets import secret_values
from tradebotd.daemon import logs
from tradebotd.daemon.commands.garbage import search_from_now_on
from tradebotd.daemon.lifecycle import hold_account, open_database_of
from tradebotd.daemon.places import located, refuse_beside_a_daemon
from tradebotd.daemon.process_signals import Signals
from tradebotd.daemon.root_cause import first_cause
from tradebotd.daemon.stop_request import StopRequest, watch_signals
from tradebotd.daemon.wiring.files import LoadedFiles, load
from tradebotd.daemon.wiring.market import Market, wire_market
from tradebotd.daemon.wiring.merged_feed import AllFeeds
from tradebotd.daemon.wiring.root import synchronise
from tradebotd.daemon.wiring.trading import wire_trading
from tradebotd.domain.candle import Tick
from tradebotd.domain.decimals import plain
from tradebotd.market.price_poll import PricePoll
from tradebotd.scheduling.job import no_progress
from tradebotd.scheduling.timeline import Playback
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.reports import Row
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.operator.flatten import FlattenResult

EXIT_FLAT = 0
EXIT_LEFT = 1


def run_flatten(given: Path | None, signals: Signals) -> int:
    """Flatten and return the exit code.

    Raises ConfigError, AccountTakenError, DatabaseUnavailableError, MigrationError.
    """
    config, files = load(find_config(given))
    refuse_beside_a_daemon(config)
    config = located(config)
    logs.configure(
        level=config.daemon.log_level,
        log_format=config.daemon.log_format,
        secrets=secret_values(config),
    )
    ended: list[FlattenResult] = []
    search_from_now_on()
    work = partial(_until_stopped, config, files, signals, ended)
    try:
        anyio.run(work, backend="asyncio", backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    finally:
        signals.ignore()
    if not ended:
        sys.stdout.write("stopped before the end: run it again to see what is left\n")
        return EXIT_LEFT
    sys.stdout.write("\n".join(describe_result(ended[0])) + "\n")
    return EXIT_LEFT if ended[0].remaining else EXIT_FLAT


def describe_result(result: FlattenResult) -> list[str]:
    """Return lines that list what was done and what is left."""
    trades = {trade["id"]: trade for trade in result.trades}
    lines = [
        f"closed position {name}{_brought(trades.get(position_id))}"
        for name, position_id in zip(result.closed, result.closed_ids, strict=True)
    ]
    lines += [f"cancelled order {order}" for order in result.cancelled]
    lines += [
        f"LEFT {remainder.kind} {remainder.subject}: {remainder.reason}"
        for remainder in result.remaining
    ]
    verdict = f"{len(result.remaining)} left" if result.remaining else "nothing is left"
    return [*lines, f"{verdict}; entries stay halted until `tradebotctl resume`"]


def _brought(trade: Row | None) -> str:
    if trade is None or trade["exit_price"] is None:
        return ""
    pnl = f"{plain(trade['realized_pnl'])} {trade['quote_asset'] or ''}".strip()
    return f" at {plain(trade['exit_price'])}, P&L {pnl}"


async def _until_stopped(
    config: Config, files: LoadedFiles, signals: Signals, ended: list[FlattenResult]
) -> None:
    """Flatten until done or stopped by a signal; what was done by then stays done."""
    stop = StopRequest()
    async with anyio.create_task_group() as tasks:

        async def cut() -> None:
            await stop.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch_signals, signals, stop, _nothing_to_reload)
        tasks.start_soon(cut)
        async with (
            open_database_of(config, makes=False) as database,
            hold_account(config, files, database, founds=False) as lease,
        ):
            ended.append(await _flatten(config, files, database, lease))
        tasks.cancel_scope.cancel()


async def _flatten(
    config: Config, files: LoadedFiles, database: Database, lease: Lease
) -> FlattenResult:
    """Flatten with the daemon's wiring, but without jobs, strategies or a running clock."""
    symbol_ids, nonce = await synchronise(config, files, database)
    market = await wire_market(config, files, database, symbol_ids)
    trading = wire_trading(config, files, database, market, lease, nonce)
    lease.start_fence(max(trading.receive_windows, default=timedelta()).total_seconds())
    if wait := lease.fence_seconds:
        sys.stdout.write(f"the account was taken over: no order for {wait:.0f} s\n")
        sys.stdout.flush()
        await anyio.sleep(wait)
    await _know_prices(files, market)
    await trading.gate.load()
    await trading.instruments.look_quietly()  # a lot that nobody knows is refused
    await trading.protection.load(market.clock.now())
    await trading.reconciler.run()
    result = await trading.flatten.run(no_progress)
    await trading.protection.store_seconds()
    return result


async def _know_prices(files: LoadedFiles, market: Market) -> None:
    """Load the prices of the market time reached, or ask for them: at these a paper venue fills."""

    def record(tick: Tick) -> None:
        market.prices.record(tick)

    for name in market.polled():
        await PricePoll(
            name,
            feeds=market.polled(),
            symbols=files.symbols,
            calendars=files.calendars,
            clock=market.clock,
            on_tick=record,
        ).poll()
    await market.close()
    if isinstance(market.clock, MarketClock):
        Playback(
            recording=AllFeeds(market.simulated()),
            clock=market.clock,
            reached=market.reached,
            on_tick=lambda _: None,
            prime=market.prices.record,
        )


async def _nothing_to_reload() -> None:
    pass
