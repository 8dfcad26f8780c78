"""Dead letters that an operator retries or discards; a later good run settles others itself."""

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.job import JobRun, RunStatus
from tradebotd.domain.refusal import RefusalCode
from tradebotd.scheduling.job import Progress, no_progress
from tradebotd.scheduling.runner import JobRunner
from tradebotd.storage import dead_letters
from tradebotd.storage.postgres.database import Connection, Database


async def retry_dead_letter(
    runner: JobRunner, database: Database, letter_id: int, progress: Progress = no_progress
) -> JobRun:
    """Run a dead letter again with its arguments; it is closed if that succeeds."""
    async with database.connection() as connection:
        letter = await dead_letters.select_one(connection, letter_id)
        if letter is None or letter.state != "open":
            raise await _no_such_letter(connection, letter_id)
    only = frozenset(letter.args.get("only", ())) or None
    params = letter.args.get("params", {})
    run = await runner.run_manually(letter.job, params, progress, only=only)
    if run.status is RunStatus.OK:
        async with database.connection() as connection:
            await dead_letters.set_retried(connection, letter_id, run.id)
    return run


async def discard_dead_letter(database: Database, letter_id: int) -> None:
    async with database.connection() as connection:
        if not await dead_letters.discard(connection, letter_id):
            raise await _no_such_letter(connection, letter_id)


async def _no_such_letter(connection: Connection, letter_id: int) -> RefusedError:
    letters = await dead_letters.select_all(connection)
    known = tuple(
        str(id_) for id_ in sorted(letter.id for letter in letters if letter.state == "open")
    )
    hint = f"known: {', '.join(known)}" if known else "there is none at present"
    message = f"there is no open dead letter {letter_id}"
    return RefusedError(RefusalCode.UNKNOWN_DEAD_LETTER, message, hint, known)
