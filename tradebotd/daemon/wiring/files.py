"""Files read before the loop starts, since reading blocks: recordings, calendars, schedules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import SecretStr

from tradebotd.config.all_warnings import config_warnings
from tradebotd.config.cross_checks import any_file
from tradebotd.config.load import load_config
from tradebotd.config.model import Config
from tradebotd.config.public_places import kind_of, places
from tradebotd.config.secrets import VenueKey, read_secret, venue_keys
from tradebotd.config.warning import ConfigWarning
from tradebotd.daemon.calendar_files import data_spans, declared_breaks, read_calendars
from tradebotd.daemon.recorded_bots import idle_bots, timeframe_problems
from tradebotd.domain.calendar_aliases import one_name
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import JobSpec
from tradebotd.jobs.default_schedule import default_specs, with_overrides
from tradebotd.market.sessions import Calendar
from tradebotd.storage.migration_files import Migration, load_migrations
from tradebotd.strategies.base import AnyStrategy
from tradebotd.strategies.registry import load_strategy

if TYPE_CHECKING:  # the readers of files cost a start that reads none
    from tradebotd.feeds.replay import Recordings

Problems = Callable[[Config], list[str]]
SIGNED_BY_BINANCE: Final = frozenset({"binance_spot", "binance_usdm"})


@dataclass(frozen=True, slots=True)
class LoadedFiles:
    """`warnings`: what `check` warns of in the configuration, by the prices of the recordings."""

    symbols: tuple[MarketSymbol, ...]
    calendars: Mapping[str, Calendar]
    recordings: Mapping[FeedName, "Recordings"]
    specs: tuple[JobSpec, ...]
    strategies: Mapping[BotName, AnyStrategy]
    migrations: tuple[Migration, ...]
    keys: Mapping[str, VenueKey]
    warnings: tuple[ConfigWarning, ...] = ()
    feed_keys: Mapping[FeedName, SecretStr] = field(default_factory=dict)
    feed_secrets: Mapping[FeedName, SecretStr] = field(default_factory=dict)

    def problems_of(self, config: Config) -> list[str]:
        """Problems of another *config* beside these recordings."""
        return list(timeframe_problems(config, self.symbols, self.recordings))

    def idle_bots(self, config: Config) -> list[str]:
        """Bots that nothing recorded is long enough for, in words."""
        return list(idle_bots(config, self.symbols, self.recordings, self.strategies))

    def prices(self) -> dict[str, Decimal]:
        """Return each symbol's last recorded price, to judge sizes and distances by."""
        prices: dict[str, Decimal] = {}
        for recorded in self.recordings.values():
            prices = {**recorded.last_closes(), **prices}
        return prices


def load(path: Path, further: Problems = lambda _: []) -> tuple[Config, LoadedFiles]:
    """The configuration and what it points to. Raises ConfigError with every problem of both.

    *further* names those that only the caller's purpose has.
    """
    read: list[LoadedFiles] = []

    def problems_of_files(config: Config) -> list[str]:
        problems = list(further(config))
        try:
            read.append(read_files(config))
        except ConfigError as error:
            problems += error.problems
        return problems

    config = load_config(path, problems_of_files)
    files = read[0]
    return config, replace(files, warnings=tuple(config_warnings(config, files.prices())))


def read_files(config: Config) -> LoadedFiles:
    """Read what a configuration points to, sound or not: without warnings of it.

    Raises ConfigError with every problem of every kind of file.
    """
    problems: list[str] = []
    symbols = config.market_symbols()
    calendars: dict[str, Calendar] = {}
    specs: tuple[JobSpec, ...] = ()
    strategies: dict[BotName, AnyStrategy] = {}
    recordings = _recordings(config, symbols, problems)
    problems += timeframe_problems(config, symbols, recordings)
    try:
        calendars = read_calendars(
            symbols, data_spans(config, symbols, recordings), declared_breaks(config)
        )
    except ConfigError as error:
        problems += error.problems
    try:
        specs = job_specs(config)
    except ConfigError as error:
        problems += error.problems
    try:
        strategies = load_strategies(config)
    except ConfigError as error:
        problems += error.problems
    keys = _venue_keys(config, problems)
    if problems:
        raise ConfigError(problems)
    return LoadedFiles(
        symbols,
        calendars,
        recordings,
        specs,
        strategies,
        load_migrations(),
        keys,
        feed_keys=_feed_keys(config, symbols, "api_key"),
        feed_secrets=_feed_keys(config, symbols, "api_secret"),
    )


