"""Views and commands behind the control socket, wired."""

from functools import partial
from typing import Literal

from tradebotd.config.model import Config
from tradebotd.config.venue_places import place_of_venue
from tradebotd.control.messages.status import State, VenueState
from tradebotd.daemon.app import App
from tradebotd.daemon.disk_watch import guards_of
from tradebotd.daemon.operator.bot_view import BotView
from tradebotd.daemon.operator.job_commands import JobCommands
from tradebotd.daemon.operator.market_view import MarketView
from tradebotd.daemon.operator.operator import Operator
from tradebotd.daemon.operator.position_view import PositionView
from tradebotd.daemon.operator.status_view import StatusView
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.daemon.wiring.market import Market
from tradebotd.daemon.wiring.trading import Trading
from tradebotd.storage.postgres.database import Database


def wire_operator(
    config: Config, database: Database, market: Market, trading: Trading, app: App
) -> Operator:
    clock = market.clock
    today = TodaysPnl(
        specs=trading.specs, symbols=trading.symbols, currencies=trading.account.currencies
    )
    status = StatusView(
        database=database,
        clock=clock,
        runner=app.runner,
        scheduler=app.scheduler,
        prices=market.prices,
        gate=trading.gate,
        lease=trading.lease,
        today=today,
        venues=[
            VenueState(name=name, kind=venue.kind, place=place_of_venue(venue))
            for name, venue in config.venues.items()
        ],
        source=_source(config),
        state=partial(_state, app),
        waits_for=lambda: app.waits_for,
        guards=partial(guards_of, trading.protection),
        doubtful=app.reloader.doubtful,
        not_reloaded=app.reloader.standing_failure,
    )
    market_view = MarketView(
        database=database, clock=clock, prices=market.prices, feeds=market.polled()
    )
    positions = PositionView(
        database=database,
        clock=clock,
        symbols=trading.symbols,
        market=market_view,
        protected_by=trading.protection.protected_by,
        resting_kind=trading.protection.resting_kind,
        resting_quantity=trading.protection.resting_quantity,
        unprotected_seconds=trading.protection.unprotected_seconds,
    )
    return Operator(
        database=database,
        clock=clock,
        status=status,
        jobs=JobCommands(
            database=database,
            clock=clock,
            runner=app.runner,
            scheduler=app.scheduler,
            tasks=app.tasks,
        ),
        bots=BotView(
            database=database, clock=clock, today=today, status=status, positions=positions
        ),
        positions=positions,
        market=market_view,
        gate=trading.gate,
        commands=trading.commands,
        hold=market.hold,
        reload=app.reload,
    )


def _source(config: Config) -> Literal["live", "replay", "synthetic"]:
    kinds = {feed.kind for feed in config.feeds.values()}
    if "synthetic" in kinds:
        return "synthetic"
    return "replay" if "replay" in kinds else "live"


def _state(app: App) -> State:
    if app.draining:
        return "stopping"
    return "running" if app.started else "starting"
