"""`tradebotd`: the command line. Imports wait until the command is known."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tradebotd import __version__
from tradebotd.cli.quick_parser import QuickParser
from tradebotd.daemon.commands.garbage import leave_the_rest, put_off_search
from tradebotd.daemon.commands.library_plugins import import_apscheduler, import_pydantic
from tradebotd.daemon.commands.log_library import import_structlog
from tradebotd.daemon.process_signals import Signals
from tradebotd.domain.decimals import forbid_floats
from tradebotd.domain.errors import (
    AccountTakenError,
    ConfigError,
    DatabaseUnavailableError,
    MigrationError,
    NoDatabaseError,
    TradebotError,
    VenueError,
)

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: database or venue
EXIT_TAKEN = 75  # EX_TEMPFAIL: another daemon holds the account
EXIT_CONFIG = 78  # EX_CONFIG

# Commands that can be stopped: message and exit code of a stop before anything needs cleaning up.
EARLY_STOPS = {
    "run": ("nothing was started", EXIT_DONE),
    "flatten": ("nothing was closed: run it again", EXIT_FAILED),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code (docs/operations.md); usage errors leave through argparse with 2.

    Without *arguments* the process is ours alone, and is set up as such.
    """
    if arguments is not None:
        return _main(arguments)
    put_off_search()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it asks every package for one
    try:
        return _main(sys.argv[1:])
    finally:
        leave_the_rest()


def _main(arguments: Sequence[str]) -> int:
    early = EARLY_STOPS.get(arguments[0]) if arguments else None
    signals = None if early is None else Signals(*early)  # before all else: a stop may come now
    forbid_floats()
    options = _parser().parse_args(arguments)
    try:
        return _dispatch(options, signals)
    except ConfigError as error:
        return _complain(_config_report(error), EXIT_CONFIG)
    except TradebotError as error:
        return _complain(*_explained(error))


def _explained(error: TradebotError) -> tuple[str, int]:
    match error:
        case MigrationError():
            return f"tradebotd: {error}", EXIT_CONFIG
        case AccountTakenError():
            return f"tradebotd: {error}", EXIT_TAKEN
        case NoDatabaseError():
            return f"tradebotd: {error}", EXIT_UNAVAILABLE
        case DatabaseUnavailableError():
            return f"tradebotd: the database is not available: {error}", EXIT_UNAVAILABLE
        case VenueError():
            return f"tradebotd: {error}", EXIT_UNAVAILABLE
        case _:
            return f"tradebotd: {error}", EXIT_FAILED


def _complain(text: str, exit_code: int) -> int:
    sys.stderr.write(text + "\n")
    return exit_code


class _Parser(QuickParser):
    """Parser whose errors look like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.format_usage()}tradebotd: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tradebotd",
        description="A trading daemon that proves that it works. Look at it with tradebotctl.",
        epilog="exit codes: 0 done, 1 something is left, 2 usage, 69 database or venue unavailable,"
        " 75 another daemon holds this account, 78 configuration",
    )
    parser.add_argument("--version", action="version", version=f"tradebotd {__version__}")
    commands = parser.add_subparsers(
        prog=parser.prog, dest="command", metavar="COMMAND", required=True
    )
    for name, words in (
        ("run", "run the daemon in the foreground"),
        ("check", "validate the configuration without starting; every problem at once"),
        ("migrate", "bring the database's schema up to date"),
        ("flatten", "close everything while no daemon runs; exit 1 when something is left"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="default: $TRADEBOTD_CONFIG, ./config.toml, /etc/tradebotd/config.toml",
        )
        if name == "migrate":
            command.add_argument(
                "--status", action="store_true", help="list the migrations, apply nothing"
            )
    commands.add_parser(
        "schema",
        help="print the JSON Schema of the config file",
        description="print the JSON Schema of the config file, for editors",
    )
    return parser


def _dispatch(options: argparse.Namespace, signals: Signals | None) -> int:
    import_pydantic()
    match options.command:
        case "schema":
            from tradebotd.daemon.commands.schema import print_schema  # noqa: PLC0415

            return print_schema()
        case "check":
            from tradebotd.daemon.commands.offline import check  # noqa: PLC0415

            return check(options.config)
        case "migrate":
            import_structlog()
            from tradebotd.daemon.migrating import run_migrations  # noqa: PLC0415

            return run_migrations(options.config, only_list=options.status)
        case "flatten" if signals is not None:
            import_structlog()
            import_apscheduler()
            from tradebotd.daemon.commands.flatten import run_flatten  # noqa: PLC0415

            return run_flatten(options.config, signals)
        case "run" if signals is not None:
            import_structlog()
            import_apscheduler()
            from tradebotd.daemon.commands.run import run  # noqa: PLC0415

            return run(options.config, signals)
        case command:
            raise AssertionError(f"{command} stands in the parser only")


def _config_report(error: ConfigError) -> str:
    count = len(error.problems)
    noun = "problem" if count == 1 else "problems"
    lines = [f"tradebotd: {count} {noun} in the configuration, nothing was started"]
    return "\n".join([*lines, *(f"  {problem}" for problem in error.told)])


if __name__ == "__main__":
    sys.exit(main())
