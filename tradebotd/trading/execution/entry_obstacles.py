"""Obstacles to an entry, read from the database in the very transaction that writes it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, OrderDeniedError
from tradebotd.domain.order import OrderIntent
from tradebotd.storage import bots, settings
from tradebotd.storage.bots import Counters
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.halts import AccountHalt

PASSING: Final = frozenset(  # gone once settled
    {DenialRule.ORDER_UNKNOWN, DenialRule.ENTRY_REVIVED, DenialRule.EXIT_LEFT_OVER}
)

LimitOf = Callable[[Counters], str | None]


def unlimited(_: Counters) -> str | None:
    return None


async def check_entry(
    connection: Connection,
    intent: OrderIntent,
    now: datetime,
    limit_of: LimitOf,
) -> None:
    """Check that an entry may be written. Raises OrderDeniedError.

    The halts and the bot's state are locked FOR SHARE: a halt or a pause that commits later comes
    after this order, and finds it.
    """
    halt, stored = await settings.share_halts(connection)
    if halt is not None:
        raise OrderDeniedError(DenialRule.HALTED, str(halt["reason"]))
    account_halt = None if stored is None else AccountHalt.read(stored)
    if account_halt is not None and account_halt.holds(now):
        raise OrderDeniedError(account_halt.rule, account_halt.detail)
    request = intent.request
    obstacle = await bots.entry_obstacle(
        connection, intent.bot, request.venue, request.symbol, limit_of
    )
    if obstacle is not None:
        rule, shown = obstacle
        error = EntryPostponedError if rule in PASSING else OrderDeniedError
        raise error(rule, f"{intent.bot} may not enter {request.symbol} now", shown=shown)
