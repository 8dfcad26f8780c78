"""An operator's switches of jobs, which a restart keeps."""

from tradebotd.domain.ids import JobName
from tradebotd.scheduling.runner import JobRunner
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database


async def load_disabled(runner: JobRunner, database: Database) -> None:
    """Load the jobs that an operator disabled; they stay so after a restart."""
    async with database.connection() as connection:
        names = await settings.get(connection, settings.DISABLED_JOBS)
    runner.set_disabled([JobName(name) for name in names or []])


async def switch(runner: JobRunner, database: Database, name: str, *, enabled: bool) -> None:
    """Switch a job. Raises RefusedError: unknown, or disabled in the configuration."""
    before = runner.disabled
    if enabled:
        runner.enable(name)
    else:
        runner.disable(name)
    try:
        async with database.connection() as connection:
            await settings.put(connection, settings.DISABLED_JOBS, sorted(runner.disabled))
    except BaseException:
        runner.set_disabled(sorted(before))  # undo what could not be stored
        raise
