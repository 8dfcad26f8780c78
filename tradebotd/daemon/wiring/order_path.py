"""Wiring of the order path: orders, positions, their exits, and reconciliation."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.daemon.wiring.exits import resting_venues, wire_exits
from tradebotd.daemon.wiring.reconciliation import Reconciliation, wire_reconciliation
from tradebotd.domain.ids import VenueName
from tradebotd.storage import order_statements
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.entries.entry_filters import EntryFilters
from tradebotd.trading.execution.placement import Placement
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.trading.instruments.refresh import InstrumentRefresh
from tradebotd.trading.prices.bad_ticks import BadTickFilter
from tradebotd.trading.venue_state.order_streams import OrderStreams


class OrderPath(NamedTuple):
    recorder: OrderRecorder
    placement: Placement
    exits: ExitManager
    reconciliation: Reconciliation
    streams: OrderStreams
    instruments: InstrumentRefresh
    entry_filters: EntryFilters


def wire_order_path(
    core: TradingCore,
    *,
    resting: Collection[VenueName] | None = None,
    limit_offsets: Mapping[VenueName, Decimal] = MappingProxyType({}),
) -> OrderPath:
    """Build the order path. *resting*: venues where stops rest (None: all that take them).

    *limit_offsets*: of stop-limits, by venue, as fractions of the stop.
    """
    core.database.prepare_for_orders(order_statements.ALL)
    bad_ticks = BadTickFilter(core.prices)
    recorder = OrderRecorder(
        database=core.database,
        clock=core.clock,
        instruments=core.instruments,
        specs=core.specs,
        currencies=CurrencyConverter(core.instruments.values(), bad_ticks, core.currency),
    )
    placement = Placement(
        database=core.database,
        venues=core.venues,
        recorder=recorder,
        clock=core.clock,
        lease=core.lease,
        nonce=core.nonce,
        host=core.host,
        bans=core.bans,
    )
    reconciliation = wire_reconciliation(core, recorder)
    recorder.subscribe_to_external_orders(reconciliation.external)
    exits = wire_exits(
        core,
        bad_ticks=bad_ticks,
        recorder=recorder,
        placement=placement,
        evidence=reconciliation.evidence,
        resting=resting,
        limit_offsets=limit_offsets,
    )
    instruments = InstrumentRefresh(
        database=core.database,
        clock=core.clock,
        venues=core.venues,
        by_symbol=core.symbols,
        specs=core.specs,
        held=lambda: list(exits.held.values()),
    )
    placement.subscribe_to_rejections(instruments.on_refused)
    placement.subscribe_to_unknown(reconciliation.looks.on_unknown)
    return OrderPath(
        recorder=recorder,
        placement=placement,
        exits=exits,
        reconciliation=reconciliation,
        streams=core.streams,
        instruments=instruments,
        entry_filters=EntryFilters(
            database=core.database,
            venues=core.venues,
            symbols=core.symbols,
            costs=instruments.costs,
            stops_rest_at=resting_venues(core.venues, resting),
        ),
    )
