"""What a reload says it has changed is changed."""

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import anyio

from tests.fakes.trading import MINUTE, SYMBOL, open_desk, spec
from tests.unit.config_text import ONE_BOT, written
from tradebotd.config.load import load_config
from tradebotd.daemon.reloading import Reloader
from tradebotd.domain.candle import PathPoint
from tradebotd.jobs.run_ledger import RunLedger
from tradebotd.jobs.runner import JobRunner
from tradebotd.jobs.scheduler import ClockScheduler
from tradebotd.storage.database import Database
from tradebotd.strategies.base import AnyStrategy

RISK = '[risk]\nmax_open_positions = 3\nbad_tick = "60%"\n'


async def test_the_limits_of_the_account_hold_from_the_reload_on(
    database: Database, tmp_path: Path
) -> None:
    """M1.5: each of them, and what prices may be believed."""
    desk = await open_desk(database, spec("btc-ema"))
    path = await anyio.to_thread.run_sync(written, tmp_path, ONE_BOT)
    config = await anyio.to_thread.run_sync(load_config, path)
    desk.protection.doubt_beyond(config.risk.bad_tick)
    await desk.enter("btc-ema")
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=desk.clock,
            ledger=RunLedger(database, deferred=False),
            jobs=[],
            specs=[],
        )
        reloader = Reloader(
            config=config,
            database=database,
            clock=desk.clock,
            runner=runner,
            scheduler=ClockScheduler(desk.clock, lambda _code, _at: None, lambda _dues: None),
            specs=desk.specs,
            strategies=cast("dict[Any, AnyStrategy]", desk.strategies),
            entries=desk.entries,
            protection=desk.protection,
        )
        await anyio.to_thread.run_sync(written, tmp_path, ONE_BOT + RISK)

        changes = await reloader.reload()

    assert len(changes) == 2
    assert desk.entries.limits.max_open_positions == 3
    desk.clock.advance(MINUTE)
    acting = desk.protection.on_tick(PathPoint(desk.clock.now(), SYMBOL, Decimal(60)))
    assert acting is not None
    await acting
    assert (await desk.position())["close_reason"] == "stop_loss"
