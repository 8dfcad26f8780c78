"""Life cycle: opens what the daemon needs in order, waits, closes it in reverse with limits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.clocks.host import SystemHost, host_now
from tradebotd.config.model import Config
from tradebotd.config.secrets import database_password
from tradebotd.control.server import WaitingRoom, open_door
from tradebotd.daemon.app import App
from tradebotd.daemon.database_account import claim_database, refuse_another_account
from tradebotd.daemon.leader_election import acquire, holding
from tradebotd.daemon.operator.waiting_view import WaitingView
from tradebotd.daemon.places import refuse_a_second_one
from tradebotd.daemon.process_signals import Signals
from tradebotd.daemon.progress_line import ProgressLine
from tradebotd.daemon.replay_summary import ReplaySummary
from tradebotd.daemon.stop_request import StopRequest, watch_signals
from tradebotd.daemon.systemd import notify
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.root import build
from tradebotd.domain.errors import ConfigError, MigrationError, NoDatabaseError
from tradebotd.storage import leadership
from tradebotd.storage.postgres.database import Database, open_database
from tradebotd.storage.postgres.embedded import open_embedded
from tradebotd.storage.postgres.migrations import migrate, migration_status
from tradebotd.trading.execution.lease import Lease

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
THE_SCHEMA: Final = "the schema"


async def serve(
    config: Config, files: LoadedFiles, line: ProgressLine | None, signals: Signals
) -> ReplaySummary | None:
    """Run the daemon until a stop is requested or its data ends.

    Returns the summary of a replay at speed 0 that reached the end of its data.
    """
    summary: ReplaySummary | None = None
    stop = StopRequest()
    async with anyio.create_task_group() as tasks:
        app_ready = AppReady()
        tasks.start_soon(watch_signals, signals, stop, app_ready.reload)
        with anyio.CancelScope() as starting:
            tasks.start_soon(_cancel_when_asked, stop, starting, app_ready)
            summary = await _live(config, files, line, stop, app_ready, tasks=tasks)
        tasks.cancel_scope.cancel()
    log.info("daemon stopped", reason=stop.reason)
    return summary


class AppReady:
    """App, once it is built; a stop cancels the building, then the start, then asks it to end."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.beginning = anyio.CancelScope()

    async def reload(self) -> None:
        if self.app is not None:
            await self.app.reload_by_signal()


async def _cancel_when_asked(
    stop: StopRequest, starting: anyio.CancelScope, ready: AppReady
) -> None:
    await stop.wait()
    if ready.app is None:
        starting.cancel()
    else:
        ready.beginning.cancel()


async def _live(
    config: Config,
    files: LoadedFiles,
    line: ProgressLine | None,
    stop: StopRequest,
    ready: AppReady,
    *,
    tasks: TaskGroup,
) -> ReplaySummary | None:
    """*tasks* outlive it: who was let in while it started is answered there."""
    summary: ReplaySummary | None = None
    view = WaitingView(config)
    async with AsyncExitStack() as stack:
        await anyio.to_thread.run_sync(refuse_a_second_one, config)
        door = await stack.enter_async_context(open_door(config.socket))
        waiting = WaitingRoom(view, door, tasks)
        stack.push_async_callback(waiting.close)
        view.wait_for(f"the database ({_reached_at(config)})")
        database = await stack.enter_async_context(open_database_of(config))
        view.opened(database)
        lease = await stack.enter_async_context(hold_account(config, files, database, view=view))
        view.wait_for("what the database remembers")
        app = await stack.enter_async_context(
            build(config, files, database, lease, stop, line, door=waiting.hand_over)
        )
        ready.app = app
        with ready.beginning:
            if stop.is_asked:  # between the building and now
                ready.beginning.cancel()
            await app.start()
            notify("READY=1", f"STATUS=running since {host_now():%Y-%m-%dT%H:%M:%SZ}")
            log.info("daemon ready", clock=app.clock.kind, now=app.clock.now().isoformat())
        await stop.wait()
        notify("STOPPING=1")
        with anyio.CancelScope(shield=True):
            await app.stop(DRAIN_SECONDS)
            await app.protection.store_seconds()
            summary = await app.summary()
    return summary


