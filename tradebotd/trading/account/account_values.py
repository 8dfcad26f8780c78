"""Values of an account at one moment, and its standing towards the limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.ids import BotName, VenueName
from tradebotd.risk.limits import AccountState
from tradebotd.storage.equity import CashKey, OpenHolding, PendingEntry, Snapshot
from tradebotd.trading.account.unbooked_futures import FuturesDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """Cash and holdings at the prices of one moment, in the account's currency.

    `cash`: by venue and asset, in that asset. A bot whose former trades were in an asset that no
    longer converts is left out of `bots`. `of_one_moment`: no order was under way, and no fill came
    in between; `certain`: nor can there be a fill that we have not heard of. `pending`: entries
    that may still fill, from before and from after the venues were asked; `cautious`: of some of
    them a venue may have taken the cash already, so that they count twice. `silent`: venues that do
    not answer, and why; they count with what was last known of them, or with nothing if `unknown`.
    `booked`: what our books have moved in each purse. `behind`: our futures of which a venue holds
    more (by how much) or less, such as after a forced close. `powers`: the notional that an entry
    may still have, and `margins`: what futures hold, where a venue tells them.
    """

    account: Snapshot
    bots: Mapping[BotName, Snapshot]
    cash: Mapping[CashKey, Decimal]
    booked: Mapping[CashKey, Decimal]
    holdings: Sequence[OpenHolding]
    pending: Sequence[PendingEntry]
    cautious: bool
    of_one_moment: bool
    certain: bool
    silent: Mapping[VenueName, str]
    unknown: frozenset[VenueName]
    behind: frozenset[FuturesDifference]
    powers: Mapping[CashKey, Decimal]
    margins: Mapping[CashKey, Decimal]


class AccountStanding(NamedTuple):
    """Standing of the account; `state` is for the limits.

    `free`: cash that neither a margin nor a pending entry holds.
    """

    state: AccountState
    free: Mapping[CashKey, Decimal]