def _venue_keys(config: Config, problems: list[str]) -> dict[str, VenueKey]:
    """Read the keys of real venues; add what is none to *problems*. Missing ones `check` names."""
    try:
        keys = venue_keys(config)
    except ConfigError:
        return {}  # the file's own checks have named it
    for name in keys:
        if config.venues[name].kind in SIGNED_BY_BINANCE:
            from tradebotd.venues.binance.signing import signer_of  # noqa: PLC0415

            try:
                secret = keys[name].api_secret.get_secret_value()
                signer_of(secret, f"venues.{name}.api_secret")
            except ConfigError as error:
                problems += error.problems
    return keys


def _feed_keys(
    config: Config, symbols: Sequence[MarketSymbol], which: Literal["api_key", "api_secret"]
) -> dict[FeedName, SecretStr]:
    """Read *which* of every feed in use; one that cannot be read is no problem of its own."""
    keys: dict[FeedName, SecretStr] = {}
    used = used_feeds(symbols)
    for name, feed in config.feeds.items():
        reference = feed.api_key if which == "api_key" else feed.api_secret
        if reference is None or name not in used:
            continue
        try:
            keys[FeedName(name)] = read_secret(reference, f"feeds.{name}.{which}", config)
        except ConfigError:
            continue  # told by the checks of the file
    return keys


def _recordings(
    config: Config, symbols: Sequence[MarketSymbol], problems: list[str]
) -> dict[FeedName, "Recordings"]:
    """Read the files of every feed in use; add their problems to *problems*."""
    recordings: dict[FeedName, Recordings] = {}
    used = used_feeds(symbols)
    for key, feed in config.feeds.items():
        name = FeedName(key)
        replays = feed.kind == "replay" and feed.path is not None and name in used
        if not replays or feed.path is None or not any_file(config, feed.path):
            continue
        from tradebotd.feeds.replay import load_recordings  # noqa: PLC0415 - where there is a file

        try:
            recordings[name] = load_recordings(name, str(config.path(feed.path)), symbols)
        except ConfigError as error:
            problems += error.problems
    return recordings


def used_feeds(symbols: Sequence[MarketSymbol]) -> frozenset[FeedName]:
    """Return the feeds that symbols use; others have no data and must not set the start of time."""
    return frozenset(name for symbol in symbols for name in symbol.feeds)


def load_strategies(config: Config) -> dict[BotName, AnyStrategy]:
    """Load every bot's strategy. Raises ConfigError."""
    strategies: dict[BotName, AnyStrategy] = {}
    problems: list[str] = []
    for number, bot in enumerate(config.bots):
        try:
            strategies[BotName(bot.name)] = load_strategy(
                bot.strategy, bot.params, base_dir=config.path(".")
            )
        except ConfigError as error:
            problems += [f"bots[{number}].{problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return strategies


def job_specs(config: Config) -> tuple[JobSpec, ...]:
    """Return the default schedule with the configuration's overrides. Raises ConfigError."""
    calendars = {one_name(symbol.calendar) for symbol in config.symbols}
    zones = {config.bot_zone(bot) for bot in config.bots}
    public = set() if config.simulated else {kind_of(place) for place in places(config)}
    specs = default_specs(calendars=calendars, zones=zones, public=public)
    return with_overrides(specs, config.job_overrides(), timezone=config.daemon.timezone)


def closes_after(
    calendars: Mapping[str, Calendar], code: str, instant: datetime
) -> datetime | None:
    """Return the first close of calendar *code* after *instant*."""
    return calendars[code].next_close(instant)
