"""What a seed may draw. Each draw has a name, so that it can be left out while its mend is awaited."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Draw(StrEnum):
    """One group of habits: of the markets, the bots, the venue, the machine or the operator."""

    FILTERS = "filters"  # ticks, lots, least and most of a symbol
    STRICT = "strict"  # the venue refuses what a real one refuses
    SIZING = "sizing"
    RANGES = "ranges"  # exits and sizes by the average true range
    LADDERS = "ladders"  # with a target, or selling all
    NO_STOP = "no_stop"
    SHORTS = "shorts"
    COOLDOWN = "cooldown"
    BOT_LIMITS = "bot_limits"
    ACCOUNT_LIMITS = "account_limits"
    ZONES = "zones"
    CURRENCIES = "currencies"
    LEVERAGE = "leverage"
    POOR = "poor"
    PARTS = "parts"  # partly filled, and resting on
    FEES = "fees"  # in any asset, and rebates
    FUNDING = "funding"
    FORCED = "forced"  # liquidation, auto-deleveraging
    TRANSFERS = "transfers"
    HANDS = "hands"  # that sell, too, and cancel what is ours
    RELOAD = "reload"  # bots leave and come back, symbols at a restart
    VENUES = "venues"  # two of them
    SESSIONS = "sessions"
    SLOW = "slow"  # quotes and accounts that take seconds, a stream that is silent for minutes
    WINDOWS = "windows"  # the operator's word in the middle of any await
    ALIENS = "aliens"  # exceptions that nobody foresaw
    LIES = "lies"  # a single tick far from all others


ALL: Final = frozenset(Draw)
# What the suite draws. A draw is taken out while the mend of what it has found is awaited: then it
# says here what that is.
WAITING: Final[frozenset[Draw]] = frozenset()
LANDED: Final = ALL - WAITING


def parse(words: Iterable[str]) -> frozenset[Draw]:
    """`landed`, `all`, `none`, names, and `no-` before the name of one. Raises ValueError."""
    found: set[Draw] = set()
    for word in words:
        match word:
            case "all":
                found |= ALL
            case "landed":
                found |= LANDED
            case "none":
                found.clear()
            case _ if word.startswith("no-"):
                found.discard(Draw(word.removeprefix("no-")))
            case _:
                found.add(Draw(word))
    return frozenset(found)
