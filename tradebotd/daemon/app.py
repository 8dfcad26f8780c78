"""App: the running daemon, from start to stop, once everything is wired."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.clocks.market import MarketClock
from tradebotd.config.model import Config
from tradebotd.daemon.disk_watch import DiskWatch
from tradebotd.daemon.progress_line import ProgressLine, replay_status
from tradebotd.daemon.reload import Reloader
from tradebotd.daemon.replay_summary import ReplaySummary, read_summary
from tradebotd.daemon.stop_request import StopRequest
from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    RefusedError,
)
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.refusal import RefusalCode
from tradebotd.jobs.default_schedule import WARMUPS
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.silence_alarms import SilenceAlarms
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import RunsBetweenCalls
from tradebotd.scheduling.catch_up import catch_up
from tradebotd.scheduling.job_switches import load_disabled
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.slots import ClosesAfter
from tradebotd.scheduling.timeline import PacedPlayer, Timeline
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.instruments.refresh import InstrumentRefresh
from tradebotd.trading.reconciliation.prompt_looks import PromptLooks
from tradebotd.trading.reconciliation.reconciler import Reconciler
from tradebotd.trading.venue_state.order_streams import OrderStreams
from tradebotd.trading.venue_state.venue_keys import VenueKeys

log = structlog.get_logger(__name__)

PROGRESS_SECONDS: Final = 0.5
FENCE: Final = "fence"
FENCE_IS_OVER: Final = "fence passed"
PLAYER_SECONDS: Final = 5.0
SUMMARY_SECONDS: Final = 5.0  # the unit stops a service after 25

Player = Timeline | PacedPlayer


@dataclass(slots=True, kw_only=True)
class App:
    """*player* is None on the wall clock. *tasks* ends after the control server does.

    `waits_for`: what its start waits for, in words; None once it has started.
    """

    config: Config
    tasks: TaskGroup
    stop_request: StopRequest
    clock: Clock
    database: Database
    lease: Lease
    symbols: Sequence[MarketSymbol]
    ledger: RunLedger
    runner: JobRunner
    scheduler: ClockScheduler
    closes_after: ClosesAfter
    ingest: Ingest
    gate: EntryGate
    protection: ExitManager
    entry_orders: RestingEntries
    streams: OrderStreams
    reconciler: Reconciler
    looks: PromptLooks
    keys: VenueKeys
    instruments: InstrumentRefresh
    adapters: Sequence[RunsBetweenCalls]
    disk: DiskWatch
    player: Player | None = None
    polls: Sequence[PricePoll]
    price_streams: Sequence[PriceStream | SilenceAlarms]
    begins_at: datetime
    already_ended: bool
    reloader: Reloader
    line: ProgressLine | None
    draining: bool = False
    started: bool = False
    ended_by_data: bool = False
    waits_for: str | None = "what the database remembers"
    _playing: bool = False
    _played: anyio.Event = field(default_factory=anyio.Event)

    async def start(self) -> None:
        """Restore the state from the database and start. Raises DatabaseUnavailableError, and
        ConfigError for a key that nothing is to be traded with.

        A stop may interrupt it anywhere: `stop` ends whatever has begun.
        """
        if self.already_ended and self._stops_at_end():
            self.ended_by_data = True
            self.stop_request.ask("the data had ended")
            return
        await self.ledger.recover(self.clock.now())
        await load_disabled(self.runner, self.database)
        await self.gate.load()
        await self.disk.check()
        self.waits_for = "the venues: what the keys may do"
        await self.keys.refuse_bad_ones()
        await self.instruments.recall()  # before levels meet the tick
        held = await self.protection.load(self.clock.now())  # whatever the venues answer, and when
        if not isinstance(self.clock, MarketClock):  # a stop that is missing waits for no answer
            self.tasks.start_soon(self.protection.run)
        await self.runner.run_manually("refresh_instruments", {})
        for adapter in self.adapters:  # so that no order is told between two looks
            self.tasks.start_soon(adapter.run)
        self.waits_for = "the venues: what is open is compared with them"
        run = await self.runner.run_manually("reconcile", {})
        log.info("startup reconciliation finished", status=run.status, positions=held)
        await self._pass_the_fence()
        self.waits_for = "its jobs"
        if isinstance(self.clock, MarketClock) and self.clock.speed:
            self.clock.restart_from(self.begins_at)  # start-up must take no market time
        self.scheduler.schedule(self.runner.specs)
        if self.clock.speed:
            self.tasks.start_soon(
                catch_up, self.runner, self.database, self.clock.now(), self.closes_after
            )
        self.scheduler.start()
        for watch in (self.runner.watch_limits, self.disk.run):
            self.tasks.start_soon(watch)
        self._start_attendants()
        self.started, self.waits_for = True, None
        self._start_prices()
        if self.player is not None:
            self._playing = True
            self.tasks.start_soon(self._play, self.player)
            if self.line is not None:
                self.tasks.start_soon(self._show_progress, self.player, self.line)

    def _start_attendants(self) -> None:
        """Start what acts between runs; at speed 0 the next price does, to repeat exactly."""
        if not self.clock.speed:
            return
        if isinstance(self.clock, MarketClock):
            self.tasks.start_soon(self.protection.run)
        self.tasks.start_soon(self.entry_orders.run)
        self.tasks.start_soon(self.streams.attend, self._reconcile_now, self._settle_orders)
        self.tasks.start_soon(self.looks.attend, self._reconcile_now)
        self.tasks.start_soon(self.instruments.attend)
        for name in WARMUPS.values():
            self.tasks.start_soon(self._warm_up, name)

    def _start_prices(self) -> None:
        for poll in self.polls:
            self.tasks.start_soon(poll.run)
        for stream in self.price_streams:
            self.tasks.start_soon(stream.run)

    async def _warm_up(self, name: JobName) -> None:
        """Have the list that the job keeps at once; one without a schedule keeps none."""
        if self.runner.is_enabled(name) and self.runner.spec_of(name).slots:
            with suppress(RefusedError):  # one is under way already, or we are stopping
                await self.runner.run_manually(name, {})

    async def _reconcile_now(self) -> bool:
        """False: one is under way already, or the daemon is stopping."""
        try:
            await self.runner.run_manually("reconcile", {})
        except RefusedError:
            return False
        return True

    async def _settle_orders(self) -> bool:
        """False: a reconciliation is under way, or the daemon is stopping."""
        return not self.draining and await self.reconciler.settle()

    async def _pass_the_fence(self) -> None:
        """Wait after a takeover: orders of the former holder may still reach a venue.

        A simulated market waits with us; the real one goes on, and only entries wait.
        """
        seconds = self.lease.fence_seconds
        if not seconds:
            if self.lease.taken_over:  # the first reconciliation outlasted the fence
                log.info(FENCE_IS_OVER)
            return
        self.gate.close(FENCE, f"no order for {seconds:.0f} s: the account was taken over")
        log.warning("fence started", seconds=round(seconds, 1))
        if isinstance(self.clock, MarketClock):
            self.waits_for = f"the fence: the account was taken over, no order for {seconds:.0f} s"
            await self._open_after_the_fence()
        else:
            self.tasks.start_soon(self._open_after_the_fence)

    async def _open_after_the_fence(self) -> None:
        await anyio.sleep(self.lease.fence_seconds)
        self.gate.open(FENCE)
        log.info(FENCE_IS_OVER)

    async def stop(self, drain_seconds: float) -> None:
        """Stop runs and entries and let running jobs end; those that do not are lost and logged."""
        self.draining = True
        self.gate.close("stopping", "the daemon is stopping")
        if self.player is not None:
            self.player.stop()
        if not await self.runner.drain(drain_seconds):
            log.error("jobs not drained", jobs=self.runner.running)
        if self._playing and not self.already_ended:
            with anyio.move_on_after(PLAYER_SECONDS):
                await self._played.wait()
        if self.scheduler.running:
            self.scheduler.shutdown()
        try:
            await self.ledger.flush()
        except DatabaseUnavailableError as error:
            log.error("run records lost", rows=self.ledger.waiting, error=str(error))  # noqa: TRY400
        if self.line is not None:
            self.line.finish()

    async def reload(self) -> Sequence[str]:
        """Reload and return the changes. Raises ConfigError, RefusedError with nothing changed."""
        if self.draining or not self.started:
            state = RefusalCode.STOPPING if self.draining else RefusalCode.STARTING
            raise RefusedError(state, f"the daemon is {state}: nothing was read again")
        changes = await self.reloader.reload()
        log.warning("configuration reloaded", changes=list(changes))
        return changes

    async def reload_by_signal(self) -> None:
        """Reload on SIGHUP, which expects no answer: failures are logged and end nothing."""
        try:
            with structlog.contextvars.bound_contextvars(by="SIGHUP"):
                await self.reload()
        except (ConfigError, RefusedError, DatabaseUnavailableError) as error:
            log.error("configuration not reloaded", error=str(error), by="SIGHUP")  # noqa: TRY400

    async def summary(self) -> ReplaySummary | None:
        """Return the summary of a replay at speed 0 that reached the end of its data, else None."""
        if not self.ended_by_data or self.clock.speed:
            return None
        found: ReplaySummary | None = None
        why = f"it was not read within {SUMMARY_SECONDS:.0f} s"
        try:
            with anyio.move_on_after(SUMMARY_SECONDS):
                found = await read_summary(
                    self.database,
                    self.config.daemon.account,
                    self.config.risk.currency,
                    [bot.name for bot in self.reloader.config.bots],
                )
        except DatabaseUnavailableError as error:
            why = str(error)
        if found is None:
            log.warning("replay summary not read", error=why)
        return found

    def _stops_at_end(self) -> bool:
        return any(feed.on_end == "stop" for feed in self.config.feeds.values())

    # While it runs

    async def _play(self, player: Player) -> None:
        try:
            ended = await player.run()
        finally:
            self._played.set()
        if ended and not self.stop_request.is_asked:
            log.info("data ended", now=self.clock.now().isoformat())
            if self._stops_at_end():
                self.ended_by_data = True
                self.stop_request.ask("the data ended")

    async def pull_remaining(self) -> None:
        """Pull once more at the end of the data, so that the last candle is stored."""
        now = self.clock.now()
        stored = [self.ingest.pulled_until(symbol) for symbol in self.symbols]
        if any(until is None or until < now for until in stored):
            try:
                await self.runner.run_manually("realtime_pull", {})
            except RefusedError as error:  # one is running already, or we are stopping
                log.warning("final pull not repeated", reason=str(error))

    async def _show_progress(self, player: Player, line: ProgressLine) -> None:
        while not self._played.is_set():
            progress = player.progress()
            trades = self.protection.trades_closed
            line.show(
                replay_status(
                    progress.share,
                    _minute(progress.market_now),
                    progress.candles_per_second,
                    trades,
                )
            )
            with anyio.move_on_after(PROGRESS_SECONDS):
                await self._played.wait()


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
