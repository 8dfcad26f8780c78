"""`tradebotd run`: load the file, run the loop, return the exit code."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import structlog

from tradebotd.config.load import find_config
from tradebotd.config.secrets import secret_values
from tradebotd.daemon import logs
from tradebotd.daemon.commands.garbage import search_from_now_on
from tradebotd.daemon.doubtful import log_warnings
from tradebotd.daemon.lifecycle import serve
from tradebotd.daemon.place_checks import look_at_places
from tradebotd.daemon.process_signals import Signals
from tradebotd.daemon.progress_line import terminal_line
from tradebotd.daemon.replay_summary import show_summary
from tradebotd.daemon.root_cause import first_cause
from tradebotd.daemon.wiring.files import load

EXIT_DONE = 0

log = structlog.get_logger(__name__)


def run(given: Path | None, signals: Signals) -> int:
    """Run the daemon until it ends and return the exit code.

    Raises ConfigError, AccountTakenError, DatabaseUnavailableError, MigrationError.
    """
    # Before the loop starts: reading blocks.
    config, files = load(find_config(given), lambda it: look_at_places(it, starting=True).problems)
    line = terminal_line() if config.simulated else None
    logs.configure(
        level=config.daemon.log_level,
        log_format=config.daemon.log_format,
        secrets=secret_values(config),
        stream=line,
    )
    log_warnings(config, files.warnings)
    for why in files.idle_bots(config):
        log.warning("recording short", reason=config.told(why))
    search_from_now_on()
    life = partial(serve, config, files, line, signals)
    try:
        summary = anyio.run(life, backend="asyncio", backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    finally:
        signals.ignore()
    if summary is not None:
        with suppress(BrokenPipeError):  # the reader has gone; the replay succeeded anyway
            show_summary(summary)
    return EXIT_DONE
