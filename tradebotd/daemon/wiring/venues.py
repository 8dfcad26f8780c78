"""Wiring of the venues: each adapter is imported where the file names its kind, and not else."""

from collections.abc import Mapping
from datetime import timedelta

from tradebotd.config.instrument_filters import order_types_of
from tradebotd.config.model import Config
from tradebotd.config.real_venues import addresses_of
from tradebotd.config.secrets import VenueKey
from tradebotd.config.sections import VenueSection
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.market import Market
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order_type import TimeInForce
from tradebotd.market.calendars import Calendar
from tradebotd.ports.venue import Replacement, SelfTrade, Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue


def wire_venues(
    config: Config,
    files: LoadedFiles,
    symbols: Mapping[str, MarketSymbol],
    database: Database,
    market: Market,
    calendars: Mapping[str, Calendar],
) -> dict[VenueName, Venue]:
    """Build an adapter for each venue of the file. Raises ConfigError."""
    venues: dict[VenueName, Venue] = {}
    outside = RealVenues(symbols, market.outside)
    for key, section in config.venues.items():
        name = VenueName(key)
        match section.kind:
            case "paper":
                venues[name] = _paper(config, name, symbols, database, market, calendars)
            case "binance_spot":
                venues[name] = outside.binance_spot(name, section, files.keys[key])
            case "alpaca":
                venues[name] = outside.alpaca(name, section, files.keys[key])
            case "binance_usdm":
                venues[name] = outside.binance_usdm(name, section, files.keys[key])
            case _:
                raise ConfigError([f"venues.{key}.kind: {section.kind!r} is not available"])
    return venues


class RealVenues:
    """Builder of real venues. Those that ask one address share its limits, so they share a gate."""

    def __init__(self, symbols: Mapping[str, MarketSymbol], outside: Outside) -> None:
        self._symbols, self._outside = symbols, outside

    def _traded_at(self, venue: VenueName) -> list[MarketSymbol]:
        return [each for each in self._symbols.values() if each.instrument.venue == venue]

    def binance_spot(self, name: VenueName, section: VenueSection, key: VenueKey) -> Venue:
        from tradebotd.venues.binance.spot.building import build_spot  # noqa: PLC0415

        return build_spot(
            name,
            addresses_of(section),
            key,
            self._traded_at(name),
            host=self._outside.host,
            gates=self._outside.gates,
            live=section.live,
            allow_unrestricted_key=section.allow_unrestricted_key,
            max_clock_offset=section.max_clock_offset,
        )

    def alpaca(self, name: VenueName, section: VenueSection, key: VenueKey) -> Venue:
        from tradebotd.venues.alpaca.building import build_alpaca  # noqa: PLC0415

        return build_alpaca(
            name,
            addresses_of(section),
            key,
            self._traded_at(name),
            host=self._outside.host,
            gates=self._outside.gates,
            live=section.live,
            feed=section.data_feed,
            max_clock_offset=section.max_clock_offset,
        )

    def binance_usdm(self, name: VenueName, section: VenueSection, key: VenueKey) -> Venue:
        from tradebotd.venues.binance.usdm.building import build_usdm  # noqa: PLC0415

        return build_usdm(
            name,
            addresses_of(section),
            key,
            self._traded_at(name),
            host=self._outside.host,
            gates=self._outside.gates,
            live=section.live,
            allow_unrestricted_key=section.allow_unrestricted_key,
            max_clock_offset=section.max_clock_offset,
        )


def _paper(
    config: Config,
    name: VenueName,
    symbols: Mapping[str, MarketSymbol],
    database: Database,
    market: Market,
    calendars: Mapping[str, Calendar],
) -> Venue:
    section = config.venues[name]
    terms = PaperTerms(
        starting_cash=config.starting_cash(section),
        maker=section.fees.maker,
        taker=section.fees.taker,
        slippage_bps=section.slippage_bps,
        spread_bps=section.spread_bps,
        fee_in_base=section.fee_asset == "base",
        funding_rate=section.funding_rate,
        funding_every=section.funding_every,
        resting_stops=section.resting_stops,
        replacement=Replacement(section.replacement),
        self_trade=SelfTrade(section.self_trade),
        order_types=order_types_of(section.order_types),
        stop_time_in_force=TimeInForce(section.stop_time_in_force),
        latency=timedelta(milliseconds=section.latency_ms),
        depth_notional=section.depth_notional,
    )
    return PaperVenue(
        name,
        market.clock,
        market.prices,
        database,
        terms,
        {symbol: each.instrument for symbol, each in symbols.items()},
        price_kinds=config.venue_kinds(name),
        day_end=lambda symbol, at: calendars[symbol].next_close(at),
    )
