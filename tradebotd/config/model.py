"""Model of the whole file, and the domain objects that the rest of the program gets from it."""

import hashlib
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr

from tradebotd.config.instrument_filters import instrument_of, stated_filters
from tradebotd.config.price_kinds import spread_of, told_kinds, trigger_price, wanted_kinds
from tradebotd.config.public_sections import (
    USUAL_CACHE,
    USUAL_RECORDS,
    USUAL_UNIVERSE,
    PublicDataSection,
    SymbolCacheSection,
    UniverseSection,
)
from tradebotd.config.sections import (
    AlertsSection,
    BotSection,
    CalendarSection,
    DaemonSection,
    DatabaseSection,
    ExitsSection,
    FeedSection,
    HealthSection,
    JobSection,
    RiskSection,
    SymbolSection,
    VenueSection,
)
from tradebotd.config.told_places import ToldPlaces
from tradebotd.config.values import AtrMultiple, NoStop, Section
from tradebotd.config.zone_database import zone
from tradebotd.domain.bot import (
    AccountLimits,
    BotSpec,
    DailyLimits,
    EntryKind,
    EntryRule,
    SizingKind,
    SizingRule,
)
from tradebotd.domain.calendar_aliases import one_name
from tradebotd.domain.exit_plan import BreakEven, ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.job import JobOverride
from tradebotd.domain.quote import PriceKind, Spread, TriggerPrice
from tradebotd.domain.timeframe import Timeframe

SIMULATED_KINDS = frozenset({"replay", "synthetic"})


