"""Rights of an API key, and why the daemon does not trade with some keys. Pure.

A key that trades needs to read and to trade, and nothing else. One that can move money elsewhere
turns a stolen file into an empty account, so it is refused; one that any address may use is refused
for live money unless the file says that this is wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tradebotd.venues.binance.payload import Node

# Fields of GET /sapi/v1/account/apiRestrictions, and what each lets a key do.
MOVES_MONEY: Final = {
    "enableWithdrawals": "withdraw",
    "enableInternalTransfer": "transfer to other accounts",
    "permitsUniversalTransfer": "transfer between wallets",
}
NOT_OF_USE: Final = {
    "enableMargin": "borrow on margin",
    "enableVanillaOptions": "trade options",
    "enableFixApiTrade": "trade by FIX",
    "enablePortfolioMarginTrading": "trade on portfolio margin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Rights of one key. `moves_money`, `not_of_use`: in words."""

    reads: bool
    trades: bool
    restricted: bool  # to the addresses that its owner has listed
    moves_money: tuple[str, ...]
    not_of_use: tuple[str, ...]


def permissions_of(told: Node, *, trades: str) -> Permissions:
    """Read the answer; *trades*: the field that must be true. Raises MalformedAnswerError.

    A field of those that move money must be there: left out is not forbidden.
    """
    return Permissions(
        reads=told.flag("enableReading"),
        trades=told.flag(trades),
        restricted=told.flag("ipRestrict"),
        moves_money=tuple(words for name, words in MOVES_MONEY.items() if told.flag(name)),
        not_of_use=tuple(
            words for name, words in NOT_OF_USE.items() if told.has(name) and told.flag(name)
        ),
    )


def key_refusals(key: Permissions, *, allow_unrestricted: bool) -> Iterator[str]:
    """Yield why nothing is traded with the key."""
    if key.moves_money:
        yield f"the API key may {' and '.join(key.moves_money)}; make one that may only trade"
    if not key.reads or not key.trades:
        lacks = [name for name, has in (("read", key.reads), ("trade", key.trades)) if not has]
        yield f"the API key may not {' nor '.join(lacks)}"
    if not key.restricted and not allow_unrestricted:
        yield (
            "the API key works from any address: restrict it to this machine's, or set"
            " allow_unrestricted_key = true"
        )


def key_warnings(key: Permissions, *, allow_unrestricted: bool) -> Iterator[str]:
    """Yield what is said at each start of a key that is taken all the same."""
    if not key.restricted and allow_unrestricted:
        yield "the API key works from any address (allow_unrestricted_key)"
    if key.not_of_use:
        yield f"the API key may also {' and '.join(key.not_of_use)}, which is not needed"
