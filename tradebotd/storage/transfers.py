"""`transfers` and `cash_keys`: deposits to and withdrawals from an account, reported or inferred."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.risk.account_units import Undone
from tradebotd.storage.equity import CashKey
from tradebotd.storage.postgres.database import Connection

# An inferred transfer may be timed by a clock slightly behind the venue's, or be reported days later.
SOONER: Final = timedelta(minutes=5)
LATER: Final = timedelta(days=7)

INSERT: Final[LiteralString] = """
    INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at, unweighed,
                           equity_before, began_anew, since_before)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (venue, transfer_id) DO NOTHING
    RETURNING transfer_id
"""
IS_KNOWN: Final[LiteralString] = """
    SELECT EXISTS (SELECT 1 FROM transfers WHERE venue = $1 AND transfer_id = $2)
"""
SELECT_INFERRED: Final[LiteralString] = """
    SELECT transfer_id, at, amount, worth, equity_before, began_anew, since_before FROM transfers
     WHERE account = $1 AND venue = $2 AND asset = $3 AND inferred AND amount <> 0 AND sign(amount) = sign($4::numeric)
       AND at BETWEEN $5 AND $6
     ORDER BY at, transfer_id
"""
LOCK_INFERRED: Final[LiteralString] = SELECT_INFERRED + " FOR UPDATE"
LESSEN: Final[LiteralString] = """
    UPDATE transfers SET amount = amount - $3, worth = worth - $4, equity_before = equity_before + $5
     WHERE venue = $1 AND transfer_id = $2
"""
# What was weighed at the same moment was weighed against an equity with that part in it.
LESSEN_OTHERS: Final[LiteralString] = """
    UPDATE transfers SET equity_before = equity_before - $5
     WHERE account = $1 AND inferred AND at = $4 AND NOT (venue = $2 AND transfer_id = $3)
"""
MARK_WEIGHED: Final[LiteralString] = """
    UPDATE transfers SET unweighed = 0 WHERE account = $1 AND unweighed <> 0 AND venue <> ALL ($2)
"""
SELECT_SINCE: Final[LiteralString] = """
    SELECT min(first_at) AS first_at,
           (SELECT max(at) FROM transfers AS t
             WHERE t.account = $1 AND t.venue = $2 AND NOT inferred AND at <= $3) AS last_at
      FROM purses WHERE account = $1 AND venue = $2
"""
SELECT_PURSES: Final[LiteralString] = """
    SELECT p.venue, p.asset, p.cash, p.booked, p.transferred, p.absorbed,
           coalesce(t.moved, 0) AS transferred_by_now, p.seen_at
      FROM purses AS p LEFT JOIN transfer_sums AS t USING (account, venue, asset)
     WHERE account = $1
     ORDER BY p.venue, p.asset
"""
PUT_PURSES: Final[LiteralString] = """
    WITH others AS (
        DELETE FROM purses AS p
         WHERE account = $1
           AND NOT EXISTS (SELECT 1 FROM unnest($2::text[] || $8::text[], $3::text[] || $9::text[]) AS k (venue, asset)
                            WHERE k.venue = p.venue AND k.asset = p.asset)
    )
    INSERT INTO purses (account, venue, asset, cash, booked, absorbed, transferred, first_at, seen_at)
    SELECT $1, venue, asset, cash, booked, absorbed,
           coalesce((SELECT moved FROM transfer_sums AS t
                      WHERE t.account = $1 AND t.venue = n.venue AND t.asset = n.asset), 0), $6, $6
      FROM unnest($2::text[], $3::text[], $4::numeric[], $5::numeric[], $7::numeric[])
           AS n (venue, asset, cash, booked, absorbed)
    ON CONFLICT (account, venue, asset)
    DO UPDATE SET cash = excluded.cash, booked = excluded.booked, transferred = excluded.transferred, absorbed = excluded.absorbed,
                  seen_at = excluded.seen_at
"""


class LastSeen(NamedTuple):
    """Purse (an asset at a venue) at the last snapshot. `told`: transfers reported since.

    `absorbed`: changes too small to be noticed, which our records lack.
    """

    cash: Decimal
    booked: Decimal
    told: Decimal
    absorbed: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part of an inferred transfer, in its asset; `undone` has its worth."""

    transfer_id: str
    amount: Decimal
    undone: Undone

    def split(self, most: Decimal) -> tuple["Part | None", "Part | None"]:
        """Split into a part of up to *most* (absolute), and the rest."""
        if not most:
            return None, self
        if most >= abs(self.amount):
            return self, None
        first = most.copy_sign(self.amount)
        worth = self.undone.part * first / self.amount
        rest = replace(
            self,
            amount=self.amount - first,
            undone=replace(self.undone, part=self.undone.part - worth),
        )
        return replace(self, amount=first, undone=replace(self.undone, part=worth)), rest


async def insert_inferred(
    connection: Connection,
    account: str,
    transfer: Transfer,
    worth: Decimal,
    *,
    against: Decimal | None,
    since_before: datetime | None,
) -> None:
    """Insert an inferred transfer in the transaction that weighs it.

    *against*: the equity before; None if there was none, and all units begin anew.
    """
    row = (True, transfer.at, transfer.at, Decimal(0), against, against is None, since_before)
    await connection.fetchval(INSERT, *_of(account, transfer), worth, *row)


