"""Orders of one account that would trade with each other: what venues do, and which of ours can.

Spot alone: two bots on one futures symbol are refused whatever the venue does, and orders of two
symbols never meet. All spot bots are long, so entries buy and exits sell. Pure.
"""

from enum import StrEnum
from typing import Final, NamedTuple

SELF_TRADE: Final = "self_trade"  # what a reason begins with, of an order that ended because of it


class SelfTrade(StrEnum):
    """A venue's treatment of an order of ours that would trade against another order of ours."""

    NEVER = "never"  # they cannot meet: it fills at prices of a market that has no orders of ours
    TRADES = "trades"  # nothing: it trades with itself, and pays both fees
    EXPIRES_RESTING = "expires_resting"  # Binance EXPIRE_MAKER
    EXPIRES_INCOMING = "expires_incoming"  # Binance EXPIRE_TAKER
    REJECTS = "rejects"  # Alpaca: 403, potential wash trade


class BotOrders(NamedTuple):
    """Orders that one bot may have at its venue. `enters`: it makes entries; `entry_rests`: as
    limit orders. `stops_rest`: conditional exits, and of those targets `on_book` as limit orders.
    """

    enters: bool
    entry_rests: bool
    stops_rest: bool
    targets_on_book: bool = False


def entry_meets_exits(kind: SelfTrade, entry: BotOrders) -> str | None:
    """Return what becomes of another bot's market exit while a limit entry of *entry*'s rests; None
    where that is nothing, or the entry's own end.
    """
    if not (entry.enters and entry.entry_rests):
        return None
    match kind:
        case SelfTrade.TRADES:
            return "would trade with it, and pay both fees"
        case SelfTrade.EXPIRES_INCOMING:
            return "would expire, and the position stay open"
        case SelfTrade.REJECTS:
            return "would be refused, and the position stay open"
        case SelfTrade.NEVER | SelfTrade.EXPIRES_RESTING:
            return None


def entry_meets_resting(kind: SelfTrade, entry: BotOrders, other: BotOrders) -> str | None:
    """Return what becomes of an entry of *entry*'s, or of resting exits of *other*'s."""
    if not entry.enters or not other.stops_rest:
        return None
    if kind is SelfTrade.REJECTS:
        return "it would be refused for as long as they rest"
    if not other.targets_on_book:
        return None  # conditional orders are on no book until they are met
    if kind is SelfTrade.TRADES:
        return "it would trade with a target, and pay both fees"
    if kind is SelfTrade.EXPIRES_RESTING:
        return "it would end a target, and what is linked to it: the position loses its stop"
    return None
