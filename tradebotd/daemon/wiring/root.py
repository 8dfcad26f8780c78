"""Composition root: wires every component; they are closed in reverse order."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import anyio

from tradebotd.clocks.host import host_now
from tradebotd.clocks.market import MarketClock
from tradebotd.config.model import Config
from tradebotd.control.server import Door
from tradebotd.control.server import serve as serve_control
from tradebotd.daemon.app import App, Player
from tradebotd.daemon.disk_watch import DiskWatch, guards_of
from tradebotd.daemon.progress_line import ProgressLine
from tradebotd.daemon.recording_alerts import alert_recordings
from tradebotd.daemon.reload import Reloader
from tradebotd.daemon.stop_request import StopRequest
from tradebotd.daemon.wiring.files import LoadedFiles, closes_after
from tradebotd.daemon.wiring.market import Market, wire_market
from tradebotd.daemon.wiring.merged_feed import AllFeeds
from tradebotd.daemon.wiring.operator import wire_operator
from tradebotd.daemon.wiring.public_jobs import public_jobs, watchlist
from tradebotd.daemon.wiring.trading import Trading, wire_trading
from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.ids import SymbolId
from tradebotd.domain.job import JobSpec
from tradebotd.jobs import realtime_pull, run_bots
from tradebotd.jobs.calculate_pivots import CalculatePivots
from tradebotd.jobs.daily_close import DailyClose
from tradebotd.jobs.daily_reset import DailyReset
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.jobs.extend_calendars import ExtendCalendars, alert_ends
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.jobs.ping import Ping
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.jobs.refresh_instruments import RefreshInstruments
from tradebotd.jobs.retention import Retention
from tradebotd.jobs.run_bots import RunBots
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.jobs.stop_loss_check import StopLossCheck
from tradebotd.market.levels import DailyLevels
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.silence_alarms import SilenceAlarms
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import StreamedFeed
from tradebotd.ports.venue import RunsBetweenCalls
from tradebotd.scheduling.job import Job
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.timeline import PacedPlayer, Playback, Timeline
from tradebotd.storage import alerts, bots, settings
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.trading.condition_alerts import ConditionAlerts
from tradebotd.trading.execution.lease import Lease

# Slower than a market minute at a replay's speed, they would find each candle late: time waits.
HELD_TIME_FOR: Final = frozenset({realtime_pull.NAME, run_bots.NAME})


@asynccontextmanager
async def build(
    config: Config,
    files: LoadedFiles,
    database: Database,
    lease: Lease,
    stop: StopRequest,
    line: ProgressLine | None,
    *,
    door: Callable[[], Awaitable[Door]],
) -> AsyncIterator[App]:
    """Wire the whole daemon, answering at the *door*; `App.start` sets it going."""
    symbol_ids, nonce, market = await _market(config, files, database)
    trading = wire_trading(config, files, database, market, lease, nonce)
    lease.start_fence(max(trading.receive_windows, default=timedelta()).total_seconds())
    ledger = RunLedger(database, deferred=market.clock.speed == 0)
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=market.clock,
            ledger=ledger,
            jobs=_jobs(config, files, database, market, trading, symbol_ids),
            specs=files.specs,
            is_open=partial(_any_open, files),
            hold=market.hold,
        )
        after = partial(closes_after, files.calendars)
        scheduler = ClockScheduler(market.clock, after, runner.trigger)
        reloader = _reloader(
            config, files, database, trading, clock=market.clock, runner=runner, scheduler=scheduler
        )
        app = App(
            config=config,
            tasks=tasks,
            stop_request=stop,
            clock=market.clock,
            database=database,
            lease=lease,
            symbols=files.symbols,
            ledger=ledger,
            runner=runner,
            scheduler=scheduler,
            closes_after=after,
            ingest=market.ingest,
            gate=trading.gate,
            protection=trading.protection,
            entry_orders=trading.entry_orders,
            streams=trading.streams,
            reconciler=trading.reconciler,
            looks=trading.looks,
            keys=trading.keys,
            instruments=trading.instruments,
            adapters=_adapters(trading),
            disk=_disk_watch(config, database, trading, reloader),
            polls=_polls(files, market, trading),
            price_streams=_price_streams(config, files, database, market, trading),
            begins_at=market.begins_at,
            already_ended=market.reached.ended,
            reloader=reloader,
            line=line,
        )
        app.player = _player(
            config, market, trading, app, runner=runner, scheduler=scheduler, ledger=ledger
        )
        operator = wire_operator(config, database, market, trading, app)
        async with serve_control(operator, await door()):
            yield app
        tasks.cancel_scope.cancel()
    await market.close()


async def _market(
    config: Config, files: LoadedFiles, database: Database
) -> tuple[dict[str, SymbolId], bytes, Market]:
    symbol_ids, nonce = await synchronise(config, files, database)
    market = await wire_market(config, files, database, symbol_ids)
    await alert_recordings(database, files, market.begins_at)
    await alert_ends(files.calendars, database, market.begins_at)
    return symbol_ids, nonce, market


def _reloader(
    config: Config,
    files: LoadedFiles,
    database: Database,
    trading: Trading,
    *,
    clock: Clock,
    runner: JobRunner,
    scheduler: ClockScheduler,
) -> Reloader:
    return Reloader(
        config=config,
        database=database,
        clock=clock,
        runner=runner,
        scheduler=scheduler,
        specs=trading.specs,
        strategies=trading.strategies,
        entries=trading.entries,
        gate=trading.gate,
        protection=trading.protection,
        warnings=files.warnings,
        prices=files.prices(),
        further=files.problems_of,
    )


def _disk_watch(
    config: Config, database: Database, trading: Trading, reloader: Reloader
) -> DiskWatch:
    return DiskWatch(
        database=database,
        gate=trading.gate,
        guards=partial(guards_of, trading.protection),
        state_dir=config.state_dir,
        least=lambda: reloader.config.health.min_free_disk,
    )


async def synchronise(
    config: Config, files: LoadedFiles, database: Database
) -> tuple[dict[str, SymbolId], bytes]:
    """Write the configuration to the tables before anything reads them; return ids and nonce."""
    async with database.transaction(durable=True) as connection:
        symbol_ids = await sync_symbols(connection, files.symbols)
        await bots.sync_bots(connection, config.bot_specs(), config.bot_settings(), host_now())
        # Clear alerts of calendars that no symbol uses any more, before any is raised.
        await alerts.clear_others(
            connection, AlertCode.CALENDAR_ENDS, sorted(files.calendars), host_now()
        )
        nonce = await settings.get(connection, settings.INSTANCE_NONCE)
    return symbol_ids, bytes.fromhex(str(nonce))


# Jobs and time


def _jobs(
    config: Config,
    files: LoadedFiles,
    database: Database,
    market: Market,
    trading: Trading,
    symbol_ids: MutableMapping[str, SymbolId],
) -> list[Job]:
    clock, ingest = market.clock, market.ingest
    levels = DailyLevels(database, ingest)
    return [
        RunBots(
            cycle=trading.cycle,
            entry_orders=trading.entry_orders,
            specs=trading.specs,
            database=database,
            sequential=clock.speed == 0,
        ),
        StopLossCheck(
            protection=trading.protection,
            prices=market.prices,
            clock=clock,
            entry_orders=trading.entry_orders,
        ),
        Reconcile(
            reconciler=trading.reconciler,
            gate=trading.gate,
            clocks=trading.clocks,
            keys=trading.keys,
        ),
        RefreshInstruments(instruments=trading.instruments),
        DailyReset(database=database, specs=trading.specs, clock=clock),
        EquitySnapshot(entries=trading.entries, database=database, clock=clock),
        RealtimePull(
            database=database,
            ingest=ingest,
            clock=clock,
            data_ends=market.data_ends,
            watchlist=watchlist(config, files, database, symbol_ids),
        ),
        FillGaps(database=database, ingest=ingest),
        SeedHistory(database=database, ingest=ingest, clock=clock),
        DailyClose(levels=levels, ingest=ingest, clock=clock),
        CalculatePivots(levels=levels, ingest=ingest),
        ExtendCalendars(calendars=files.calendars, database=database, clock=clock),
        Retention(database=database, ingest=ingest, writer=market.writer, clock=clock),
        Ping(database),
        *public_jobs(config, files, database, market),
    ]


def _adapters(trading: Trading) -> list[RunsBetweenCalls]:
    return [each for each in trading.venues.values() if isinstance(each, RunsBetweenCalls)]


def _polls(files: LoadedFiles, market: Market, trading: Trading) -> list[PricePoll]:
    """The polls of feeds that are asked for their prices; none for simulated ones."""
    feeds = market.polled()
    return [
        PricePoll(
            name,
            feeds=feeds,
            symbols=files.symbols,
            calendars=files.calendars,
            clock=market.clock,
            on_tick=trading.points.on_tick,
        )
        for name in feeds
    ]


def _silence_alarms(database: Database, market: Market) -> SilenceAlarms:
    code = AlertCode.PRICE_STREAM_SILENT
    standing = ConditionAlerts(database, market.clock, code, "warning")
    return SilenceAlarms(standing, market.outside.host)


def _price_streams(
    config: Config,
    files: LoadedFiles,
    database: Database,
    market: Market,
    trading: Trading,
) -> list[PriceStream | SilenceAlarms]:
    """The streams of feeds that tell prices by themselves, and who says which of them are silent.

    Recorded prices come by no stream.
    """
    if isinstance(market.clock, MarketClock):
        return []
    alarms = _silence_alarms(database, market)
    streams = [
        PriceStream(
            name,
            feed,
            symbols=files.symbols,
            calendars=files.calendars,
            ingest=market.ingest,
            clock=market.clock,
            host=market.outside.host,
            on_tick=trading.points.on_tick,
            alarms=alarms,
            kinds=config.wanted_kinds(),
        )
        for name, feed in market.polled().items()
        if isinstance(feed, StreamedFeed)
    ]
    return [alarms, *streams]


def _player(
    config: Config,
    market: Market,
    trading: Trading,
    app: App,
    *,
    runner: JobRunner,
    scheduler: ClockScheduler,
    ledger: RunLedger,
) -> Player | None:
    clock = market.clock
    if not isinstance(clock, MarketClock):
        return None
    playback = Playback(
        recording=AllFeeds(market.simulated()),
        clock=clock,
        reached=market.reached,
        on_tick=trading.points.on_tick,
        prime=market.prices.record,
    )
    if config.speed == 0:
        return Timeline(
            playback=playback,
            clock=clock,
            scheduler=scheduler,
            runner=runner,
            ledger=ledger,
            on_end=app.pull_remaining,
        )
    return PacedPlayer(
        playback=playback,
        clock=clock,
        ledger=ledger,
        on_end=app.pull_remaining,
        must_wait=lambda: not HELD_TIME_FOR.isdisjoint(runner.running),
    )


def _any_open(files: LoadedFiles, _spec: JobSpec, now: datetime) -> bool:
    """Return whether any symbol's market is open, for jobs with `only_when_open`."""
    return any(calendar.is_open(now) for calendar in files.calendars.values())
