"""What is said of an API key before anything is traded with it. Pure.

Alpaca has no endpoint that tells what a key may do, and its trading keys also reach withdrawals of
crypto. So nothing can be refused by rights: it is said at each start, and no such path can be
called.
"""

from collections.abc import Iterator
from typing import Final

from tradebotd.venues.alpaca.answers import AccountState

# [reported] How keys and accounts begin.
LIVE_KEY: Final = "AK"
PAPER_KEY: Final = "PK"
PAPER_ACCOUNT: Final = "PA"
ACTIVE: Final = "ACTIVE"
CANNOT_TELL: Final = (
    "Alpaca does not tell what an API key may do: this one reaches withdrawals of crypto, too, and"
    " works from any address. The daemon calls none of that; keep the key in no other place"
)
STOPS_SLEEP: Final = (
    "stops of shares at Alpaca do not run before, after and between the sessions: a price that"
    " opens beyond one is sold at what it opens with"
)
FEES_LATER: Final = (
    "sales of shares cost regulatory fees (SEC, TAF) that Alpaca takes at the end of the day: they"
    " are not in the fills, and results are shown without them"
)


def swapped_key(key_id: str, *, live: bool) -> str | None:
    """Return why *key_id* cannot be meant for this venue, by how it begins."""
    if live and key_id.startswith(PAPER_KEY):
        return "the API key is one of a paper account, and live = true: take the live account's"
    if not live and key_id.startswith(LIVE_KEY):
        return "the API key is one of a live account, and this is a rehearsal: say live = true"
    return None


def account_refusals(account: AccountState, *, live: bool) -> Iterator[str]:
    """Yield why nothing is traded in the account."""
    if account.blocked:
        yield f"the account takes no orders: {', '.join(account.blocked)}"
    if account.status != ACTIVE:
        yield f"the account is {account.status}, not {ACTIVE}"
    if live and account.number.startswith(PAPER_ACCOUNT):
        yield f"live = true, but {account.number} is a paper account"


def account_warnings(account: AccountState, *, stocks: bool = False) -> Iterator[str]:
    """Yield what is to be known before anything is traded. *stocks*: shares are traded."""
    yield CANNOT_TELL
    if stocks:
        yield STOPS_SLEEP
        yield FEES_LATER
    if account.can_short:
        yield (
            "the account may sell short: a sale of more than is held is refused because each says"
            " that it closes a position"
        )