class Config(Section):
    """Configuration; relative paths start from the file's directory, not the working directory."""

    daemon: DaemonSection = DaemonSection.model_construct()
    database: DatabaseSection = DatabaseSection.model_construct()
    feeds: Annotated[dict[str, FeedSection], Field(min_length=1)]
    venues: Annotated[dict[str, VenueSection], Field(min_length=1)]
    symbols: Annotated[list[SymbolSection], Field(min_length=1)]
    calendars: dict[str, CalendarSection] = Field(default_factory=dict)
    bots: list[BotSection] = Field(default_factory=list)
    risk: RiskSection = RiskSection.model_construct()
    jobs: dict[str, JobSection] = Field(default_factory=dict)
    symbol_cache: SymbolCacheSection = USUAL_CACHE
    public_data: PublicDataSection = USUAL_RECORDS
    universe: UniverseSection = USUAL_UNIVERSE
    health: HealthSection = HealthSection.model_construct()
    alerts: AlertsSection = AlertsSection.model_construct()

    _source: Path = PrivateAttr(default_factory=lambda: Path.cwd() / "config.toml")
    _places: ToldPlaces = PrivateAttr(default_factory=ToldPlaces)
    _fingerprint: str = PrivateAttr(default="")

    @property
    def source(self) -> Path:
        """File that the configuration was read from."""
        return self._source

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the file as it was read."""
        return self._fingerprint

    def read_from(self, source: Path, places: ToldPlaces | None = None) -> "Config":
        """Return a copy whose relative paths start from the directory of *source*. Blocks."""
        placed = self.model_copy()
        placed._source = source.absolute()  # noqa: SLF001  # our own, of a copy
        placed._places = places or ToldPlaces()  # noqa: SLF001
        placed._fingerprint = fingerprint(source)  # noqa: SLF001
        return placed

    def told(self, problem: str) -> str:
        """Return *problem* (`PATH: words`) with the name and the line of its subject."""
        return self._places.told(problem)

    def path(self, written: str) -> Path:
        return self._source.parent / at_home(written)

    @property
    def state_dir(self) -> Path:
        """Directory `state_dir`, else $STATE_DIRECTORY (systemd), else the XDG state home."""
        if self.daemon.state_dir is not None:
            return self.path(self.daemon.state_dir)
        return default_state_dir(os.environ)

    @property
    def state_dir_is_said(self) -> bool:
        """True if the file or systemd sets the state directory; else it depends on the user."""
        return self.daemon.state_dir is not None or bool(os.environ.get("STATE_DIRECTORY"))

    def kept_in(self, state_dir: Path) -> "Config":
        """Return a copy that keeps its state in *state_dir*."""
        said = self.daemon.model_copy(update={"state_dir": str(state_dir)})
        return self.model_copy(update={"daemon": said})

    @property
    def socket(self) -> Path:
        """Path `socket`, else $RUNTIME_DIRECTORY/tradebotd.sock (systemd), else in state_dir."""
        if self.daemon.socket is not None:
            return self.path(self.daemon.socket)
        runtime = os.environ.get("RUNTIME_DIRECTORY")
        return (Path(runtime.split(":")[0]) if runtime else self.state_dir) / "tradebotd.sock"

    @property
    def simulated(self) -> bool:
        """True if market time comes from the data."""
        return any(feed.kind in SIMULATED_KINDS for feed in self.feeds.values())

    @property
    def speed(self) -> float:
        """Market seconds per host second; 1 on the wall clock."""
        if not self.simulated:
            return 1.0
        return float(next(iter(self.feeds.values())).speed)

    def market_symbols(self) -> tuple[MarketSymbol, ...]:
        return tuple(self._market_symbol(section) for section in self.symbols)

    def bot_specs(self) -> tuple[BotSpec, ...]:
        return tuple(self._bot_spec(section) for section in self.bots)

    def bot_settings(self) -> dict[str, dict[str, Any]]:
        """Return each bot's table as JSON, by name. A dump of one bot would build a serializer."""
        tables = self.model_dump(mode="json", include={"bots"})["bots"]
        return {table["name"]: table for table in tables}

    def account_limits(self) -> AccountLimits:
        risk = self.risk
        return AccountLimits(
            currency=risk.currency,
            max_orders_per_minute=risk.max_orders_per_minute,
            max_open_positions=risk.max_open_positions,
            max_exposure=risk.max_exposure,
            max_daily_loss=risk.max_daily_loss,
            max_drawdown=risk.max_drawdown,
            price_collar=risk.price_collar,
            bad_tick=risk.bad_tick,
        )

    def job_overrides(self) -> dict[str, JobOverride]:
        return {
            name: JobOverride(
                every=job.every,
                at=job.at,
                days=job.days or (),
                timezone=job.timezone,
                enabled=job.enabled,
                soft_limit=job.soft_limit,
                hard_limit=job.hard_limit,
                grace=job.grace,
                retries=job.retries,
                only_when_open=job.only_when_open,
            )
            for name, job in self.jobs.items()
        }

    def bot_zone(self, bot: BotSection) -> str:
        return bot.timezone or self.daemon.timezone

    def starting_cash(self, venue: VenueSection) -> Mapping[str, Decimal]:
        """Return the venue's starting cash; 10,000 of the account's currency by default."""
        return venue.starting_cash or {self.risk.currency: Decimal(10_000)}

    def told_kinds(self, name: str) -> frozenset[PriceKind]:
        """Return the kinds of price that the feeds and the venue of a symbol tell."""
        symbol = next(symbol for symbol in self.symbols if symbol.symbol == name)
        return told_kinds(symbol, self.feeds, self.venues.get(symbol.venue))

    def venue_kinds(self, venue: str) -> frozenset[PriceKind]:
        """Return the kinds of price that are told of every symbol of a paper venue."""
        section = self.venues.get(venue)
        each = [told_kinds(one, self.feeds, section) for one in self.symbols if one.venue == venue]
        return frozenset(PriceKind).intersection(*each)

    def spreads(self) -> dict[str, Spread]:
        """Return how bid and ask stand around the last price, where no feed tells them."""
        found = (
            (symbol.symbol, spread_of(symbol, self.feeds, self.venues[symbol.venue]))
            for symbol in self.symbols
        )
        return {symbol: spread for symbol, spread in found if spread is not None}

    def _market_symbol(self, section: SymbolSection) -> MarketSymbol:
        base, quote = self._assets(section)
        return MarketSymbol(
            instrument=instrument_of(section, base, quote),
            feeds=tuple(FeedName(feed) for feed in section.feeds),
            timeframes=tuple(Timeframe(timeframe) for timeframe in section.timeframes),
            calendar=one_name(section.calendar),
            names=dict(section.names),
            stated=stated_filters(section),
        )

    def _assets(self, section: SymbolSection) -> tuple[str, str]:
        """Return base and quote asset; by default the account's currency is the quote asset.

        `check` has refused a symbol that does not end with that currency (`currency_checks`).
        """
        quote = section.quote_asset or self.risk.currency
        base = (
            section.base_asset or section.symbol.removesuffix(quote).rstrip("._-") or section.symbol
        )
        return base, quote

    def wanted_kinds(self) -> dict[str, frozenset[PriceKind]]:
        """Return by symbol the kinds of price, beside the last one, that its bots are ended by."""
        found = {
            each.symbol: wanted_kinds(each, self.bots, self.feeds, self.venues.get(each.venue))
            for each in self.symbols
        }
        return {symbol: kinds for symbol, kinds in found.items() if kinds}

    def _bot_spec(self, bot: BotSection) -> BotSpec:
        return BotSpec(
            name=BotName(bot.name),
            symbol=bot.symbol,
            timeframe=Timeframe(bot.timeframe),
            strategy=bot.strategy,
            params=dict(bot.params),
            position_type=PositionType(bot.position_type),
            allow_short=bot.allow_short,
            leverage=bot.leverage,
            initial_capital=bot.initial_capital,
            active=bot.active,
            sizing=SizingRule(
                kind=SizingKind(bot.sizing.kind),
                value=bot.sizing.value,
                multiple=bot.sizing.multiple,
                period=bot.sizing.period,
            ),
            entry=EntryRule(
                kind=EntryKind(bot.entry), offset=bot.entry_offset, lifetime=bot.entry_lifetime
            ),
            cooldown=bot.cooldown,
            exits=_exit_plan(bot.exits, trigger_price(bot, self.told_kinds(bot.symbol))),
            limits=DailyLimits(
                max_daily_trades=bot.limits.max_daily_trades,
                max_daily_loss=bot.limits.max_daily_loss,
                daily_target=bot.limits.daily_target,
                max_orders_per_minute=bot.limits.max_orders_per_minute,
            ),
            day_zone=zone(self.bot_zone(bot)),
        )


