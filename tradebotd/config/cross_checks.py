"""Problems across tables: references, clocks, and features this version lacks."""

import re
from collections.abc import Iterator
from decimal import Decimal
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tradebotd.config.alpaca_feeds import alpaca_feed_problems
from tradebotd.config.binance_feeds import binance_feed_problems
from tradebotd.config.bot_checks import bot_problems
from tradebotd.config.cash_warnings import cash_problems
from tradebotd.config.currency_checks import currency_problems
from tradebotd.config.feed_credits import credit_problems, feed_problems
from tradebotd.config.filter_checks import filter_problems
from tradebotd.config.model import SIMULATED_KINDS, Config
from tradebotd.config.problem_text import NAME_WORDS, not_yet, percent, unknown_name
from tradebotd.config.public_checks import public_problems
from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.real_venues import on_loopback, real_venue_problems
from tradebotd.config.secrets import secret_problems
from tradebotd.config.sections import NAME_PATTERN, JobSection, SymbolSection
from tradebotd.config.self_trade_checks import self_trade_problems
from tradebotd.config.unused_checks import unused_problems
from tradebotd.config.venue_depth import venue_depth_problems
from tradebotd.config.venue_order_types import venue_type_problems
from tradebotd.domain.calendar_aliases import one_name
from tradebotd.domain.instrument import ALWAYS_OPEN

SOCKET_PATH_BYTES: Final = 100  # Linux allows 107 with the final zero
_MOST_LISTED: Final = 1_000  # entries of a folder
_NAMED: Final = 5
_MAGIC: Final = re.compile(r"[*?[]")
BUILT_VENUES: Final = frozenset({"paper", *REAL_VENUES})


def cross_problems(config: Config) -> list[str]:
    """Return every problem that no single table shows, each with its path."""
    return [
        *_daemon(config),
        *_names(config),
        *_database(config),
        *_feeds(config),
        *credit_problems(config),
        *alpaca_feed_problems(config),
        *_venues(config),
        *_symbols(config),
        *_calendars(config),
        *currency_problems(config),
        *cash_problems(config),
        *filter_problems(config),
        *bot_problems(config),
        *self_trade_problems(config),
        *venue_depth_problems(config),
        *venue_type_problems(config),
        *_jobs(config),
        *_paths(config),
        *unused_problems(config),
        *real_venue_problems(config),
        *public_problems(config),
        *secret_problems(config),
    ]


def _daemon(config: Config) -> Iterator[str]:
    if config.daemon.log_format == "journald":
        yield not_yet("daemon.log_format", "journald", {"auto", "console", "json"})
    if config.daemon.when_taken == "standby" and config.database.url == "embedded":
        # No other daemon to wait for: one with a state_dir of its own would trade as well.
        yield (
            'daemon.when_taken: "standby" waits at a server that both daemons reach; an embedded'
            ' database has one daemon: say "exit", or set database.url'
        )
    if config.alerts.urls:
        yield "alerts.urls: alerts are not delivered in this version; leave it empty"


def _names(config: Config) -> Iterator[str]:
    """Check feed and venue names against the pattern, and bot and symbol names for duplicates."""
    for table, keys in (("feeds", config.feeds), ("venues", config.venues)):
        for name in keys:
            if not re.fullmatch(NAME_PATTERN, name):
                yield f'{table}."{name}": {NAME_WORDS}'
    for table, key, names in (
        ("symbols", "symbol", [symbol.symbol for symbol in config.symbols]),
        ("bots", "name", [bot.name for bot in config.bots]),
    ):
        seen: dict[str, int] = {}
        for number, name in enumerate(names):
            first = seen.setdefault(name, number)
            if first < number:
                yield f"{table}[{number}].{key}: {name!r} is taken by {table}[{first}]"


def _database(config: Config) -> Iterator[str]:
    """Check the database table; the URL is never quoted because it may hold a password."""
    database = config.database
    if database.pool_min > database.pool_max:
        yield (
            f"database.pool_min: {database.pool_min} is above pool_max ({database.pool_max});"
            " at most as many are allowed"
        )
    if database.url == "embedded":
        return
    complaint = 'database.url: write "embedded" or "postgresql://user@host/database"'
    try:
        url = urlsplit(database.url)
    except ValueError:
        yield complaint
        return
    if url.scheme not in {"postgresql", "postgres"}:
        yield complaint
    elif url.password is not None or "password" in parse_qs(url.query):
        yield "database.url: a secret never stands in this file; `database.password` says where"


