"""Obstacles to an entry, read from the database in the very transaction that writes it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, OrderDeniedError
from tradebotd.domain.order import OrderIntent
from tradebotd.storage import entry_rows
from tradebotd.storage.bots import Counters, DecisionRecord, decided_already
from tradebotd.storage.leadership import lease_lost
from tradebotd.storage.orders import NewOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.loss_halts import AccountHalt
from tradebotd.trading.execution.lease import Lease

PASSING: Final = frozenset(  # gone once settled
    {DenialRule.ORDER_UNKNOWN, DenialRule.ENTRY_REVIVED, DenialRule.EXIT_LEFT_OVER}
)

LimitOf = Callable[[Counters], str | None]


def unlimited(_: Counters) -> str | None:
    return None


async def hold(
    connection: Connection, intent: OrderIntent, now: datetime, limit_of: LimitOf
) -> str | None:
    """Hold what a stop of entries changes; return the limit that the bot's day has reached.

    Raises OrderDeniedError. The halts and the bot's state are locked FOR SHARE: a halt or a pause
    that commits later comes after this order, and finds it.
    """
    held = await entry_rows.lock(connection, intent.bot)
    if held.halt is not None:
        raise OrderDeniedError(DenialRule.HALTED, str(held.halt["reason"]))
    stored = held.account_halt
    account_halt = None if stored is None else AccountHalt.read(stored)
    if account_halt is not None and account_halt.holds(now):
        raise OrderDeniedError(account_halt.rule, account_halt.detail)
    if held.counters is None:
        raise _denial(intent, DenialRule.BOT_STOPPED)
    if held.paused_by == "user":
        raise _denial(intent, DenialRule.PAUSED_BY_USER)
    return limit_of(held.counters)


async def insert_entry(
    connection: Connection,
    lease: Lease,
    order: NewOrder,
    decision: DecisionRecord | None,
    limit: str | None,
) -> None:
    """Insert the row of an entry behind `hold`, which has returned *limit*.

    Raises OrderDeniedError, AccountTakenError when the lease is no longer ours.
    """
    intent = order.intent
    row = await entry_rows.insert(
        connection, lease.account, lease.token, order, decision, is_denied=limit is not None
    )
    if row.obstacle is not None:
        raise _denial(intent, row.obstacle)
    if limit is not None:
        raise _denial(intent, DenialRule.DAILY_LIMIT, limit)
    if not row.leads:
        raise lease_lost(lease.account)
    if row.made:
        return
    if decision is None:
        raise AssertionError(f"order {order.id} was not inserted, and nothing kept it out")
    raise decided_already(decision)


def _denial(intent: OrderIntent, rule: DenialRule, shown: str | None = None) -> OrderDeniedError:
    error = EntryPostponedError if rule in PASSING else OrderDeniedError
    return error(
        rule, f"{intent.bot} may not enter {intent.request.symbol} now", shown=shown or rule.value
    )
