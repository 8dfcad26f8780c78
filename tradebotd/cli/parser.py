"""Argument parser of `tradebotctl`; completion scripts are made from it."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from tradebotd import __version__
from tradebotd.cli.errors import UsageError

EXIT_CODES = (
    "exit codes: 0 done, 1 a negative answer, 2 usage, 3 daemon not reachable, 4 refused because of"
    " its state, 69 database or venue unavailable, 78 configuration"
)


class Parser(argparse.ArgumentParser):
    """Parser whose errors show the usage of the subcommand that was given."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.format_usage(), message)


class _Commands:
    """Adder of subcommands to one parser; each takes the common options as well."""

    def __init__(self, parser: argparse.ArgumentParser, path: str, *, required: bool) -> None:
        self._path = path
        self._parsers = parser.add_subparsers(
            dest=f"{path}_command" if path else "command",
            metavar="COMMAND",
            required=required,
            parser_class=Parser,
        )

    def add(self, name: str, words: str) -> argparse.ArgumentParser:
        parser = self._parsers.add_parser(name, help=words, description=words)
        _common(parser, argparse.SUPPRESS)
        path = f"{self._path} {name}".strip()
        parser.set_defaults(path=path)
        return parser


def build_parser() -> Parser:
    parser = Parser(
        prog="tradebotctl",
        description="Talk to the running tradebotd over its Unix socket.",
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    _common(parser, None)
    parser.add_argument("--version", action="version", version=f"tradebotctl {__version__}")
    commands = _Commands(parser, "", required=True)
    status = commands.add("status", "health first, then problems, jobs, bots, positions, P&L last")
    status.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl-C")
    status.add_argument(
        "--check", action="store_true", help="exit 1 when health is critical (3: no daemon)"
    )
    _jobs(commands)
    _bots(commands)
    _books(commands)
    _market(commands)
    halt = commands.add("halt", "stop entries; exits go on; survives a restart")
    halt.add_argument(
        "--reason", metavar="TEXT", help='default: "by hand"; halted already: takes its place'
    )
    commands.add("resume", "let bots enter again")
    flatten = commands.add("flatten", "halt, cancel, close everything; 1: something is left")
    flatten.add_argument("--yes", action="store_true", help="do not ask; needed off a terminal")
    commands.add("reload", "read the configuration again; prints what changes")
    completion = commands.add("completion", "print a script for a shell to complete our words")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _common(parser: argparse.ArgumentParser, default: Any) -> None:
    """Add the common options to the program or a command: they work before and after its name."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=False if default is None else default,
        help="one JSON document on stdout, nothing else",
    )
    parser.add_argument(
        "--socket",
        default=default,
        metavar="PATH",
        help="default: $TRADEBOTD_SOCKET, then the config's",
    )
    parser.add_argument(
        "--config",
        default=default,
        metavar="FILE",
        help="where to read the socket's path; searched for like the daemon's",
    )


def _jobs(commands: _Commands) -> None:
    jobs = commands.add("jobs", "jobs with last run, outcome, next run, success rate")
    below = _Commands(jobs, "jobs", required=False)
    run = below.add("run", "run a job now, with progress; ends with its summary")
    run.add_argument("name", metavar="NAME")
    run.add_argument(
        "-p",
        "--param",
        dest="params",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="may be given several times",
    )
    run.add_argument("--detach", action="store_true", help="start it and return at once")
    history = below.add("history", "the latest runs of a job")
    history.add_argument("name", metavar="NAME")
    _count(history, 20)
    below.add("enable", "let its schedule start it").add_argument("name", metavar="NAME")
    below.add("disable", "keep its schedule from starting it").add_argument("name", metavar="NAME")
    letters = commands.add("dead-letters", "runs that failed for good")
    below = _Commands(letters, "dead-letters", required=False)
    below.add("show", "one of them with its whole error").add_argument("id", type=_id, metavar="ID")
    for name, words in (
        ("retry", "run it again with its arguments"),
        ("discard", "it no longer matters"),
    ):
        letter = below.add(name, words)
        which = letter.add_mutually_exclusive_group(required=True)
        which.add_argument("id", type=_id, nargs="?", metavar="ID")
        which.add_argument("--all", action="store_true", help="every one that is open")


def _bots(commands: _Commands) -> None:
    bots = commands.add("bots", "bots with their state")
    below = _Commands(bots, "bots", required=False)
    for name, words in (
        ("show", "one bot: state, position, last trades and decisions"),
        ("run", "run one cycle of it now"),
        ("pause", "no entries; its exits go on"),
        ("resume", "let it enter again"),
    ):
        below.add(name, words).add_argument("name", metavar="NAME")


def _books(commands: _Commands) -> None:
    positions = commands.add("positions", "open positions")
    below = _Commands(positions, "positions", required=False)
    below.add("close", "close one at the market").add_argument("id", type=_id, metavar="ID")
    change = below.add("set", "change its exits; what is not named stays as it is")
    change.add_argument("id", type=_id, metavar="ID")
    for name, words in (
        ("--stop-loss", "a price, or a percentage of the entry price: 61000, 2%%; or none"),
        ("--take-profit", "a price, or a percentage of the entry price; or none"),
        ("--trailing-stop", "a price now, or a percentage of the best price; or none"),
    ):
        change.add_argument(name, metavar="P|P%|none", help=words)
    change.add_argument(
        "--max-holding", metavar="D|none", help="how long since its entry it may be held: 30m, 4h"
    )
    adopt = below.add("adopt", "give a bot what somebody else traded on the account")
    adopt.add_argument("venue", metavar="VENUE")
    adopt.add_argument("symbol", metavar="SYMBOL")
    adopt.add_argument("--bot", required=True, metavar="NAME")
    orders = commands.add("orders", "the latest orders")
    orders.add_argument("--open", action="store_true", help="only those that are not settled")
    orders.add_argument(
        "--unknown", action="store_true", help="only those of which nobody knows what became"
    )
    _count(orders, 50)
    below = _Commands(orders, "orders", required=False)
    below.add("show", "one order with its events and fills").add_argument(
        "id", type=_id, metavar="ID"
    )
    _count(commands.add("fills", "the latest fills"), 50)
    trades = commands.add("trades", "closed positions, the latest first")
    trades.add_argument(
        "--since", type=_date, metavar="DATE", help="2022-01-14, or with a time (UTC)"
    )
    trades.add_argument("--csv", action="store_true", help="comma-separated, with a header")
    trades.add_argument(
        "-n", dest="limit", type=_positive, metavar="N", help="at most N; 50, or all with --csv"
    )


def _market(commands: _Commands) -> None:
    symbols = commands.add("symbols", "what is watched")
    below = _Commands(symbols, "symbols", required=False)
    below.add("resume", "let exits of a paused symbol act: it was no split").add_argument(
        "symbol", metavar="SYMBOL"
    )
    candles = commands.add("candles", "the latest candles")
    candles.add_argument("symbol", metavar="SYMBOL")
    candles.add_argument("timeframe", metavar="TIMEFRAME")
    _count(candles, 20)
    commands.add("levels", "pivot levels of the coming session").add_argument(
        "symbol", metavar="SYMBOL"
    )
    seed = commands.add("seed", "fetch history: `jobs run seed_history` with a progress bar")
    seed.add_argument("symbol", metavar="SYMBOL")
    seed.add_argument("--interval", default="1h", metavar="TIMEFRAME", help="default: 1h")
    seed.add_argument("--days", type=_positive, default=7, metavar="N", help="default: 7")


def _count(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "-n",
        dest="limit",
        type=_positive,
        default=default,
        metavar="N",
        help=f"at most N; default: {default}",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"a number from 1 to 10000, was {text!r}")
    return int(text)


def _id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"a number like 17, was {text!r}")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"KEY=VALUE, was {text!r}")
    return key, value


def _date(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        message = f"a date like 2022-01-14, or 2022-01-14T07:30Z, was {text!r}"
        raise argparse.ArgumentTypeError(message) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments. Raises UsageError."""
    return build_parser().parse_args(arguments)
