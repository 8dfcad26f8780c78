"""The order flow, wired: from a signal to a position, and from a price to an exit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from tradebotd.config.model import Config
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.market import Market
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.ports.venue import Replacement, Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.account.valuation import Account
from tradebotd.trading.bots.cycle import BotCycle
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.entry_prices import EntryPrices
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.execution.placement import Placement
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.exits.exit_changes import ExitChanges
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.operator.commands import AllHands
from tradebotd.trading.operator.flatten import Flatten
from tradebotd.trading.reconciliation.adoption import Adoption
from tradebotd.trading.reconciliation.reconciler import Reconciler
from tradebotd.venues.contained import contained
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue


@dataclass(slots=True, kw_only=True)
class Trading:
    """`specs` and `strategies` are changed in place by a reload."""

    specs: dict[BotName, BotSpec]
    symbols: Mapping[str, MarketSymbol]
    strategies: dict[BotName, AnyStrategy]
    gate: EntryGate
    protection: ExitManager
    points: TickRouter
    reconciler: Reconciler
    account: Account
    entries: Entries
    entry_orders: RestingEntries
    cycle: BotCycle
    adoption: Adoption
    lease: Lease
    venues: Mapping[VenueName, Venue]
    recorder: OrderRecorder
    flatten: Flatten
    hands: AllHands

    @property
    def receive_windows(self) -> list[timedelta]:
        return [venue.traits.receive_window for venue in self.venues.values()]


OrderPath = tuple[ExitManager, OrderRecorder, Placement]


def wire_trading(
    config: Config,
    files: LoadedFiles,
    database: Database,
    market: Market,
    lease: Lease,
    nonce: bytes,
) -> Trading:
    symbols = {symbol.symbol: symbol for symbol in files.symbols}
    specs = {spec.name: spec for spec in config.bot_specs()}
    strategies = dict(files.strategies)
    adapters = _venues(config, symbols, database, market)
    venues = contained(adapters)
    path = _order_path(config, files, database, market, symbols, specs, venues, lease, nonce)
    protection, recorder, placement = path
    gate = EntryGate(database, market.clock)
    entries = _entries(config, database, market, symbols, specs, venues, path, gate, lease)
    entry_orders = _entry_orders(database, market, venues, recorder, gate, specs)
    cycle = BotCycle(
        database=database,
        specs=specs,
        strategies=strategies,
        symbols=symbols,
        calendars=files.calendars,
        candles=market.reader,
        protection=protection,
        entries=entries,
        entry_orders=entry_orders,
        gate=gate,
        token=lease.token,
    )
    reconciler, adoption, flatten, hands = _by_hand(
        database,
        market,
        symbols,
        specs,
        venues,
        recorder,
        protection,
        gate,
        entry_orders,
        lease,
        nonce,
    )
    protection.use(placement, reconciler.evidence)
    for venue in venues.values():
        venue.listen(recorder.hear)
    return Trading(
        points=_points(market, adapters, protection, entry_orders),
        specs=specs,
        symbols=symbols,
        strategies=strategies,
        gate=gate,
        protection=protection,
        reconciler=reconciler,
        account=entries.account,
        entries=entries,
        entry_orders=entry_orders,
        cycle=cycle,
        adoption=adoption,
        lease=lease,
        venues=venues,
        recorder=recorder,
        flatten=flatten,
        hands=hands,
    )


def _points(
    market: Market,
    adapters: Mapping[VenueName, Venue],
    protection: ExitManager,
    entry_orders: RestingEntries,
) -> TickRouter:
    papers = [venue for venue in adapters.values() if isinstance(venue, PaperVenue)]
    nobody_attends = market.clock.speed == 0
    return TickRouter(
        protection,
        papers,
        protection.hours,
        market.prices,
        entry_orders if nobody_attends else None,
    )


def _order_path(
    config: Config,
    files: LoadedFiles,
    database: Database,
    market: Market,
    symbols: Mapping[str, MarketSymbol],
    specs: Mapping[BotName, BotSpec],
    venues: Mapping[VenueName, Venue],
    lease: Lease,
    nonce: bytes,
) -> OrderPath:
    protection = ExitManager(
        database=database,
        clock=market.clock,
        prices=market.prices,
        symbols=symbols,
        calendars=files.calendars,
        venues=venues,
        sequential=market.clock.speed == 0,
        resting={VenueName(name) for name, venue in config.venues.items() if venue.resting_stops},
    )
    recorder = OrderRecorder(
        database=database,
        clock=market.clock,
        instruments={name: symbol.instrument for name, symbol in symbols.items()},
        specs=specs,
        watcher=protection,
        currencies=CurrencyConverter(
            (symbol.instrument for symbol in symbols.values()),
            protection.doubts,
            config.risk.currency,
        ),
    )
    placement = Placement(
        database=database,
        venues=venues,
        recorder=recorder,
        clock=market.clock,
        lease=lease,
        nonce=nonce,
    )
    return protection, recorder, placement


def _entry_orders(
    database: Database,
    market: Market,
    venues: Mapping[VenueName, Venue],
    recorder: OrderRecorder,
    gate: EntryGate,
    specs: Mapping[BotName, BotSpec],
) -> RestingEntries:
    """Hears of everything that may stop what rests."""
    entry_orders = RestingEntries(
        database=database,
        clock=market.clock,
        venues=venues,
        recorder=recorder,
        gate=gate,
        specs=specs,
        sequential=market.clock.speed == 0,
    )
    gate.listen(entry_orders.stir)
    recorder.on_fill = entry_orders.stir
    return entry_orders


def _by_hand(
    database: Database,
    market: Market,
    symbols: Mapping[str, MarketSymbol],
    specs: Mapping[BotName, BotSpec],
    venues: Mapping[VenueName, Venue],
    recorder: OrderRecorder,
    protection: ExitManager,
    gate: EntryGate,
    entry_orders: RestingEntries,
    lease: Lease,
    nonce: bytes,
) -> tuple[Reconciler, Adoption, Flatten, AllHands]:
    """What asks the venues, and what an operator can ask for."""
    reconciler = Reconciler(
        database=database,
        venues=venues,
        symbols=symbols,
        specs=specs,
        recorder=recorder,
        clock=market.clock,
    )
    adoption = Adoption(
        database=database,
        venues=venues,
        symbols=symbols,
        specs=specs,
        recorder=recorder,
        reconciler=reconciler,
        clock=market.clock,
        lease=lease,
        nonce=nonce,
    )
    flatten = Flatten(
        database=database,
        clock=market.clock,
        gate=gate,
        entry_orders=entry_orders,
        closer=protection,
        reconciler=reconciler,
    )
    hands = AllHands(
        database=database,
        protection=protection,
        gate=gate,
        flatten=flatten,
        adoption=adoption,
        changes=ExitChanges(
            database=database, prices=market.prices, symbols=symbols, watcher=protection
        ),
    )
    return reconciler, adoption, flatten, hands


def _entries(
    config: Config,
    database: Database,
    market: Market,
    symbols: Mapping[str, MarketSymbol],
    specs: Mapping[BotName, BotSpec],
    venues: Mapping[VenueName, Venue],
    path: OrderPath,
    gate: EntryGate,
    lease: Lease,
) -> Entries:
    protection, _, placement = path
    account = Account(
        database=database,
        venues=venues,
        prices=protection.doubts,
        symbols=symbols,
        specs=specs,
        name=lease.account,
        currency=config.risk.currency,
        zone=ZoneInfo(config.daemon.timezone),
        shares=market.clock.speed > 0,
    )
    return Entries(
        database=database,
        account=account,
        prices=EntryPrices(
            prices=market.prices,
            venues=venues,
            clock=market.clock,
            resolution=lambda symbol: market.ingest.base(symbol).duration,
        ),
        placement=placement,
        gate=gate,
        limits=config.account_limits(),
    )


def _venues(
    config: Config, symbols: Mapping[str, MarketSymbol], database: Database, market: Market
) -> dict[VenueName, Venue]:
    instruments = {name: symbol.instrument for name, symbol in symbols.items()}
    venues: dict[VenueName, Venue] = {}
    for key, section in config.venues.items():
        if section.kind != "paper":
            raise ConfigError([f"venues.{key}.kind: {section.kind!r} is not available"])
        name = VenueName(key)
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
        )
        venues[name] = PaperVenue(name, market.clock, market.prices, database, terms, instruments)
    return venues
