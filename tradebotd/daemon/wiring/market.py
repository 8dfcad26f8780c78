"""Wiring of time, prices and candles."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from tradebotd.clocks.market import MarketClock
from tradebotd.clocks.wall import WallClock
from tradebotd.config.model import Config
from tradebotd.config.sections import FeedSection
from tradebotd.daemon.wiring.files import LoadedFiles, used_feeds
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.feeds.replay import ReplayFeed
from tradebotd.feeds.synthetic import SyntheticFeed
from tradebotd.market.calendar_ends import exchanges
from tradebotd.market.calendar_extension import extend_all
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_cache import PriceCache
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.market.writer import CandleWriter
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import Feed, PolledFeed, SimulatedFeed
from tradebotd.scheduling.timeline import Reached, read_reached
from tradebotd.storage.postgres.database import Database


@dataclass(slots=True, kw_only=True)
class Market:
    clock: Clock
    begins_at: datetime
    reached: Reached
    feeds: Mapping[FeedName, Feed]
    prices: PriceCache
    ingest: Ingest
    reader: CandleReader
    writer: CandleWriter
    data_ends: datetime | None
    outside: Outside

    def simulated(self) -> dict[FeedName, SimulatedFeed]:
        """Return the feeds that carry their own time: all of them, or none."""
        return {
            name: feed
            for name, feed in self.feeds.items()
            if isinstance(feed, ReplayFeed | SyntheticFeed)
        }

    def polled(self) -> dict[FeedName, PolledFeed]:
        """Return the feeds whose prices are asked for."""
        return {name: feed for name, feed in self.feeds.items() if isinstance(feed, PolledFeed)}

    async def close(self) -> None:
        """Close what the feeds keep open."""
        for feed in self.polled().values():
            await feed.close()
        await self.outside.close()

    def hold(self) -> AbstractContextManager[None]:
        """Keep a clock that jumps from price to price still while the block runs."""
        return self.clock.hold() if isinstance(self.clock, MarketClock) else nullcontext()


async def wire_market(
    config: Config, files: LoadedFiles, database: Database, symbol_ids: Mapping[str, SymbolId]
) -> Market:
    since, ends = _span(config, files)
    reached = _still_reached(await read_reached(database), since, ends)
    clock = _clock(config, reached, since)
    # A resumed simulation may be years beyond what was loaded for its start.
    await extend_all(exchanges(files.calendars), clock.now().date())
    outside = Outside()
    feeds = {
        FeedName(name): _feed(FeedName(name), section, files, clock, outside)
        for name, section in _used(config, files)
    }
    reader = CandleReader(database, symbol_ids)
    writer = CandleWriter(database, symbol_ids, clock)
    ingest = Ingest(
        database=database,
        symbols=files.symbols,
        symbol_ids=symbol_ids,
        feeds=feeds,
        calendars={ALWAYS_OPEN: AlwaysOpen(), **files.calendars},  # that of a watchlist
        writer=writer,
        reader=reader,
        clock=clock,
        since=since,
    )
    return Market(
        clock=clock,
        begins_at=clock.now() if since is None else reached.at or since,
        reached=reached,
        feeds=feeds,
        prices=PriceCache(config.account_limits().bad_tick, config.spreads()),
        ingest=ingest,
        reader=reader,
        writer=writer,
        data_ends=ends,
        outside=outside,
    )


def _span(config: Config, files: LoadedFiles) -> tuple[datetime | None, datetime | None]:
    """Return start and end of simulated data; None: wall clock, or no end."""
    starts = [recordings.span()[0] for recordings in files.recordings.values()]
    ends: list[datetime | None] = [recordings.span()[1] for recordings in files.recordings.values()]
    for _, section in _used(config, files):
        if section.kind == "synthetic":
            starts.append(section.start)
            ends.append(None)
    if not starts:
        return None, None
    known = [end for end in ends if end is not None]
    return min(starts), max(known) if len(known) == len(ends) else None


def _used(config: Config, files: LoadedFiles) -> list[tuple[str, FeedSection]]:
    used = used_feeds(files.symbols)
    return [(name, section) for name, section in config.feeds.items() if name in used]


def _still_reached(reached: Reached, since: datetime | None, ends: datetime | None) -> Reached:
    """Continue a replay that had ended, if there is more data now.

    One that had ended before its first candle played nothing and starts anew.
    """
    if not reached.ended or reached.at is None or ends is None or reached.at >= ends:
        return reached
    begun = since is not None and reached.at >= since
    return Reached(reached.at if begun else None, ended=False)


def _clock(config: Config, reached: Reached, since: datetime | None) -> Clock:
    if since is None:
        return WallClock()
    return MarketClock(reached.at or since, config.speed)


def _feed(
    name: FeedName, section: FeedSection, files: LoadedFiles, clock: Clock, outside: Outside
) -> Feed:
    match section.kind:
        case "replay":
            return ReplayFeed(name, files.recordings[name], clock)
        case "synthetic":
            return SyntheticFeed(
                name,
                files.symbols,
                seed=section.seed,
                volatility=float(section.volatility),
                start=section.start,
                clock=clock,
            )
        case "twelvedata":
            from tradebotd.daemon.wiring.live_feeds import twelvedata  # noqa: PLC0415 - not for all

            return twelvedata(name, section, files.feed_keys[name], clock)
        case "binance":
            from tradebotd.daemon.wiring.binance_feed import binance  # noqa: PLC0415

            return binance(name, section, clock, outside)
        case "alpaca":
            from tradebotd.daemon.wiring.alpaca_feed import alpaca  # noqa: PLC0415

            return alpaca(name, section, files, clock, outside)
        case _:
            raise ConfigError([f"feeds.{name}.kind: {section.kind!r} is not available"])
