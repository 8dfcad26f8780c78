"""What a reload says it has changed is changed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.trading import MINUTE, SYMBOL, TradingHarness, open_harness, spec
from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.daemon import reload as reloading_module
from tradebotd.daemon.reload import Reloader
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import ConfigError, RefusedError, VenueUnavailableError
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import bots
from tradebotd.storage.bots import sync_bots
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy

RISK = '[risk]\nmax_open_positions = 3\nbad_tick = "60%"\n'


@asynccontextmanager
async def reloading(
    harness: TradingHarness,
    directory: Path,
    text: str,
    *warnings: ConfigWarning,
    further: Callable[[Config], list[str]] | None = None,
) -> AsyncIterator[Reloader]:
    """Of ONE_BOT, whose file has become *text*; *warnings*: what was found in it at the start."""
    path = await anyio.to_thread.run_sync(written, directory, ONE_BOT)
    config = await anyio.to_thread.run_sync(load_config, path)
    harness.protection.set_bad_tick(config.risk.bad_tick)
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=harness.clock,
            ledger=RunLedger(harness.database, deferred=False),
            jobs=[],
            specs=[],
        )
        await anyio.to_thread.run_sync(written, directory, text)
        yield Reloader(
            config=config,
            database=harness.database,
            clock=harness.clock,
            runner=runner,
            scheduler=ClockScheduler(harness.clock, lambda _code, _at: None, lambda _dues: None),
            specs=harness.specs,
            strategies=cast("dict[Any, AnyStrategy]", harness.strategies),
            entries=harness.entries,
            gate=harness.gate,
            protection=harness.protection,
            warnings=warnings,
            further=further,
        )


async def test_the_limits_of_the_account_hold_from_the_reload_on(
    database: Database, tmp_path: Path
) -> None:
    """M1.5: each of them, and what prices may be believed."""
    harness = await open_harness(database, spec("btc-ema"))
    await harness.enter("btc-ema")
    async with reloading(harness, tmp_path, ONE_BOT + RISK) as reloader:
        changes = await reloader.reload()

    assert len(changes) == 2
    assert harness.entries.limits.max_open_positions == 3
    harness.clock.advance(MINUTE)
    acting = harness.protection.on_tick(Tick(harness.clock.now(), SYMBOL, Decimal(60)))
    assert acting is not None
    await acting
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_an_entry_of_a_bot_that_a_reload_stops_is_not_sent(
    database: Database, tmp_path: Path
) -> None:
    """M5.8: its row is written, and the venue's limiter holds it; what rests is looked at, too."""
    harness = await open_harness(database, spec("btc-ema"))
    waits, go = anyio.Event(), anyio.Event()

    async def hold() -> None:
        waits.set()
        await go.wait()

    async def enter() -> None:
        with pytest.raises(VenueUnavailableError, match="stopped meanwhile"):
            await harness.enter("btc-ema")

    harness.venue.limiter = hold
    with anyio.fail_after(30):
        async with (
            reloading(harness, tmp_path, ONE_BOT + "active = false\n") as reloader,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(enter)
            await waits.wait()
            harness.entry_orders.dirty = False
            await reloader.reload()
            assert harness.entry_orders.dirty
            go.set()

    assert harness.venue.submitted == []
    assert [order["status"] for order in await harness.orders()] == ["rejected"]


async def test_an_entry_that_began_while_a_reload_was_being_stored_is_not_sent(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.8: it was sized by what is over once the reload has ended."""
    harness = await open_harness(database, spec("btc-ema"))
    waits, go, kept, release, reloaded = (anyio.Event() for _ in range(5))

    async def hold() -> None:
        waits.set()
        await go.wait()

    async def slowly(*args: Any) -> None:
        kept.set()
        await release.wait()
        await sync_bots(*args)

    async def reload(reloader: Reloader) -> None:
        await reloader.reload()
        reloaded.set()

    async def enter() -> None:
        with pytest.raises(VenueUnavailableError, match="stopped meanwhile"):
            await harness.enter("btc-ema")

    monkeypatch.setattr(bots, "sync_bots", slowly)
    harness.venue.limiter = hold
    text = ONE_BOT + "[bots.limits]\nmax_daily_trades = 5\n"
    with anyio.fail_after(30):
        async with (
            reloading(harness, tmp_path, text) as reloader,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(reload, reloader)
            await kept.wait()
            tasks.start_soon(enter)
            await waits.wait()
            release.set()
            await reloaded.wait()
            go.set()

    assert harness.venue.submitted == []


async def test_what_a_reload_brings_that_hardly_is_meant_is_told(
    database: Database, tmp_path: Path
) -> None:
    """M1.5, M8.1: in the log once, and in the status for as long as it is so."""
    harness = await open_harness(database, spec("btc-ema"))
    async with reloading(harness, tmp_path, ONE_BOT + 'cooldown = "2d"\n') as reloader:
        before = list(reloader.doubtful())
        with capture_logs() as logs:
            await reloader.reload()
            await anyio.to_thread.run_sync(written, tmp_path, ONE_BOT + 'cooldown = "2d"\n' + RISK)
            await reloader.reload()

    told = [entry["kind"] for entry in logs if entry["event"] == "setting doubted"]
    (after,) = reloader.doubtful()
    assert (before, told) == ([], ["cooldown_long"])
    assert (after.place, after.serious) == ("bots[0].cooldown ('btc-ema', line 15)", False)


async def test_what_was_found_at_the_start_is_not_looked_for_again(
    database: Database, tmp_path: Path
) -> None:
    """The log of the start and `status` say the same, until a reload finds something else."""
    harness = await open_harness(database, spec("btc-ema"))
    found = ConfigWarning(WarningKind.RISK_HIGH, "bots[0].sizing.value", "found at the start")
    async with reloading(harness, tmp_path, ONE_BOT + RISK, found) as reloader:
        (fact,) = reloader.doubtful()
        await reloader.reload()

        assert fact.why == "found at the start"
        assert reloader.doubtful() == []


async def test_a_reload_is_held_against_what_was_recorded(
    database: Database, tmp_path: Path
) -> None:
    """M3.5: what the start refuses of a bot beside its recordings, a reload refuses."""
    harness = await open_harness(database, spec("btc-ema"))
    asked: list[int] = []

    def further(config: Config) -> list[str]:
        asked.append(config.risk.max_open_positions)
        return ["bots[0].timeframe: no such candles"]

    async with reloading(harness, tmp_path, ONE_BOT + RISK, further=further) as reloader:
        with pytest.raises(ConfigError, match="no such candles"):
            await reloader.reload()

    assert asked == [3]
    assert harness.entries.limits.max_open_positions == 1000, "nothing was changed"


async def test_a_reload_that_failed_stands_until_a_good_one_or_the_old_file(
    database: Database, tmp_path: Path
) -> None:
    """N22: the next restart would end with 78, so it is a problem of the daemon, not of one call."""
    harness = await open_harness(database, spec("btc-ema"))
    bad, restart = ONE_BOT + "leverage = 0\n", ONE_BOT + '[daemon]\naccount = "other"\n'

    async def write(text: str) -> None:
        await anyio.to_thread.run_sync(written, tmp_path, text)

    async with reloading(harness, tmp_path, bad) as reloader:
        assert await reloader.standing_failure() is None
        for text, why in ((bad, "bots[0].leverage"), (restart, "daemon.account")):
            await write(text)
            with pytest.raises((ConfigError, RefusedError)):
                await reloader.reload()
            failed = await reloader.standing_failure()
            assert failed is not None
            assert why in failed.why
            assert failed.since == harness.clock.now()
        await write(ONE_BOT)
        assert await reloader.standing_failure() is None, "the file is the loaded one again"

        await (anyio.Path(tmp_path) / "config.toml").unlink()
        with pytest.raises(ConfigError):
            await reloader.reload()
        assert await reloader.standing_failure() is not None
        await write(ONE_BOT + RISK)
        assert await reloader.standing_failure() is not None, "good perhaps, but not loaded"
        await reloader.reload()
        assert await reloader.standing_failure() is None


async def test_what_was_refused_beside_the_file_stands_until_a_good_reload(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N22: a strategy that cannot be imported any more is not mended by an unchanged file."""
    harness = await open_harness(database, spec("btc-ema"))

    def broken(_: object) -> None:
        raise ConfigError(["bots[0].strategy: no such module"])

    async with reloading(harness, tmp_path, ONE_BOT) as reloader:
        with monkeypatch.context() as broke:
            broke.setattr(reloading_module, "load_strategies", broken)
            with pytest.raises(ConfigError):
                await reloader.reload()
        assert await reloader.standing_failure() is not None
        await reloader.reload()
        assert await reloader.standing_failure() is None
