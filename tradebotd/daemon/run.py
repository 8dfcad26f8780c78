"""`tradebotd run`: from a file to a running loop, and the exit code it ends with."""

import signal
import sys
from pathlib import Path

import anyio

from tradebotd.config.load import find_config
from tradebotd.config.secrets import secret_values
from tradebotd.daemon import logs
from tradebotd.daemon.causes import first_cause
from tradebotd.daemon.files import load
from tradebotd.daemon.lifecycle import serve
from tradebotd.daemon.progress_line import terminal_line

EXIT_DONE = 0


def run(given: Path | None) -> int:
    """Raises ConfigError, AccountTakenError, DatabaseUnavailableError, MigrationError."""
    _stop_while_starting()
    config, files = load(find_config(given))  # before the loop starts: reading blocks
    line = terminal_line() if config.simulated else None
    logs.configure(
        level=config.daemon.log_level,
        log_format=config.daemon.log_format,
        secrets=secret_values(config),
        stream=line,
    )
    try:
        anyio.run(
            serve, config, files, line, backend="asyncio", backend_options={"use_uvloop": True}
        )
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    return EXIT_DONE


def _stop_while_starting() -> None:
    """Until the loop has its own handlers, a stop has nothing to put in order."""

    def leave(_number: int, _frame: object) -> None:
        sys.exit(EXIT_DONE)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