def _feeds(config: Config) -> Iterator[str]:
    for name, feed in config.feeds.items():
        path = f"feeds.{name}"
        if feed.kind == "twelvedata":
            yield from feed_problems(name, feed)
        if feed.kind == "binance":
            yield from binance_feed_problems(name, feed)
        if feed.kind == "replay" and feed.path is None:
            yield f"{path}.path: required for a replay; files are named SYMBOL_TIMEFRAME.csv"
        elif feed.kind == "replay" and not any_file(config, str(feed.path)):
            yield f"{path}.path: no file matches {_without_match(config.path(str(feed.path)))}"
    speeds = {
        name: feed.speed for name, feed in config.feeds.items() if feed.kind in SIMULATED_KINDS
    }
    if len(set(speeds.values())) > 1:
        told = ", ".join(f"{name} {speed}" for name, speed in sorted(speeds.items()))
        yield f"feeds: one clock has one speed, but they say {told}"
    if speeds and len(speeds) < len(config.feeds):
        yield "feeds: recorded or synthetic feeds and live ones cannot share one clock"


def any_file(config: Config, pattern: str) -> bool:
    """Return whether a replay's `path` matches any file."""
    return bool(glob(str(config.path(pattern)), recursive=True))  # noqa: PTH207 - an absolute pattern


def _without_match(pattern: Path) -> str:
    """The pattern, and what is there instead, in the folder that it begins with."""
    parts = pattern.parts
    first = next((n for n, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    folder = Path(*parts[:first])
    if not folder.is_dir():
        return f"{pattern}: there is no folder {folder}"
    try:
        there = sorted(each.name for each in islice(folder.iterdir(), _MOST_LISTED))
    except OSError as error:
        return f"{pattern}: {folder}: {error.strerror or error}"
    named = ", ".join(there[:_NAMED]) + (" …" if len(there) > _NAMED else "")
    return f"{pattern}; in {folder} there is {named or 'nothing'}"


def _venues(config: Config) -> Iterator[str]:
    for name, venue in config.venues.items():
        path = f"venues.{name}"
        if venue.kind not in BUILT_VENUES:
            yield not_yet(f"{path}.kind", venue.kind, BUILT_VENUES)
            if venue.base_url is None:
                continue  # the kind is the only mistake
        if config.simulated and venue.kind != "paper" and not on_loopback(venue.base_url):
            yield f"{path}: a simulated clock trades on paper or on loopback only"


def _symbols(config: Config) -> Iterator[str]:
    for number, symbol in enumerate(config.symbols):
        path = f"symbols[{number}]"
        for feed in symbol.feeds:
            if feed not in config.feeds:
                yield unknown_name(f"{path}.feeds", feed, config.feeds, "feed")
        if symbol.venue not in config.venues:
            yield unknown_name(f"{path}.venue", symbol.venue, config.venues, "venue")
        outside = {*config.feeds, *config.venues}
        for name in symbol.names:
            if name not in outside:
                yield unknown_name(f"{path}.names.{name}", name, outside, "feed or venue")
        if symbol.max_quantity is not None and symbol.min_quantity > symbol.max_quantity:
            yield (
                f"{path}.min_quantity: {symbol.min_quantity} is above max_quantity"
                f" ({symbol.max_quantity}); at most as much is allowed"
            )
        yield from _margin_brackets(path, symbol)


def _margin_brackets(path: str, symbol: SymbolSection) -> Iterator[str]:
    floor, rate = Decimal(0), symbol.maintenance_margin
    for number, bracket in enumerate(symbol.margin_brackets):
        if bracket.notional <= floor or bracket.maintenance_margin <= rate:
            yield (
                f"{path}.margin_brackets[{number}]: {bracket.notional} at"
                f" {percent(bracket.maintenance_margin)} follows {floor} at {percent(rate)};"
                " both must rise"
            )
        floor, rate = bracket.notional, bracket.maintenance_margin


def _calendars(config: Config) -> Iterator[str]:
    used = {one_name(symbol.calendar): symbol.calendar for symbol in config.symbols}
    told: dict[str, str] = {}
    for code, section in config.calendars.items():
        path, name = f"calendars.{code}", one_name(code)
        if name == ALWAYS_OPEN:
            yield f"{path}: it never closes, so it has no breaks"
        elif name not in used:
            yield f"{path}: no symbol has this calendar; they have {', '.join(sorted(used))}"
        elif name in told:
            yield f"{path}: it is {told[name]} by another name; say its breaks in one place"
        told[name] = code
        for number, each in enumerate(section.breaks):
            if each.start == each.end:
                yield f"{path}.breaks[{number}]: it ends when it begins"


def _jobs(config: Config) -> Iterator[str]:
    for name, job in config.jobs.items():
        yield from _one_job(f"jobs.{name}", job)


def _one_job(path: str, job: JobSection) -> Iterator[str]:
    if job.every is not None and job.at is not None:
        yield f"{path}: `every` and `at` exclude each other"
    if job.every is not None and (job.days is not None or job.timezone is not None):
        yield f"{path}: `days` and `timezone` belong to `at`, not to `every`"


def _paths(config: Config) -> Iterator[str]:
    length = len(bytes(config.socket))
    if length > SOCKET_PATH_BYTES:
        yield (
            f"daemon.socket: {config.socket} has {length} bytes;"
            f" a Unix socket's path may have {SOCKET_PATH_BYTES}"
        )
