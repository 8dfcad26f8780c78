"""`transfers` and `purses`: what came into an account and left it, told or inferred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.storage.database import Connection
from tradebotd.storage.equity import Purse

# What was inferred may have been seen by a clock that is a little behind the venue's, or told days later.
SOONER: Final = timedelta(minutes=5)
LATER: Final = timedelta(days=7)

INSERT: Final[LiteralString] = """
    INSERT INTO transfers (venue, transfer_id, account, asset, amount, worth, inferred, at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (venue, transfer_id) DO NOTHING
    RETURNING transfer_id
"""
IS_KNOWN: Final[LiteralString] = """
    SELECT EXISTS (SELECT 1 FROM transfers WHERE venue = $1 AND transfer_id = $2)
"""
LOCK_INFERRED: Final[LiteralString] = """
    SELECT transfer_id, amount, worth FROM transfers
     WHERE account = $1 AND venue = $2 AND asset = $3 AND inferred AND amount <> 0 AND sign(amount) = sign($4::numeric)
       AND at BETWEEN $5 AND $6
     ORDER BY at, transfer_id
       FOR UPDATE
"""
LESSEN: Final[LiteralString] = """
    UPDATE transfers SET amount = amount - $3, worth = worth - $4 WHERE venue = $1 AND transfer_id = $2
"""
SELECT_SINCE: Final[LiteralString] = """
    SELECT min(first_at) AS first_at,
           (SELECT max(at) FROM transfers AS t WHERE t.account = $1 AND t.venue = $2 AND NOT inferred) AS last_at
      FROM purses WHERE account = $1 AND venue = $2
"""
SELECT_PURSES: Final[LiteralString] = """
    SELECT p.venue, p.asset, p.cash, p.booked, p.transferred,
           coalesce(t.moved, 0) AS transferred_by_now
      FROM purses AS p LEFT JOIN transfer_sums AS t USING (account, venue, asset)
     WHERE account = $1
     ORDER BY p.venue, p.asset
"""
DELETE_OTHERS: Final[LiteralString] = """
    DELETE FROM purses AS p
     WHERE account = $1
       AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[]) AS k (venue, asset)
                        WHERE k.venue = p.venue AND k.asset = p.asset)
"""
PUT_PURSES: Final[LiteralString] = """
    INSERT INTO purses (account, venue, asset, cash, booked, transferred, first_at, seen_at)
    SELECT $1, venue, asset, cash, booked,
           coalesce((SELECT moved FROM transfer_sums AS t
                      WHERE t.account = $1 AND t.venue = n.venue AND t.asset = n.asset), 0), $6, $6
      FROM unnest($2::text[], $3::text[], $4::numeric[], $5::numeric[]) AS n (venue, asset, cash, booked)
    ON CONFLICT (account, venue, asset)
    DO UPDATE SET cash = excluded.cash, booked = excluded.booked, transferred = excluded.transferred,
                  seen_at = excluded.seen_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A purse at the last snapshot. `told`: what transfers have brought it since."""

    cash: Decimal
    booked: Decimal
    told: Decimal


async def insert_inferred(
    connection: Connection, account: str, transfer: Transfer, worth: Decimal
) -> None:
    await _insert(connection, account, transfer, worth, transfer.at, inferred=True)


async def insert_told(
    connection: Connection, account: str, transfer: Transfer, rate: Decimal, now: datetime
) -> bool:
    """In the caller's transaction. *rate*: of the account's currency for one of the asset.

    What was inferred of it before it was told is taken back, and keeps its worth: snapshots since
    have counted it already. False: it is known.
    """
    if await connection.fetchval(IS_KNOWN, transfer.venue, transfer.transfer_id):
        return False
    purse, at = (transfer.venue, transfer.asset), transfer.at
    left, worth = await take_back(
        connection, account, purse, transfer.amount, at - SOONER, at + LATER
    )
    worth += left * rate
    return await _insert(connection, account, transfer, worth, now, inferred=False)


async def take_back(
    connection: Connection,
    account: str,
    purse: Purse,
    amount: Decimal,
    since: datetime,
    until: datetime,
) -> tuple[Decimal, Decimal]:
    """Up to *amount* of what was inferred, of its sign, oldest first.

    Returns (what is left of *amount*, what the rest was worth).
    """
    left, worth = amount, Decimal(0)
    venue, asset = purse
    rows = await connection.fetch(LOCK_INFERRED, account, venue, asset, amount, since, until)
    for row in rows:
        part = min(left, row["amount"], key=abs)
        if not part:
            break
        its_worth = row["worth"] * part / row["amount"]
        await connection.execute(LESSEN, venue, row["transfer_id"], part, its_worth)
        left, worth = left - part, worth + its_worth
    return left, worth


async def _insert(
    connection: Connection,
    account: str,
    transfer: Transfer,
    worth: Decimal,
    now: datetime,
    *,
    inferred: bool,
) -> bool:
    new = await connection.fetchval(
        INSERT,
        transfer.venue,
        transfer.transfer_id,
        account,
        transfer.asset,
        transfer.amount,
        worth,
        inferred,
        transfer.at,
        now,
    )
    return new is not None


async def select_since(
    connection: Connection, account: str, venue: VenueName
) -> tuple[datetime, datetime] | None:
    """(when we first saw the venue's purses, the last transfer it told since). None: not seen."""
    row = await connection.fetchrow(SELECT_SINCE, account, venue)
    first: datetime | None = row["first_at"]
    return None if first is None else (first, row["last_at"] or first)


async def select_purses(connection: Connection, account: str) -> dict[Purse, Seen]:
    return {
        (VenueName(row["venue"]), row["asset"]): Seen(
            cash=row["cash"],
            booked=row["booked"],
            told=row["transferred_by_now"] - row["transferred"],
        )
        for row in await connection.fetch(SELECT_PURSES, account)
    }


async def put_purses(
    connection: Connection,
    account: str,
    cash: Mapping[Purse, Decimal],
    booked: Mapping[Purse, Decimal],
    now: datetime,
) -> None:
    """These are all the account has."""
    purses: Sequence[Purse] = sorted(cash)
    venues, assets = [venue for venue, _ in purses], [asset for _, asset in purses]
    await connection.execute(DELETE_OTHERS, account, venues, assets)
    await connection.execute(
        PUT_PURSES,
        account,
        venues,
        assets,
        [cash[each] for each in purses],
        [booked.get(each, Decimal(0)) for each in purses],
        now,
    )
