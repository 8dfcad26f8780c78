"""Wiring of the order flow: from a signal to a position, and from a price to an exit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tradebotd.clocks.host import SystemHost
from tradebotd.config.model import Config
from tradebotd.config.zone_database import zone
from tradebotd.daemon.wiring import venues as venue_wiring
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.market import Market
from tradebotd.daemon.wiring.order_path import OrderPath, wire_order_path
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.venue_ban import VenueBans
from tradebotd.ports.venue import Venue
from tradebotd.storage.postgres.database import Database
from tradebotd.strategies.base import AnyStrategy
from tradebotd.trading.account.valuation import Account
from tradebotd.trading.bots.cycle import BotCycle
from tradebotd.trading.entries.entries import Entries
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.entry_prices import EntryPrices
from tradebotd.trading.entries.resting_entries import RestingEntries
from tradebotd.trading.entries.symbol_setups import SymbolSetups
from tradebotd.trading.execution.lease import Lease
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.exits.exit_changes import ExitChanges
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.instruments.refresh import InstrumentRefresh
from tradebotd.trading.operator.commands import OperatorCommands
from tradebotd.trading.operator.flatten import Flatten
from tradebotd.trading.reconciliation.adoption import Adoption
from tradebotd.trading.reconciliation.prompt_looks import PromptLooks
from tradebotd.trading.reconciliation.reconciler import Reconciler
from tradebotd.trading.venue_state.order_streams import OrderStreams
from tradebotd.trading.venue_state.server_clocks import ServerClocks
from tradebotd.trading.venue_state.venue_keys import VenueKeys
from tradebotd.venues.contained import contained
from tradebotd.venues.paper.venue import PaperVenue


@dataclass(slots=True, kw_only=True)
class Trading:
    """Parts of the order flow; a reload changes `specs` and `strategies` in place."""

    specs: dict[BotName, BotSpec]
    symbols: Mapping[str, MarketSymbol]
    strategies: dict[BotName, AnyStrategy]
    gate: EntryGate
    protection: ExitManager
    points: TickRouter
    reconciler: Reconciler
    looks: PromptLooks
    account: Account
    entries: Entries
    entry_orders: RestingEntries
    cycle: BotCycle
    adoption: Adoption
    lease: Lease
    venues: Mapping[VenueName, Venue]
    recorder: OrderRecorder
    flatten: Flatten
    commands: OperatorCommands
    streams: OrderStreams
    clocks: ServerClocks
    keys: VenueKeys
    instruments: InstrumentRefresh

    @property
    def receive_windows(self) -> list[timedelta]:
        return [venue.traits.receive_window for venue in self.venues.values()]


def wire_trading(
    config: Config,
    files: LoadedFiles,
    database: Database,
    market: Market,
    lease: Lease,
    nonce: bytes,
) -> Trading:
    symbols = {symbol.symbol: symbol for symbol in files.symbols}
    calendars = {name: files.calendars[symbol.calendar] for name, symbol in symbols.items()}
    adapters = venue_wiring.wire_venues(config, files, symbols, database, market, calendars)
    bans = VenueBans()
    core = TradingCore(
        database=database,
        clock=market.clock,
        venues=contained(adapters, bans),
        bans=bans,
        symbols=symbols,
        calendars=files.calendars,
        prices=market.prices,
        specs={spec.name: spec for spec in config.bot_specs()},
        lease=lease,
        nonce=nonce,
        currency=config.risk.currency,
        sequential=market.clock.speed == 0,
    )
    resting = {VenueName(name) for name, venue in config.venues.items() if venue.resting_stops}
    offsets = {VenueName(name): venue.stop_limit_offset for name, venue in config.venues.items()}
    path = wire_order_path(core, resting=resting, limit_offsets=offsets)
    return _compose(config, files, market, core, adapters, path)


def _compose(
    config: Config,
    files: LoadedFiles,
    market: Market,
    core: TradingCore,
    adapters: Mapping[VenueName, Venue],
    path: OrderPath,
) -> Trading:
    gate = EntryGate(core.database, core.clock, core.holds)
    resting_entries = _resting_entries(core, path.recorder, gate)
    entries = _entries(config, market, core, path, gate)
    strategies = dict(files.strategies)
    reconciler = path.reconciliation.reconciler
    flatten = Flatten(
        database=core.database,
        clock=core.clock,
        gate=gate,
        resting_entries=resting_entries,
        closer=path.exits,
        reconciler=reconciler,
    )
    for venue in core.venues.values():
        venue.listen(path.recorder.on_order_report, path.streams.listener(venue))
    return Trading(
        specs=core.specs,
        symbols=core.symbols,
        strategies=strategies,
        gate=gate,
        protection=path.exits,
        points=_tick_router(market, adapters, path.exits, resting_entries),
        reconciler=reconciler,
        looks=path.reconciliation.looks,
        account=entries.account,
        entries=entries,
        entry_orders=resting_entries,
        cycle=_cycle(
            core, market, path, strategies, entries=entries, resting=resting_entries, gate=gate
        ),
        adoption=path.reconciliation.adoption,
        lease=core.lease,
        venues=core.venues,
        recorder=path.recorder,
        flatten=flatten,
        commands=_commands(core, path, gate, flatten),
        streams=path.streams,
        clocks=_clocks(config, core),
        keys=VenueKeys(adapters, core.holds),
        instruments=path.instruments,
    )


def _clocks(config: Config, core: TradingCore) -> ServerClocks:
    return ServerClocks(
        database=core.database,
        clock=core.clock,
        host=core.host or SystemHost(),
        holds=core.holds,
        venues=core.venues,
        symbols=core.symbols,
        calendars=core.calendars,
        limits={VenueName(name): each.max_clock_offset for name, each in config.venues.items()},
    )


def _tick_router(
    market: Market,
    adapters: Mapping[VenueName, Venue],
    exits: ExitManager,
    resting_entries: RestingEntries,
) -> TickRouter:
    papers = [venue for venue in adapters.values() if isinstance(venue, PaperVenue)]
    nobody_attends = market.clock.speed == 0
    return TickRouter(
        exits, papers, exits.hours, market.prices, resting_entries if nobody_attends else None
    )


def _resting_entries(core: TradingCore, recorder: OrderRecorder, gate: EntryGate) -> RestingEntries:
    """Build the resting entries; the gate and fills notify them, as both may stop an entry."""
    resting = RestingEntries(
        database=core.database,
        clock=core.clock,
        venues=core.venues,
        recorder=recorder,
        gate=gate,
        specs=core.specs,
        sequential=core.sequential,
    )
    gate.subscribe(resting.mark_dirty)
    recorder.subscribe_to_fills(resting.mark_dirty)
    return resting


def _entries(
    config: Config, market: Market, core: TradingCore, path: OrderPath, gate: EntryGate
) -> Entries:
    account = Account(
        database=core.database,
        venues=core.venues,
        prices=path.exits.bad_ticks,
        symbols=core.symbols,
        specs=core.specs,
        name=core.lease.account,
        currency=core.currency,
        zone=zone(config.daemon.timezone),
        shares=core.clock.speed > 0,
        hedge=core.hedge,
    )
    return Entries(
        database=core.database,
        account=account,
        prices=EntryPrices(
            prices=core.prices,
            venues=core.venues,
            clock=core.clock,
            resolution=lambda symbol: market.ingest.base(symbol).duration,
        ),
        placement=path.placement,
        gate=gate,
        filters=path.entry_filters,
        setups=SymbolSetups(core.database, core.venues, core.host or SystemHost()),
        limits=config.account_limits(),
    )


def _cycle(
    core: TradingCore,
    market: Market,
    path: OrderPath,
    strategies: dict[BotName, AnyStrategy],
    *,
    entries: Entries,
    resting: RestingEntries,
    gate: EntryGate,
) -> BotCycle:
    return BotCycle(
        database=core.database,
        specs=core.specs,
        strategies=strategies,
        symbols=core.symbols,
        calendars=core.calendars,
        candles=market.reader,
        exits=path.exits,
        entries=entries,
        resting_entries=resting,
        gate=gate,
        token=core.lease.token,
    )


def _commands(
    core: TradingCore, path: OrderPath, gate: EntryGate, flatten: Flatten
) -> OperatorCommands:
    changes = ExitChanges(
        database=core.database, prices=core.prices, symbols=core.symbols, tracker=path.exits
    )
    return OperatorCommands(
        database=core.database,
        exits=path.exits,
        gate=gate,
        flatten=flatten,
        adoption=path.reconciliation.adoption,
        changes=changes,
    )
