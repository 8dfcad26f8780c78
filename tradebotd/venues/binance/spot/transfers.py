"""Money that came in or left otherwise than by trading: deposits, withdrawals, transfers. Pure.

Three lists of the wallet, which the demo and the testnet do not have. Each record has an id of its
own list; `wallet` says which of the account's wallets it concerned: the spot wallet alone counts.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.venues.binance.payload import Node

_CREDITED: Final = (1, 6)  # statuses of a deposit: done; in the balance, and not yet withdrawable
_WITHDRAWN: Final = 6  # status of a withdrawal: completed
_SPOT_WALLET: Final = 0
LONGEST: Final = timedelta(days=90)  # of one question
TRANSFERS_REACH: Final = timedelta(days=180)  # and no further back
# Transfers between wallets of one account, by their type: into the spot wallet, and out of it.
WALLETS: Final = ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING", "OPTION", "PORTFOLIO_MARGIN")
INTO: Final = tuple(f"{each}_MAIN" for each in WALLETS)
OUT_OF: Final = tuple(f"MAIN_{each}" for each in WALLETS)
_WRITTEN: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


def deposit_of(told: Node, venue: VenueName) -> Transfer | None:
    """Read one deposit; None while it is not credited, or where it was to another wallet."""
    if told.integer("status") not in _CREDITED or not _is_of_spot(told):
        return None
    at = told.instant("completeTime" if told.has("completeTime") else "insertTime")
    return Transfer(
        venue=venue,
        transfer_id=f"deposit-{told.text('id')}",
        asset=told.text("coin"),
        amount=told.not_negative("amount"),
        at=at,
    )


def withdrawal_of(told: Node, venue: VenueName) -> Transfer | None:
    """Read one withdrawal, its cost included; None while it is not done, or of another wallet."""
    if told.integer("status") != _WITHDRAWN or not _is_of_spot(told):
        return None
    return Transfer(
        venue=venue,
        transfer_id=f"withdrawal-{told.text('id')}",
        asset=told.text("coin"),
        amount=-(told.not_negative("amount") + told.not_negative("transactionFee")),
        at=_written(told.field("completeTime")),
    )


def transfer_of(told: Node, venue: VenueName) -> Transfer | None:
    """Read one transfer between wallets; None while it is not done."""
    if told.text("status") != "CONFIRMED":
        return None
    kind, amount = told.text("type"), told.not_negative("amount")
    if kind not in INTO and kind not in OUT_OF:
        raise told.malformed(f"is of type {kind!r}, which was not asked for")
    return Transfer(
        venue=venue,
        transfer_id=f"transfer-{told.integer('tranId')}",
        asset=told.text("asset"),
        amount=amount if kind in INTO else -amount,
        at=told.instant("timestamp"),
    )


def _is_of_spot(told: Node) -> bool:
    return not told.has("walletType") or told.integer("walletType") == _SPOT_WALLET


def _written(told: Node) -> datetime:
    """Read `2026-03-23 16:52:41`, which is UTC."""
    text = told.as_text()
    if not _WRITTEN.fullmatch(text):
        raise told.malformed("is no time")
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise told.malformed("is no time") from error