async def insert_reported(
    connection: Connection, account: str, transfer: Transfer, rate: Decimal, now: datetime
) -> bool:
    """Insert a reported transfer, in the caller's transaction; False if it is known.

    *rate*: account currency per unit of the asset. The part that was inferred earlier is taken back
    and keeps its worth, since later snapshots have counted it; the rest is weighed at the next
    snapshot.
    """
    if await connection.fetchval(IS_KNOWN, transfer.venue, transfer.transfer_id):
        return False
    cash_key, at = (transfer.venue, transfer.asset), transfer.at
    parts, remaining = await inferred_parts(
        connection, account, cash_key, transfer.amount, at - SOONER, at + LATER, lock=True
    )
    await take_back(connection, account, transfer.venue, parts, weighed=True)
    unweighed = remaining * rate
    worth = sum((part.undone.part for part in parts), unweighed)
    row = (False, transfer.at, now, unweighed, None, False, None)
    new = await connection.fetchval(INSERT, *_of(account, transfer), worth, *row)
    return new is not None


def _of(account: str, transfer: Transfer) -> tuple[str, str, str, str, Decimal]:
    return transfer.venue, transfer.transfer_id, account, transfer.asset, transfer.amount


async def inferred_parts(
    connection: Connection,
    account: str,
    cash_key: CashKey,
    amount: Decimal,
    since: datetime,
    until: datetime,
    *,
    lock: bool,
) -> tuple[list[Part], Decimal]:
    """Return inferred parts up to *amount*, of its sign, oldest first; and the rest of *amount*."""
    remaining, parts = amount, []
    venue, asset = cash_key
    sql = LOCK_INFERRED if lock else SELECT_INFERRED
    for row in await connection.fetch(sql, account, venue, asset, amount, since, until):
        part = min(remaining, row["amount"], key=abs)
        if not part:
            break
        undone = Undone(
            at=row["at"],
            worth=row["worth"],
            part=row["worth"] if part == row["amount"] else row["worth"] * part / row["amount"],
            against=row["equity_before"],
            began_anew=row["began_anew"],
            since_before=row["since_before"],
        )
        parts.append(Part(transfer_id=row["transfer_id"], amount=part, undone=undone))
        remaining -= part
    return parts, remaining


async def take_back(
    connection: Connection,
    account: str,
    venue: VenueName,
    parts: Sequence[Part],
    *,
    weighed: bool,
) -> None:
    """Reduce inferred transfers by *parts*.

    *weighed*: the units go on counting them, against a transfer back. Otherwise they never
    happened, and the caller undoes the units in the same transaction.
    """
    for part in parts:
        undone = part.undone
        # The rest of it was weighed upon what the units go on counting.
        stays = undone.part if weighed else Decimal(0)
        await connection.execute(LESSEN, venue, part.transfer_id, part.amount, undone.part, stays)
        if not weighed:
            await connection.execute(
                LESSEN_OTHERS, account, venue, part.transfer_id, undone.at, undone.part
            )


async def mark_weighed(
    connection: Connection, account: str, but_for: Collection[VenueName]
) -> None:
    """Mark the transfers weighed, but for those of venues that have not counted them yet."""
    await connection.execute(MARK_WEIGHED, account, sorted(but_for))


async def select_since(
    connection: Connection, account: str, venue: VenueName, now: datetime
) -> tuple[datetime, datetime] | None:
    """Return when the venue's purses were first seen, and its last reported transfer since.

    Returns None if they were not seen. A transfer dated in the future hides no later one.
    """
    row = await connection.fetchrow(SELECT_SINCE, account, venue, now)
    first: datetime | None = row["first_at"]
    return None if first is None else (first, row["last_at"] or first)


async def select_last_seen(connection: Connection, account: str) -> dict[CashKey, LastSeen]:
    return last_seen_of(await connection.fetch(SELECT_PURSES, account))


def last_seen_of(rows: Iterable[Any]) -> dict[CashKey, LastSeen]:
    """Build the purses from rows with the columns of SELECT_PURSES, in their order."""
    return {
        (VenueName(venue), asset): LastSeen(
            cash=cash, booked=booked, told=moved - transferred, absorbed=absorbed, at=at
        )
        for venue, asset, cash, booked, transferred, absorbed, moved, at in rows
    }


async def put_last_seen(
    connection: Connection,
    account: str,
    cash: Mapping[CashKey, Decimal],
    booked: Mapping[CashKey, Decimal],
    absorbed: Mapping[CashKey, Decimal],
    now: datetime,
    *,
    kept: Collection[CashKey] = (),
) -> None:
    """Store the purses as all that the account has; others are deleted.

    *kept*: purses that stay as they were stored.
    """
    cash_keys: Sequence[CashKey] = sorted(cash.keys() - set(kept))
    venues, assets = [venue for venue, _ in cash_keys], [asset for _, asset in cash_keys]
    await connection.execute(
        PUT_PURSES,
        account,
        venues,
        assets,
        [cash[cash_key] for cash_key in cash_keys],
        [booked.get(cash_key, Decimal(0)) for cash_key in cash_keys],
        now,
        [absorbed.get(cash_key, Decimal(0)) for cash_key in cash_keys],
        [venue for venue, _ in kept],
        [asset for _, asset in kept],
    )