def fingerprint(path: Path) -> str:
    """Return a hash of the file's text; empty if it cannot be read. Blocks."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _exit_plan(exits: ExitsSection, trigger: TriggerPrice) -> ExitPlan:
    stop, profit, trailing = exits.stop_loss, exits.take_profit, exits.trailing_stop
    break_even = exits.break_even
    return ExitPlan(
        stop_loss=_fraction(stop),
        take_profit=_fraction(profit),
        trailing_stop=_fraction(trailing),
        stop_loss_atr=_multiple(stop),
        take_profit_atr=_multiple(profit),
        trailing_stop_atr=_multiple(trailing),
        atr_period=exits.atr_period,
        break_even=None
        if break_even is None
        else BreakEven(at=break_even.at, lock=break_even.lock),
        ladder=tuple(
            LadderStep(at=step.at, share=step.share)
            for step in sorted(exits.ladder, key=lambda rung: rung.at)
        ),
        max_holding=exits.max_holding,
        trigger_price=trigger,
    )


def _fraction(distance: Decimal | AtrMultiple | NoStop | None) -> Decimal | None:
    return distance if isinstance(distance, Decimal) else None


def _multiple(distance: Decimal | AtrMultiple | NoStop | None) -> Decimal | None:
    return distance.multiple if isinstance(distance, AtrMultiple) else None


def default_state_dir(environment: Mapping[str, str]) -> Path:
    """Return $STATE_DIRECTORY as set by systemd, else $XDG_STATE_HOME/tradebotd."""
    given = environment.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else at_home("~/.local/state")) / "tradebotd"


def at_home(written: str) -> Path:
    """*written* with `~` and `~user` as a shell reads them: kept where no such home is known."""
    try:
        return Path(written).expanduser()
    except RuntimeError:
        return Path(written)