@asynccontextmanager
async def hold_account(
    config: Config,
    files: LoadedFiles,
    database: Database,
    *,
    view: WaitingView | None = None,
    founds: bool = True,
) -> AsyncIterator[Lease]:
    """Hold the account during the block, with a current schema. Raises AccountTakenError.

    Raises ConfigError for another account than the database's own. Only the account's holder
    migrates; a fresh database has no holder yet, and no table for one. *founds* False: raise
    NoDatabaseError for an account that no daemon has ever held, migrate nothing and do not wait
    for the account.
    """
    view, account = view or WaitingView(config), config.daemon.account
    migrates = founds and config.database.migrate_on_start
    async with database.connection() as connection:
        made = await leadership.is_there(connection)
        known = await leadership.known_accounts(connection) if made and not founds else []
        if made and founds:
            await refuse_another_account(connection, account)
    if not founds and account not in known:
        raise NoDatabaseError(_nothing_of(config, known))
    if not made:
        view.wait_for(THE_SCHEMA)
        await bring_up_to_date(database, files, allowed=migrates)
    host = SystemHost()
    when_taken = config.daemon.when_taken if founds else "exit"
    view.wait_for(f"the account {account!r}")
    if when_taken == "standby":
        view.stand_by()
        notify("READY=1", "STATUS=standing by")
    lease = await acquire(database, account, host, when_taken=when_taken, seen=view.on_holder_seen)
    async with holding(database, lease, host):
        if made:
            view.wait_for(THE_SCHEMA)
            await bring_up_to_date(database, files, allowed=migrates)
        if founds:
            await claim_database(database, account)
        yield lease


def _reached_at(config: Config) -> str:
    """Return the database's address without users and passwords."""
    if config.database.url == "embedded":
        return f"its own, in {config.state_dir}"
    url = urlsplit(config.database.url)
    return f"{url.hostname or 'the local server'}{url.path}"


def _nothing_of(config: Config, known: list[str]) -> str:
    if known:
        ours = config.daemon.account
        return f"no account {ours!r} in this database, only {', '.join(map(repr, known))}"
    return "there is no database here: no daemon has ever worked in the one of database.url"


@asynccontextmanager
async def open_database_of(config: Config, *, makes: bool = True) -> AsyncIterator[Database]:
    """Open the configured database, embedded or a server, as it is.

    *makes*: whether a missing embedded one is created.
    """
    async with AsyncExitStack() as stack:
        url = config.database.url
        if url == "embedded":
            if makes:
                await anyio.to_thread.run_sync(make_private, config.state_dir)
            opened = open_embedded(config.state_dir, config.socket.parent, makes=makes)
            url = await stack.enter_async_context(opened)
        yield await stack.enter_async_context(
            open_database(
                url,
                pool_min=config.database.pool_min,
                pool_max=config.database.pool_max,
                password=await anyio.to_thread.run_sync(database_password, config),
            )
        )


def make_private(directory: Path) -> None:
    """Create the state directory, private to this user. Raises ConfigError if that fails."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"daemon.state_dir: {directory}: {error.strerror or error}"]) from error


async def bring_up_to_date(database: Database, files: LoadedFiles, *, allowed: bool) -> None:
    """Migrate if *allowed*. Raises MigrationError if it is not and migrations are missing."""
    if allowed:
        if applied := await migrate(database, files.migrations):
            log.info("schema migrated", versions=applied)
        return
    states = await migration_status(database, files.migrations)
    if missing := [state.name for state in states if state.applied_at is None]:
        raise MigrationError(f"{', '.join(missing)} not applied; run `tradebotd migrate`")
