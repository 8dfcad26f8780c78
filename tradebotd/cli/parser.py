"""Argument parser of `tradebotctl`; completion scripts are made from it."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from tradebotd import __version__
from tradebotd.cli.errors import UsageError
from tradebotd.cli.quick_parser import QuickParser

EXIT_CODES = (
    "exit codes: 0 done, 1 a negative answer, 2 usage, 3 daemon not reachable, 4 refused because of"
    " its state, 69 database or venue unavailable, 78 configuration"
)


class Parser(QuickParser):
    """Parser whose errors show the usage of the subcommand that was given."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        raise UsageError(self.format_usage(), message)


Fill = Callable[[Parser], None]


class _Later:
    """A command's parser, made when the command is the one that is meant.

    There are more than thirty, and making them all takes longer than asking the daemon.
    """

    def __init__(self, **words: Any) -> None:
        self._words = words
        self._parser: Parser | None = None
        self.fill: list[Fill] = []

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that argparse, or the maker of the completions, asks of a parser."""
        if self._parser is None:
            self._parser = Parser(**self._words)
            for fill in self.fill:
                fill(self._parser)
        return getattr(self._parser, name)


class _Commands:
    """Adder of subcommands to one parser; each takes the common options as well."""

    def __init__(self, parser: argparse.ArgumentParser, path: str, *, required: bool) -> None:
        self._path = path
        self._parsers: Any = parser.add_subparsers(
            prog=parser.prog,  # worked out otherwise, from all that stands before them: nothing
            dest=f"{path}_command" if path else "command",
            metavar="COMMAND",
            required=required,
            parser_class=_Later,
        )

    def add(self, name: str, words: str, fill: Fill | None = None) -> None:
        """*fill* gives the command its own arguments."""
        path = f"{self._path} {name}".strip()

        def begin(parser: Parser) -> None:
            _common(parser, argparse.SUPPRESS)
            parser.set_defaults(path=path)

        later = self._parsers.add_parser(name, help=words, description=words)
        later.fill += [begin] if fill is None else [begin, fill]


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
    commands.add("status", "health first, then problems, jobs, bots, positions, P&L last", _status)
    commands.add("jobs", "jobs with last run, outcome, next run, success rate", _jobs)
    commands.add("dead-letters", "runs that failed for good", _dead_letters)
    commands.add("bots", "bots with their state", _bots)
    commands.add("positions", "open positions", _positions)
    commands.add("orders", "the latest orders", _orders)
    commands.add("fills", "the latest fills", _count(50))
    commands.add("trades", "closed positions, the latest first", _trades)
    commands.add("symbols", "what is watched", _symbols)
    commands.add("budget", "API credits of feeds: used, left, and when they begin anew")
    commands.add("candles", "the latest candles", _candles)
    commands.add("levels", "pivot levels of the coming session", _argument("symbol", "SYMBOL"))
    commands.add("universe", "the latest watchlist, with the reasons for it")
    commands.add("seed", "fetch history: `jobs run seed_history` with a progress bar", _seed)
    commands.add("halt", "stop entries; exits go on; survives a restart", _halt)
    commands.add("resume", "let bots enter again")
    commands.add("flatten", "halt, cancel, close everything; 1: something is left", _flatten)
    commands.add("reload", "read the configuration again; prints what changes")
    commands.add("completion", "print a script for a shell to complete our words", _completion)
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


def _status(parser: Parser) -> None:
    parser.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl-C")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 when health is critical (3: no daemon)"
    )


def _jobs(parser: Parser) -> None:
    name = _argument("name", "NAME")
    below = _Commands(parser, "jobs", required=False)
    below.add("run", "run a job now, with progress; ends with its summary", _jobs_run)
    below.add("history", "the latest runs of a job", _all(name, _count(20)))
    below.add("enable", "let its schedule start it", name)
    below.add("disable", "keep its schedule from starting it", name)


def _jobs_run(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "-p",
        "--param",
        dest="params",
        type=_pair,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="may be given several times",
    )
    parser.add_argument("--detach", action="store_true", help="start it and return at once")


def _dead_letters(parser: Parser) -> None:
    below = _Commands(parser, "dead-letters", required=False)
    below.add("show", "one of them with its whole error", _number)
    below.add("retry", "run it again with its arguments", _one_or_all)
    below.add("discard", "it no longer matters", _one_or_all)


def _one_or_all(parser: Parser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=_id, nargs="?", metavar="ID")
    which.add_argument("--all", action="store_true", help="every one that is open")


def _bots(parser: Parser) -> None:
    name = _argument("name", "NAME")
    below = _Commands(parser, "bots", required=False)
    below.add("show", "one bot: state, position, last trades and decisions", name)
    below.add("run", "run one cycle of it now", name)
    below.add("pause", "no entries; its exits go on", name)
    below.add("resume", "let it enter again", name)


def _positions(parser: Parser) -> None:
    below = _Commands(parser, "positions", required=False)
    below.add("close", "close one at the market", _number)
    below.add("set", "change its exits; what is not named stays as it is", _positions_set)
    below.add("adopt", "give a bot what somebody else traded on the account", _positions_adopt)


def _positions_set(parser: Parser) -> None:
    parser.add_argument("id", type=_id, metavar="ID")
    for name, words in (
        ("--stop-loss", "a price, or a percentage of the entry price: 61000, 2%%; or none"),
        ("--take-profit", "a price, or a percentage of the entry price; or none"),
        ("--trailing-stop", "a price now, or a percentage of the best price; or none"),
    ):
        parser.add_argument(name, metavar="P|P%|none", help=words)
    parser.add_argument(
        "--max-holding", metavar="D|none", help="how long since its entry it may be held: 30m, 4h"
    )
    parser.add_argument(
        "--trigger-price",
        metavar="last|mark|bid_ask",
        help="the price that its exits are compared with; the levels stay",
    )


def _positions_adopt(parser: Parser) -> None:
    parser.add_argument("venue", metavar="VENUE")
    parser.add_argument("symbol", metavar="SYMBOL")
    parser.add_argument("--bot", required=True, metavar="NAME")


def _orders(parser: Parser) -> None:
    parser.add_argument("--open", action="store_true", help="only those that are not settled")
    parser.add_argument(
        "--unknown", action="store_true", help="only those of which nobody knows what became"
    )
    _count(50)(parser)
    below = _Commands(parser, "orders", required=False)
    below.add("show", "one order with its events and fills", _number)


def _trades(parser: Parser) -> None:
    parser.add_argument(
        "--since", type=_date, metavar="DATE", help="2022-01-14, or with a time (UTC)"
    )
    parser.add_argument("--csv", action="store_true", help="comma-separated, with a header")
    parser.add_argument(
        "-n", dest="limit", type=_positive, metavar="N", help="at most N; 50, or all with --csv"
    )


def _symbols(parser: Parser) -> None:
    below = _Commands(parser, "symbols", required=False)
    words = "let exits of a paused symbol act: it was no split"
    below.add("resume", words, _argument("symbol", "SYMBOL"))


def _candles(parser: Parser) -> None:
    parser.add_argument("symbol", metavar="SYMBOL")
    parser.add_argument("timeframe", metavar="TIMEFRAME")
    _count(20)(parser)


def _seed(parser: Parser) -> None:
    parser.add_argument("symbol", metavar="SYMBOL")
    parser.add_argument("--interval", default="1h", metavar="TIMEFRAME", help="default: 1h")
    parser.add_argument("--days", type=_positive, default=7, metavar="N", help="default: 7")


def _halt(parser: Parser) -> None:
    parser.add_argument(
        "--reason", metavar="TEXT", help='default: "by hand"; halted already: takes its place'
    )


def _flatten(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask; needed off a terminal")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


# Arguments of several commands


def _argument(name: str, metavar: str) -> Fill:
    def fill(parser: Parser) -> None:
        parser.add_argument(name, metavar=metavar)

    return fill


def _number(parser: Parser) -> None:
    parser.add_argument("id", type=_id, metavar="ID")


def _count(default: int) -> Fill:
    def fill(parser: Parser) -> None:
        parser.add_argument(
            "-n",
            dest="limit",
            type=_positive,
            default=default,
            metavar="N",
            help=f"at most N; default: {default}",
        )

    return fill


def _all(*fills: Fill) -> Fill:
    def fill(parser: Parser) -> None:
        for each in fills:
            each(parser)

    return fill


# Values


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
