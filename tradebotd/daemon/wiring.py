"""The composition root: who gets what. Wired by hand, closed in reverse order."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import anyio

from tradebotd.clocks.host import host_now
from tradebotd.clocks.market import MarketClock
from tradebotd.clocks.wall import WallClock
from tradebotd.config.model import Config
from tradebotd.config.sections import FeedSection
from tradebotd.control.messages import State
from tradebotd.control.server import serve as serve_control
from tradebotd.daemon.all_feeds import AllFeeds
from tradebotd.daemon.app import App, Player
from tradebotd.daemon.files import Files, closes_after
from tradebotd.daemon.operator import Operator
from tradebotd.daemon.progress_line import ProgressLine
from tradebotd.daemon.reloading import Reloader
from tradebotd.daemon.services import Services, Setup
from tradebotd.daemon.stop_signal import StopRequest
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import BotName, FeedName, SymbolId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import JobSpec
from tradebotd.feeds.replay import ReplayFeed
from tradebotd.feeds.synthetic import SyntheticFeed
from tradebotd.jobs.calculate_pivots import CalculatePivots
from tradebotd.jobs.daily_close import DailyClose
from tradebotd.jobs.daily_reset import DailyReset
from tradebotd.jobs.equity_snapshot import EquitySnapshot
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.jobs.job import Job
from tradebotd.jobs.ping import Ping
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.jobs.reconcile import Reconcile
from tradebotd.jobs.retention import Retention
from tradebotd.jobs.run_bots import RunBots
from tradebotd.jobs.run_ledger import RunLedger
from tradebotd.jobs.runner import JobRunner
from tradebotd.jobs.scheduler import ClockScheduler
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.jobs.stop_loss_check import StopLossCheck
from tradebotd.jobs.timeline import PacedPlayer, Playback, Reached, Timeline, read_reached
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.levels import DailyLevels
from tradebotd.market.price_book import PriceBook
from tradebotd.market.writer import CandleWriter
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import SimulatedFeed
from tradebotd.ports.venue import Venue
from tradebotd.storage import bots, settings
from tradebotd.storage.database import Database
from tradebotd.storage.symbols import sync_symbols
from tradebotd.strategies.base import Strategy
from tradebotd.trading.account import Account
from tradebotd.trading.bot_cycle import BotCycle
from tradebotd.trading.entries import Entries
from tradebotd.trading.entry_gate import EntryGate
from tradebotd.trading.hands import OperatorHands
from tradebotd.trading.placement import Lease, Placement
from tradebotd.trading.protection import Protection
from tradebotd.trading.reconcile import Reconciler
from tradebotd.trading.recorder import OrderRecorder
from tradebotd.venues.paper.matching import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue


@dataclass(slots=True, kw_only=True)
class Market:
    """Time, prices and candles."""

    clock: Clock
    begins_at: datetime
    reached: Reached
    feeds: Mapping[FeedName, SimulatedFeed]
    prices: PriceBook
    ingest: Ingest
    reader: CandleReader
    writer: CandleWriter
    data_ends: datetime | None


@dataclass(slots=True, kw_only=True)
class Trading:
    """The order flow. `specs` and `strategies` are changed in place by a reload."""

    specs: dict[BotName, BotSpec]
    strategies: dict[BotName, Strategy]
    gate: EntryGate
    protection: Protection
    reconciler: Reconciler
    account: Account
    entries: Entries
    cycle: BotCycle
    lease: Lease


@asynccontextmanager
async def build(
    config: Config,
    files: Files,
    database: Database,
    token: int,
    stop: StopRequest,
    line: ProgressLine | None,
) -> AsyncIterator[App]:
    """Everything, wired and answering on the control socket; `App.start` sets it going."""
    lease = Lease(account=config.daemon.account, token=token)
    symbol_ids, nonce = await _synchronise(config, files, database)
    market = await _market(config, files, database, symbol_ids)
    trading = _trading(config, files, database, market, lease, nonce)
    jobs = _jobs(database, market, trading)
    ledger = RunLedger(database, deferred=market.clock.speed == 0)
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=market.clock,
            ledger=ledger,
            jobs=jobs,
            specs=files.specs,
            is_open=partial(_any_open, files),
            hold=_hold(market.clock),
        )
        after = partial(closes_after, files.calendars)
        scheduler = ClockScheduler(market.clock, after, runner.trigger)
        reloader = Reloader(
            config=config,
            database=database,
            clock=market.clock,
            runner=runner,
            scheduler=scheduler,
            specs=trading.specs,
            strategies=trading.strategies,
            entries=trading.entries,
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
            player=None,
            begins_at=market.begins_at,
            already_ended=market.reached.ended,
            reload=reloader.reload,
            line=line,
        )
        app.player = _player(config, market, trading, runner, scheduler, ledger, app)
        operator = Operator(_services(config, database, market, trading, app, reloader))
        async with serve_control(operator, config.socket):
            yield app
        tasks.cancel_scope.cancel()


async def _synchronise(
    config: Config, files: Files, database: Database
) -> tuple[dict[str, SymbolId], bytes]:
    """The tables say what the configuration says before anything reads them."""
    configs = {bot.name: bot.model_dump(mode="json") for bot in config.bots}
    async with database.transaction(durable=True) as connection:
        symbol_ids = await sync_symbols(connection, files.symbols)
        await bots.sync_bots(connection, config.bot_specs(), configs, host_now())
        nonce = await settings.get(connection, settings.INSTANCE_NONCE)
    return symbol_ids, bytes.fromhex(str(nonce))


# Market


async def _market(
    config: Config, files: Files, database: Database, symbol_ids: Mapping[str, SymbolId]
) -> Market:
    reached = await read_reached(database)
    since, ends = _span(config, files)
    clock = _clock(config, reached, since)
    feeds = {
        FeedName(name): _feed(FeedName(name), section, files, clock)
        for name, section in config.feeds.items()
    }
    reader = CandleReader(database, symbol_ids)
    writer = CandleWriter(database, symbol_ids, clock)
    ingest = Ingest(
        database=database,
        symbols=files.symbols,
        symbol_ids=symbol_ids,
        feeds=feeds,
        calendars=files.calendars,
        writer=writer,
        reader=reader,
        clock=clock,
        since=since,
    )
    return Market(
        clock=clock,
        begins_at=clock.now() if since is None else reached.at or since,
        reached=reached,
        feeds=feeds,
        prices=PriceBook(),
        ingest=ingest,
        reader=reader,
        writer=writer,
        data_ends=ends,
    )


def _span(config: Config, files: Files) -> tuple[datetime | None, datetime | None]:
    """Where simulated data starts and ends; None: on the wall clock, and without an end."""
    starts = [recordings.span()[0] for recordings in files.recordings.values()]
    ends: list[datetime | None] = [recordings.span()[1] for recordings in files.recordings.values()]
    for section in config.feeds.values():
        if section.kind == "synthetic":
            starts.append(section.start)
            ends.append(None)
    if not starts:
        return None, None
    known = [end for end in ends if end is not None]
    return min(starts), max(known) if len(known) == len(ends) else None


def _clock(config: Config, reached: Reached, since: datetime | None) -> Clock:
    if since is None:
        return WallClock()
    return MarketClock(reached.at or since, config.speed)


def _feed(name: FeedName, section: FeedSection, files: Files, clock: Clock) -> SimulatedFeed:
    match section.kind:
        case "replay":
            return ReplayFeed(name, files.recordings[name], clock)
        case "synthetic":
            return SyntheticFeed(
                name,
                files.symbols,
                seed=section.seed,
                volatility=float(section.volatility),
                start=section.start,
                clock=clock,
            )
        case _:
            raise ConfigError([f"feeds.{name}.kind: {section.kind!r} is not available"])


# Trading


def _trading(
    config: Config,
    files: Files,
    database: Database,
    market: Market,
    lease: Lease,
    nonce: bytes,
) -> Trading:
    symbols = {symbol.symbol: symbol for symbol in files.symbols}
    specs = {spec.name: spec for spec in config.bot_specs()}
    strategies = dict(files.strategies)
    venues = _venues(config, symbols, database, market)
    gate = EntryGate(database, market.clock)
    protection = Protection(
        database=database,
        clock=market.clock,
        prices=market.prices,
        symbols=symbols,
        calendars=files.calendars,
        venues=venues,
        sequential=market.clock.speed == 0,
    )
    recorder = OrderRecorder(
        database=database,
        clock=market.clock,
        instruments={name: symbol.instrument for name, symbol in symbols.items()},
        specs=specs,
        watcher=protection,
    )
    placement = Placement(
        database=database,
        venues=venues,
        recorder=recorder,
        clock=market.clock,
        lease=lease,
        nonce=nonce,
    )
    protection.use(placement)
    account = Account(
        database=database,
        venues=venues,
        prices=market.prices,
        specs=specs,
        name=lease.account,
        currency=config.risk.currency,
        zone=ZoneInfo(config.daemon.timezone),
    )
    entries = Entries(
        account=account,
        prices=market.prices,
        placement=placement,
        limits=config.account_limits(),
    )
    cycle = BotCycle(
        database=database,
        specs=specs,
        strategies=strategies,
        symbols=symbols,
        calendars=files.calendars,
        candles=market.reader,
        protection=protection,
        entries=entries,
        gate=gate,
        token=lease.token,
    )
    reconciler = Reconciler(
        database=database,
        venues=venues,
        symbols=symbols,
        recorder=recorder,
        clock=market.clock,
    )
    return Trading(
        specs=specs,
        strategies=strategies,
        gate=gate,
        protection=protection,
        reconciler=reconciler,
        account=account,
        entries=entries,
        cycle=cycle,
        lease=lease,
    )


def _venues(
    config: Config, symbols: Mapping[str, MarketSymbol], database: Database, market: Market
) -> dict[VenueName, Venue]:
    instruments = {name: symbol.instrument for name, symbol in symbols.items()}
    venues: dict[VenueName, Venue] = {}
    for key, section in config.venues.items():
        if section.kind != "paper":
            raise ConfigError([f"venues.{key}.kind: {section.kind!r} is not available"])
        name = VenueName(key)
        terms = PaperTerms(
            starting_cash=config.starting_cash(section),
            maker=section.fees.maker,
            taker=section.fees.taker,
            slippage_bps=section.slippage_bps,
            spread_bps=section.spread_bps,
        )
        venues[name] = PaperVenue(name, market.clock, market.prices, database, terms, instruments)
    return venues


# Jobs and time


def _jobs(database: Database, market: Market, trading: Trading) -> list[Job]:
    clock, ingest = market.clock, market.ingest
    levels = DailyLevels(database, ingest)
    return [
        RunBots(
            cycle=trading.cycle,
            specs=trading.specs,
            database=database,
            sequential=clock.speed == 0,
        ),
        StopLossCheck(protection=trading.protection, prices=market.prices, clock=clock),
        Reconcile(reconciler=trading.reconciler, gate=trading.gate),
        DailyReset(database=database, specs=trading.specs, clock=clock),
        EquitySnapshot(account=trading.account, database=database, clock=clock),
        RealtimePull(database=database, ingest=ingest, clock=clock, data_ends=market.data_ends),
        FillGaps(database=database, ingest=ingest),
        SeedHistory(database=database, ingest=ingest, clock=clock),
        DailyClose(levels=levels, ingest=ingest, clock=clock),
        CalculatePivots(levels=levels, ingest=ingest),
        Retention(database=database, ingest=ingest, writer=market.writer, clock=clock),
        Ping(database),
    ]


def _player(
    config: Config,
    market: Market,
    trading: Trading,
    runner: JobRunner,
    scheduler: ClockScheduler,
    ledger: RunLedger,
    app: App,
) -> Player | None:
    clock = market.clock
    if not isinstance(clock, MarketClock):
        return None
    playback = Playback(
        recording=AllFeeds(market.feeds),
        clock=clock,
        reached=market.reached,
        on_tick=trading.protection.on_tick,
        prime=market.prices.record,
    )
    if config.speed == 0:
        return Timeline(
            playback=playback,
            clock=clock,
            scheduler=scheduler,
            runner=runner,
            ledger=ledger,
            on_end=app.pull_the_rest,
        )
    return PacedPlayer(playback=playback, clock=clock, ledger=ledger, on_end=app.pull_the_rest)


def _hold(clock: Clock) -> Callable[[], AbstractContextManager[Any]]:
    return clock.hold if isinstance(clock, MarketClock) else nullcontext


def _any_open(files: Files, _spec: JobSpec, now: datetime) -> bool:
    """For jobs with `only_when_open`: one of the symbols' markets is."""
    return any(calendar.is_open(now) for calendar in files.calendars.values())


def _services(
    config: Config,
    database: Database,
    market: Market,
    trading: Trading,
    app: App,
    reloader: Reloader,
) -> Services:
    return Services(
        database=database,
        clock=market.clock,
        runner=app.runner,
        scheduler=app.scheduler,
        prices=market.prices,
        gate=trading.gate,
        hands=OperatorHands(database, trading.protection),
        setup=lambda: _setup(config),
        state=lambda: _state(app),
        reload=reloader.reload,
        hold=_hold(market.clock),
        tasks=app.tasks,
        started_at=host_now(),
        started_market=market.clock.now(),
    )


def _setup(config: Config) -> Setup:
    kinds = {feed.kind for feed in config.feeds.values()}
    source: Literal["live", "replay", "synthetic"] = "live"
    if "synthetic" in kinds:
        source = "synthetic"
    elif "replay" in kinds:
        source = "replay"
    return Setup(
        account=config.daemon.account,
        currency=config.risk.currency,
        zone=ZoneInfo(config.daemon.timezone),
        source=source,
    )


def _state(app: App) -> State:
    if app.draining:
        return "stopping"
    return "running" if app.started else "starting"
