"""Problems of the tables about what venues tell everybody, and of the jobs that ask for it."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tradebotd.config.binance_feeds import market_of
from tradebotd.config.binance_weights import MINUTE_LIMITS, book_weight, trades_weight
from tradebotd.config.feed_credits import times_in
from tradebotd.config.model import Config
from tradebotd.config.public_places import places_by_name, recordable, recorded_at
from tradebotd.domain.calendar_aliases import one_name

TRADES: Final = "ingest_trades"
BOOKS: Final = "ingest_orderbook"
SCREEN: Final = "universe_screen"
EVERY: Final = timedelta(seconds=10)  # as both jobs' own schedule has it
SHARE: Final = 0.5  # of a minute's weight that records may cost: prices and orders need the rest
NEW_YORK: Final = "XNYS"
_MINUTE: Final = timedelta(minutes=1)


def public_problems(config: Config) -> Iterator[str]:
    yield from _records(config)
    yield from _weights(config)
    yield from _universe(config)


def screened_from(config: Config) -> str | None:
    """Return the venue or feed whose assets are screened; None: there is none, or several are."""
    if config.universe.source is not None:
        return config.universe.source
    found = _sources(config)
    return found[0] if len(found) == 1 else None


def _sources(config: Config) -> list[str]:
    """Return what may be screened: places of Binance spot, and venues of Alpaca."""
    spot = [name for name, place in places_by_name(config).items() if place.market == "spot"]
    first = {places_by_name(config)[name].name: name for name in reversed(spot)}
    alpaca = [name for name, venue in config.venues.items() if venue.kind == "alpaca"]
    return [*first.values(), *alpaca]


def _is_on(config: Config, job: str) -> bool:
    section = config.jobs.get(job)
    return section is not None and bool(section.enabled)


def _records(config: Config) -> Iterator[str]:
    known = {symbol.symbol for symbol in config.symbols}
    everywhere = recordable(config)
    for number, symbol in enumerate(config.public_data.symbols):
        path = f"public_data.symbols[{number}]"
        if symbol not in known:
            yield f"{path}: there is no symbol {symbol!r}; known are {', '.join(sorted(known))}"
        elif symbol not in everywhere:
            yield f"{path}: neither its venue nor a feed of it is of Binance, which tells records"
    for job in (TRADES, BOOKS):
        if _is_on(config, job) and not everywhere:
            yield (
                f"jobs.{job}.enabled: no symbol has a venue or feed of Binance, whose public data"
                " is recorded"
            )


def _weights(config: Config) -> Iterator[str]:
    """M3.3: refuse records that would leave the prices of the others too little."""
    counts = Counter(at.place for at in recorded_at(config).values())
    for place, count in counts.items():
        limit = round(MINUTE_LIMITS[place.market] * SHARE)
        costs = {
            job: weight * times_in(config.jobs[job].every or EVERY, _MINUTE)
            for job, weight in (
                (TRADES, trades_weight(place.market)),
                (BOOKS, book_weight(place.market, config.public_data.levels)),
            )
            if _is_on(config, job)
        }
        one = sum(costs.values())
        if count * one > limit:
            yield (
                f"public_data.symbols: {count} symbols of {place.name} cost"
                f" {count * one} of weight a minute by {' and '.join(costs)}; half of what there"
                f" is are {limit}: name {limit // one} symbols, or let the jobs run less often"
            )


def _universe(config: Config) -> Iterator[str]:
    universe = config.universe
    for least, most in (("min_price", "max_price"), ("min_volatility", "max_volatility")):
        low, high = getattr(universe, least), getattr(universe, most)
        if low is not None and high is not None and low > high:
            yield f"universe.{least}: above {most}: nothing would pass"
    if universe.size > universe.sample:
        yield f"universe.size: at most the sample of {universe.sample}, was {universe.size}"
    yield from _source(config)
    yield from _pulled(config)


def _pulled(config: Config) -> Iterator[str]:
    """Yield why the watchlist's candles cannot come from `pull_from`."""
    told, source = config.universe.pull_from, screened_from(config)
    if told is None:
        return
    feed = config.feeds.get(told)
    used = {name for symbol in config.symbols for name in symbol.feeds}
    venue = config.venues.get(source or "")
    of_alpaca = venue is not None and venue.kind == "alpaca"
    if feed is None or told not in used:
        known = ", ".join(sorted(used))
        yield f"universe.pull_from: {told!r} is no feed of a symbol; known are {known}"
    elif source is None:
        yield "universe.pull_from: without a source there is no watchlist"
    elif of_alpaca and feed.kind != "alpaca":
        yield (
            f"universe.pull_from: {told!r} is of kind {feed.kind!r}; candles of Alpaca's shares"
            " come from a feed of Alpaca"
        )
    elif of_alpaca and NEW_YORK not in {one_name(symbol.calendar) for symbol in config.symbols}:
        yield f'universe.pull_from: shares need the calendar "{NEW_YORK}", which no symbol has'
    elif not of_alpaca and (feed.kind != "binance" or market_of(feed) != "spot"):
        yield f"universe.pull_from: {told!r} is no feed of Binance spot, as the watchlist is"


def _source(config: Config) -> Iterator[str]:
    found = _sources(config)
    names = {*found, *places_by_name(config)}
    told = config.universe.source
    usual = "a venue or feed of Binance spot, or a venue of Alpaca"
    if told is not None:
        place = places_by_name(config).get(told)
        if told not in names or (place is not None and place.market != "spot"):
            yield f"universe.source: {told!r} is none; it names {usual}"
    elif _is_on(config, SCREEN) and len(found) != 1:
        there = f"there are {', '.join(found)}" if found else "there is none"
        yield f"universe.source: required; it names {usual}: {there}"
