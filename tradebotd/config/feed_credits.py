"""Credits of feeds that have so many a minute and a day, in view of what is asked of them."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from tradebotd.config.model import Config
from tradebotd.config.sections import FeedSection
from tradebotd.config.venue_hosts import host_of, other_vendor_problem, url_problems

PULL: Final = "realtime_pull"
PULL_EVERY: Final = timedelta(seconds=60)  # as the job's own schedule has it
PRICE_EVERY: Final = timedelta(seconds=60)
BASIC_A_MINUTE: Final = 8
BASIC_A_DAY: Final = 800
READS: Final = 0.8  # of a minute's credits; the others are kept for prices of what is held
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_LONGEST: Final = 24 * 60  # minutes between two questions


class Limits(NamedTuple):
    """*a_day*: None where the plan has no limit of a day."""

    a_minute: int
    a_day: int | None


def plan_limits(a_minute: int | None, a_day: int | None) -> Limits:
    """T6: credits of a minute and of a UTC day; those of the plan Basic where nothing is said.

    Only Basic has a limit of a day: who says more than its minute has no other one, unless said.
    """
    minute = BASIC_A_MINUTE if a_minute is None else a_minute
    if a_day is None and minute <= BASIC_A_MINUTE:
        return Limits(minute, BASIC_A_DAY)
    return Limits(minute, a_day)


def price_every(feed: FeedSection) -> timedelta:
    return feed.price_every or PRICE_EVERY


def feed_problems(name: str, feed: FeedSection) -> Iterator[str]:
    """Yield what a feed of Twelve Data lacks."""
    path = f"feeds.{name}"
    if feed.api_key is None:
        yield f'{path}.api_key: required; it says where the key is: {{ credential = "…" }}'
    base_url = f"{path}.base_url"
    harm = "the key could be read on its way"
    problems = [*url_problems(base_url, feed.base_url, "https", "http", harm=harm)]
    yield from problems
    if problems or feed.base_url is None:
        return
    if (wrong := other_vendor_problem("twelvedata", host_of(feed.base_url))) is not None:
        yield f"{base_url}: {wrong}"


def credit_problems(config: Config) -> Iterator[str]:
    """M3.3: refuse what the plan's credits cannot pay, and say what they can.

    A symbol counts at the first of its feeds; candles and prices cost a credit each (T5).
    """
    for name, feed in config.feeds.items():
        count = sum(1 for symbol in config.symbols if symbol.feeds and symbol.feeds[0] == name)
        if feed.kind == "twelvedata" and count:
            yield from _short(config, name, feed, count)


def _short(config: Config, name: str, feed: FeedSection, count: int) -> Iterator[str]:
    limits = plan_limits(feed.credits_per_minute, feed.credits_per_day)
    pull, price = pull_every(config), price_every(feed)
    what = f"{count} {'symbol costs' if count == 1 else 'symbols cost'}"
    pulls, prices = count * times_in(pull, _MINUTE), count * times_in(price, _MINUTE)
    if pulls > math.floor(limits.a_minute * READS) or pulls + prices > limits.a_minute:
        yield (
            f"feeds.{name}.credits_per_minute: {what} {pulls + prices} credits in a minute in which"
            f" candles and prices are asked for, of {limits.a_minute} ({READS:.0%} of them for"
            f" candles): {_fits(limits, count)}"
        )
        return
    day = count * (times_in(pull, _DAY) + times_in(price, _DAY))
    if limits.a_day is not None and day > limits.a_day:
        yield (
            f"feeds.{name}.credits_per_day: {what} {day} credits a day, of {limits.a_day}:"
            f" {_fits(limits, count)}"
        )


def _fits(limits: Limits, count: int) -> str:
    """What would fit, in the words of the file."""
    most = max(0, min(math.floor(limits.a_minute * READS), limits.a_minute // 2))
    if count > most:
        return f"at most {most} {'symbol fits' if most == 1 else 'symbols fit'}"
    minutes = 1
    if limits.a_day is not None:
        minutes = math.ceil(count * 2 * _LONGEST / limits.a_day)
    if minutes > _LONGEST:
        return "nothing fits"
    return f'[jobs.{PULL}] every = "{minutes}m" and price_every = "{minutes}m" would fit'


def pull_every(config: Config) -> timedelta:
    """Return how often candles are asked for."""
    job = config.jobs.get(PULL)
    if job is None:
        return PULL_EVERY
    if job.enabled is False or (job.every is None and job.at is not None):
        return _DAY
    return job.every or PULL_EVERY


def times_in(every: timedelta, span: timedelta) -> int:
    """Return how often something that is done *every* so long is done in *span*, at most."""
    return math.ceil(span / every)
