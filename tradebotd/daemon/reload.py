"""Reload of the configuration: applies what can change while running, or nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import anyio
import structlog

from tradebotd.config.all_warnings import config_warnings
from tradebotd.config.load import load_config
from tradebotd.config.model import Config, fingerprint
from tradebotd.config.reload import changes
from tradebotd.config.warning import ConfigWarning
from tradebotd.daemon import logs, reload_words
from tradebotd.daemon.doubtful import config_facts, log_warnings
from tradebotd.daemon.wiring.files import job_specs, load_strategies
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import ConfigError, RefusedError, TradebotError
from tradebotd.domain.ids import BotName
from tradebotd.domain.job import JobSpec
from tradebotd.domain.refusal import RefusalCode
from tradebotd.health.report import ConfigFact
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import bots
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.exits.manager import ExitManager

log = structlog.get_logger(__name__)

_NO_PRICES: Final[Mapping[str, Decimal]] = MappingProxyType({})


class NotReloaded(NamedTuple):
    """Reason why the current file is not in force, and since when (market time)."""

    why: str
    since: datetime
    fingerprint: str  # of the file that was refused


class Reloader:
    """*specs* and *strategies* are shared with the order flow, and changed in place.

    *warnings*: what `check` warns of in *config*; those of another one are found by *prices*.
    *further*: what is wrong with one beside what was read at the start.
    """

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        clock: Clock,
        runner: JobRunner,
        scheduler: ClockScheduler,
        specs: dict[BotName, BotSpec],
        strategies: dict[BotName, AnyStrategy],
        entries: Entries,
        gate: EntryGate,
        protection: ExitManager,
        warnings: Sequence[ConfigWarning],
        prices: Mapping[str, Decimal] = _NO_PRICES,
        further: Callable[[Config], list[str]] | None = None,
    ) -> None:
        self.config = config
        self._database = database
        self._clock = clock
        self._runner = runner
        self._scheduler = scheduler
        self._specs = specs
        self._strategies = strategies
        self._entries = entries
        self._gate = gate
        self._protection = protection
        self._one_at_a_time = anyio.Lock()
        self._prices = prices
        self._further = further
        self._warnings = warnings
        self._failed: NotReloaded | None = None

    def doubtful(self) -> Sequence[ConfigFact]:
        """Return `check`'s warnings about the configuration in force."""
        return config_facts(self.config, self._warnings)

    async def reload(self) -> Sequence[str]:
        """Reload and return the changes. Raises ConfigError, RefusedError if it needs a restart.

        Then nothing was changed, and `standing_failure` returns the reason until a reload succeeds.
        """
        async with self._one_at_a_time:
            try:
                lines = await self._reload()
            except TradebotError as error:
                self._failed = NotReloaded(
                    why="; ".join(error.told) if isinstance(error, ConfigError) else str(error),
                    since=self._clock.now() if self._failed is None else self._failed.since,
                    fingerprint=await anyio.to_thread.run_sync(fingerprint, self.config.source),
                )
                raise
            self._failed = None
            return lines

    async def standing_failure(self) -> NotReloaded | None:
        """Return the last reload's failure, or None.

        None also if the file is again the one in force.
        """
        failed = self._failed
        if failed is None or failed.fingerprint == self.config.fingerprint:
            return failed  # what was refused is not in the file, but in what it points to
        now = await anyio.to_thread.run_sync(fingerprint, self.config.source)
        if now == self.config.fingerprint and self._failed is failed:
            self._failed = None
        return self._failed

    async def _reload(self) -> Sequence[str]:
        read = await anyio.to_thread.run_sync(_read, self.config, self._prices, self._further)
        found = changes(self.config, read.config)
        if stubborn := [change.path for change in found if change.needs_restart]:
            raise RefusedError(
                RefusalCode.NEEDS_RESTART,
                f"only a restart can change {', '.join(stubborn)}; nothing was changed",
                "systemctl restart tradebotd",
            )
        if found:
            await self._apply(read)
        else:
            self.config = read.config  # only comments differ
        triggers = {spec.name: spec.exits.trigger_price for spec in self._specs.values()}
        return reload_words.describe_changes(found, self._protection.held.values(), triggers)

    async def _apply(self, read: "_Read") -> None:
        config = read.config
        specs = {spec.name: spec for spec in config.bot_specs()}
        configs = config.bot_settings()
        changed = [name for name, spec in self._specs.items() if specs.get(name) != spec]
        self._void(changed)
        async with self._database.transaction(durable=True) as connection:
            await bots.sync_bots(connection, list(specs.values()), configs, self._clock.now())
        _become(self._specs, specs)
        _become(self._strategies, read.strategies)
        self._void(changed)  # entries begun since under the old settings
        self._gate.notify_stopped()  # a resting entry may belong to a bot that is now stopped
        self._entries.limits = config.account_limits()
        self._protection.set_bad_tick(config.risk.bad_tick)
        self._runner.set_specs(read.specs)
        self._scheduler.unschedule()
        self._scheduler.schedule(self._runner.specs)
        self._scheduler.wakeup()
        logs.set_level(config.daemon.log_level)
        self.config = config
        before, self._warnings = self._warnings, read.warnings
        log_warnings(config, [warning for warning in read.warnings if warning not in before])

    def _void(self, changed: Sequence[BotName]) -> None:
        """Void entries in progress of changed bots: they were decided by the old settings."""
        for name in changed:
            self._gate.void_decisions(name)


class _Read:
    """Parts of the new file whose reading or import might be refused."""

    def __init__(
        self,
        config: Config,
        specs: tuple[JobSpec, ...],
        strategies: dict[BotName, AnyStrategy],
        warnings: list[ConfigWarning],
    ) -> None:
        self.config = config
        self.warnings = warnings
        self.specs = specs
        self.strategies = strategies


def _read(
    old: Config,
    prices: Mapping[str, Decimal],
    further: Callable[[Config], list[str]] | None,
) -> _Read:
    config = load_config(old.source, further)
    warnings = config_warnings(config, prices)
    return _Read(config, job_specs(config), load_strategies(config), warnings)


def _become(shared: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    shared.clear()
    shared.update(wanted)
