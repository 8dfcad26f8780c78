"""Wiring of the exits; `trading/exits/__init__.py` says which part may act."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.market.calendars import Calendar
from tradebotd.ports.venue import Venue
from tradebotd.trading.condition_alerts import Unprotected
from tradebotd.trading.execution.placement import Placement
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.exits.backoff import RetryTimers
from tradebotd.trading.exits.exit_holds import ExitHolds
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.level_times import LevelTimes
from tradebotd.trading.exits.manager import ExitManager, ExitParts
from tradebotd.trading.exits.market_exits import MarketExits, SweepResult
from tradebotd.trading.exits.orphaned_exits import OrphanedExits
from tradebotd.trading.exits.refused_stops import RefusedStops
from tradebotd.trading.exits.resting_rounds import RestingRounds
from tradebotd.trading.exits.resting_stops import RestingStops
from tradebotd.trading.exits.shortfalls import Shortfalls
from tradebotd.trading.exits.sweep import Sweep
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.exits.unfilled_stops import UnfilledStops
from tradebotd.trading.exits.unprotected_times import UnprotectedTimes
from tradebotd.trading.prices.bad_ticks import BadTickFilter
from tradebotd.trading.prices.fresh_prices import FreshPrices
from tradebotd.trading.prices.split_pauses import SplitPauses
from tradebotd.trading.reconciliation.exit_evidence import ExitEvidence
from tradebotd.trading.venue_state.ban_alerts import BanAlerts


def wire_exits(
    core: TradingCore,
    *,
    bad_ticks: BadTickFilter,
    recorder: OrderRecorder,
    placement: Placement,
    evidence: ExitEvidence,
    resting: Collection[VenueName] | None,
    limit_offsets: Mapping[VenueName, Decimal],
) -> ExitManager:
    """Build the exit manager. *resting*: venues where stops rest (None: all that take them)."""
    hours = _hours(core)
    level_times, tracked = _tracked(core, bad_ticks)
    pauses = SplitPauses(core.database, core.clock, hours)
    venues = resting_venues(core.venues, resting)
    shortfalls = Shortfalls(
        database=core.database, clock=core.clock, venues=core.venues, symbols=core.symbols
    )
    refusals = RefusedStops(
        core.clock, core.prices, core.symbols, venues, level_times.of, shortfalls
    )
    groups, stops = _resting(core, placement, evidence, refusals, limit_offsets)
    timers, unfilled = RetryTimers(), UnfilledStops(core.database, core.clock)
    holds = _holds(core, placement, stops, pauses, timers, unfilled)
    market_exits = MarketExits(
        placement=groups,
        database=core.database,
        clock=core.clock,
        venues=core.venues,
        symbols=core.symbols,
        calendars=core.calendars,
        listeners=recorder.positions,
        tracked=tracked,
        prices=core.prices,
        holds=holds,
        timers=timers,
        shortfalls=shortfalls,
        sequential=core.sequential,
    )
    orphaned = OrphanedExits(groups, core.clock, sequential=core.sequential)
    fresh = _fresh(core, bad_ticks, level_times)
    parts = ExitParts(
        tracked=tracked,
        bad_ticks=bad_ticks,
        symbol_pauses=pauses,
        fresh=fresh,
        market_exits=market_exits,
        holds=holds,
        resting=stops,
        rounds=_rounds(core, stops, orphaned, tracked, market_exits, unfilled),
        orphaned=orphaned,
        sweep=_sweep(
            core,
            tracked,
            fresh,
            bad_ticks=bad_ticks,
            market_exits=market_exits,
            stops=stops,
            pauses=pauses,
        ),
        unprotected=Unprotected(core.database, core.clock),
        unfilled=unfilled,
        bans=core.bans,
        ban_alerts=BanAlerts(core.database, core.clock, core.bans),
        hours=hours,
    )
    manager = ExitManager(parts, clock=core.clock, prices=core.prices, writes=core.database.writes)
    recorder.subscribe(manager)
    return manager


def _holds(
    core: TradingCore,
    placement: Placement,
    stops: RestingStops,
    pauses: SplitPauses,
    timers: RetryTimers,
    unfilled: UnfilledStops,
) -> ExitHolds:
    return ExitHolds(
        clock=core.clock,
        pauses=pauses,
        resting=stops,
        placement=placement,
        timers=timers,
        unfilled=unfilled,
        symbols=core.symbols,
    )


def _rounds(
    core: TradingCore,
    stops: RestingStops,
    orphaned: OrphanedExits,
    tracked: TrackedPositions,
    market_exits: MarketExits,
    unfilled: UnfilledStops,
) -> RestingRounds:
    async def end(exits: Sequence[ExitIntent], result: SweepResult) -> None:
        await market_exits.close_all(exits, result)
        await unfilled.store()

    return RestingRounds(
        stops,
        orphaned=orphaned,
        tracked=tracked,
        end=end,
        sequential=core.sequential,
    )


def _tracked(core: TradingCore, bad_ticks: BadTickFilter) -> tuple[LevelTimes, TrackedPositions]:
    level_times = LevelTimes(core.clock, lambda name: _echoes(core, name))
    return level_times, TrackedPositions(
        core.database, level_times, core.symbols, core.calendars, lambda: bad_ticks.limit
    )


def _echoes(core: TradingCore, name: VenueName) -> bool:
    venue = core.venues.get(name)
    return venue is not None and venue.traits.quotes_echo


def _fresh(core: TradingCore, bad_ticks: BadTickFilter, level_times: LevelTimes) -> FreshPrices:
    return FreshPrices(
        prices=core.prices,
        symbols=core.symbols,
        calendars=core.calendars,
        venues=core.venues,
        levels_since=level_times.of,
        is_doubted=bad_ticks.is_doubted,
    )


def _resting(
    core: TradingCore,
    placement: Placement,
    evidence: ExitEvidence,
    refusals: RefusedStops,
    limit_offsets: Mapping[VenueName, Decimal],
) -> tuple[ExitPlacement, RestingStops]:
    groups = ExitPlacement(
        database=core.database,
        clock=core.clock,
        venues=core.venues,
        symbols=core.symbols,
        placement=placement,
        evidence=evidence,
    )
    stops = RestingStops(
        placement=groups,
        refusals=refusals,
        database=core.database,
        clock=core.clock,
        prices=core.prices,
        symbols=core.symbols,
        calendars=core.calendars,
        venues=refusals.venues,
        limit_offsets=limit_offsets,
        times=UnprotectedTimes(core.database, core.clock, core.symbols, core.calendars),
    )
    return groups, stops


def _sweep(
    core: TradingCore,
    tracked: TrackedPositions,
    fresh: FreshPrices,
    *,
    bad_ticks: BadTickFilter,
    market_exits: MarketExits,
    stops: RestingStops,
    pauses: SplitPauses,
) -> Sweep:
    return Sweep(
        tracked=tracked,
        fresh=fresh,
        bad_ticks=bad_ticks,
        market_exits=market_exits,
        resting=stops,
        pauses=pauses,
        symbols=core.symbols,
        calendars=core.calendars,
        venues=core.venues,
        clock=core.clock,
        sequential=core.sequential,
    )


def _hours(core: TradingCore) -> dict[str, Calendar]:
    """Return the calendars of symbols that do not trade around the clock."""
    return {
        name: core.calendars[symbol.calendar]
        for name, symbol in core.symbols.items()
        if symbol.calendar != ALWAYS_OPEN
    }


def resting_venues(
    venues: Mapping[VenueName, Venue], allowed: Collection[VenueName] | None
) -> dict[VenueName, Venue]:
    """Return the venues where stops may rest and are configured to (*allowed* None: all)."""
    return {
        name: venue
        for name, venue in venues.items()
        if venue.traits.resting_stops and (allowed is None or name in allowed)
    }
