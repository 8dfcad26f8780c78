"""Wiring of what asks venues for public facts: symbols, records, and the watchlist."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tradebotd.config.model import Config
from tradebotd.config.public_checks import NEW_YORK, screened_from
from tradebotd.config.public_places import Place, kind_of, places_by_name, recorded_at
from tradebotd.config.real_venues import addresses_of
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.market import Market
from tradebotd.domain.ids import FeedName, SymbolId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, PositionType
from tradebotd.jobs.ingest_orderbook import IngestOrderbook
from tradebotd.jobs.ingest_trades import IngestTrades
from tradebotd.jobs.universe_screen import UniverseScreen
from tradebotd.jobs.warmup_symbols import WarmupSymbols
from tradebotd.market.screening import ScreenRules
from tradebotd.market.symbol_cache import CacheRules, SymbolCache
from tradebotd.market.tradable_assets import TradableAssets
from tradebotd.market.watchlist import Watchlist
from tradebotd.ports.public_market import PublicMarket, RecordedSymbol, ScreenedAssets
from tradebotd.scheduling.job import Job
from tradebotd.storage.postgres.database import Database

DOLLARS: Final = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFacts:
    """*markets*: one a place. *assets*: what is screened; None: nothing."""

    markets: Mapping[Place, PublicMarket]
    cache: SymbolCache
    assets: ScreenedAssets | None


def _facts(config: Config, files: LoadedFiles, database: Database, market: Market) -> PublicFacts:
    """Build the markets of the file's places; a simulated configuration has none."""
    by_name = {} if config.simulated else places_by_name(config)
    markets = {place: _market(place, market) for place in dict.fromkeys(by_name.values())}
    section = config.symbol_cache
    rules = CacheRules(
        quote_asset=section.quote_asset,
        popular=tuple(section.popular),
        keep_for=section.keep_for,
    )
    cache = SymbolCache(database=database, clock=market.clock, rules=rules)
    assets: ScreenedAssets | None = None
    source = screened_from(config)
    if source in by_name:
        assets = TradableAssets(markets[by_name[source]], cache)
    elif source is not None and not config.simulated:
        assets = _shares(config, files, market, source)
    return PublicFacts(markets=markets, cache=cache, assets=assets)


def public_jobs(
    config: Config, files: LoadedFiles, database: Database, market: Market
) -> list[Job]:
    facts = _facts(config, files, database, market)
    recorded = [
        RecordedSymbol(symbol, at.name, facts.markets[at.place])
        for symbol, at in recorded_at(config).items()
        if at.place in facts.markets
    ]
    return [
        *(
            WarmupSymbols(
                kind=kind,
                listings=[m for place, m in facts.markets.items() if kind_of(place) is kind],
                cache=facts.cache,
            )
            for kind in PositionType
        ),
        IngestTrades(
            database=database,
            clock=market.clock,
            symbols=recorded,
        ),
        IngestOrderbook(
            database=database,
            clock=market.clock,
            symbols=recorded,
            levels=config.public_data.levels,
        ),
        UniverseScreen(
            database=database,
            clock=market.clock,
            assets=facts.assets,
            rules=_rules(config),
            random=Random(),  # noqa: S311 - of samples
        ),
    ]


def watchlist(
    config: Config,
    files: LoadedFiles,
    database: Database,
    symbol_ids: MutableMapping[str, SymbolId],
) -> Watchlist | None:
    """Return what `realtime_pull` takes along; None where the file does not say so."""
    told = config.universe.pull_from
    if told is None:
        return None
    screened = screened_from(config) or ""
    source, places = config.venues.get(screened), places_by_name(config)
    of_shares = source is not None and source.kind == "alpaca"
    return Watchlist(
        database=database,
        source=places[screened].name if screened in places else screened,
        feed=FeedName(told),
        quote_asset=DOLLARS if of_shares else config.symbol_cache.quote_asset,
        calendar=NEW_YORK if of_shares else ALWAYS_OPEN,
        configured={name for each in files.symbols for name in (each.symbol, each.name_at(told))},
        symbol_ids=symbol_ids,
    )


def _market(place: Place, market: Market) -> PublicMarket:
    from tradebotd.daemon.wiring.binance_feed import binance_market  # noqa: PLC0415 - not for all

    made = binance_market(place, market.outside)
    market.outside.closes(made.close)
    return made


def _shares(
    config: Config, files: LoadedFiles, market: Market, source: str
) -> ScreenedAssets | None:
    from tradebotd.venues.alpaca.building import build_screening  # noqa: PLC0415 - not for all

    section = config.venues[source]
    made = build_screening(
        VenueName(source),
        addresses_of(section),
        files.keys[source],
        config.universe.exchanges,
        host=market.outside.host,
        gates=market.outside.gates,
        feed=section.data_feed,
    )
    market.outside.closes(made.close)
    return made


def _rules(config: Config) -> ScreenRules:
    told = config.universe
    return ScreenRules(
        sample=told.sample,
        size=told.size,
        min_price=told.min_price,
        max_price=told.max_price,
        min_turnover=told.min_turnover,
        min_volatility=told.min_volatility,
        max_volatility=told.max_volatility,
    )
